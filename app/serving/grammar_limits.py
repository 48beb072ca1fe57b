"""Limits on the grammars that a request may ask for: compiling one costs time and memory that are not the client's."""

import re
from collections.abc import Iterator
from typing import Any

MAX_DEPTH = 16
MAX_NODES = 1000
MAX_REPEATS = 1000
"""Of a regular expression's bounded repetitions multiplied, and of a schema's lengths each."""

_BOUNDED = re.compile(r"(?<!\\)\{(\d*)(?:,(\d*))?\}")
_COUNTS = frozenset({"minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"})


def check_regex(pattern: str, longest: int) -> None:
    """Refuse what is too long, no regular expression, or repeats too much.

    Raises:
        ValueError: why, in one line.
    """
    if len(pattern) > longest:
        raise ValueError(f"a regular expression may have {longest} characters at most")
    try:
        re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise ValueError(f"not a regular expression: {error}") from error
    repeats = 1
    for low, high in _BOUNDED.findall(pattern):
        repeats *= max(1, *(int(bound) for bound in (low, high) if bound)) if low or high else 1
    if repeats > MAX_REPEATS:
        raise ValueError(f"its bounded repetitions multiply to {repeats}; {MAX_REPEATS} at most")


def check_schema(schema: dict[str, Any], longest_regex: int) -> None:
    """Refuse a JSON schema that is too large, too deep, or asks for something elsewhere.

    Raises:
        ValueError: why, in one line.
    """
    for nodes, (node, depth) in enumerate(_walk(schema), start=1):
        if depth > MAX_DEPTH or nodes > MAX_NODES:
            raise ValueError(f"a schema may have {MAX_NODES} values, {MAX_DEPTH} deep, at most")
        if isinstance(node, dict):
            _check_node(node, longest_regex)


def _walk(schema: object) -> Iterator[tuple[object, int]]:
    waiting: list[tuple[object, int]] = [(schema, 1)]
    while waiting:
        node, depth = waiting.pop()
        yield node, depth
        inner = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
        waiting.extend((part, depth + 1) for part in inner)


def _check_node(node: dict[str, Any], longest_regex: int) -> None:
    reference = node.get("$ref")
    if isinstance(reference, str) and not reference.startswith("#"):
        raise ValueError("a schema may refer to itself only ($ref that begins with #)")
    if isinstance(pattern := node.get("pattern"), str):
        check_regex(pattern, longest_regex)
    if isinstance(patterns := node.get("patternProperties"), dict):
        for pattern in patterns:
            check_regex(pattern, longest_regex)
    for name in _COUNTS & node.keys():
        if isinstance(node[name], int) and node[name] > MAX_REPEATS:
            raise ValueError(f"{name} may be {MAX_REPEATS} at most")
