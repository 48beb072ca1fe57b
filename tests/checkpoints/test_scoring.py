"""Macro scores: the mean over task types, with an interval that pairs what can be paired."""

from dataclasses import replace
from pathlib import Path

import pytest

from app.checkpoints.answering import paired_interval, score_answers
from app.errors import InputError
from app.evaluation.encoders import ENGLISH
from app.evaluation.scoring import Scorer
from app.types import Question, Sample, TaskType


def choices(name: str, count: int) -> list[Sample]:
    return [
        Sample(
            Question(f"{name}-{n}", "Which?\n0. a\n1. b", True), name, TaskType.MULTIPLE_CHOICE, "accuracy", 1, "track"
        )
        for n in range(count)
    ]


def lists(count: int) -> list[Sample]:
    return [
        Sample(Question(f"list-{n}", "Select."), "select", TaskType.RETRIEVAL, "hit rate@3", [1], "track")
        for n in range(count)
    ]


def test_task_types_count_alike_whatever_their_tasks() -> None:
    samples = [*choices("one", 4), *choices("two", 20), *lists(5)]
    answers = ["1"] * 4 + ["0"] * 20 + ["1"] * 5

    found = score_answers(samples, answers, Scorer()).macro

    # Multiple choice: the mean of its two tasks, 1 and 0; retrieval: 1.
    assert found.by_type == {"multiple-choice": 0.5, "retrieval": 1.0}
    assert found.score == pytest.approx(0.75)
    assert found.samples == 29


def test_a_difference_is_surer_than_its_two_scores() -> None:
    samples = choices("one", 60)
    before = ["1" if n % 2 else "0" for n in range(60)]
    after = [*before[:-3], "1", "1", "1"]
    first, second = (score_answers(samples, answers, Scorer()) for answers in (before, after))

    paired = paired_interval(first, second)

    assert paired is not None
    assert first.macro.interval is not None
    gain = second.macro.score - first.macro.score
    assert paired.low <= gain <= paired.high
    assert paired.high - paired.low < (first.macro.interval.high - first.macro.interval.low) / 2
    assert paired_interval(first, first) is None


def test_nothing_that_can_be_scored_is_an_error(tmp_path: Path) -> None:
    sample = replace(choices("one", 1)[0], metric="sent-transformer", task_type=TaskType.GENERATION, gold="a")
    with pytest.raises(InputError, match="no sample could be scored"):
        score_answers([sample], ["b"], Scorer(encoder_paths={ENGLISH: tmp_path}))
