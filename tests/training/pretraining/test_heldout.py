import pytest

from app.training.pretraining.examples import Example
from app.training.pretraining.heldout import labels_of, score_answers
from app.types import TaskType

LIST = "Pick.\n" + "\n".join(f"{number}. ware" for number in range(1, 11))
RANK = "Order.\n" + "\n".join(f"{number}. ware" for number in range(1, 6))


def test_labels_are_the_listed_numbers_or_a_rating() -> None:
    assert labels_of("Which?\n0. a\n1. b\n2. c") == ("0", "1", "2")
    assert labels_of("Rate this review: fine.") == ("1", "2", "3", "4", "5")


def test_choices_count_right_labels() -> None:
    examples = [Example("Which?\n0. a\n1. b", target, TaskType.MULTIPLE_CHOICE, "s") for target in "0111"]
    score = score_answers("s", examples, ["0", "0", "1", "1"])
    assert (score.score, score.baseline, score.majority) == (0.75, 0.5, 0.75)


def test_retrieval_counts_hits_over_gold() -> None:
    examples = [Example(LIST, "1,2,3", TaskType.RETRIEVAL, "s"), Example(LIST, "4", TaskType.RETRIEVAL, "s")]
    score = score_answers("s", examples, ["1,9,2", "5,4,6"])
    assert score.score == pytest.approx((2 / 3 + 1) / 2)
    assert score.baseline == pytest.approx(0.3)


def test_ranking_is_ndcg_and_chance_lies_between() -> None:
    example = Example(RANK, "1,2,3,4,5", TaskType.RANKING, "s", relevance=(1.0, 0.5, 0.2, 0.1, 0.0))
    best, worst = (score_answers("s", [example], [answer]) for answer in ("1,2,3,4,5", "5,4,3,2,1"))
    assert best.score == pytest.approx(1.0)
    assert worst.score < best.baseline < best.score


def test_spans_are_pooled_and_lower_cased() -> None:
    examples = [Example("x", target, TaskType.NAMED_ENTITY_RECOGNITION, "s") for target in ("Red, Blue", "tea")]
    score = score_answers("s", examples, ["red", "tea"])
    assert score.score == pytest.approx(2 * 2 / (2 + 3))


def test_texts_are_compared_word_by_word() -> None:
    examples = [Example("x", "a red kettle", TaskType.GENERATION, "s")]
    assert score_answers("s", examples, ["red kettle"]).score == pytest.approx(0.8)
