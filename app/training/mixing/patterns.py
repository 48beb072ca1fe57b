"""Names and patterns of a mixture's settings, held against the names that there are."""

from collections.abc import Collection, Iterable, Mapping
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import TypeVar

from app.errors import SetupError

T = TypeVar("T")


def fits(name: str, patterns: Iterable[str]) -> bool:
    """Whether a name is one of the patterns or fits one."""
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def first_fit(name: str, table: Mapping[str, T], otherwise: T) -> T:
    """What the first pattern that fits says."""
    return next((value for pattern, value in table.items() if fnmatchcase(name, pattern)), otherwise)


def refuse_unknown(where: str, patterns: Iterable[str], names: Collection[str]) -> None:
    """Refuse a pattern that fits none of the names.

    Raises:
        SetupError: there is one; the message has the nearest names.
    """
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in names):
            near = get_close_matches(pattern, names, n=3)
            hint = f"near: {', '.join(map(repr, near))}" if near else "see: shopbench data list"
            raise SetupError(f"{where}: no task of these sources is named or fits {pattern!r}; {hint}")
