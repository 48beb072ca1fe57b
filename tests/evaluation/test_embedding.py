import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.evaluation.schema import ChatMessage
from app.report.page import Rendered, TextPool, embedded_json, readable, sample_table, table
from tests.evaluation.synthetic import synthetic_evaluation

ANY_TEXT = st.text(st.characters(exclude_categories=()))


@given(
    st.recursive(
        ANY_TEXT | st.integers() | st.booleans() | st.none(),
        lambda inner: st.lists(inner) | st.dictionaries(ANY_TEXT, inner),
    )
)
def test_embedded_json_means_the_same_and_holds_nothing_that_html_reads(value: object) -> None:
    text = str(embedded_json(value))
    # Two halves of a pair that stand side by side are one character in JSON.
    assert json.dumps(json.loads(text)) == json.dumps(json.loads(json.dumps(value)))
    assert not set(text) & set("<>&\x7f\u2028\u2029")
    text.encode("utf-8")


def test_embedded_json_refuses_what_json_has_no_word_for() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        embedded_json(float("nan"))


def _unpacked(packed: list[int | None], pool: TextPool, question: str) -> list[str]:
    """What the page's script makes of a packed message."""
    _, before, *rest = packed
    assert before is not None
    if not rest:
        return [pool.texts[before]]
    start, end, after = rest
    assert start is not None
    assert end is not None
    assert after is not None
    return [pool.texts[before], question[start : len(question) - end], pool.texts[after]]


@given(ANY_TEXT, ANY_TEXT, ANY_TEXT)
def test_rendered_messages_keep_every_character(before: str, question: str, after: str) -> None:
    for content in (before + question + after, before + question.strip() + after, before + after):
        pool = TextPool()
        (packed,) = Rendered([ChatMessage(role="user", content=content)], question).pack(pool)
        assert packed[0] == pool.place("user")
        assert "".join(_unpacked(packed, pool, question)) == content


def test_a_question_is_marked_where_the_template_strips_it_and_not_stored_again() -> None:
    pool = TextPool()
    question = " which one?\n"
    message = ChatMessage(role="user", content="Answer this: which one? Now.")
    (packed,) = Rendered([message], question).pack(pool)
    assert _unpacked(packed, pool, question) == ["Answer this: ", "which one?", " Now."]
    assert not any("which one?" in text for text in pool.texts)


def test_a_text_that_stands_in_many_rows_is_stored_once() -> None:
    packed = table(
        "report", [{"text": "same", "n": 1}, {"text": "same", "n": 2}, {"text": None, "n": 3}], ["text"], ["n"]
    )
    assert packed["texts"] == ["same"]
    assert packed["rows"] == [[0, 1], [0, 2], [None, 3]]


def test_table_refuses_a_text_field_that_holds_no_text() -> None:
    with pytest.raises(TypeError, match="holds a int"):
        table("report", [{"text": 3}], ["text"], [])


def test_sample_table_holds_each_sample_whole() -> None:
    results = synthetic_evaluation().results
    packed = sample_table(results)
    texts, rows, names = packed["texts"], packed["rows"], packed["textFields"]
    assert isinstance(texts, list)
    assert isinstance(rows, list)
    assert isinstance(names, list)
    assert len(rows) == len(results)
    for result, row in zip(results, rows, strict=True):
        assert texts[row[names.index("prompt")]] == result.prompt
        assert texts[row[names.index("answer")]] == result.answer
        assert texts[row[names.index("gold")]] == readable(result.gold)


def test_readable_keeps_numbers_that_a_script_would_round() -> None:
    assert readable([12345678901234567890, 1]) == "[12345678901234567890, 1]"
    assert readable("plain") == "plain"
