"""Parsers and metrics agree with the reference to 1e-9, for whatever string a model may write."""

import random
from functools import cache

import pytest

from app.evaluation.encoders import ENGLISH, MULTILINGUAL, Encoder, load_encoder
from app.evaluation.names import SEMANTIC, Metric
from app.evaluation.scoring import Scorer, aggregate
from app.tasks.registry import TASKS, task_of
from app.types import Question, Sample, TaskType
from tests.conftest import FULL
from tests.evaluation import reference
from tests.evaluation.answers import ADVERSARIAL, random_answer

TOLERANCE = 1e-9
FUZZED = 100_000 if FULL else 10_000

GOLD: dict[Metric, list[reference.Value]] = {
    Metric.ACCURACY: [0, 3, 5, 9],
    Metric.HIT_RATE_AT_3: [[4], [1, 2, 3], [0, 7], [10, 11, 12, 13, 14], [2, 2]],
    Metric.NDCG: [[1, 0.01, 0.1, 1, 0], [0, 0, 0, 0, 0], [0.5, 1, 0], [3, 2, 1, 0, 0, 0, 0], [1]],
    Metric.MICRO_F1: [["red"], ["blue lamp", "Oak"], ["a, b", "c"], [], ["ß"], [" padded "]],
    Metric.ROUGE_L: ["soft and warm", "quickly drying towels", "日本語", "sturdy"],
    Metric.BLEU: ["a blue oak table for four people", "lamp", "Eine blaue Lampe aus Holz, 20 cm", "日本語の答え"],
    Metric.JP_BLEU: ["青い木製のテーブル 四人用", "ケース", "日本語の答え、二つ目です"],
    Metric.SENT_TRANSFORMER: ["A lamp lights a room.", ["A lamp.", "Something that gives light."]],
    Metric.MULTILINGUAL_SENT_TRANSFORMER: ["Eine Lampe gibt Licht.", ["Licht", "光"]],
}
DIRECT = [metric for metric in Metric if metric not in SEMANTIC]


def near(rng: random.Random, gold: reference.Value) -> str:
    """An answer that shares something with the label, so that scores are not all 0."""
    if isinstance(gold, str):
        words = gold.split() or [gold]
        return " ".join(rng.sample(words, rng.randint(1, len(words)))) + rng.choice(["", "\nmore", " extra words", "."])
    parts = [str(part) for part in gold] if isinstance(gold, list) else [str(gold)]
    parts += rng.sample(["1", "2", "3", "4", "5", "Red", "oak "], 2)
    rng.shuffle(parts)
    return rng.choice([", ".join(parts), ",".join(parts), repr(parts), "\n".join(parts)])


def sample(metric: Metric, gold: reference.Value, task_name: str = "task") -> Sample:
    return Sample(Question("0", "Which?"), task_name, metric.task_type, metric.value, gold)


@pytest.mark.parametrize("task_type", TaskType)
def test_every_parser_reads_any_string_as_the_reference_does(task_type: TaskType) -> None:
    parse, rng = task_of(task_type).parse, random.Random(task_type)
    for text in ADVERSARIAL:
        assert parse(text) == reference.parse(task_type, text), text[:80]
    for _ in range(FUZZED):
        text = random_answer(rng)
        assert parse(text) == reference.parse(task_type, text), text


def test_there_is_a_parser_for_every_type() -> None:
    assert {task.type for task in TASKS} == set(TaskType)


@pytest.mark.parametrize("metric", DIRECT)
def test_metric_agrees_for_random_adversarial_and_near_answers(metric: Metric) -> None:
    rng = random.Random(metric)
    count = 60 if metric in (Metric.BLEU, Metric.JP_BLEU, Metric.ROUGE_L) else 2000 if FULL else 300
    for gold in GOLD[metric]:
        answers = [*ADVERSARIAL, *(random_answer(rng) for _ in range(count)), *(near(rng, gold) for _ in range(count))]
        answers = [text for text in answers if metric not in (Metric.BLEU, Metric.JP_BLEU) or _is_text(text)]
        scored = Scorer().score([sample(metric, gold)] * len(answers), answers)
        for text, got in zip(answers, scored, strict=True):
            parsed = reference.parse(metric.task_type, text)
            wanted = reference.score(metric, parsed, gold)
            if metric is Metric.MICRO_F1:
                assert got.counts == wanted, text[:80]
            else:
                assert got.score == pytest.approx(wanted, abs=TOLERANCE), text[:80]


@pytest.mark.parametrize("metric", DIRECT)
def test_near_answers_do_score_something(metric: Metric) -> None:
    """Otherwise the agreement above would be an agreement on zero."""
    rng = random.Random(0)
    golds = [gold for gold in GOLD[metric] if gold]
    answers = [near(rng, gold) for gold in golds for _ in range(40)]
    samples = [sample(metric, gold) for gold in golds for _ in range(40)]
    scores = [one.score or 0.0 for one in Scorer().score(samples, answers)]
    assert len(set(scores)) > 1


def test_halves_of_surrogate_pairs_stop_no_metric() -> None:
    for metric in DIRECT:
        for gold in GOLD[metric]:
            assert Scorer().score([sample(metric, gold)] * 2, ["\ud800", "a \udfff b"])[0].score is not None


def test_task_score_is_pooled_for_micro_f1_and_the_mean_otherwise() -> None:
    rng = random.Random(1)
    golds = [["red"], ["blue lamp", "Oak"], ["c"]]
    answers = [near(rng, gold) for gold in golds]
    scored = Scorer().score([sample(Metric.MICRO_F1, gold) for gold in golds], answers)
    counts = [
        reference.reference_counts(reference.reference_entities(a), g) for a, g in zip(answers, golds, strict=True)
    ]
    assert aggregate(scored) == pytest.approx(reference.reference_f1(counts), abs=TOLERANCE)
    assert aggregate(Scorer().score([sample(Metric.ACCURACY, 1)] * 4, ["1", "1 ", "2", ""])) == 0.5


@pytest.fixture(scope="module")
def english() -> Encoder:
    encoder = load_encoder(ENGLISH, precision="float64")
    assert isinstance(encoder, Encoder), encoder
    return encoder


def test_similarity_agrees_with_two_texts_a_call(english: Encoder) -> None:
    """In float64, so that what is compared is the rule and not the rounding of one batch or another."""
    rng = random.Random(2)
    answers = [
        "",
        "A lamp.",
        "Light for a room",
        "no relation whatever",
        "光",
        *(random_answer(rng) for _ in range(15)),
    ]
    scorer = Scorer(precision="float64")

    @cache
    def embed(text: str) -> list[float]:
        return [float(value) for value in english.model.encode([_clean(text)])[0]]

    for gold in GOLD[Metric.SENT_TRANSFORMER]:
        scored = scorer.score([sample(Metric.SENT_TRANSFORMER, gold)] * len(answers), answers)
        for text, got in zip(answers, scored, strict=True):
            wanted = reference.score("sent-transformer", text.strip(), gold, embed)
            assert got.score == pytest.approx(wanted, abs=TOLERANCE), text


@pytest.mark.usefixtures("english")
def test_single_precision_stays_within_rounding() -> None:
    samples = [sample(Metric.SENT_TRANSFORMER, "A lamp lights a room.")] * 3
    answers = ["A lamp.", "light " * 40, "A lamp lights a room."]
    single = [one.score for one in Scorer().score(samples, answers)]
    double = [one.score for one in Scorer(precision="float64").score(samples, answers)]
    assert single == pytest.approx(double, abs=1e-6)
    assert double[2] == pytest.approx(1, abs=TOLERANCE)


def test_multilingual_rows_are_scored_by_their_own_encoder_or_not_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    scorer = Scorer()
    [got] = scorer.score([sample(Metric.MULTILINGUAL_SENT_TRANSFORMER, "Licht")], ["Licht"])
    if got.score is None:
        assert got.reason is not None
        assert MULTILINGUAL in got.reason
        assert "download" in got.reason
        assert scorer.used == {}
    else:
        assert got.score == pytest.approx(1, abs=1e-6)
        assert MULTILINGUAL in scorer.used


def _is_text(text: str) -> bool:
    """The reference hands the string to sacrebleu as it is, which refuses what is not text."""
    return _clean(text) == text


def _clean(text: str) -> str:
    return "".join("\ufffd" if "\ud800" <= char <= "\udfff" else char for char in text)
