"""How large a grammar may be: compiling one holds up the others, for minutes where repetitions multiply."""

import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

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
    for nodes, (_, depth) in enumerate(_walk(schema), start=1):
        if depth > MAX_DEPTH or nodes > MAX_NODES:
            raise ValueError(f"a schema may have {MAX_NODES} values, {MAX_DEPTH} deep, at most")
    if len(json.dumps(schema)) > MAX_CHARACTERS:
        raise ValueError(f"a schema may have {MAX_CHARACTERS} characters at most")
    # Only now, since expressions take time to compile.
    repeats = sum(_repeats(node, longest_regex) for node, _ in _walk(schema) if isinstance(node, dict))
    if _endless(schema):
        raise ValueError("it requires itself, so that no answer comes to an end: let a $ref be left out")
    if repeats > MAX_REPEATS_IN_ALL:
        raise ValueError(f"its patterns and lengths add up to {repeats}; {MAX_REPEATS_IN_ALL} at most")


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


def _endless(schema: dict[str, Any]) -> bool:
    """Whether every answer holds another one of the same kind, and so on: `$ref` loops, also by way of others.

    Schemas that some finite answer has are found from the innermost outwards (the productive symbols of a grammar).
    """
    waiting = {id(node): node for node, _ in _walk(schema) if isinstance(node, dict)}
    while found := [
        name
        for name, node in waiting.items()
        if all(id(part) not in waiting for part in _needed(node, schema))
        and all(any(id(part) not in waiting for part in ways) for ways in _alternatives(node))
    ]:
        for name in found:
            del waiting[name]
    return id(schema) in waiting


def _needed(node: dict[str, Any], schema: dict[str, Any]) -> Iterator[object]:
    """The schemas that an answer to this one must hold or be."""
    if isinstance(reference := node.get("$ref"), str):
        yield _target(reference, schema)
    parts, names = node.get("properties"), node.get("required")
    if node.get("type") == "object" and isinstance(parts, dict) and isinstance(names, list):
        yield from (parts.get(name) for name in names if isinstance(name, str))
    if node.get("type") == "array" and isinstance(least := node.get("minItems"), int):
        first = node.get("prefixItems")
        first = first[: max(0, least)] if isinstance(first, list) else []
        yield from first
        if len(first) < least:
            yield node.get("items")
    if isinstance(node.get("allOf"), list):
        yield from node["allOf"]


def _alternatives(node: dict[str, Any]) -> list[list[object]]:
    """Lists of schemas, of each of which an answer must be one."""
    return [node[name] for name in ("anyOf", "oneOf") if isinstance(node.get(name), list) and node[name]]


def _target(reference: str, schema: dict[str, Any]) -> object:
    """What a JSON pointer (RFC 6901) points to; None where that is nothing, which llguidance refuses by name."""
    found: Any = schema
    for part in unquote(reference.removeprefix("#")).split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        if isinstance(found, list) and name.isdecimal() and int(name) < len(found):
            found = found[int(name)]
        elif isinstance(found, dict):
            found = found.get(name)
        else:
            return None
    return found
