import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.tasks import answers as spans_module
from app.tasks.answers import copied, first_words, last_words, parse_spans, word_with_digit
from app.types import Answer, Outcome

SOURCE = 'Oak Table 54" Round, seats 1,000 ants'


def test_spans_that_stand_in_the_source_are_clean() -> None:
    assert copied("Oak, Round", SOURCE, 5, "Oak").outcome is Outcome.CLEAN
    answer = copied("1,000 ants", SOURCE, 5, "Oak")
    assert (answer.text, answer.outcome) == ("['1,000 ants']", Outcome.CLEAN)
    for text in ("Oak,Round", "['Oak', 'Round']", " Oak, Round\n"):
        assert copied(text, SOURCE, 5, "Oak") == Answer("Oak, Round", Outcome.CLEAN)
    for text in ("Oak;Round", "'Oak', •Round", "Oak, Oak, Round", "oak, Round"):
        assert copied(text, SOURCE, 5, "Oak") == Answer("Oak, Round", Outcome.REPAIRED)


def test_a_span_is_a_phrase_and_no_paragraph() -> None:
    source = "soft " * 100
    answer = copied(source, source, 1, "soft")
    assert (len(answer.text), answer.outcome) == (299, Outcome.REPAIRED)
    assert len(copied(f"{source}, warm", f"{source}, warm", 2, "soft").text) < 310
    assert len(first_words("soft" * 100, 1)) == 300


def test_the_one_span_may_stand_in_quotation_marks_or_before_a_remark() -> None:
    for text in (
        '"Oak Table"',
        "Phrase: Oak Table",
        "Oak Table.\nIt names the wood.",
        "Oak Table\nRound",
        "['Oak Table']",
    ):
        assert copied(text, SOURCE, 1, "x").text == "Oak Table"
    assert copied("Oak Table", SOURCE, 1, "x").outcome is Outcome.CLEAN
    assert copied("oak table", SOURCE, 1, "x").outcome is Outcome.REPAIRED
    assert copied("['Oak', 'Round']", SOURCE, 1, "x").text == "Oak"


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
    assert first_words("", 1) == last_words(" ", 2) == "unknown"
    assert first_words("(soft, warm) wool", 2) == "soft, warm"
    assert first_words("() wool", 1) == "()"


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
