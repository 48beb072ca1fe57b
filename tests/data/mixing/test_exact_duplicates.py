import random
from collections import Counter
from dataclasses import replace
from tempfile import TemporaryFile

from hypothesis import given
from hypothesis import strategies as st

from app.data.mixing.checks import Drop
from app.data.mixing.duplicates import without_duplicates
from app.data.mixing.spool import RowSpool
from app.data.row import TrainingRow
from app.types import TaskType
from tests.data.mixing.rows import choice, free_text, subject

rows = st.lists(
    st.builds(
        lambda n, gold, task: choice(subject(n), gold, task=task),
        st.integers(0, 5),
        st.integers(0, 1),
        st.sampled_from("ab"),
    ),
    max_size=20,
)


def kept_rows(given_rows: list[TrainingRow]) -> tuple[list[TrainingRow], Counter[tuple[str, Drop]]]:
    with TemporaryFile() as file:
        spool = RowSpool(file, seed=0)
        for row in given_rows:
            spool.add(row)
        kept, dropped = without_duplicates(spool)
        return list(spool.read(kept.nonzero()[0])), dropped


def test_of_equal_rows_one_stays_whatever_their_case_and_white_space() -> None:
    row = choice("a red kettle")
    kept, dropped = kept_rows([row, replace(row, prompt=row.prompt.upper()), replace(row, prompt=row.prompt + "  ")])

    assert len(kept) == 1
    assert dropped == {("colour_choice", Drop.EXACT_DUPLICATE): 2}


def test_a_question_with_two_answers_goes_and_takes_its_copies_along() -> None:
    kept, dropped = kept_rows([choice("a", 0), choice("a", 1), choice("a", 1), choice("b", 0)])

    assert [row.prompt for row in kept] == [choice("b", 0).prompt]
    assert dropped == {("colour_choice", Drop.EXACT_DUPLICATE): 1, ("colour_choice", Drop.CONFLICT): 2}


def test_of_several_free_texts_for_one_prompt_one_stays() -> None:
    kept, dropped = kept_rows([free_text("a", text) for text in ("It boils.", "It is blue.", "It whistles.")])

    assert len(kept) == 1
    assert dropped == {("explanation", Drop.CONFLICT): 2}


def test_the_order_of_gold_numbers_is_no_conflict() -> None:
    row = replace(choice("x"), gold=[3, 1], metric="hit rate@3", task_type=TaskType.RETRIEVAL)
    kept, dropped = kept_rows([row, replace(row, gold=[1, 3], target="1,3")])

    assert len(kept) == 1
    assert dropped.total() == 1


@given(rows, st.randoms(use_true_random=False))
def test_what_stays_does_not_depend_on_the_order_and_says_one_thing_of_each_prompt(
    given_rows: list[TrainingRow], order: random.Random
) -> None:
    mixed = order.sample(given_rows, len(given_rows))
    kept, dropped = kept_rows(given_rows)

    assert sorted(map(repr, kept)) == sorted(map(repr, kept_rows(mixed)[0]))
    assert len({row.prompt for row in kept}) == len(kept)
    assert len(kept) + dropped.total() == len(given_rows)
    answers = Counter(prompt for prompt, _ in {(row.prompt, row.gold) for row in given_rows})
    assert {row.prompt for row in kept} == {prompt for prompt, n in answers.items() if n == 1}
