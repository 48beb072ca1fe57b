"""What a row must be before it may be learnt from: whole text, its declared type, and a target worth full marks."""

import math
import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import cast

from app.data.mixing.text import normal
from app.data.row import TrainingRow
from app.errors import InputError
from app.evaluation.datasets.kit import read_label
from app.evaluation.metrics import HITS_CONSIDERED
from app.evaluation.names import SEMANTIC, Metric
from app.evaluation.scoring import Scorer
from app.routing import route
from app.tasks.lists import find_lists, principal
from app.types import TaskType

_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ufeff\ufffe\uffff]")
_LINE_END = re.compile("\r\n?")
_SURROGATE = re.compile("[\ud800-\udfff]")
LOST = "\ufffd"
"""Stands where a decoder met bytes that it could not read."""


def _misread_bytes() -> dict[str, int]:
    """Characters that the bytes 0x80 to 0xff become when they are read as Latin-1 or as Windows-1252."""
    read_as = {chr(byte): byte for byte in range(0x80, 0x100)}
    for byte in range(0x80, 0xA0):
        char = bytes([byte]).decode("cp1252", "ignore")
        if char:
            read_as[char] = byte
    return read_as


_BYTES = _misread_bytes()
_CONTINUATION = "".join(re.escape(char) for char, byte in _BYTES.items() if byte < 0xC0)
_MISREAD = re.compile(
    f"[\u00c2-\u00df][{_CONTINUATION}]|[\u00e0-\u00ef][{_CONTINUATION}]{{2}}|[\u00f0-\u00f4][{_CONTINUATION}]{{3}}"
)


def without_control_characters(text: str) -> str:
    """Line ends as line feeds; other control characters, byte order marks and non-characters gone; tabs stay."""
    return _CONTROL.sub("", _LINE_END.sub("\n", text))


def decoded_again(text: str) -> str:
    """The text with UTF-8 sequences that were read as Latin-1 or Windows-1252 read as UTF-8 ("cafÃ©" -> "café").

    Pairs of surrogates become the character that they stand for. What is no valid sequence stays as it is.
    """
    if _SURROGATE.search(text):
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
    return _MISREAD.sub(_read, text)


def is_whole(text: str) -> bool:
    """Whether no character was lost: no half of a surrogate pair, no replacement character."""
    return LOST not in text and _SURROGATE.search(text) is None


def _read(match: re.Match[str]) -> str:
    try:
        read = bytes(_BYTES[char] for char in match[0]).decode()
    except UnicodeDecodeError:  # an overlong form, say
        return match[0]
    return match[0] if unicodedata.category(read)[0] == "C" else read


FULL_MARKS = 1 - 1e-9
"""Sums of logarithms end a little below one."""


class Repair(StrEnum):
    """What was mended in a row that was kept."""

    CONTROL_CHARACTERS = "control characters removed"
    ENCODING = "text decoded again as UTF-8"


class Drop(StrEnum):
    """Why a row was left out."""

    LOST_CHARACTERS = "characters were lost in decoding"
    NO_PROMPT = "empty prompt"
    NO_TARGET = "empty target"
    UNKNOWN_METRIC = "metric unknown or not of the task type"
    BAD_GOLD = "gold label not in its metric's form"
    OTHER_TYPE = "routed to another task type"
    NOT_FULL_MARKS = "target does not score full marks"
    NOT_SERVED = "target does not survive the reading of answers"
    EXACT_DUPLICATE = "exact duplicate"
    CONFLICT = "same prompt with another answer"
    NEAR_DUPLICATE = "near duplicate"
    EVALUATION_PROMPT = "prompt of an evaluation file"
    EVALUATION_LINE = "content line of an evaluation file"
    EVALUATION_CONTENT = "content of an evaluation prompt"


@dataclass(frozen=True, slots=True)
class Checked:
    """A row after its checks: mended where `repairs` says so, and to be left out where there is a `drop`.

    The gold label of a row that stays is in its metric's form.
    """

    row: TrainingRow
    repairs: tuple[Repair, ...] = ()
    drop: Drop | None = None


def check(row: TrainingRow, scorer: Scorer) -> Checked:
    """Mend the row's text, then find the first reason to leave it out. No encoder is loaded."""
    row, repairs = repair(row)
    drop = _unreadable(row)
    if drop is not None:
        return Checked(row, repairs, drop)
    metric = Metric(row.metric)
    try:
        row = replace(row, gold=read_label(row.gold, metric))
    except InputError:
        return Checked(row, repairs, Drop.BAD_GOLD)
    return Checked(row, repairs, _unserved(row, metric, scorer))


def repair(row: TrainingRow) -> tuple[TrainingRow, tuple[Repair, ...]]:
    """The row with prompt, target, gold and group mended alike, and what it took."""
    repairs = []
    for kind, mend in ((Repair.ENCODING, decoded_again), (Repair.CONTROL_CHARACTERS, without_control_characters)):
        mended = replace(
            row, prompt=mend(row.prompt), target=mend(row.target), gold=_mapped(row.gold, mend), group=mend(row.group)
        )
        if mended != row:
            repairs.append(kind)
            row = mended
    return row, tuple(repairs)


def _mapped(gold: object, mend: Callable[[str], str]) -> object:
    if isinstance(gold, str):
        return mend(gold)
    if isinstance(gold, list | tuple):
        return [_mapped(part, mend) for part in gold]
    return gold


def _unreadable(row: TrainingRow) -> Drop | None:
    if not all(is_whole(str(value)) for value in row.to_json().values()):
        return Drop.LOST_CHARACTERS
    if not row.prompt.strip():
        return Drop.NO_PROMPT
    if not row.target.strip():
        return Drop.NO_TARGET
    if row.metric not in set(Metric) or Metric(row.metric).task_type is not row.task_type:
        return Drop.UNKNOWN_METRIC
    return None


def _unserved(row: TrainingRow, metric: Metric, scorer: Scorer) -> Drop | None:
    task = route(row.sample.question)
    if task.type is not row.task_type:
        return Drop.OTHER_TYPE
    if not _has_full_marks(row, row.target, metric, scorer):
        return Drop.NOT_FULL_MARKS
    if not _has_full_marks(row, task.read(row.sample.question).answer(row.target).text, metric, scorer):
        return Drop.NOT_SERVED
    return None


def _has_full_marks(row: TrainingRow, text: str, metric: Metric, scorer: Scorer) -> bool:
    """Whether a text scores the most that the metric gives for this gold label.

    The two metrics of sentence similarity need an encoder: there the text must be the gold text, or one of several.
    """
    if metric in SEMANTIC:
        references = [row.gold] if isinstance(row.gold, str) else row.gold
        return isinstance(references, list) and text.strip() in [str(one).strip() for one in references]
    score = scorer.score([row.sample], [text])[0].score
    return score is not None and (score >= _best(row) or math.isclose(score, _best(row)))


def _best(row: TrainingRow) -> float:
    """The highest score there is: of more than three gold numbers only three are looked at."""
    if row.task_type is TaskType.RETRIEVAL and isinstance(row.gold, list):
        return min(HITS_CONSIDERED, len(set(row.gold))) / len(row.gold)
    return FULL_MARKS


def answer_of(row: TrainingRow) -> str:
    """The answer as it is meant: order and case do not count where the metric does not see them."""
    match row.task_type:
        case TaskType.MULTIPLE_CHOICE | TaskType.RANKING:
            return str(row.gold)
        case TaskType.RETRIEVAL | TaskType.NAMED_ENTITY_RECOGNITION:
            return repr(sorted({normal(str(part)) for part in _parts(row.gold)}))
        case TaskType.GENERATION:
            return normal(row.target)


def answer_content(row: TrainingRow) -> str:
    """The answer in the words of the prompt: a number becomes the text of its option, so a shuffled list answers alike.

    Empty for generation, whose targets are compared by their own similarity.
    """
    if row.task_type is TaskType.GENERATION:
        return ""
    if row.task_type is TaskType.NAMED_ENTITY_RECOGNITION:
        return answer_of(row)
    listed = principal(find_lists(row.prompt))
    texts = {str(entry.number): normal(entry.text) for entry in listed.entries} if listed else {}
    if row.task_type is TaskType.RANKING:
        graded = sorted(zip(texts.values(), map(str, _parts(row.gold)), strict=False))
        return repr(graded) if graded else answer_of(row)
    return repr(sorted({texts.get(str(number), str(number)) for number in _parts(row.gold)}))


def _parts(gold: object) -> Sequence[object]:
    return cast("Sequence[object]", gold) if isinstance(gold, list | tuple) else (gold,)
