from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.engines.constraints.limits import check_regex, check_schema

ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["type", "pattern", "$ref", "maxItems", "properties", "x"]), inner, max_size=4
        )
    ),
    max_leaves=40,
)


@pytest.mark.parametrize(
    "pattern", ["[0-9]{3}-[0-9]{2}", "(red|blue)", "a{1000}", "a{0,1000}", "x*", r"\{99999\}", r"\\\{99999\}", "a{,20}"]
)
def test_what_is_small_is_allowed(pattern: str) -> None:
    check_regex(pattern, 256)


@pytest.mark.parametrize(
    ("pattern", "says"),
    [
        ("a{1001}", "1001"),
        ("a{2,1001}", "1001"),
        ("(a{100}){11}", "1100"),
        ("((a{11}){11}){11}", "1331"),
        (r"(?:\\{99999}){1000}", "99999000"),
        ("a" * 257, "256 characters"),
        ("(", "not a regular expression"),
        ("a{2,1}", "not a regular expression"),
        ("(" * 120, "not a regular expression"),
    ],
)
def test_what_costs_too_much_or_is_none_is_refused(pattern: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        check_regex(pattern, 256)


@pytest.mark.parametrize(
    ("schema", "says"),
    [
        ({"type": "string", "pattern": "(a{100}){100}"}, "10000"),
        ({"properties": {"a": {"items": {"pattern": "("}}}}, "not a regular expression"),
        ({"patternProperties": {"(": {}}}, "not a regular expression"),
        ({"$ref": "https://example.org/schema.json"}, "refer to itself"),
        ({"type": "array", "maxItems": 10**9}, "maxItems"),
        ({"type": "array", "maxItems": 1e9}, "maxItems"),
        ({"enum": list(range(1001))}, "1000 values"),
        ({"const": "x" * 40_000}, "32768 characters"),
        ({"properties": {"x" * 40_000: {}}}, "32768 characters"),
        ({"properties": {str(n): {"pattern": "[a-z]{1000}"} for n in range(11)}}, "add up to 11000"),
        ({"properties": {str(n): {"maxLength": 900} for n in range(12)}}, "add up to 10800"),
    ],
)
def test_schemas_that_cost_too_much_are_refused(schema: dict[str, object], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        check_schema(schema, 256)


def test_ordinary_schemas_are_allowed() -> None:
    chair = {"type": "object", "properties": {"maxItems": True, "name": {"type": "string", "maxLength": 255}}}
    check_schema({"type": "array", "maxItems": 100, "items": chair}, 256)


def nested(depth: int) -> dict[str, object]:
    schema: dict[str, object] = {}
    for _ in range(depth - 1):
        schema = {"items": schema}
    return schema


@pytest.mark.parametrize(
    ("most", "beyond", "says"),
    [
        (nested(16), nested(17), "16 deep"),
        # The schema itself and its list are values too.
        ({"enum": [0] * 998}, {"enum": [0] * 999}, "1000 values"),
        ({"const": "x" * (32_768 - 13)}, {"const": "x" * (32_768 - 12)}, "32768 characters"),
        ({"maxItems": 1000}, {"maxItems": 1001}, "maxItems may be"),
        (
            {"allOf": [{"maxLength": 1000}] * 10},
            {"allOf": [*[{"maxLength": 1000}] * 10, {"minLength": 1}]},
            "add up to 10001",
        ),
        (
            {"allOf": [{"maxLength": 1000, "minLength": -9000}] * 10},
            {"allOf": [{"maxLength": 1000, "pattern": "a"}] * 10},
            "add up to 10010",
        ),
        ({"pattern": "a{256}"}, {"pattern": "a" * 257}, "256 characters"),
        ({"patternProperties": {"a": {}}}, {"patternProperties": {"a{1001}": {}}}, "multiply to 1001"),
        ({"$ref": "#/items"}, {"$ref": "items#"}, "refer to itself"),
    ],
)
def test_what_is_at_a_limit_is_taken_and_what_is_beyond_is_not(
    most: dict[str, object], beyond: dict[str, object], says: str
) -> None:
    check_schema(most, 256)
    with pytest.raises(ValueError, match=says):
        check_schema(beyond, 256)


@given(st.dictionaries(st.text(max_size=5), ANY_JSON, max_size=4))
def test_any_schema_is_taken_or_refused_with_a_reason(schema: dict[str, object]) -> None:
    with suppress(ValueError):
        check_schema(schema, 256)


@given(st.text(max_size=60))
def test_any_pattern_is_taken_or_refused_with_a_reason(pattern: str) -> None:
    with suppress(ValueError):
        check_regex(pattern, 256)


ITSELF = {"$ref": "#"}
REQUIRED = {"type": "object", "properties": {"a": ITSELF}, "required": ["a"]}


def by_way_of(**definitions: object) -> dict[str, object]:
    return {"$ref": "#/$defs/a", "$defs": definitions}


@pytest.mark.parametrize(
    "schema",
    [
        ITSELF,
        REQUIRED,
        {"allOf": [ITSELF]},
        {"anyOf": [ITSELF]},
        {"oneOf": [ITSELF, REQUIRED]},
        {"type": "array", "items": ITSELF, "minItems": 1},
        {"type": "array", "prefixItems": [{}, ITSELF], "minItems": 2},
        {"type": "array", "prefixItems": [{}], "items": ITSELF, "minItems": 2},
        by_way_of(a={"$ref": "#/$defs/b"}, b={"$ref": "#/$defs/a"}),
        by_way_of(a={"anyOf": [{"$ref": "#/$defs/b~1c"}, {"$ref": "#/$defs/a"}]}, **{"b/c": {"allOf": [{}, ITSELF]}}),
        by_way_of(a={"$ref": "#/$defs/b/anyOf/1"}, b={"anyOf": [{}, {"$ref": "#/$defs/a"}]}),
    ],
)
def test_a_schema_that_requires_itself_is_refused(schema: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="requires itself"):
        check_schema(schema)


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "properties": {"a": ITSELF}},
        {"properties": {"a": ITSELF}, "required": ["a"]},
        {"type": "array", "items": ITSELF},
        {"type": "array", "items": ITSELF, "prefixItems": [{}], "minItems": 1},
        {"anyOf": [ITSELF, {"type": "string"}]},
        {"type": "object", "properties": {"a": {"anyOf": [ITSELF, {"type": "null"}]}}, "required": ["a"]},
        {"type": "string", "$defs": {"a": {"$ref": "#/$defs/a"}}},
        by_way_of(a={"type": "array", "items": {"$ref": "#/$defs/a"}}),
        by_way_of(**{"a": {"$ref": "#/$defs/b%20c"}, "b c": {"type": "string"}}),
        {"$ref": "#/nowhere/0"},
    ],
)
def test_a_schema_that_may_hold_itself_is_taken(schema: dict[str, object]) -> None:
    check_schema(schema)


def test_a_large_schema_is_refused_before_its_expressions_are_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.engines.constraints.limits.check_regex", lambda *_: pytest.fail("compiled"))
    with pytest.raises(ValueError, match="32768 characters"):
        check_schema({"allOf": [{"pattern": "a" * 250}] * 200})
