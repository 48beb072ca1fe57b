import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import InputError
from app.fitting import MARK, fit

REVIEW = (
    "You are given a review. Select two aspects from the list that it covers.\n"
    "Review: {review}\nAspect List:\n1. price\n2. sound\n3. weight\nOutput:"
)


def shorter_than(limit: int) -> "Limit":
    return Limit(limit)


class Limit:
    """Accepts texts up to a number of characters, and counts how often it is asked."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.calls = 0

    def __call__(self, text: str) -> bool:
        self.calls += 1
        return len(text) <= self.limit


def test_a_prompt_that_fits_stays_as_it_is() -> None:
    limit = shorter_than(1_000)
    assert fit("Explain what a trivet is.", limit) == ("Explain what a trivet is.", False)
    assert limit.calls == 1


def test_the_longest_field_is_cut_in_its_middle() -> None:
    review = "It began well. " + "Then it went on and on. " * 200 + "It ended well."
    prompt = REVIEW.format(review=review)
    limit = shorter_than(600)
    text, cut = fit(prompt, limit)
    assert cut
    assert 560 < len(text) <= 600
    assert text.count(MARK) == 1
    assert "It began well." in text
    assert "It ended well." in text
    assert text.startswith(prompt[:80])
    assert text.endswith("Aspect List:\n1. price\n2. sound\n3. weight\nOutput:")
    assert limit.calls < 20


def test_list_labels_stay_and_long_entries_are_cut() -> None:
    entries = "\n".join(f"{number}. {'long title ' * 50}" for number in range(1, 6))
    text, cut = fit(f"Rank the products by relevance to 'mug'.\n{entries}\nOutput:", shorter_than(500))
    assert cut
    assert re.findall(r"^(\d)\. long title", text, re.MULTILINE) == list("12345")
    assert text.count(MARK) == 5
    assert text.startswith("Rank the products by relevance to 'mug'.\n1. ")


def test_labels_of_a_list_after_a_description_stay() -> None:
    prompt = f"Which keywords suit?\nDescription: {'soft and warm ' * 90}\n\n0. wool, scarf\n1. desk\n2. ink\nAnswer:"
    text, _ = fit(prompt, shorter_than(300))
    assert text.endswith("\n\n0. wool, scarf\n1. desk\n2. ink\nAnswer:")


def test_a_quotation_is_cut() -> None:
    text, cut = fit(f"Translate the title '{'Wool socks, ' * 100}' into German.", shorter_than(200))
    assert cut
    assert text.startswith("Translate the title 'Wool socks,")
    assert text.endswith("' into German.")


@given(st.integers(28, 400), st.integers(0, 400))
def test_as_much_is_kept_as_fits_and_a_few_words_at_least(length: int, room: int) -> None:
    before, after = "Translate the title '", "' into German."
    prompt, limit = f"{before}{'x' * length}{after}", len(before + after) + room
    if room >= length:
        assert fit(prompt, shorter_than(limit)) == (prompt, False)
    elif room < 24 + len(MARK):
        with pytest.raises(InputError):
            fit(prompt, shorter_than(limit))
    else:
        kept = room - len(MARK)
        first = "x" * ((kept + 1) // 2)
        assert fit(prompt, shorter_than(limit)) == (f"{before}{first}{MARK}{'x' * (kept // 2)}{after}", True)


def test_the_mark_stands_for_the_blanks_around_it() -> None:
    text, _ = fit(f"Translate the title '{'a' * 10}{' ' * 200}{'b' * 10}' into German.", shorter_than(80))
    assert text == f"Translate the title '{'a' * 10}{MARK}{'b' * 10}' into German."


@pytest.mark.parametrize("length", [900, 901])
def test_of_text_without_a_label_three_hundred_characters_stay_at_either_end(length: int) -> None:
    prompt = "Tell me. " + "y" * (length - 9)
    if length == 900:
        with pytest.raises(InputError):
            fit(prompt, shorter_than(899))
        return
    text, cut = fit(prompt, shorter_than(700))
    assert (len(text), cut) == (700, True)
    assert fit(prompt, shorter_than(627))[0] == f"{prompt[:312]}{MARK}{'y' * 312}"
    with pytest.raises(InputError):
        fit(prompt, shorter_than(626))


def test_a_quotation_inside_a_field_is_cut_with_the_field() -> None:
    prompt = f"Sum it up in a sentence.\nReview: {'x' * 100} '{'y' * 300}' {'z' * 100}\nOutput:"
    text, _ = fit(prompt, shorter_than(300))
    assert text.count(MARK) == 1
    before, _, after = text.partition(MARK)
    assert prompt.startswith(before)
    assert prompt.endswith(after)
    assert len(text) == 300


def test_data_is_cut_before_text_without_a_label() -> None:
    prompt = f"{'Consider it well. ' * 60}\nReview: {'soft ' * 100}\nOutput:"
    text, _ = fit(prompt, shorter_than(len(prompt) - 200))
    assert text.startswith("Consider it well. " * 59)
    assert MARK in text.partition("Review:")[2]


def test_one_giant_line_keeps_its_ends() -> None:
    prompt = "Explain this text: " + "word " * 20_000 + "Keep it to one sentence."
    text, cut = fit(prompt, shorter_than(2_000))
    assert cut
    assert len(text) <= 2_000
    assert text.startswith("Explain this text:")
    assert text.endswith("Keep it to one sentence.")


def test_instructions_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InputError, match="shorten them") as error:
        fit("Explain what a trivet is.\nReview: fine\nOutput:", shorter_than(20))
    assert "\n" not in str(error.value)


def test_labels_that_do_not_fit_are_refused() -> None:
    entries = "\n".join(f"{number}. cup" for number in range(1, 400))
    with pytest.raises(InputError):
        fit(f"Select three.\n{entries}\nOutput:", shorter_than(500))


WORDS = st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\r"), max_size=300)


@given(WORDS, WORDS, st.integers(30, 900))
def test_what_comes_back_has_been_accepted(review: str, title: str, limit: int) -> None:
    prompt = f"Explain the review of '{title}' in a sentence.\nReview: {review * 5}\nOutput:"
    check = shorter_than(limit)
    try:
        text, cut = fit(prompt, check)
    except InputError:
        assert check.calls <= 3
        return
    assert len(text) <= limit
    assert cut == (text != prompt)
    assert (MARK in text) or not cut
    assert check.calls <= 40


@given(st.integers(150, 2_000), st.integers(1, 12), st.integers(0, 400))
def test_instructions_and_labels_stay_whatever_the_limit(limit: int, entries: int, words: int) -> None:
    listed = "\n".join(f"{number}. {'blue mug ' * (words % 37)}{number}" for number in range(1, entries + 2))
    prompt = f"Select two of the list.\nReview: {'a b c ' * words}\nProduct List:\n{listed}\nOutput:"
    try:
        text, _ = fit(prompt, shorter_than(limit))
    except InputError:
        return
    assert text.startswith("Select two of the list.\nReview:")
    assert [int(label) for label in re.findall(r"^(\d+)\. ", text, re.MULTILINE)] == list(range(1, entries + 2))
    assert text.endswith("\nOutput:")


@given(st.text(max_size=3_000), st.integers(0, 2_000))
def test_any_text_ends_in_a_fit_or_in_a_refusal(prompt: str, limit: int) -> None:
    try:
        text, _ = fit(prompt, shorter_than(limit))
    except InputError:
        return
    assert len(text) <= limit


def test_growth_is_kept_to_a_few_calls() -> None:
    prompt = REVIEW.format(review="x" * 1_000_000)
    limit = shorter_than(5_000)
    text, _ = fit(prompt, limit)
    assert len(text) > 4_900
    assert limit.calls <= 25
