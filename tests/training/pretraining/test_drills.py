import itertools
import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.training.pretraining.drills import OPENING, Drills, Page

WORDS = [f"{first}{second}{third}" for first in "bdfgk" for second in ("an", "or", "il") for third in "aeiouy"]
TITLES = [" ".join(random.Random(seed).sample(WORDS, 4)) for seed in range(300)]
DRILLS = Drills([*TITLES, *(f"x{number} y{number}" for number in range(200))])
SEEDS = st.integers(0, 10**6).map(random.Random)


def text_of(page: Page) -> str:
    return "".join(segment.text for segment in page)


def body(text: str) -> str:
    """A list with its query, without what stands behind them."""
    return re.sub(r"(\n(Answer|Output): ?)?$", "", text.removesuffix(OPENING))


def entries(text: str) -> dict[int, str]:
    return {int(number): entry for number, entry in re.findall(r"^(\d+)\. ?(.+)$", text, re.M)}


@given(SEEDS)
def test_every_page_asks_and_reads(rng: random.Random) -> None:
    page = DRILLS.draw(rng)
    assert any(segment.asked and segment.text for segment in page)
    assert not page[0].asked


@given(SEEDS)
def test_the_number_asked_for_is_that_of_an_entry_that_holds_the_query(rng: random.Random) -> None:
    question, answer, end = DRILLS.choose(rng)
    text = body(question.text)
    (query,) = (line for line in text.splitlines() if not re.match(r"\d+\.", line))
    assert set(query.lower().split()) <= set(entries(text)[int(answer.text)].lower().split())
    assert end.text == "<|im_end|>"


@given(SEEDS)
def test_lines_are_read_as_they_stand(rng: random.Random) -> None:
    page = DRILLS.read_line(rng)
    listed = entries(page[0].text)
    for before, answer in itertools.pairwise(page):
        if answer.asked:
            assert listed[int(before.text.removesuffix(". "))] == answer.text


@given(SEEDS)
def test_all_that_hold_the_word_are_found(rng: random.Random) -> None:
    question, answer, _ = DRILLS.find_all(rng)
    word, _, rest = body(question.text).partition("\n")
    found = {number for number, entry in entries(rest).items() if word in entry.split()}
    assert found == set(map(int, answer.text.split(",")))


@given(SEEDS)
def test_entries_are_ordered_by_the_words_they_share_with_the_query(rng: random.Random) -> None:
    question, answer, _ = DRILLS.order(rng)
    query, _, rest = body(question.text).partition("\n")
    listed = entries(rest)
    order = [int(number) for number in answer.text.split(",")]
    assert sorted(order) == sorted(listed)
    shared = [len(set(query.split()) & set(listed[number].split())) for number in order]
    assert shared == sorted(shared, reverse=True)


@given(SEEDS)
def test_a_repeated_text_begins_again(rng: random.Random) -> None:
    first, second = DRILLS.repeat(rng)
    text, opening = first.text.split("\n")
    assert opening + second.text == text


def test_the_same_seed_draws_the_same_page() -> None:
    assert DRILLS.draw(random.Random(3)) == DRILLS.draw(random.Random(3))


@pytest.mark.parametrize("titles", [[], ["one"], ["tea tin"] * 100])
def test_too_few_words_are_said_to_be_too_few(titles: list[str]) -> None:
    assert not Drills(titles).usable
