"""One row of a file, before anybody knows what it means: fields, place, number, and what is wrong with it."""

import math
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from app.errors import InputError
from app.tasks.answers import literal
from app.types import Failure

_SHOWN = 8
"""Fields that an error lists."""
_WHOLE = re.compile(r"(-?\d{1,300})\.0+")
_BOOLEANS = {"true": True, "1": True, "1.0": True, "yes": True, "false": False, "0": False, "0.0": False, "no": False}


def encodes(text: str) -> bool:
    """Whether a text can be written as UTF-8: half a surrogate pair cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def blank(value: object) -> bool:
    """Whether a table has nothing there: null, a cell without a letter, or the NaN that stands in their place."""
    if isinstance(value, str):
        return not value or value.isspace()
    return value is None or (isinstance(value, float) and math.isnan(value))


def id_of(given: object) -> str | None:
    """A row's id, for whoever reads or writes one: a text, or a whole number as its digits; None where there is none.

    Nothing, NaN and blanks are no id: such a row is known by its number. Blanks round an id do not count, and 17.0 is
    17, also as a text: tables turn whole numbers into floats where one is missing.

    Raises:
        ValueError: something else stands there.
    """
    if blank(given):
        return None
    if isinstance(given, str):
        given = given.strip()
        given = match[1] if (match := _WHOLE.fullmatch(given)) else given
    if isinstance(given, float) and given.is_integer():
        given = int(given)
    if isinstance(given, bool) or not isinstance(given, str | int) or not encodes(str(given)):
        raise ValueError("must be a text or a whole number, or be left out")
    return str(given)


def flag_of(given: object) -> object:
    """True or false where a file says so in words or numbers (yes, 1, 1.0, FALSE), anything else as it is."""
    plain = isinstance(given, str | int | float) and not isinstance(given, bool)
    return _BOOLEANS.get(str(given).strip().lower(), given) if plain else given


@dataclass(frozen=True, slots=True)
class RawRow:
    """One row and where it stands, such as "dataset.json, line 12" (lines and rows count from 1).

    Fields are read as a type; InputError where one that must be there is missing, or is of another type.
    """

    place: str
    values: Mapping[str, Any]
    index: int = 0
    """The number of the row among all rows of its file, from 0; rows that are dropped or cannot be read count."""
    where: str = ""
    """The place without its file, such as "line 12"."""
    fault: Failure | None = None
    """Why the row cannot be read; `values` are then empty, but for text in another encoding than UTF-8."""

    def has(self, *names: str) -> bool:
        """Whether all of the fields are there and hold something."""
        return all(self.values.get(name) is not None for name in names)

    def value(self, *names: str) -> tuple[str, Any]:
        """The first of these fields that holds something, else the first that is there: its name and value."""
        there = [name for name in names if name in self.values]
        filled = [name for name in there if not blank(self.values[name])]
        if not there:
            raise missing(self.place, names[0], self.values)
        name = (filled or there)[0]
        return name, self.values[name]

    def filled(self, *names: str) -> str:
        """The text, not a blank one, of the first of these fields that holds something."""
        name, value = self.value(*names)
        if isinstance(value, str) and value.strip():
            return value
        raise self.refuse(name, "must be a text that is not blank")

    def text(self, name: str) -> str:
        """A text that must be there."""
        value = self._given(name)
        if isinstance(value, str):
            return value
        raise self.wrong(name, "text", value)

    def text_or(self, name: str, default: str = "") -> str:
        """A text, or the default where the field is absent or null."""
        return self.text(name) if self.has(name) else default

    def number(self, name: str) -> float:
        """A number that must be there; digits in text count (CSV)."""
        value = self._given(name)
        if isinstance(value, str | int | float) and not isinstance(value, bool):
            with suppress(ValueError):
                return float(value)
        raise self.wrong(name, "a number", value)

    def whole(self, name: str) -> int:
        """A whole number that must be there."""
        value = self.number(name)
        if not value.is_integer():
            raise self.wrong(name, "a whole number", value)
        return int(value)

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of texts that must be there, also where it is written as text ("['a', 'b']")."""
        value = self._given(name)
        listed = literal(value) if isinstance(value, str) else value
        if isinstance(listed, list | tuple) and all(isinstance(one, str) for one in listed):
            return tuple(listed)
        raise self.wrong(name, "a list of texts", value)

    def texts_or_none(self, name: str) -> tuple[str, ...]:
        """A list of texts, empty where the field is absent or null."""
        return self.texts(name) if self.has(name) else ()

    def refuse(self, field: str, problem: object) -> InputError:
        """The error that names file, line and field; `problem` goes on after the field."""
        return InputError(f"{self.place}: '{field}' {problem}")

    def wrong(self, name: str, wanted: str, found: object) -> InputError:
        """The error of a field that is of another type than wanted."""
        return self.refuse(name, f"must be {wanted}, found {shown(found)}")

    def _given(self, name: str) -> Any:  # noqa: ANN401 - whatever the file holds
        if self.values.get(name) is None:
            raise missing(self.place, name, self.values)
        return self.values[name]


def missing(place: str, name: str, found: Mapping[str, Any]) -> InputError:
    """The error of a field that is not there, with the fields that are."""
    names = [f"'{key}'" for key in found]
    listed = ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
    empty = " (empty)" if name in found else ""
    return InputError(f"{place}: no field '{name}'{empty}; found {listed or 'none'}")


def shown(value: object) -> str:
    """A value for a message, cut to 60 characters."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
