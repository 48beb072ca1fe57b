import random

import pytest

from app.tasks.registry import task_of
from app.training.pretraining.examples import Example
from app.training.pretraining.lexical import TitleQuestions
from app.training.pretraining.listing import find_entries
from app.training.pretraining.shop import make_product, make_review
from app.training.pretraining.synthetic import GENERATORS, Generator, count_packs
from app.types import TaskType

SEEDS = range(60)
STEMS = ("lant", "paras", "compa", "saddl", "accor", "kettl", "blank", "mirro", "basket", "hammo")
ENDINGS = ("ern", "olet", "sser", "ery", "dion", "ing", "ette")
WORDS = [stem + ending for stem in STEMS for ending in ENDINGS]
"""Seventy rare words; each stands in three titles."""
TITLES = [
    f"No {number} {WORDS[number % 70]} and {WORDS[(number * 3 + 1) % 70]} plus {WORDS[(number + 33) % 70]} of 12 cm"
    for number in range(70)
]


def entry_text(example: Example, number: int) -> str:
    return next(example.prompt[slice(*entry.text)] for entry in find_entries(example.prompt) if entry.number == number)


def check_form(example: Example) -> None:
    """The target is in the task's form and stands in the prompt where it must."""
    numbers = [entry.number for entry in find_entries(example.prompt)]
    if example.task_type is TaskType.MULTIPLE_CHOICE:
        assert int(example.target) in (numbers or [1, 2, 3, 4, 5])
    elif example.task_type is TaskType.RETRIEVAL:
        chosen = [int(number) for number in example.target.split(",")]
        assert set(chosen) <= set(numbers)
        assert len(set(chosen)) == len(chosen) <= 3
        assert task_of(TaskType.RETRIEVAL).parse(example.target) == chosen
    elif example.task_type is TaskType.RANKING:
        order = [int(number) for number in example.target.split(",")]
        assert sorted(order) == numbers == [1, 2, 3, 4, 5]
        gains = [example.relevance[number - 1] for number in order]
        assert gains == sorted(gains, reverse=True)
        assert task_of(TaskType.RANKING).parse(example.target) == order
    else:
        assert example.target in example.prompt


@pytest.mark.parametrize("generator", GENERATORS, ids=lambda generator: generator.__name__)
def test_generated_questions_are_seeded_and_hold_their_answer(generator: Generator) -> None:
    for seed in SEEDS:
        example = generator(random.Random(seed))
        assert example == generator(random.Random(seed))
        check_form(example)
    assert len({generator(random.Random(seed)).prompt for seed in SEEDS}) > len(SEEDS) // 2


def test_pack_sizes_are_multiplied() -> None:
    for seed in SEEDS:
        example = count_packs(random.Random(seed))
        lead, _, rest = example.prompt.partition(" (Pack of ")
        each, packs = int(lead.rsplit(" ", 2)[1]), int(rest.partition(")")[0])
        assert entry_text(example, int(example.target)).split()[0] == str(each * packs)


def test_attributes_and_phrases_stand_in_their_texts() -> None:
    for seed in SEEDS:
        product = make_product(random.Random(seed))
        assert all(value in product.title for value in product.attributes.values())
        review = make_review(random.Random(seed), "kite")
        assert all(phrase in review.text for phrase in review.phrases.values())
        assert 1 <= review.stars <= 5


def test_title_questions_are_seeded_and_hold_their_answer() -> None:
    questions = TitleQuestions(TITLES)
    assert questions.usable
    for seed in SEEDS:
        example = questions.draw(random.Random(seed))
        assert example == TitleQuestions(TITLES).draw(random.Random(seed))
        check_form(example)


def test_pack_sizes_always_find_three_wrong_options() -> None:
    for seed in range(2000):
        example = count_packs(random.Random(seed))
        assert len(find_entries(example.prompt)) == 4


def test_a_small_pool_of_titles_is_not_usable() -> None:
    assert not TitleQuestions(TITLES[:10]).usable
