import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.tasks import answers as spans_module
from app.tasks.answers import copied, first_words, last_words, parse_spans, word_with_digit
from app.types import Outcome

SOURCE = 'Oak Table 54" Round, seats 1,000 ants'


def test_spans_that_stand_in_the_source_are_clean() -> None:
    assert copied("Oak, Round", SOURCE, 5, "Oak").outcome is Outcome.CLEAN
    answer = copied("1,000 ants", SOURCE, 5, "Oak")
    assert (answer.text, answer.outcome) == ("['1,000 ants']", Outcome.CLEAN)


def test_what_does_not_stand_there_is_dropped() -> None:
    answer = copied("oak, pine, Round", SOURCE, 5, "Oak")
    assert (answer.text, answer.outcome) == ("Oak, Round", Outcome.REPAIRED)


def test_shared_words_are_better_than_nothing() -> None:
    answer = copied("a nice oak table", SOURCE, 1, "Oak")
    assert (answer.text, answer.outcome) == ("Oak Table", Outcome.REPAIRED)
    assert copied("nothing", SOURCE, 1, "Oak").outcome is Outcome.FALLBACK


def test_words_of_two_letters_are_not_worth_sharing() -> None:
    assert copied("we go to", "go to it", 1, "it").outcome is Outcome.FALLBACK
    assert copied("we go out", "go out it", 1, "it").text == "go out"


def test_an_answer_has_as_many_whole_spans_as_the_evaluator_reads() -> None:
    words = [f"{number:03}" * 83 for number in range(20)]
    answer = copied(",".join(words), " ".join(words), 20, "a")
    # With a comma between them they fill what is read to 4,999 characters; the spaces are 19 more.
    assert parse_spans(answer.text) == words[:19]
    assert answer.outcome is Outcome.REPAIRED


def test_one_span_keeps_its_comma() -> None:
    assert parse_spans(copied("Round, seats", SOURCE, 1, "Oak").text) == ["Round, seats"]
    assert parse_spans(copied("Round, seats", SOURCE, 2, "Oak").text) == ["Round", "seats"]


def test_words_of_a_source() -> None:
    assert first_words(SOURCE, 2) == "Oak Table"
    assert last_words(SOURCE, 1) == "ants"
    assert word_with_digit(SOURCE) == '54"'
    assert word_with_digit("oak") is None
    assert first_words("", 1) == "unknown"


@given(st.text(max_size=60), st.text(min_size=1, max_size=80).filter(str.strip), st.integers(1, 4))
def test_every_answer_stands_in_the_source(text: str, source: str, most: int) -> None:
    answer = copied(text, source, most, first_words(source, 1))
    spans = parse_spans(answer.text)
    assert 1 <= len(spans) <= most
    assert all(span in source for span in spans)


def test_an_answer_of_many_spans_is_not_looked_through_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(spans_module, "find_in", lambda _, span: asked.append(span))
    copied(", ".join(f"x{number}" for number in range(900)), SOURCE, 5, "Oak")
    assert 0 < len(asked) <= 100
    asked.clear()
    copied("a, " * 900, SOURCE, 5, "Oak")
    assert asked == ["a"]
