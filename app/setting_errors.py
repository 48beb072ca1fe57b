"""What is wrong with a setting, in one line that names the fix."""

from collections.abc import Iterable
from difflib import get_close_matches

from pydantic import ValidationError


def explain(error: ValidationError, known: Iterable[str]) -> str:
    """The first fault that pydantic found; `known` are the names that can be set."""
    first = error.errors()[0]
    name = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return unknown(name, known)
    return f"setting {name!r}: {first['msg'].lower()} (given: {first['input']!r})"


def unknown(name: str, known: Iterable[str]) -> str:
    """A name that nothing is set by, with the likely one or else all there are."""
    names = sorted(known)
    close = get_close_matches(name, names, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"known settings: {', '.join(names)}"
    return f"unknown setting {name!r}; {hint}"
