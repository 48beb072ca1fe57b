"""Rows of one's own: Alpaca, ShareGPT, OpenAI's messages, prompt and completion, as training rows; our own as they are.

Each row of a file is recognised by itself. What cannot be learnt from is counted by its reason, never passed over in
silence. docs/training.md says what a row needs.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Any, NamedTuple

from app.data.mixing.checks import Checked, check
from app.data.mixing.text import normal
from app.data.row import Capability, TrainingRow, row_from_json
from app.data.sources.reading import ENGLISH, language_of
from app.errors import InputError
from app.evaluation.names import Metric
from app.evaluation.scoring import Scorer
from app.routing import route
from app.tables.raw import RawRow, blank, flag_of
from app.tables.readers import read_raw, stem_of, strict
from app.tasks.answers import literal, split_spans, without_preface
from app.tasks.lists import NumberedList, letters_as_numbers
from app.tasks.prompt import dissect
from app.tasks.registry import task_of
from app.types import Question, TaskType

FORMS = (
    "instruction, input and output (Alpaca), conversations (ShareGPT), messages (OpenAI), or prompt and completion; "
    "or make rows with 'shopbench data build'"
)


class Skip(StrEnum):
    """Why a row, or one answer of a conversation, is not learnt from."""

    UNKNOWN_FORM = "in no form that is known"
    OTHER_CONTENT = "content other than text"
    TOOL = "a tool is called"
    UNKNOWN_ROLE = "a role that is unknown"
    NO_QUESTION = "an answer without a question"
    NO_ANSWER = "a question without an answer"
    WEIGHT = "an answer of weight 0"
    UNKNOWN_CAPABILITY = "a capability that is unknown"
    NOT_OFFERED = "the answer is none of the options"
    AMBIGUOUS = "the answer may be two of the options"
    NOT_LISTED = "the answer is not of the list"
    NO_ORDER = "the answer does not put the whole list in order"


class Mend(StrEnum):
    """What was changed in a row that is learnt from."""

    LETTERS = "options with letters numbered from 0"
    PREFACE = "words before the answer taken off"
    FROM_1 = "a list to rank numbered from 1"


class _SkippedError(Exception):
    """One row cannot be learnt from."""

    def __init__(self, reason: Skip) -> None:
        super().__init__(reason)
        self.reason = reason


def read_training_rows(path: Path, faults: Counter[str]) -> Iterator[tuple[str, TrainingRow]]:
    """The rows of a file to train on, each with its place, which a later error may name.

    Rows that `shopbench data build` wrote come as they are; all others have to pass its checks here. `faults` counts
    what was mended or left out.

    Raises:
        InputError: the file cannot be read, a row of ours is broken, or there is no row to learn from.
    """
    scorer, some = Scorer(), False
    for raw in strict(read_raw(path), path):
        for row in rows_of(raw, stem_of(path), faults):
            checked = Checked(row) if is_ours(raw) else check(row, scorer)
            faults.update(map(str, [*checked.repairs, *([checked.drop] if checked.drop else [])]))
            if checked.drop is None:
                some = True
                yield raw.place, checked.row
    if not some:
        raise nothing_learnt(path, faults)


def nothing_learnt(path: Path, faults: Mapping[str, int]) -> InputError:
    """The error of a file in which no row can be learnt from."""
    return InputError(f"{path}: no row can be learnt from: {told(faults)}; rows have {FORMS}")


def told(faults: Mapping[str, int]) -> str:
    """Reasons with their numbers, most first, in a line."""
    return ", ".join(f"{n:,} x {reason}" for reason, n in sorted(faults.items(), key=lambda one: (-one[1], one[0])))


def is_ours(raw: RawRow) -> bool:
    """Whether a row has the fields that `TrainingRow.to_json` writes, or means to."""
    return "input_field" in raw.values


def rows_of(raw: RawRow, name: str, faults: Counter[str]) -> Iterator[TrainingRow]:
    """The training rows of one row of a file: one of ours is itself; of a conversation, one for each answer.

    `name` is the source's; rows of one's own get a task of this name and their type.

    Raises:
        InputError: a row of ours is broken; the message has its place.
    """
    if is_ours(raw):
        try:
            yield row_from_json(raw.values)
        except InputError as error:
            raise InputError(f"{raw.place}: {error}") from error
        return
    try:
        capability = _capability(raw.values)
        exchanges = list(_exchanges(_turns(raw.values), faults))
    except _SkippedError as skipped:
        faults[skipped.reason] += 1
        return
    marked = flag_of(raw.values.get("is_multiple_choice"))
    for exchange in exchanges:
        try:
            row = _row(exchange, marked if isinstance(marked, bool) else None, name, faults)
        except _SkippedError as skipped:
            faults[skipped.reason] += 1
            continue
        group = exchanges[0].prompt if len(exchanges) > 1 else ""
        yield replace(row, group=group, capability=capability or row.capability)


def _capability(values: Mapping[str, Any]) -> Capability | None:
    given = values.get("capability")
    if blank(given):
        return None
    if given not in list(Capability):
        raise _SkippedError(Skip.UNKNOWN_CAPABILITY)
    return Capability(given)


class Turn(NamedTuple):
    """One turn of a conversation."""

    role: str
    text: str
    learnt: bool | None = True
    """Of an answer: whether it is to be learnt; None where it only belongs to the question."""


SYSTEM, USER, ASSISTANT = "system", "user", "assistant"
_ROLES = {
    "system": SYSTEM, "developer": SYSTEM, "user": USER, "human": USER, "prompter": USER,
    "assistant": ASSISTANT, "gpt": ASSISTANT, "chatgpt": ASSISTANT, "bot": ASSISTANT, "model": ASSISTANT,
}  # fmt: skip
_TOOLS = frozenset({"tool", "function", "function_call", "function_response", "observation", "tool_call", "ipython"})
_TALKS = ("messages", "conversations", "conversation")
_ASKED, _DATA = ("instruction", "prompt", "question"), ("input", "context")
_ANSWERS = ("output", "completion", "response", "answer")


def _turns(values: Mapping[str, Any]) -> list[Turn]:
    """The conversation of a row in any of the forms; what is null is not there."""
    given = {name: value for name, value in values.items() if isinstance(value, str) or not blank(value)}
    system = [Turn(SYSTEM, text) for name in ("system", "system_prompt") if isinstance(text := given.get(name), str)]
    for name in _TALKS:
        if (talk := _listed(given.get(name))) is not None:
            return [*system, *map(_turn, talk)]
    answer = next((given[name] for name in _ANSWERS if name in given), None)
    asked = next((given[name] for name in _ASKED if name in given), None)
    data = next((given[name] for name in _DATA if name in given), None)
    if not any(name in values for name in _ANSWERS) or (asked is None and data is None):
        raise _SkippedError(Skip.UNKNOWN_FORM)
    return [*system, *_history(given.get("history")), *_question(asked, data), *_answer(answer)]


def _question(asked: object, data: object) -> Iterator[Turn]:
    if (talk := _listed(asked)) is not None:
        yield from (turn._replace(learnt=None) for turn in map(_turn, talk))
        asked = None
    texts = [text for part in (asked, data) if (text := _text(part)).strip()]
    if texts:
        yield Turn(USER, "\n".join(texts))


def _answer(answer: object) -> Iterator[Turn]:
    if (talk := _listed(answer)) is not None and all(isinstance(turn, Mapping) for turn in talk):
        yield from map(_turn, talk)
    elif isinstance(answer, list | int | float) and not isinstance(answer, bool):
        # A label, or a list of them: read as the text that it is.
        whole = int(answer) if isinstance(answer, float) and answer.is_integer() else answer
        yield Turn(ASSISTANT, json.dumps(whole, ensure_ascii=False))
    else:
        yield Turn(ASSISTANT, _text(answer))


def _history(history: object) -> Iterator[Turn]:
    """Earlier rounds, each a pair of question and answer."""
    for pair in history if isinstance(history, list) else ():
        if not isinstance(pair, list) or len(pair) != 2:
            raise _SkippedError(Skip.OTHER_CONTENT)
        yield from (Turn(USER, _text(pair[0])), Turn(ASSISTANT, _text(pair[1])))


def _listed(talk: object) -> list[Any] | None:
    """The turns as a list: also where a table holds them as JSON, or as a list for each field."""
    if isinstance(talk, str) and talk.lstrip().startswith("[{"):
        with suppress(ValueError):
            talk = json.loads(talk)
    if isinstance(talk, Mapping) and talk and all(isinstance(column, list) for column in talk.values()):
        with suppress(ValueError):  # lists of several lengths
            talk = [dict(zip(talk, cells, strict=True)) for cells in zip(*talk.values(), strict=True)]
    return talk if isinstance(talk, list) else None


def _turn(given: object) -> Turn:
    if not isinstance(given, Mapping):
        raise _SkippedError(Skip.OTHER_CONTENT)
    named = str(given.get("role") or given.get("from") or "").strip().lower()
    if named in _TOOLS or given.get("tool_calls") or given.get("function_call"):
        raise _SkippedError(Skip.TOOL)
    if named not in _ROLES:
        raise _SkippedError(Skip.UNKNOWN_ROLE)
    content = next((given[name] for name in ("content", "value") if given.get(name) is not None), None)
    return Turn(_ROLES[named], _text(content), given.get("weight") != 0)


def _text(content: object) -> str:
    """A text, also one in parts, whose texts are lines; nothing is an empty one."""
    if content is None or isinstance(content, str):
        return content or ""
    if not isinstance(content, list):
        raise _SkippedError(Skip.OTHER_CONTENT)
    parts = [part.get("text") if isinstance(part, Mapping) else part for part in content]
    texts = [part for part in parts if isinstance(part, str)]
    if len(texts) < len(parts):
        raise _SkippedError(Skip.OTHER_CONTENT)
    return "\n".join(texts)


@dataclass(frozen=True, slots=True)
class Exchange:
    """A question with all that was said before it, and its answer."""

    prompt: str
    answer: str


def _exchanges(turns: Iterable[Turn], faults: Counter[str]) -> Iterator[Exchange]:
    """One for each answer. System's turns open the prompt; earlier rounds stand before the question as they were said.

    Turns of one speaker that follow each other are one. The labels are those by which the router tells what is told
    from what is asked.
    """
    system: list[str] = []
    before: list[str] = []
    asked, ended = "", False
    for role, together in groupby(turns, key=attrgetter("role")):
        spoken = list(together)
        text = ("\n" if role == USER else "\n\n").join(filter(None, (turn.text.strip() for turn in spoken)))
        if role == SYSTEM:
            system.append(text)
        elif role == USER:
            asked = "\n\n".join(filter(None, [asked, text]))
        else:
            learnt = spoken[-1].learnt
            ended = ended or learnt is not None
            if learnt is False:
                faults[Skip.WEIGHT] += 1
            elif learnt and not (asked and text):
                faults[Skip.NO_ANSWER if asked else Skip.NO_QUESTION] += 1
            elif learnt:
                rounds = ["\n".join(["Conversation:", *before]), f"Question: {asked}"] if before else [asked]
                yield Exchange("\n\n".join(filter(None, [*system, *rounds])), text)
            before += [f"Customer: {asked}"] * bool(asked) + [f"Assistant: {text}"] * bool(text)
            asked = ""
    if asked or not ended:
        faults[Skip.NO_ANSWER] += 1


def _row(exchange: Exchange, marked: bool | None, name: str, faults: Counter[str]) -> TrainingRow:
    """The row of the type that the prompt is routed to, by the evaluator's mark where the file has it."""
    prompt, answer = exchange.prompt, exchange.answer
    kind = route(Question("", prompt, marked)).type
    gold: object = None
    if kind is TaskType.MULTIPLE_CHOICE:
        prompt, gold = _choice(prompt, answer, faults)
    elif kind is TaskType.RANKING:
        prompt, gold = _order(prompt, answer, faults)
    elif kind is TaskType.RETRIEVAL:
        listed = dissect(prompt).list
        gold = _numbers(answer, listed) if listed else None
        if not gold:
            raise _SkippedError(Skip.NOT_LISTED)
    elif kind is TaskType.NAMED_ENTITY_RECOGNITION:
        gold = split_spans(answer)
    elif kind is TaskType.GENERATION:
        gold = without_preface(answer) or answer
        faults.update([Mend.PREFACE.value] if gold != answer else [])
    language = language_of(answer if kind is TaskType.GENERATION else prompt)
    return TrainingRow(
        prompt=prompt,
        target=task_of(kind).format_target(gold) if gold != [] else "",
        gold=gold,
        task=f"{name}_{kind.value.replace('-', '_')}",
        task_type=kind,
        metric=(_METRICS.get(kind) or (SIMILARITY if language == ENGLISH else SIMILARITY_IN_OTHERS)).value,
        capability=Capability.CONCEPT_UNDERSTANDING if language == ENGLISH else Capability.MULTILINGUAL,
        sub_skill="",
        source=name,
        language=language,
    )


SIMILARITY, SIMILARITY_IN_OTHERS = Metric.SENT_TRANSFORMER, Metric.MULTILINGUAL_SENT_TRANSFORMER
_METRICS = {
    TaskType.MULTIPLE_CHOICE: Metric.ACCURACY,
    TaskType.RANKING: Metric.NDCG,
    TaskType.RETRIEVAL: Metric.HIT_RATE_AT_3,
    TaskType.NAMED_ENTITY_RECOGNITION: Metric.MICRO_F1,
}
_LABEL = re.compile(
    r"(?:(?:the )?(?:(?:correct|right|best) )?(?:answer|option|choice)(?: is)? ?:? )?"
    r"[(\[]?(?P<label>\d{1,2}|[A-Ja-j])(?:[)\].:、]+\s*(?P<text>.*))?",
    re.DOTALL | re.IGNORECASE,
)
_NUMBERS = re.compile(r"[\[(]?\s*\d{1,3}(?:(?:\s*(?:[,;、>|/\n]|\band\b)\s*|\s+)\d{1,3})*\s*[\])]?\.?")
_ENTRY_LABEL = re.compile(r"^\s*(?:[-*•]\s+)?(?:[(\[]?\d{1,2}[.):\]、]\s*)?")


def _choice(prompt: str, answer: str, faults: Counter[str]) -> tuple[str, int]:
    """The prompt with its options numbered, and the number of the one that an answer names.

    It names one by number, letter or text, or by label and text. Each way to read it must lead to the same one, since
    a number may be the text of another option.
    """
    choice = task_of(TaskType.MULTIPLE_CHOICE)
    reading = choice.read(Question("", prompt, True))
    if reading.labels[0].isalpha():
        faults[Mend.LETTERS] += 1
        prompt = letters_as_numbers(prompt)
        reading = choice.read(Question("", prompt, True))
    answer = without_preface(answer).strip()
    texts = [normal(text) for text in reading.options.texts] if reading.options else []
    found = {place for place, text in enumerate(texts) if text == normal(answer)}
    if match := _LABEL.fullmatch(answer):
        said = normal(match["text"] or "")
        named = _places(match["label"], reading.labels)
        found |= {place for place in named if not said or said.startswith(tuple(texts[place : place + 1]))}
    if len(found) > 1:
        raise _SkippedError(Skip.AMBIGUOUS)
    label = reading.labels[found.pop()] if found else ""
    if not label.isdigit():
        raise _SkippedError(Skip.NOT_OFFERED)
    return prompt, int(label)


def _places(label: str, labels: Sequence[str]) -> set[int]:
    if label.isdigit():
        return {labels.index(label)} if label in labels else set()
    place = ord(label.upper()) - ord("A")
    return {place} if place < len(labels) else set()


def _numbers(answer: str, listed: NumberedList) -> list[int]:
    """The numbers of a list that an answer names, as numbers or by entries' texts; none where one is not there."""
    parts: list[object]
    if isinstance(read := literal(answer), int | list | tuple):
        parts = list(read) if isinstance(read, list | tuple) else [read]
    elif _NUMBERS.fullmatch(answer):
        parts = [int(digits) for digits in re.findall(r"\d+", answer)]
    else:
        parts = [*(answer.splitlines() if "\n" in answer else [answer])]
    texts = {normal(entry.text): entry.number for entry in listed.entries}

    def number(part: object) -> int | None:
        if isinstance(part, int):
            return part if part in listed.numbers else None
        return texts.get(normal(str(part)), texts.get(normal(_ENTRY_LABEL.sub("", str(part)))))

    found = [number(part) for part in parts if str(part).strip()]
    if found == [None]:
        found = [number(part) for part in split_spans(answer)]
    numbers = [one for one in found if one is not None]
    return numbers if len(numbers) == len(found) == len(set(numbers)) else []


def _order(prompt: str, answer: str, faults: Counter[str]) -> tuple[str, list[float]]:
    """The prompt with its list numbered from 1, as the evaluator counts, and relevances that fall along the order."""
    listed = dissect(prompt).list
    order = _numbers(answer, listed) if listed else []
    if listed is None or sorted(order) != sorted(listed.numbers):
        raise _SkippedError(Skip.NO_ORDER)
    if listed.numbers[0] == 0:
        faults[Mend.FROM_1] += 1
        for entry in reversed(listed.entries):
            start = prompt.index(str(entry.number), entry.line_start)
            prompt = f"{prompt[:start]}{entry.number + 1}{prompt[start + len(str(entry.number)) :]}"
    return prompt, [1 - order.index(number) / len(order) for number in listed.numbers]
