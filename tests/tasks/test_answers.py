import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.tasks.answers import (
    complete,
    find_in,
    join_spans,
    numbers_in,
    parse_integers,
    parse_spans,
    split_spans,
    without_preface,
)


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("3, 1, 2", [3, 1, 2]),
        ("The 2 best of 4 are 3,1 because", [3, 1, 2, 4]),
        ("[4]", [4]),
        ("２，４", [2, 4]),
        ("2.5 and 1/2", [1, 2]),
        ("9" * 5_000, []),
        ("none", []),
        ("1 and 4,3,2", [4, 3, 2, 1]),
        ("x" * 4_999 + "3 4", [3]),
    ],
)
def test_numbers_in_chatty_text(text: str, numbers: list[int]) -> None:
    assert numbers_in(text, range(1, 5)) == numbers


def test_complete_adds_what_is_missing() -> None:
    assert complete([3], [1, 2, 3], 3) == (3, 1, 2)
    assert complete([3, 1, 2], [1, 2, 3], 2) == (3, 1)


@pytest.mark.parametrize(
    ("answer", "numbers"),
    [
        ("1, 2, 3", [1, 2, 3]),
        ("1. 2, 3", [3]),
        ("2 1 3", []),
        ("½, 2", [2]),
        ("²,3", [3]),
        ("٣,1", [3, 1]),
        ("[4,5]", [4, 5]),
        (",,", []),
        ("9" * 4_900, []),
        ("1," + " " * 5_000 + ",2", [1]),
    ],
)
def test_integers_as_the_kit_reads_them(answer: str, numbers: list[int]) -> None:
    assert parse_integers(answer) == numbers


@pytest.mark.parametrize(
    ("answer", "spans"),
    [
        ("red, blue ,", ["red", "blue"]),
        ("['red, dark', 'blue']", ["red, dark", "blue"]),
        ("['red', 2]", ["['red'", "2]"]),
        ("[]", []),
        ("", []),
        ("'red'", ["'red'"]),
        ("[" * 5_000, ["[" * 5_000]),
        ("-" * 5_000, ["-" * 5_000]),
    ],
)
def test_spans_as_the_kit_reads_them(answer: str, spans: list[str]) -> None:
    assert parse_spans(answer) == spans


@given(st.text())
def test_the_kits_rules_read_every_text(answer: str) -> None:
    assert all(isinstance(number, int) for number in parse_integers(answer))
    assert all(isinstance(span, str) for span in parse_spans(answer))


@given(st.lists(st.text(min_size=1, max_size=20).filter(lambda span: span == span.strip()), min_size=1, max_size=5))
def test_joined_spans_are_read_back(spans: list[str]) -> None:
    assert parse_spans(join_spans(spans)) == spans


def test_plain_spans_are_joined_plainly() -> None:
    assert join_spans(["red", "dark blue"]) == "red, dark blue"
    assert join_spans(["1,000 pieces"]) == "['1,000 pieces']"


def test_spans_that_a_model_wrote() -> None:
    assert split_spans("1,000 mAh, red; blue\n2,5 l") == ["1,000 mAh", "red", "blue", "2", "5 l"]
    assert split_spans("['a, b', 'c']") == ["a, b", "c"]
    assert split_spans(" [a, b]\n") == ["a", "b"]
    assert split_spans("[1, 'a']") == ["1", "'a'"]
    assert split_spans(", ,") == []


def test_finding_a_span_keeps_the_sources_own_text() -> None:
    source = 'Oak  Table 54" Round'
    assert find_in(source, "oak") == "Oak"
    assert find_in(source, "Oak table") == "Oak  Table"
    assert find_in(source, "'Round'") == "Round"
    assert find_in(source, '54"') == '54"'
    assert find_in(source, "pine") is None
    assert find_in(source, "") is None
    # A capital that is two characters in small ones moves all that follow it.
    assert find_in("İznik Mug", "mug") == "Mug"
    assert find_in("İznik  Mug", "mug") == "Mug"


@pytest.mark.parametrize(("count", "found"), [(40, True), (41, False)])
def test_a_span_of_many_words_is_looked_for_as_it_stands_only(count: int, found: bool) -> None:
    words = [f"w{number}" for number in range(count)]
    assert (find_in("  ".join(words), " ".join(words)) is not None) is found
    assert find_in("  ".join(words), "  ".join(words)) == "  ".join(words)


def test_prefaces_go() -> None:
    assert without_preface("Sure, here is the title:\nMug") == "Mug"
    assert without_preface("Translation: Tasse") == "Tasse"
    assert without_preface("```\nMug\n```") == "Mug"
    assert without_preface("Answering machine") == "Answering machine"
    assert without_preface("Answer: Title: Mug") == "Title: Mug"
    assert without_preface("```text\nMug\n```") == "Mug"
