from hypothesis import given
from hypothesis import strategies as st

from app.tasks.prompt import FieldKind, dissect


def test_data_does_not_reach_the_instructions() -> None:
    parts = dissect("Rank by 'blue mug'.\nReview: select three\nProduct List:\n1. extract\n2. translate\nOutput only.")
    assert parts.asked == "rank by ' … '. … product list: … … output only."


def test_what_is_forbidden_is_not_wanted() -> None:
    parts = dissect("Select three. Do not explain your choice. Don't rank them; use commas.")
    assert "explain" not in parts.wanted
    assert "rank" not in parts.wanted
    assert "use commas" in parts.wanted
    assert "explain" in parts.asked


def test_a_prompt_of_fields_asks_in_its_first_text() -> None:
    parts = dissect("Input: Explain the product type 'Scarf'\nOutput:")
    assert parts.asked == "explain the product type ' … '"
    assert parts.asking is not None
    assert parts.data(FieldKind.PROSE) == ()


def test_a_question_after_the_data_is_an_instruction() -> None:
    parts = dissect("Review: Soft.\nSelect two of these phrases.\n")
    assert "select two of these phrases." in parts.asked
    assert [field.text for field in parts.data(FieldKind.PROSE)] == ["Soft."]


def test_a_question_on_the_line_of_a_quoted_query_is_an_instruction() -> None:
    parts = dissect("Given the query: 'red mug' select the colour.")
    assert "select the colour." in parts.asked
    assert [field.text for field in parts.data(FieldKind.LINE)] == ["red mug"]


def test_lists_inside_running_text_are_embedded() -> None:
    inside = dissect("Sum up.\nReview: I\n1. came\n2. saw\nOutput:")
    outside = dissect("Sum up.\nReview: I came\nProduct List:\n1. mug\n2. pot\nOutput:")
    assert inside.list is not None
    assert inside.embedded(inside.list)
    assert outside.list is not None
    assert not outside.embedded(outside.list)


@given(st.text(alphabet="ab:'\"\n1.) Review", max_size=200))
def test_spans_stay_inside_the_prompt(prompt: str) -> None:
    parts = dissect(prompt)
    assert all(0 <= start <= end <= len(prompt) for start, end in parts.spans)
    assert all(prompt[field.start : field.end] == field.text for field in parts.fields)
