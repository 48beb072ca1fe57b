"""What kept answers depend on, by the version that names it: computed now, and as it was recorded.

python -m tests.jobs.recorded_answers records anew what has a raised version; with `--all`, everything: for a change of
the tests' own model, tokenizer or questions.

Nothing here hangs on the last bits of a sum, which differ between processors: constraints are walked with fixed
scores, and the model's own texts are few, short and clear of ties.
"""

import hashlib
import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any

from app.engines.base import DECODING
from app.engines.chat import load_chat_tokenizer
from app.engines.constraints.automaton import label_tokens, start_automaton
from app.engines.loading import create_engine
from app.openai.chat import ChatRequest
from app.predictor import Predictor
from app.prompting import TEMPLATE, PromptLibrary
from app.routing import ROUTING, route
from app.rows import read_rows
from app.settings import ROOT
from app.tasks.base import READING
from app.types import (
    Choice,
    Copy,
    GenerationRequest,
    JsonSchema,
    Message,
    OutputConstraint,
    Prediction,
    Question,
    Regex,
    SamplingParams,
    Selection,
    TextConstraint,
)
from tests.jobs.stepped_engine import SteppedEngine

VERSIONS = {"ROUTING": ROUTING, "READING": READING, "TEMPLATE": TEMPLATE, "DECODING": DECODING}
PLACES = {
    "ROUTING": "app/routing.py",
    "READING": "app/tasks/base.py",
    "TEMPLATE": "app/prompting.py",
    "DECODING": "app/engines/base.py",
}
FILE = Path(__file__).with_suffix(".json")
MODEL = ROOT / "tests" / "fixtures" / "mini"
TEXTS = (
    "",
    "2",
    " 3, 1 ,2",
    "The answer is 1.",
    "1. hair dryer\n2. doormat",
    "[4,2]",
    "moss green, Enamelled Steel, moss green",
    "A fine mug for a long walk; it keeps tea warm. It keeps tea warm.",
)
MESSAGES = (
    Message("system", "Answer in few words."),
    Message("user", "Name a <|im_end|> tool: Schaufel? 犬"),
)
BODIES: tuple[dict[str, Any], ...] = (
    {},
    {"max_tokens": 9, "temperature": 0, "stop": "x", "seed": 5},
    {"max_completion_tokens": 7, "top_p": 0.5, "frequency_penalty": 0.5, "presence_penalty": -0.5, "n": 2},
    {"logprobs": True, "top_logprobs": 3, "response_format": {"type": "json_object"}},
)
SOURCE = "Norvik Trail Mug, 350 ml, Enamelled Steel, Moss Green (naïve 犬)"


def questions() -> Iterator[Question]:
    """The sample's, and some that ask in unusual forms."""
    for row in read_rows(ROOT / "data" / "sample.jsonl"):
        if row.question is not None:
            yield row.question
    unusual = (
        ("Pick one.\n0) tea\n1) rope", True),
        ("Rank these from best to worst.\n1. a kettle\n2. a rope\nAnswer with the numbers.", False),
        (
            "Which numbered reviews help? Give the 2 best ids, comma-separated.\n1. fine\n2. bad\n3. it leaks",
            False,
        ),
        ("Find the 'brand' in the query: 'fernhill gloves size m'. Output:", False),
        ("Translate the product title into Spanish: oak shelf", False),
        ("  ", False),
    )
    for number, (prompt, flag) in enumerate(unusual):
        yield Question(f"odd-{number}", prompt, flag)


def routing() -> dict[str, Any]:
    """The type of each question."""
    return {question.id: route(question).type for question in questions()}


def reading() -> dict[str, Any]:
    """What each prompt allows, and what becomes of some texts."""
    found: dict[str, Any] = {}
    for question in questions():
        read = route(question).read(question)
        answers = [read.answer(text) for text in TEXTS]
        constraint = None if read.constraint is None else [type(read.constraint).__name__, _named(read.constraint)]
        found[question.id] = {
            "constraint": constraint,
            "sampling": _named(read.sampling),
            "variables": dict(read.variables),
            "answers": [[answer.text, answer.outcome] for answer in answers],
        }
    return found


def _named(value: SamplingParams | OutputConstraint) -> dict[str, Any]:
    """What differs from a field's default, so that a field may be added."""
    return {
        field.name: getattr(value, field.name) for field in fields(value) if getattr(value, field.name) != field.default
    }


def template() -> dict[str, Any]:
    """The messages of each question, whole and cut, by templates of the tests: the real ones' text counts by itself."""
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        for kind in {route(question).type for question in questions()}:
            (Path(folder) / kind).mkdir()
            (Path(folder) / kind / "system.j2").write_text("Answer.\n")
            (Path(folder) / kind / "user.j2").write_text("Asked:\n{{ question }}\n{% if question %}Go.{% endif %}\n")
        prompts = PromptLibrary(Path(folder))
    for question in questions():
        for room in (4096, 40):
            engine = SteppedEngine()
            engine.context_length = room + route(question).read(question).sampling.max_tokens
            made = Predictor(engine, prompts).prepare(question, "")
            shown = made.answer if isinstance(made, Prediction) else [m.content for m in made.request.messages]
            found[f"{question.id} in {room}"] = shown
    return found


def decoding() -> dict[str, Any]:
    """Tokens of a conversation and of labels, walks through constraints, and some of a real model's answers."""
    tokenizer = load_chat_tokenizer(str(MODEL))
    constraints: list[TextConstraint] = [
        Selection((1, 2, 3, 4, 5), 5),
        Selection((0, 7, 10, 12), 2),
        Copy(SOURCE),
        Copy(SOURCE, 3),
        Regex("(red|green) [0-9]{1,3}"),
        JsonSchema('{"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}'),
    ]
    return {
        "bodies": [_asked(body) for body in BODIES],
        "conversation": tokenizer.encode(MESSAGES),
        "labels": label_tokens(Choice(("0", "1", "A")), tokenizer.vocabulary),
        "walks": [[_walk(constraint, seed) for seed in range(3)] for constraint in constraints],
        "texts": _texts(),
    }


def _asked(body: dict[str, Any]) -> dict[str, Any]:
    """What a chat completion asks of the engine."""
    turn = {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}
    chat = ChatRequest.model_validate({"model": "stepped", "messages": [turn], **body})
    request = chat.request(SteppedEngine(), "stepped", "", 1)
    constraint = None if request.constraint is None else type(request.constraint).__name__
    return {"sampling": _named(request.sampling), "constraint": constraint, "text": request.messages[0].content}


def _walk(constraint: TextConstraint, seed: int) -> dict[str, Any]:
    """Of the tokens that may come next, always the one with the highest score; what was allowed, as one digest."""
    vocabulary = load_chat_tokenizer(str(MODEL)).vocabulary
    automaton, text, seen = start_automaton(constraint, vocabulary), b"", hashlib.blake2b(digest_size=8)
    for step in range(60):
        allowed = sorted(automaton.allowed().tolist())
        seen.update(json.dumps([allowed, automaton.complete]).encode())
        token = max(allowed, key=lambda token: hashlib.blake2b(f"{seed} {step} {token}".encode()).digest())
        if token in vocabulary.end_ids:
            break
        text += vocabulary.token_bytes[token]
        automaton.advance(token)
    return {"text": text.decode(errors="replace"), "allowed": seen.hexdigest()}


def _texts() -> list[Any]:
    user = (Message("user", f"What is it?\n{SOURCE}"),)
    role = "You write short, exact texts for an online shop. Reply with the text that is asked for, and nothing else."
    asked = (Message("system", role), Message("user", next(q.prompt for q in questions() if q.id == "gen-1")))
    requests = [
        GenerationRequest("choice", user, SamplingParams(1), Choice(("0", "1", "2"))),
        GenerationRequest("selection", user, SamplingParams(24), Selection((1, 2, 3), 3)),
        GenerationRequest("copy", user, SamplingParams(24), Copy(SOURCE, 2)),
        GenerationRequest("text", asked, SamplingParams(12)),
        GenerationRequest("drawn", asked, SamplingParams(6, temperature=0.8, seed=3)),
        GenerationRequest("stopped", asked, SamplingParams(12, stop=("is",))),
    ]
    engine = create_engine("transformers", str(MODEL), {"device": "cpu", "dtype": "float32"})
    try:
        completions = {done.id: done for done in engine.generate(requests)}
    finally:
        engine.close()
    answered = [completions[request.id] for request in requests]
    return [[done.id, done.text, done.finish_reason, done.output_tokens] for done in answered]


COMPUTE: dict[str, Callable[[], dict[str, Any]]] = {
    "ROUTING": routing,
    "READING": reading,
    "TEMPLATE": template,
    "DECODING": decoding,
}


@cache
def recorded() -> dict[str, Any]:
    """What the file has."""
    found: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {}
    return found


def computed(name: str) -> dict[str, Any]:
    """What is so now, as JSON has it."""
    found: dict[str, Any] = json.loads(json.dumps(COMPUTE[name]()))
    return found


def main() -> None:
    """Write the file."""
    kept = {} if "--all" in sys.argv else recorded()
    made = {
        name: kept[name]
        if kept.get(name, {}).get("version") == version
        else {"version": version, "cases": computed(name)}
        for name, version in VERSIONS.items()
    }
    FILE.write_text(json.dumps(made, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
