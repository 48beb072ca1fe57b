import itertools
import random
import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.training.pretraining.drills import OPENING, Drills, Page

WORDS = [f"{first}{second}{third}" for first in "bdfgk" for second in ("an", "or", "il") for third in "aeiouy"]
TITLES = [" ".join(random.Random(seed).sample(WORDS, 6)) for seed in range(300)]
DRILLS = Drills([*TITLES, *(f"x{number} y{number}" for number in range(200))])
SEEDS = st.integers(0, 10**6).map(random.Random)


def body(text: str) -> str:
    """A list with its query, without what stands behind them."""
    return re.sub(r"(\n(Answer|Output): ?)?$", "", text.removesuffix(OPENING))


def entries(text: str) -> dict[int, str]:
    return {int(number): entry for number, entry in re.findall(r"^(\d+)[.)] ?(.+)$", text, re.M)}


def query(text: str) -> list[str]:
    (line,) = (line for line in text.splitlines() if not re.match(r"\d+[.)]", line))
    return line.replace("'", "").split()


def question(page: Page) -> tuple[str, str]:
    """Text and answer."""
    asked, answer, *end = page.segments
    assert [segment.text for segment in end] in ([], ["<|im_end|>"])
    return body(asked.text), answer.text


@given(SEEDS)
def test_every_page_asks_and_reads(rng: random.Random) -> None:
    page = DRILLS.draw(rng)
    assert any(segment.asked and segment.text for segment in page.segments)
    assert not page.segments[0].asked


@pytest.mark.parametrize("kind", [DRILLS.choose, DRILLS.choose_word])
@given(SEEDS)
def test_the_entry_asked_for_shares_words_with_the_query(
    kind: Callable[[random.Random], Page], rng: random.Random
) -> None:
    text, answer = question(kind(rng))
    asked = {word.lower() for word in query(text)}
    assert asked & set(entries(text)[int(answer)].lower().split())


@given(SEEDS)
def test_what_goes_on_was_a_line(rng: random.Random) -> None:
    text, answer = question(DRILLS.go_on(rng))
    end = entries(text)[int(answer)]
    before = " ".join(query(text))
    assert any(title.endswith(end) and title.removesuffix(end).strip() in before for title in TITLES)


@given(SEEDS)
def test_lines_are_read_as_they_stand(rng: random.Random) -> None:
    segments = DRILLS.read_line(rng).segments
    listed = entries(segments[0].text)
    for before, answer in itertools.pairwise(segments):
        if answer.asked:
            assert listed[int(before.text.removesuffix(". "))] == answer.text


@given(SEEDS)
def test_all_that_hold_the_word_are_found(rng: random.Random) -> None:
    text, answer = question(DRILLS.find_all(rng))
    found = set(map(int, answer.split(",")))
    listed = entries(text)
    assert any(found == {number for number in listed if word in listed[number].split()} for word in query(text))


@given(SEEDS)
def test_entries_are_ordered_by_the_words_they_share_with_the_query(rng: random.Random) -> None:
    text, answer = question(DRILLS.order(rng))
    listed = entries(text)
    order = [int(number) for number in answer.split(",")]
    assert sorted(order) == sorted(listed)
    shared = [len(set(query(text)) & set(listed[number].split())) for number in order]
    assert shared == sorted(shared, reverse=True)


@given(SEEDS)
def test_a_repeated_text_begins_again(rng: random.Random) -> None:
    first, second = DRILLS.repeat(rng).segments
    text, opening = first.text.split("\n")
    assert opening + second.text == text


@given(SEEDS)
def test_the_first_pages_are_bare_questions_with_few_short_options(rng: random.Random) -> None:
    page = DRILLS.draw_first(rng)
    text, _ = question(page)
    listed = entries(text)
    assert page.frame is None
    assert 1 <= len(listed) <= 6
    assert all(len(entry.split()) <= 6 for entry in listed.values())


@given(SEEDS)
def test_only_questions_stand_behind_instructions(rng: random.Random) -> None:
    page = DRILLS.draw(rng)
    assert page.frame is None or OPENING in page.text


def test_the_same_seed_draws_the_same_page() -> None:
    assert DRILLS.draw(random.Random(3)) == DRILLS.draw(random.Random(3))


@pytest.mark.parametrize("titles", [[], ["one"], ["tea tin"] * 100])
def test_too_few_words_are_said_to_be_too_few(titles: list[str]) -> None:
    assert not Drills(titles).usable
