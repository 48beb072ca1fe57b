"""How large a grammar may be: compiling one holds up the others, for minutes where repetitions multiply."""

import json
import re
from collections.abc import Iterator
from typing import Any

MAX_DEPTH = 16
MAX_NODES = 1000
MAX_CHARACTERS = 32_768
"""Of a schema as JSON: names and constants are part of the grammar."""
MAX_REPEATS = 1000
"""Of a regular expression's bounded repetitions multiplied, and of a schema's lengths each."""
MAX_REPEATS_IN_ALL = 10_000
"""Of a schema's patterns and lengths together."""

_ESCAPED = re.compile(r"\\.", re.DOTALL)
_BOUNDED = re.compile(r"\{(\d*)(?:,(\d*))?\}")
_COUNTS = frozenset({"minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"})


def check_regex(pattern: str, longest: int = MAX_CHARACTERS) -> int:
    """How often it repeats at most; refuse what is too long, no regular expression, or repeats too much.

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
    # An escaped backslash before a brace escapes no brace.
    for low, high in _BOUNDED.findall(_ESCAPED.sub("_", pattern)):
        repeats *= max(1, *(int(bound) for bound in (low, high) if bound)) if low or high else 1
    if repeats > MAX_REPEATS:
        raise ValueError(f"its bounded repetitions multiply to {repeats}; {MAX_REPEATS} at most")
    return repeats


def check_schema(schema: dict[str, Any], longest_regex: int = MAX_CHARACTERS) -> None:
    """Refuse a JSON schema that is too large, too deep, repeats too much, or asks for something elsewhere.

    Raises:
        ValueError: why, in one line.
    """
    repeats = 0
    for nodes, (node, depth) in enumerate(_walk(schema), start=1):
        if depth > MAX_DEPTH or nodes > MAX_NODES:
            raise ValueError(f"a schema may have {MAX_NODES} values, {MAX_DEPTH} deep, at most")
        if isinstance(node, dict):
            repeats += _repeats(node, longest_regex)
    if repeats > MAX_REPEATS_IN_ALL:
        raise ValueError(f"its patterns and lengths add up to {repeats}; {MAX_REPEATS_IN_ALL} at most")
    if len(json.dumps(schema)) > MAX_CHARACTERS:
        raise ValueError(f"a schema may have {MAX_CHARACTERS} characters at most")


def _walk(schema: object) -> Iterator[tuple[object, int]]:
    waiting: list[tuple[object, int]] = [(schema, 1)]
    while waiting:
        node, depth = waiting.pop()
        yield node, depth
        inner = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
        waiting.extend((part, depth + 1) for part in inner)


def _repeats(node: dict[str, Any], longest_regex: int) -> int:
    reference = node.get("$ref")
    if isinstance(reference, str) and not reference.startswith("#"):
        raise ValueError("a schema may refer to itself only ($ref that begins with #)")
    named = node.get("patternProperties")
    patterns = [node.get("pattern"), *(named if isinstance(named, dict) else ())]
    repeats = sum(check_regex(pattern, longest_regex) for pattern in patterns if isinstance(pattern, str))
    for name in _COUNTS & node.keys():
        count = node[name]
        if isinstance(count, float) or (isinstance(count, int) and count > MAX_REPEATS):
            raise ValueError(f"{name} may be a whole number of {MAX_REPEATS} at most")
        repeats += max(0, count) if isinstance(count, int) else 0
    return repeats
