import random
from collections import Counter
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryFile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.data.mixing.checks import Drop
from app.data.mixing.duplicates import (
    EvaluationIndex,
    NearDuplicates,
    RowContent,
    evaluation_prompts,
    without_duplicates,
)
from app.data.mixing.mixture import NearDuplicateSettings, OverlapSettings
from app.data.mixing.spool import RowSpool
from app.data.mixing.text import Fingerprint, fingerprint, wording_of
from app.data.row import TrainingRow
from app.errors import SetupError
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


SETTINGS = NearDuplicateSettings(threshold=0.8, permutations=64)
shingles = st.frozensets(st.integers(0, 2**32 - 1), min_size=5, max_size=60)


def content(prompt: frozenset[int], answer: int = 1, text: frozenset[int] = frozenset()) -> RowContent:
    return RowContent(prompt, answer, text)


@settings(max_examples=15)
@given(shingles)
def test_the_same_content_with_the_same_answer_is_admitted_once(prompt: frozenset[int]) -> None:
    seen = NearDuplicates(SETTINGS)

    assert seen.admit(content(prompt))
    assert not seen.admit(content(prompt))
    assert seen.admit(content(prompt, answer=2))


@settings(max_examples=15)
@given(st.lists(shingles, max_size=8))
def test_no_two_that_are_refused_for_less_than_the_threshold(prompts: list[frozenset[int]]) -> None:
    seen = NearDuplicates(SETTINGS)
    admitted: list[frozenset[int]] = []
    for prompt in prompts:
        if seen.admit(content(prompt)):
            admitted.append(prompt)
        else:
            assert any(len(prompt & other) / len(prompt | other) >= SETTINGS.threshold for other in admitted)


def test_one_word_more_in_a_long_text_is_near_and_another_half_is_not() -> None:
    words = [f"word{n}" for n in range(60)]
    seen = NearDuplicates(SETTINGS)

    assert seen.admit(content(fingerprint(" ".join(words)).shingles))
    assert not seen.admit(content(fingerprint(" ".join([*words, "more"])).shingles))
    assert seen.admit(content(fingerprint(" ".join([*words[:30], *(f"other{n}" for n in range(30))])).shingles))


def test_free_texts_that_say_something_else_are_no_duplicates() -> None:
    prompt = fingerprint(" ".join(f"word{n}" for n in range(40))).shingles
    seen = NearDuplicates(SETTINGS)

    assert seen.admit(content(prompt, text=fingerprint("a blue gown of velvet with lace").shingles))
    assert seen.admit(content(prompt, text=fingerprint("shoes with straps").shingles))
    assert not seen.admit(content(prompt, text=fingerprint("a blue gown of velvet with lace trim").shingles))


def test_what_has_no_content_is_kept() -> None:
    seen = NearDuplicates(SETTINGS)

    assert seen.admit(content(frozenset()))
    assert seen.admit(content(frozenset()))


REVIEW = (
    "The kettle arrived in a dented box, the lid never closed and the handle grew hot, "
    "so after two weeks of burnt fingers it went back to the shop."
)
NOTHING = Fingerprint(frozenset(), frozenset())


def overlap(index: EvaluationIndex, prompt: str, wording: Fingerprint = NOTHING) -> Drop | None:
    return index.overlap(prompt, fingerprint(prompt), wording)


@pytest.fixture
def index() -> EvaluationIndex:
    return EvaluationIndex([f"Rate this review from 1 to 5.\nReview: {REVIEW}\nRating:"], OverlapSettings())


def test_the_same_prompt_is_refused_whatever_its_case(index: EvaluationIndex) -> None:
    assert overlap(index, f"rate THIS review from 1 to 5. Review: {REVIEW} rating:") is Drop.EVALUATION_PROMPT


def test_a_long_line_in_another_question_is_refused(index: EvaluationIndex) -> None:
    assert overlap(index, f"What is this about?\nText: {REVIEW}") is Drop.EVALUATION_LINE


def test_most_of_the_content_in_other_lines_is_refused(index: EvaluationIndex) -> None:
    half = REVIEW[: 2 * len(REVIEW) // 3]

    assert overlap(index, f"Summarise in a word: somebody wrote '{half}' and left.") is Drop.EVALUATION_CONTENT


def test_other_content_passes(index: EvaluationIndex) -> None:
    assert overlap(index, "Rate this review from 1 to 5.\nReview: A fine lamp for the desk.\nRating:") is None


def test_wording_that_a_task_shares_with_an_evaluation_file_is_no_overlap() -> None:
    instruction = "Read the following customer review with care and then answer with one whole number from one to five."
    rows = [f"{instruction}\nReview: {subject(number)}\nRating:" for number in range(50)]
    index = EvaluationIndex([f"{instruction}\nReview: {REVIEW}\nRating:"], OverlapSettings())
    wording = wording_of(fingerprint(row) for row in rows)

    assert overlap(index, rows[0]) is Drop.EVALUATION_LINE
    assert [row for row in rows if overlap(index, row, wording)] == []
    assert overlap(index, f"{instruction}\nReview: {REVIEW}\nRate:", wording) is Drop.EVALUATION_LINE


def test_nothing_overlaps_with_no_file() -> None:
    assert overlap(EvaluationIndex([], OverlapSettings()), choice("x").prompt) is None


def test_evaluation_files_of_any_format_are_read(tmp_path: Path) -> None:
    (tmp_path / "shopping.csv").write_text("question,choices,answer\n\"Which is blue?\",\"['a', 'b']\",1\n")

    found = evaluation_prompts([tmp_path / "shopping.csv"])

    assert len(found[str(tmp_path / "shopping.csv")]) == 1


def test_a_missing_evaluation_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match=r"evaluation_files: .*absent\.jsonl does not exist"):
        evaluation_prompts([tmp_path / "absent.jsonl"])
