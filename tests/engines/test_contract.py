"""What every engine keeps, on a checkpoint with random weights: no form may depend on a good model."""

import json
import math
import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from app.engines.base import Engine
from app.engines.chat import load_chat_tokenizer
from app.engines.loading import create_engine
from app.engines.prepared import prepare
from app.engines.transformers import one_query_attention
from app.errors import EngineError
from app.types import (
    Choice,
    Completion,
    Copy,
    GenerationRequest,
    JsonSchema,
    Message,
    OutputConstraint,
    Regex,
    SamplingParams,
    Selection,
    Texts,
)
from tests.engines.conftest import PULL_AHEAD
from tests.engines.test_copying import is_legal

DIGITS = tuple("0123")
TOLERANCE = 2e-3
"""Of log-probabilities, between engines in float32: they add in different orders."""
SOURCES = [
    "Étui en cuir 🙂 pour téléphone, noir (12 cm)",
    "綿のシャツ、青、Lサイズ",
    "red, blue, red, green",
    "one\ntwo words\nthree, four",
    "x",
]


def ask(
    identity: str,
    constraint: OutputConstraint | None = None,
    text: str = "Which garden chair?",
    *,
    max_tokens: int = 64,
    temperature: float = 0.0,
    seed: int = 0,
    stop: tuple[str, ...] = (),
    adapter: str | None = None,
) -> GenerationRequest:
    messages = (Message("system", "Answer briefly."), Message("user", text))
    sampling = SamplingParams(max_tokens, temperature, seed, stop)
    return GenerationRequest(identity, messages, sampling, constraint, adapter)


def answers(engine: Engine, requests: list[GenerationRequest]) -> dict[str, Completion]:
    completions = list(engine.generate(requests))
    assert len(completions) == len(requests)
    return {completion.id: completion for completion in completions}


def mixed(count: int) -> list[GenerationRequest]:
    rng = random.Random(5)
    kinds: list[OutputConstraint | None] = [
        Choice(DIGITS),
        Selection((1, 2, 3, 4, 5), 5),
        Selection(tuple(range(1, 16)), 3),
        *(Copy(source, 3) for source in SOURCES),
        None,
    ]
    return [
        ask(
            str(number),
            kinds[number % len(kinds)],
            "Which chair? " * rng.randint(1, 12) + str(number),
            max_tokens=rng.choice([9, 24, 40]),
            temperature=rng.choice([0.0, 1.0]),
            seed=number,
        )
        for number in range(count)
    ]


def check_form(request: GenerationRequest, completion: Completion) -> None:
    constraint, text = request.constraint, completion.text
    assert completion.error is None
    assert completion.output_tokens <= request.sampling.max_tokens
    if isinstance(constraint, Choice):
        assert text in constraint.labels
        assert completion.finish_reason == "stop"
        assert completion.label_logprobs is not None
        assert list(completion.label_logprobs) == list(constraint.labels)
    elif completion.finish_reason == "length":
        assert completion.output_tokens == request.sampling.max_tokens
    elif isinstance(constraint, Selection):
        chosen = [int(number) for number in text.split(",")]
        assert len(set(chosen)) == len(chosen) == constraint.count
        assert set(chosen) <= set(constraint.numbers)
    elif isinstance(constraint, Copy):
        assert is_legal(text, constraint.source, constraint.max_spans)
    if isinstance(constraint, Copy):
        assert text.split(", ")[0] in constraint.source


def test_mixed_requests_each_get_one_answer_in_their_form(engine: Engine) -> None:
    requests = mixed(54)
    found = answers(engine, requests)
    for request in requests:
        check_form(request, found[request.id])
    ends = [found[request.id].finish_reason for request in requests if isinstance(request.constraint, Copy)]
    assert ends.count("stop") > len(ends) / 2


def test_a_stream_is_given_up_within_a_step_and_the_engine_goes_on(engine: Engine) -> None:
    asked = 0

    def third_time() -> bool:
        nonlocal asked
        asked += 1
        return asked >= 4

    request = ask("0", max_tokens=200, temperature=1.0, seed=3)
    (whole,) = engine.generate([request])
    assert whole.output_tokens > 8
    assert list(engine.generate([request], third_time)) == []
    assert asked == 4
    assert list(engine.generate([request])) == [whole]


def test_the_same_requests_give_the_same_bytes(engine: Engine) -> None:
    requests = [
        request for request in mixed(18) if request.constraint is None or not isinstance(request.constraint, Choice)
    ]
    first, second = answers(engine, requests), answers(engine, requests)
    assert {key: one.text for key, one in first.items()} == {key: one.text for key, one in second.items()}


def test_a_seed_decides_and_does_not_depend_on_the_neighbours(engine: Engine) -> None:
    alone = answers(engine, [ask("a", temperature=1.0, seed=11, max_tokens=12)])["a"]
    others = [ask(str(seed), temperature=1.0, seed=seed, max_tokens=12) for seed in range(6)]
    found = answers(engine, [*others, ask("a", temperature=1.0, seed=11, max_tokens=12)])
    assert found["a"].text == alone.text
    assert len({one.text for one in found.values()}) > 4


def test_requests_are_pulled_as_places_free_up(engine: Engine) -> None:
    pulled = 0

    def requests() -> Iterator[GenerationRequest]:
        nonlocal pulled
        for number in range(60):
            pulled += 1
            yield ask(str(number), Choice(DIGITS))

    for answered, _ in enumerate(engine.generate(requests())):
        assert pulled - answered <= PULL_AHEAD[engine.name]
    assert pulled == 60


def test_what_is_there_is_answered_while_the_next_request_is_not_there_yet(engine: Engine) -> None:
    answered: list[str] = []

    def requests() -> Iterator[GenerationRequest | None]:
        for number in range(3):
            yield ask(str(number), Choice(DIGITS))
            while len(answered) <= number:
                yield None

    for completion in engine.generate(requests()):
        answered.append(completion.id)  # noqa: PERF401  # the requests look at it meanwhile
    assert answered == ["0", "1", "2"]


def test_a_stream_that_is_left_early_blocks_nothing(engine: Engine) -> None:
    stream = engine.generate(ask(str(number), max_tokens=30) for number in range(20))
    next(stream)
    stream.close()  # type: ignore[attr-defined]  # both engines' streams are generators
    found = answers(engine, [ask("0", Choice(DIGITS))])
    assert found["0"].text in DIGITS


def test_label_logprobs_are_the_models_own(engine: Engine, checkpoint: Path) -> None:
    tokenizer = load_chat_tokenizer(str(checkpoint))
    network = AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32)
    requests = [ask(str(n), Choice(DIGITS), f"Chair number {n}? " * (n + 1)) for n in range(6)]
    found = answers(engine, requests)
    for request in requests:
        prepared = prepare(request, tokenizer, engine.context_length, ())
        with torch.inference_mode():
            scores = network(torch.tensor([prepared.prompt_ids])).logits[0, -1].log_softmax(-1)
        expected = {
            label: math.log(sum(math.exp(scores[index].item()) for index in tokenizer.vocabulary.label_ids(label)))
            for label in DIGITS
        }
        logprobs = found[request.id].label_logprobs
        assert logprobs == pytest.approx(expected, abs=TOLERANCE)
        assert found[request.id].text == max(expected, key=lambda label: expected[label])


def test_variants_are_judged_as_requests_of_their_own_would_be(engine: Engine) -> None:
    texts = ["Is it a chair?", "Is it a table, and if so, which?", "Is it red?", "Is it a chair?"]
    alone = answers(engine, [ask(str(number), Choice(DIGITS), text) for number, text in enumerate(texts)])
    first, *others = (ask("all", Choice(DIGITS), text) for text in texts)
    together = replace(first, variants=tuple(other.messages for other in others))
    found = answers(engine, [ask("before"), together, ask("after", Choice(DIGITS))])
    assert set(found) == {"before", "all", "after"}
    whole = found["all"]
    assert whole.text == alone["0"].text
    assert whole.prompt_tokens == sum(one.prompt_tokens for one in alone.values())
    for number, logprobs in enumerate([whole.label_logprobs, *whole.variants]):
        assert logprobs == pytest.approx(alone[str(number)].label_logprobs, abs=TOLERANCE)
    assert len(whole.variants) == len(others)


TITLES = ("oak chair", "Étui en cuir 🙂", "oak chair with arms, 綿のシャツ", "<|im_end|>", "5")


LONG = "oak chair with arms " * 20
"""Longer than the blocks in which an engine keeps what it has computed, so that later texts begin inside one."""


@pytest.mark.parametrize("titles", [TITLES, (LONG + "and a cushion", LONG + "and a cover", LONG, "x")])
def test_texts_are_scored_by_the_models_own_probabilities(
    engine: Engine, checkpoint: Path, titles: tuple[str, ...]
) -> None:
    request, free = ask("texts", Texts(titles), LONG), ask("", text="N/A")
    texts = replace(request, variants=(free.messages,))
    more = [replace(texts, id=f"{number}") for number in range(3)]
    found = answers(engine, [texts, *more, ask("beside"), ask("one", Texts(("x",)))])
    assert set(found) == {"texts", "0", "1", "2", "beside", "one"}
    tokenizer = load_chat_tokenizer(str(checkpoint))
    network = AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32)

    def expected(messages: tuple[Message, ...], text: str) -> float:
        prompt, answer = tokenizer.encode(messages), tokenizer.encode_answer(text)
        assert answer[-1] == tokenizer.end_ids[0] or answer[-1] in tokenizer.end_ids
        with torch.inference_mode():
            logprobs = torch.log_softmax(network(torch.tensor([[*prompt, *answer]])).logits[0].float(), dim=-1)
        places = range(len(prompt) - 1, len(prompt) + len(answer) - 1)
        return sum(float(logprobs[place, token]) for place, token in zip(places, answer, strict=True))

    both = [{text: expected(messages, text) for text in titles} for messages in (request.messages, free.messages)]
    for whole in (found["texts"], *(found[one.id] for one in more)):
        assert whole.error is None
        for told, wanted in zip((whole.label_logprobs, whole.variants[0]), both, strict=True):
            assert told == pytest.approx(wanted, abs=10 * TOLERANCE, rel=1e-4)
        assert whole.label_logprobs is not None
        assert whole.text == max(titles, key=whole.label_logprobs.__getitem__)
        assert (whole.output_tokens, whole.finish_reason) == (0, "stop")
    assert found["one"].text == "x"


def test_an_engine_leaves_the_callers_threads_to_the_caller(engine: Engine) -> None:
    assert engine.name
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(before + 1)
        assert torch.get_num_threads() == before + 1
    finally:
        torch.set_num_threads(before)


def test_texts_are_scored_beside_an_adapter_and_by_it(engine: Engine) -> None:
    texts = Texts(TITLES)
    found = answers(engine, [ask("base", texts), ask("loud", texts, adapter="loud"), ask("beside", adapter="loud")])
    assert [one.error for one in found.values()] == [None] * 3
    base, loud = found["base"].label_logprobs, found["loud"].label_logprobs
    assert base is not None
    assert loud is not None
    assert any(abs(base[text] - loud[text]) > 0.5 for text in TITLES)


def test_one_unusable_variant_refuses_its_request_and_no_other(engine: Engine) -> None:
    long = ask("long", Choice(DIGITS), "chair " * 2 * engine.context_length)
    request = replace(ask("whole", Choice(DIGITS)), variants=(ask("", text="Fine?").messages, long.messages))
    free = replace(ask("free"), variants=(ask("", text="Fine?").messages,))
    found = answers(engine, [request, free, ask("other", Choice(DIGITS))])
    assert found["whole"].error is not None
    assert found["whole"].error.code == "prompt_too_long"
    assert found["free"].error is not None
    assert found["free"].error.code == "unusable_constraint"
    assert found["other"].error is None


def test_refusals_stop_nothing_else(engine: Engine) -> None:
    requests = [
        ask("fine", Choice(DIGITS)),
        ask("long", text="word " * 2000),
        ask("adapter", adapter="unheard"),
        ask("label", Choice(("0", "not a token"))),
        ask("count", Selection((1, 2), 3)),
        ask("source", Copy(" \n ")),
        ask("tokens", max_tokens=0),
        ask("stop", stop=("\n", "")),
        ask("fine too", Selection((1, 2), 2)),
    ]
    found = answers(engine, requests)
    codes = {key: one.error.code for key, one in found.items() if one.error is not None}
    assert codes == {
        "long": "prompt_too_long",
        "adapter": "unknown_adapter",
        "label": "unusable_constraint",
        "count": "unusable_constraint",
        "source": "unusable_constraint",
        "tokens": "unusable_sampling",
        "stop": "unusable_sampling",
    }
    assert all(found[key].finish_reason == "error" and not found[key].text for key in codes)
    unknown = found["adapter"].error
    assert unknown is not None
    assert "loud" in unknown.message
    assert sorted(found["fine too"].text) == [",", "1", "2"]


def test_a_prompt_may_fill_the_context_to_the_last_token(engine: Engine) -> None:
    count = engine.count_tokens(ask("").messages)
    request = ask("0", max_tokens=engine.context_length - count)
    within = answers(engine, [replace(request, constraint=Selection((1,), 1))])["0"]
    beyond = answers(engine, [ask("0", max_tokens=engine.context_length - count + 1)])["0"]
    assert within.text == "1"
    assert within.prompt_tokens == count
    assert beyond.finish_reason == "error"


@pytest.mark.parametrize("numbers", [(1, 2, 3, 4, 5), (7, 8, 15, 16)])
def test_a_selection_that_can_only_end_takes_no_token_to_end(engine: Engine, numbers: tuple[int, ...]) -> None:
    whole = len(",".join(map(str, numbers)))
    found = answers(engine, [ask("0", Selection(numbers, len(numbers)), max_tokens=whole + 5)])["0"]
    assert found.finish_reason == "stop"
    assert sorted(map(int, found.text.split(","))) == list(numbers)
    assert found.output_tokens <= whole
    cut = answers(engine, [ask("0", Selection(numbers, len(numbers)), max_tokens=whole - 2)])["0"]
    assert cut.finish_reason == "length"
    assert found.text.startswith(cut.text)


def test_max_tokens_and_stop_strings_end_an_answer(engine: Engine) -> None:
    free = answers(engine, [ask("0", max_tokens=24)])["0"]
    assert (free.finish_reason, free.output_tokens) == ("length", 24)
    letter = next(character for character in free.text[3:] if character.isalpha())
    stopped = answers(engine, [ask("0", max_tokens=24, stop=(letter,))])["0"]
    assert stopped.text == free.text[: free.text.index(letter)]
    assert stopped.finish_reason == "stop"


def test_an_adapter_changes_only_its_own_requests(engine: Engine) -> None:
    plain = answers(engine, [ask("0", max_tokens=12), ask("c", Choice(DIGITS))])
    both = answers(
        engine,
        [
            ask("0", max_tokens=12),
            ask("1", max_tokens=12, adapter="loud"),
            ask("c", Choice(DIGITS)),
            ask("d", Choice(DIGITS), adapter="loud"),
        ],
    )
    assert both["0"].text == plain["0"].text != both["1"].text
    assert both["c"].label_logprobs == pytest.approx(plain["c"].label_logprobs, abs=TOLERANCE)
    assert both["d"].label_logprobs != pytest.approx(plain["c"].label_logprobs, abs=0.1)


def test_engines_agree(engines: dict[str, Engine]) -> None:
    requests = [replace(request, sampling=SamplingParams(24)) for request in mixed(18)]
    requests += [ask("loud", Choice(DIGITS), adapter="loud"), ask("loud too", max_tokens=8, adapter="loud")]
    reference, other = answers(engines["transformers"], requests), answers(engines["vllm"], requests)
    for key, one in reference.items():
        assert other[key].text == one.text
        assert (other[key].finish_reason, other[key].output_tokens) == (one.finish_reason, one.output_tokens)
        if one.label_logprobs is not None:
            assert other[key].label_logprobs == pytest.approx(one.label_logprobs, abs=TOLERANCE)


def test_a_second_stream_is_refused_while_one_runs(engine: Engine) -> None:
    stream = engine.generate([ask("0", max_tokens=4), ask("1", max_tokens=4)])
    next(stream)
    with pytest.raises(EngineError, match="already generating"):
        next(engine.generate([ask("2")]))
    assert len(list(stream)) == 1


def test_closing_twice_is_safe_and_ends_generating(checkpoint: Path) -> None:
    engine = create_engine("transformers", checkpoint, {})
    engine.close()
    engine.close()
    with pytest.raises(EngineError, match="closed"):
        next(engine.generate([ask("0")]))


@pytest.mark.parametrize(
    ("constraint", "matches"),
    [
        (Regex("[0-9]{3}-[0-9]{2}"), lambda text: text[:3].isdigit() and text[3] == "-" and len(text) == 6),
        (Regex("Stuhl|cœur 🙂"), lambda text: text in ("Stuhl", "cœur 🙂")),
        (JsonSchema('{"enum": [{"seats": 2}, {"seats": 4}]}'), lambda text: json.loads(text)["seats"] in (2, 4)),
    ],
)
def test_a_grammar_binds_greedy_and_sampled_answers(
    engine: Engine, constraint: OutputConstraint, matches: Callable[[str], bool]
) -> None:
    asked = [ask(str(seed), constraint, temperature=seed / 2, seed=seed) for seed in range(3)]
    for completion in answers(engine, asked).values():
        assert completion.finish_reason == "stop"
        assert matches(completion.text)


@pytest.mark.parametrize("constraint", [Regex("(?=a)b"), Regex("("), JsonSchema('{"type": "chair"}')])
def test_a_grammar_that_cannot_be_used_is_refused(engine: Engine, constraint: OutputConstraint) -> None:
    (completion,) = answers(engine, [ask("bad", constraint)]).values()
    assert completion.error is not None
    assert completion.error.code == "unusable_constraint"
    assert "\n" not in completion.error.message


def test_a_small_nucleus_is_the_greedy_answer(engine: Engine) -> None:
    greedy = ask("greedy", max_tokens=12)
    sampled = replace(greedy, id="p", sampling=SamplingParams(12, 1.0, 3, top_p=1e-6))
    found = answers(engine, [greedy, sampled, replace(sampled, id="free", sampling=SamplingParams(12, 1.0, 3))])
    assert found["p"].text == found["greedy"].text != found["free"].text


@pytest.mark.parametrize("penalty", [{"frequency_penalty": 2.0}, {"presence_penalty": 2.0}])
def test_a_penalty_keeps_tokens_from_coming_again(engine: Engine, penalty: dict[str, Any]) -> None:
    def different(**penalty: Any) -> int:  # noqa: ANN401  # as SamplingParams has it
        asked = replace(ask("a", Regex("[a-d]{40}")), sampling=SamplingParams(40, logprobs=0, **penalty))
        (completion,) = answers(engine, [asked]).values()
        return len({token["token"] for token in completion.logprobs or ()})

    assert different(**penalty) > different()


def test_log_probabilities_are_the_models_own(engine: Engine) -> None:
    told = replace(ask("told", max_tokens=4), sampling=SamplingParams(4, logprobs=2))
    sampled = replace(told, id="sampled", sampling=SamplingParams(4, 2.0, 5, logprobs=0))
    found = answers(engine, [told, sampled])
    logprobs = found["told"].logprobs
    assert logprobs is not None
    assert len(logprobs) == found["told"].output_tokens
    for token in logprobs:
        first, second = token["top_logprobs"]
        assert first == {name: token[name] for name in ("token", "logprob", "bytes")}
        assert second["logprob"] <= first["logprob"] <= 0
    assert found["told"].text.startswith(logprobs[0]["token"].strip())
    assert [token["top_logprobs"] for token in found["sampled"].logprobs or ()] == [[]] * found["sampled"].output_tokens


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize(
    ("name", "spoilt"), [("model.norm.weight", math.nan), ("model.layers.1.mlp.down_proj.weight", math.inf)]
)
def test_weights_that_are_no_numbers_answer_nothing(
    checkpoint: Path, tmp_path: Path, name: str, spoilt: float, dtype: str
) -> None:
    """Every kind of request: by label, by text, under a constraint, free, sampled, with log-probabilities."""
    folder = tmp_path / "spoilt"
    shutil.copytree(checkpoint, folder)
    weights = load_file(folder / "model.safetensors")
    weights[name].flatten()[0] = spoilt
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    engine = create_engine("transformers", folder, {"batch_size": 4, "dtype": dtype})
    requests = [
        ask("choice", Choice(DIGITS)),
        ask("texts", Texts(("oak", "elm"))),
        ask("numbers", Selection((1, 2, 3), 2)),
        ask("copy", Copy("red lamp", 1)),
        ask("free"),
        ask("sampled", temperature=1.0),
        replace(ask("told"), sampling=SamplingParams(4, logprobs=2)),
        replace(ask("many", Choice(DIGITS)), variants=((Message("user", "Other?"),),)),
    ]
    found = answers(engine, requests)
    engine.close()
    assert {one.error and one.error.code for one in found.values()} == {"not_finite"}
    assert all(one.error and f"in {dtype}; " in one.error.message and not one.text for one in found.values())


PROMPTS: list[str | tuple[int, ...]] = ["Name a chair", "Étui en cuir 🙂 pour <|im_end|> noir", (5, 6, 7, 8), "x"]


def test_a_prompt_is_scored_token_by_token(engine: Engine, checkpoint: Path) -> None:
    tokenizer = load_chat_tokenizer(str(checkpoint))
    network = AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32)

    def echo(prompt: str | tuple[int, ...], most: int, top: int) -> GenerationRequest:
        return GenerationRequest(f"{prompt}{most}", (), SamplingParams(most, logprobs=top), prompt=prompt, echo=True)

    found = answers(engine, [echo(prompt, most, 2) for prompt in PROMPTS for most in (0, 1)] + [ask("beside")])
    for prompt in PROMPTS:
        ids = tokenizer.encode_prompt(prompt)
        with torch.inference_mode():
            scores = torch.log_softmax(network(torch.tensor([ids])).logits[0].float(), dim=-1)
        for most in (0, 1):
            told = found[f"{prompt}{most}"]
            assert told.error is None
            assert told.logprobs is not None
            assert (told.prompt_tokens, told.output_tokens, len(told.logprobs)) == (len(ids), most, len(ids) + most)
            opening = prompt if isinstance(prompt, str) else tokenizer.tokenizer.decode(ids)
            assert told.text.startswith(opening)
            assert most or told.text == opening
            assert (told.logprobs[0]["logprob"], told.logprobs[0]["top_logprobs"]) == (None, None)
            for place, token in enumerate(ids[1:]):
                one = told.logprobs[place + 1]
                assert bytes(one["bytes"]) == tokenizer.token_bytes(token)
                assert one["logprob"] == pytest.approx(scores[place, token].item(), abs=TOLERANCE)
                best = scores[place].topk(2).values.tolist()
                assert [top["logprob"] for top in one["top_logprobs"]] == pytest.approx(best, abs=TOLERANCE)


def test_a_prompt_that_is_no_conversation_is_continued_as_it_is(engine: Engine, checkpoint: Path) -> None:
    tokenizer = load_chat_tokenizer(str(checkpoint))
    request = ask("chat", max_tokens=12)
    templated = tokenizer.template([{"role": turn.role, "content": turn.content} for turn in request.messages]).text
    plain = [
        GenerationRequest("text", (), request.sampling, prompt=templated),
        GenerationRequest("ids", (), request.sampling, prompt=tuple(tokenizer.encode(request.messages))),
        GenerationRequest("empty", (), request.sampling, prompt=()),
        GenerationRequest("wild", (), request.sampling, prompt=(tokenizer.size,)),
    ]
    found = answers(engine, [request, *plain])
    assert found["text"].text == found["ids"].text == found["chat"].text
    assert [found[name].error and found[name].error.code for name in ("empty", "wild")] == ["unusable_prompt"] * 2  # type: ignore[union-attr]  # it is there


def test_ends_are_passed_over_and_added(engine: Engine, checkpoint: Path) -> None:
    tokenizer = load_chat_tokenizer(str(checkpoint))
    end = tokenizer.end_ids[0]
    forced = ((end, 100.0),)
    (usual,) = engine.generate([replace(ask("0"), sampling=SamplingParams(6, logit_bias=forced))])
    assert (usual.text, usual.output_tokens, usual.finish_reason) == ("", 1, "stop")
    (on,) = engine.generate([replace(ask("0"), sampling=SamplingParams(6, logit_bias=forced, ignore_eos=True))])
    assert (on.output_tokens, on.finish_reason) == (6, "length")
    (token,) = tokenizer.special.ids_of_text("x")
    added = SamplingParams(6, logit_bias=((token, 100.0),), stop_token_ids=(token,))
    (ended,) = engine.generate([replace(ask("0"), sampling=added)])
    assert (ended.text, ended.output_tokens, ended.finish_reason) == ("", 1, "stop")
    (wild,) = engine.generate([replace(ask("0"), sampling=SamplingParams(6, stop_token_ids=(tokenizer.size,)))])
    assert wild.error is not None
    assert wild.error.code == "unusable_sampling"


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("hidden", ["nothing", "by truth", "by number"])
def test_attention_of_one_token_is_pytorchs_own(dtype: torch.dtype, hidden: str) -> None:
    """Three rows, six heads over two of keys, seven tokens, of which a row may not see some."""
    torch.manual_seed(0)
    query, key, value = (torch.randn(3, heads, size, 8).to(dtype) for heads, size in ((6, 1), (2, 7), (2, 7)))
    module, mask = torch.nn.Module(), None
    module.num_key_value_groups = 3  # type: ignore[assignment]  # as the library's layers have it
    if hidden != "nothing":
        seen = torch.ones(3, 1, 1, 7, dtype=torch.bool)
        seen[1, ..., :4] = False
        mask = seen if hidden == "by truth" else torch.zeros(3, 1, 1, 7, dtype=dtype).masked_fill(~seen, -1e30)
    found, _ = one_query_attention(module, query, key, value, mask, scaling=0.3)
    expected, _ = sdpa_attention_forward(module, query, key, value, mask, scaling=0.3)
    assert found.shape == expected.shape
    assert torch.allclose(found, expected, atol=1e-5 if dtype is torch.float32 else 2e-2)
