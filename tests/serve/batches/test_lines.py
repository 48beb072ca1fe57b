"""Whatever is uploaded: a file is either refused by line or read to its end."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.openai.wire import DEEPEST, MOST_FIELDS
from app.serve.batches.lines import Line, check, read

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
requests = st.fixed_dictionaries(
    {
        "custom_id": st.text(min_size=1, max_size=4) | values,
        "method": st.just("POST") | values,
        "url": st.sampled_from(["/v1/predict", "/v1/chat/completions"]) | values,
        "body": st.dictionaries(st.text(max_size=8), values, max_size=3) | values,
    },
    optional={"more": values},
)
texts = st.one_of(requests.map(json.dumps), values.map(json.dumps), st.text(max_size=20)).map(
    lambda text: text.encode("utf-8", "surrogatepass")
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines=st.lists(st.one_of(texts, st.binary(max_size=20)), max_size=6))
def test_a_file_is_refused_or_read_to_its_end(tmp_path: Path, lines: list[bytes]) -> None:
    path = tmp_path / "in"
    path.write_bytes(b"\n".join(lines))
    total, errors = check(path, "/v1/predict", 5)
    if errors:
        assert all(error.code and error.message for error in errors)
        return
    rows = list(read(path))
    assert len(rows) == total > 0
    assert len({row.custom_id for row in rows}) == len(rows)
    keys = [row.key(b"run") for row in rows]
    assert len(set(keys)) == len(keys)
    assert keys == [row.key(b"run") for row in read(path)]
    assert keys != [row.key(b"another run") for row in rows]


def nested(levels: int, name: str = "b") -> str:
    """A line of so many objects and lists in one another; the line and its body are the first two."""
    pairs, odd = divmod(levels - 2, 2)
    inner = '[{"a": ' * pairs + "[" * odd + "1" + "]" * odd + "}]" * pairs
    return f'{{"custom_id": "{name}", "method": "POST", "url": "/v1/predict", "body": {{"a": {inner}}}}}'


def test_a_line_as_deep_as_may_be_is_read(tmp_path: Path) -> None:
    path = tmp_path / "in"
    path.write_text(nested(DEEPEST))
    assert check(path, "/v1/predict", 5)[1] == []
    assert [line.custom_id for line in read(path)] == ["b"]


@pytest.mark.parametrize("levels", [DEEPEST + 1, DEEPEST + 2, 900])
def test_a_deeper_line_is_refused_by_its_number(tmp_path: Path, levels: int) -> None:
    path = tmp_path / "in"
    path.write_text(f"{nested(3, 'a')}\n{nested(levels)}")
    _, (error,) = check(path, "/v1/predict", 5)
    assert error.code == "nested_too_deeply"
    assert error.line == 2


@pytest.mark.parametrize("form", ["{}\n", "[{}]", "{}"])
def test_a_line_larger_than_a_body_may_be_is_never_parsed(tmp_path: Path, form: str) -> None:
    line = f'{{"custom_id": "a", "method": "POST", "url": "/v1/predict", "body": {{"prompt": "{"b" * 200_000}"}}}}'
    path = tmp_path / "in"
    path.write_text(form.replace("{}", line))
    assert check(path, "/v1/predict", 5, 300_000) == (1, [])
    _, (error, *_) = check(path, "/v1/predict", 5, 100_000)
    assert error.code in ("body_too_large", "invalid_file")
    assert "larger than 100000" in str(error.message)


def test_a_line_of_too_many_fields_is_refused_by_its_number(tmp_path: Path) -> None:
    body = {f"k{number}": 1 for number in range(MOST_FIELDS + 1)}
    path = tmp_path / "in"
    path.write_text(json.dumps({"custom_id": "a", "method": "POST", "url": "/v1/predict", "body": body}))
    _, (error,) = check(path, "/v1/predict", 5)
    assert (error.code, error.line) == ("too_many_values", 1)


@pytest.mark.parametrize(
    ("body", "weight"),
    [
        ({"questions": [{}] * 256}, 256),
        ({"questions": []}, 1),
        ({"questions": "many"}, 1),
        ({"prompt": "a"}, 1),
        ({"prompt": ["a", "b"], "n": 3}, 6),
        ({"prompt": [1, 2, 3]}, 1),
        ({"prompt": [[1], [2, 3]]}, 2),
        ({"prompt": []}, 1),
        ({"n": 8}, 8),
        ({"n": -8}, 1),
        ({"n": "8"}, 1),
        ({"n": None}, 1),
    ],
)
def test_a_line_weighs_what_the_engine_gets(body: dict[str, Any], weight: int) -> None:
    assert Line(0, "a", body).weight == weight


@pytest.mark.parametrize(
    ("line", "code", "field"),
    [
        ({"method": "GET"}, "invalid_request", "method"),
        ({"custom_id": ""}, "invalid_custom_id", "custom_id"),
        ({"url": "/v1/completions"}, "mismatched_url", "url"),
    ],
)
def test_the_field_of_a_line_that_is_wrong_is_named(
    tmp_path: Path, line: dict[str, str], code: str, field: str
) -> None:
    path = tmp_path / "in"
    path.write_text(json.dumps({"custom_id": "a", "method": "POST", "url": "/v1/predict", "body": {}, **line}))
    _, (error,) = check(path, "/v1/predict", 5)
    assert (error.code, error.param, error.line) == (code, field, 1)
