"""Tables and values as Markdown."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

HASH_DIGITS = 12
"""Of a digest that is shown: enough to recognise a file by."""


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table with its head; nothing where there are no rows."""
    lines = [_row(row) for row in rows]
    if not lines:
        return ""
    return "\n".join([_row(head), "|" + "---|" * len(head), *lines]) + "\n"


def section(title: str, *parts: str) -> str:
    """A section of its non-empty parts; nothing where all are empty."""
    filled = [part.strip() for part in parts if part.strip()]
    return f"## {title}\n\n" + "\n\n".join(filled) + "\n" if filled else ""


def flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, object]]:
    """Nested settings as `(a.b, value)`, those that are not set left out."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{name}.")
        elif value is not None and value != []:
            yield f"{prefix}{name}", value


def shown(value: object) -> str:
    """A value for people: figures with at most four digits that count, lists with commas."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list | tuple):
        return ", ".join(map(shown, value))
    return "" if value is None else str(value)


def hours(seconds: float) -> str:
    """A duration for people."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"


def _row(cells: Sequence[object]) -> str:
    return "| " + " | ".join(shown(cell).replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"
