"""The metrics and their sums by hand, where the kit's own script does not look."""

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from app.errors import InputError, SetupError
from app.evaluation import metrics
from app.evaluation.encoders import ENGLISH, Encoder, Vectors
from app.evaluation.scoring import Scorer, similarities
from app.types import Question, Sample, TaskType

ANGLES = {"answer": 0, "same": 0, "near": 60, "opposite": 180}


class Compass:
    """A model whose texts are directions, so that cosines are known."""

    def encode(self, texts: Sequence[str], **_: object) -> list[Vectors]:
        return [np.array([np.cos(np.radians(ANGLES[text])), np.sin(np.radians(ANGLES[text]))]) for text in texts]


def sample(metric: str, task_type: TaskType, gold: object) -> Sample:
    return Sample(Question("a", "Say it."), "t", task_type, metric, gold)


def test_a_library_that_is_missing_is_told_before_anything_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rouge_score", None)
    with pytest.raises(SetupError, match=r"^scoring needs rouge-score, .* pip install 'shopbench\[eval\]'$"):
        Scorer()


def test_only_the_first_three_numbers_can_hit() -> None:
    assert metrics.hit_rate_at_3([4, 5, 6, 1, 2], [1, 2, 3]) == 0
    assert metrics.hit_rate_at_3([4, 5, 1, 2], [1, 2]) == 0.5


def test_the_mean_over_references_is_clipped_and_not_its_parts() -> None:
    encoder = Encoder(Compass(), "here")
    pairs = [("answer", ["same", "opposite", "near"]), ("answer", ["opposite", "near"]), ("answer", ["near"])]
    assert similarities(encoder, pairs) == pytest.approx([(1 - 1 + 0.5) / 3, 0, 0.5])


@pytest.mark.parametrize("metric", ["bleu", "rougel"])
def test_a_full_score_is_one_to_the_last_bit(metric: str) -> None:
    text = "a red lamp for the desk"
    samples = [sample(metric, TaskType.GENERATION, text), sample(metric, TaskType.GENERATION, f"{text} at night")]
    full, part = Scorer().score(samples, [text, text])
    assert full.score == 1
    assert part.score is not None
    assert part.score < 1


def test_every_sample_needs_an_answer_and_a_known_metric() -> None:
    known = sample("rougel", TaskType.GENERATION, "soft")
    with pytest.raises(InputError, match="1 answers for 2 samples"):
        Scorer().score([known, known], ["soft"])
    with pytest.raises(InputError, match="sample 'a': unknown metric 'fame'; known: accuracy"):
        Scorer().score([sample("fame", TaskType.GENERATION, "soft")], ["soft"])


def test_what_has_scored_is_told_with_its_version(tmp_path: Path) -> None:
    scorer = Scorer({ENGLISH: tmp_path})
    samples = [sample("rougel", TaskType.GENERATION, "soft"), sample("sent-transformer", TaskType.GENERATION, "soft")]
    first, second = scorer.score(samples, ["soft", "soft"])
    assert (first.score, second.score) == (1, None)
    assert str(tmp_path) in (second.reason or "")
    assert set(scorer.used) == {"rouge-score"}
