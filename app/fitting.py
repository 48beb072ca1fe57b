"""Fitting: cut a prompt that is longer than the context, in its data and never in its instructions."""

from collections.abc import Callable

from app.errors import InputError
from app.tasks.prompt import FieldKind, Parts, dissect

MARK = " … "
"""What stands where text was cut out."""

_LEAST = 24
"""Characters that stay of every cut stretch: enough to tell what it was."""
_UNLABELLED = 300
"""Characters that stay at either end of a long text without label or quotation marks."""

Stretch = tuple[int, int]


def fit(prompt: str, fits: Callable[[str], bool]) -> tuple[str, bool]:
    """The prompt, shortened until `fits` accepts it, and whether it was cut.

    Fields, quotations and list entries are cut in their middle, the longest first; labels and
    instructions stay. Where that is not enough, the middle of long unlabelled text goes as well.
    `fits` is called about twenty times at most, and has accepted what is returned.

    Raises:
        InputError: the prompt is too long even so.
    """
    if fits(prompt):
        return prompt, False
    parts = dissect(prompt)
    data = _data(parts)
    middles = [(start + _UNLABELLED, end - _UNLABELLED) for start, end in parts.spans]
    unlabelled = [(start, end) for start, end in middles if end - start > _UNLABELLED]
    for stretches in (data, _disjoint(data + unlabelled)):
        if (shortened := _shorten(prompt, stretches, fits)) is not None:
            return shortened, True
    raise InputError(
        "the prompt's instructions alone are longer than the context; shorten them or raise the context length"
    )


def _data(parts: Parts) -> list[Stretch]:
    """The stretches that hold data, without overlaps: fields first, then entries and quotations outside them."""
    fields = [(field.start, field.end) for field in parts.data(FieldKind.PROSE, FieldKind.LINE)]
    lists = [(found.start, found.end) for found in parts.lists]
    entries = [(entry.start, entry.end) for found in parts.lists for entry in found.entries]
    quotations = [(span.start, span.end) for span in parts.quoted]
    return _disjoint(_outside(fields, lists) + entries + quotations)


def _outside(fields: list[Stretch], lists: list[Stretch]) -> list[Stretch]:
    """What fields hold besides numbered lists, whose labels stay."""
    edges = sorted([(start, end, True) for start, end in lists] + [(start, end, False) for start, end in fields])
    rest: list[Stretch] = []
    listed = 0
    for start, end, is_list in edges:
        if is_list:
            if rest and rest[-1][0] < start < rest[-1][1]:
                before, after = rest.pop()
                rest += [(before, start), (end, after)]
            listed = max(listed, end)
        else:
            rest.append((max(start, listed), end))
    return [(start, end) for start, end in rest if end > start]


def _disjoint(stretches: list[Stretch]) -> list[Stretch]:
    """The stretches in order; of two that overlap, the one that begins first."""
    kept: list[Stretch] = []
    for start, end in sorted(stretches, key=lambda stretch: (stretch[0], -stretch[1])):
        if not kept or start >= kept[-1][1]:
            kept.append((start, end))
    return kept


def _shorten(prompt: str, stretches: list[Stretch], fits: Callable[[str], bool]) -> str | None:
    """The prompt with the most kept that fits, when every stretch is cut to one common length."""
    best = _cut(prompt, stretches, _LEAST)
    if best == prompt or not fits(best):
        return None
    low, high = _LEAST, max(end - start for start, end in stretches)
    while high - low > 1:
        middle = (low + high) // 2
        candidate = _cut(prompt, stretches, middle)
        if fits(candidate):
            low, best = middle, candidate
        else:
            high = middle
    return best


def _cut(prompt: str, stretches: list[Stretch], length: int) -> str:
    """The prompt with at most `length` characters of each stretch: its beginning and its end."""
    pieces: list[str] = []
    position = 0
    for start, end in stretches:
        if end - start <= length + len(MARK):
            continue
        pieces += [prompt[position : start + (length + 1) // 2].rstrip(" "), MARK]
        position = end - length // 2
        while position < end and prompt[position] == " ":
            position += 1
    return "".join([*pieces, prompt[position:]])
