"""A row as a published file holds it, read field by field; what is missing or wrong is told with its place."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.errors import InputError
from app.tasks.answers import literal

_SHOWN = 8
"""Fields that an error lists."""


@dataclass(frozen=True, slots=True)
class RawRow:
    """One row and where it stands, such as "dataset.json, row 12" (rows and lines count from 1)."""

    place: str
    values: Mapping[str, Any]

    def has(self, *names: str) -> bool:
        """Whether all of the fields are there and hold something."""
        return all(self.values.get(name) is not None for name in names)

    def text(self, name: str) -> str:
        """A text that must be there.

        Raises:
            InputError: it is missing or no text.
        """
        value = self._given(name)
        if isinstance(value, str):
            return value
        raise self.wrong(name, "text", value)

    def text_or(self, name: str, default: str = "") -> str:
        """A text, or the default where the field is absent or null.

        Raises:
            InputError: it is something else.
        """
        return self.text(name) if self.has(name) else default

    def number(self, name: str) -> float:
        """A number that must be there; digits in text count (CSV).

        Raises:
            InputError: it is missing or no number.
        """
        value = self._given(name)
        try:
            if not isinstance(value, bool) and isinstance(value, str | int | float):
                return float(value)
        except ValueError as error:
            raise self.wrong(name, "a number", value) from error
        raise self.wrong(name, "a number", value)

    def whole(self, name: str) -> int:
        """A whole number that must be there. Errors as `number`."""
        value = self.number(name)
        if not value.is_integer():
            raise self.wrong(name, "a whole number", value)
        return int(value)

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of texts that must be there, also where it is written as text ("['a', 'b']").

        Raises:
            InputError: it is missing or something else.
        """
        value = self._given(name)
        listed = literal(value) if isinstance(value, str) else value
        if isinstance(listed, list | tuple) and all(isinstance(one, str) for one in listed):
            return tuple(listed)
        raise self.wrong(name, "a list of texts", value)

    def wrong(self, name: str, wanted: str, found: object) -> InputError:
        """The error of a field that is of another type than wanted."""
        return InputError(f"{self.place}: '{name}' must be {wanted}, found {_short(found)}")

    def _given(self, name: str) -> Any:  # noqa: ANN401 - whatever the file holds
        if name not in self.values or self.values[name] is None:
            raise missing(self.place, name, self.values)
        return self.values[name]


def missing(place: str, name: str, found: Mapping[str, Any]) -> InputError:
    """The error of a field that is not there, with the fields that are."""
    names = [f"'{key}'" for key in found]
    listed = ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
    empty = " (empty)" if name in found else ""
    return InputError(f"{place}: no field '{name}'{empty}; found {listed or 'none'}")


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
