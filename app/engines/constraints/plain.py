"""Constraints as plain data, so that they can travel to another process."""

from collections.abc import Mapping
from typing import Any

from app.errors import EngineError
from app.types import Copy, Selection


def constraint_to_plain(constraint: Selection | Copy) -> dict[str, Any]:
    """A value of strings, numbers and lists only."""
    if isinstance(constraint, Selection):
        return {"kind": "selection", "numbers": list(constraint.numbers), "count": constraint.count}
    return {"kind": "copy", "source": constraint.source, "max_spans": constraint.max_spans}


def constraint_from_plain(value: Mapping[str, Any]) -> Selection | Copy:
    """The constraint again.

    Raises:
        EngineError: the value was not made by `constraint_to_plain`.
    """
    match value:
        case {"kind": "selection", "numbers": [*numbers], "count": int(count)}:
            return Selection(tuple(int(number) for number in numbers), count)
        case {"kind": "copy", "source": str(source), "max_spans": int(max_spans)}:
            return Copy(source, max_spans)
    raise EngineError(f"not a constraint: {str(value)[:80]}")
