from pathlib import Path

import pytest

from app.data.mixing.checks import Drop
from app.data.mixing.duplicates import EvaluationIndex, evaluation_prompts
from app.data.mixing.mixture import OverlapSettings
from app.data.mixing.text import Wording, fingerprint, wording_of
from app.errors import SetupError
from tests.data.mixing.rows import choice, subject

REVIEW = (
    "The kettle arrived in a dented box, the lid never closed and the handle grew hot, "
    "so after two weeks of burnt fingers it went back to the shop."
)
NOTHING = Wording(frozenset(), frozenset())


def overlap(index: EvaluationIndex, prompt: str, wording: Wording = NOTHING) -> Drop | None:
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
