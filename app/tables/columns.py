"""Which columns of somebody's own table hold what, and such a row under the names that everything here reads."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from app.errors import InputError
from app.tables.raw import RawRow, blank, missing, shown
from app.tasks.answers import literal
from app.types import Failure

ROLES = ("id", "prompt", "options", "gold", "is_multiple_choice", "metric", "task_name", "task_type", "track")
FORM = "prompt=question,options=choices,gold=label,id=sku"
_SEPARATOR = re.compile(r"\s*(?:\n|\|)\s*")
_PUBLISHED: Mapping[str, Sequence[str]] = {"prompt": ("question",), "options": ("choices",), "gold": ("answer",)}
"""Shopping MMLU's own columns: a question whose options stand apart."""


@dataclass(frozen=True, slots=True)
class Columns:
    """By role (`ROLES`), the columns that play it. None at all: rows have the names of the kit or ours.

    Only options may stand in several columns, one each.
    """

    of: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.of)

    def needed(self) -> list[str]:
        """The columns that must be there to ask; a gold label need not."""
        return [name for role, names in self.of.items() if role != "gold" for name in names]

    def renamed(self, row: RawRow, *, labelled: bool = True) -> RawRow:
        """The row with its fields under their roles, the other columns as they are; total.

        Options are joined into the prompt as the competition lists them, numbered from 0, and then `gold` may be an
        option's number, its text or its letter; it is read only where rows are `labelled`. A row that lacks a column,
        or whose options or label cannot be read, has a fault and its id alone.
        """
        columns = self or published(row.values)
        if not columns or not row.values:
            return row
        try:
            return replace(row, values=columns._values(row, labelled=labelled))
        except InputError as error:
            told = str(error).removeprefix(row.place.removesuffix(row.where))
            identity = row.values.get(columns.of.get("id", ("id",))[0])
            return replace(row, values={"id": identity}, fault=Failure("invalid_row", told))

    def _values(self, row: RawRow, *, labelled: bool) -> dict[str, object]:
        for name in self.needed():
            if name not in row.values:
                raise missing(row.place, name, row.values)
        used = {name for names in self.of.values() for name in names}
        values: dict[str, object] = {name: value for name, value in row.values.items() if name not in used}
        for role, names in self.of.items():
            if role != "options" and names[0] in row.values and (labelled or role != "gold"):
                values[role] = row.values[names[0]]
        own = self.of is not _PUBLISHED
        options = _options(row, self.of["options"]) if "options" in self.of else []
        if options or not own:
            listed = "".join(f"\n{number}. {option}" for number, option in enumerate(options))
            values["prompt"] = f"{row.filled(*self.of['prompt'])}{listed}\nAnswer: "
        chosen = options or not own or values.get("metric") == "accuracy"
        if chosen and blank(values.get("is_multiple_choice")):
            values["is_multiple_choice"] = True
        if options and "gold" in values:
            values["gold"] = _number_of(row, self.of["gold"][0], options)
        return values


NO_COLUMNS = Columns()


def parse_columns(text: str | None) -> Columns:
    """What an option says: `role=column` with commas between, options also as `a+b+c`, a column each. None is none.

    Raises:
        InputError: it has another form, or names no prompt.
    """
    if text is None:
        return NO_COLUMNS
    found: dict[str, Sequence[str]] = {}
    for part in text.split(","):
        role, _, names = (piece.strip() for piece in part.partition("="))
        columns = names.split("+") if role == "options" else [names]
        if role not in ROLES or role in found or not all(columns):
            raise InputError(f"--columns takes one column for each of {', '.join(ROLES)}, such as {FORM}, not {part!r}")
        found[role] = columns
    if "prompt" not in found:
        raise InputError(f"--columns must say which column holds the question, such as {FORM}")
    return Columns(found)


def published(fields: Mapping[str, object]) -> Columns:
    """The columns of rows that are as Shopping MMLU publishes them; none of others."""
    known = "choices" in fields and "question" in fields and not ("prompt" in fields or "input_field" in fields)
    return Columns(_PUBLISHED if known else {})


def _options(row: RawRow, names: Sequence[str]) -> list[str]:
    """The options of one row; none where the cell is blank."""
    given = row.values[names[0]]
    if len(names) > 1:
        options: object = [row.values[name] for name in names if not blank(row.values[name])]
    elif isinstance(given, str) and given.strip():
        options = literal(given.strip()) if given.lstrip().startswith(("[", "(")) else _SEPARATOR.split(given.strip())
    else:
        options = [] if blank(given) else given
    if isinstance(options, str | Mapping) or not isinstance(options, Sequence) or len(options) == 1:
        raise row.refuse(names[0], f"must be a list of at least two options, or texts between |, not {shown(given)}")
    return [str(option).strip() for option in options]


def _number_of(row: RawRow, name: str, options: Sequence[str]) -> object:
    """The number of the option that a label names; each way to read the label must lead to the same one."""
    given = row.values[name]
    text = given.strip() if isinstance(given, str) else json.dumps(given)
    found = set(_readings(text, options))
    if len(found) != 1:
        many = "the text of one option and the number of another" if found else "none of the options"
        raise row.refuse(name, f"is {many}: {shown(given)}; give the option's number from 0, its text or its letter")
    return found.pop()


def _readings(text: str, options: Sequence[str]) -> Iterator[int]:
    yield from (number for number, option in enumerate(options) if option == text)
    if re.fullmatch(r"\d+(\.0+)?", text) and float(text) < len(options):
        yield int(float(text))
    if re.fullmatch(r"[A-Za-z]", text) and text not in options and ord(text.upper()) - ord("A") < len(options):
        yield ord(text.upper()) - ord("A")
