import json
import math
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.errors import InputError
from app.evaluation.answers import Answered, join
from app.evaluation.baselines import baselines
from app.evaluation.datasets.kit import kit_row
from app.evaluation.datasets.reading import Dataset, read_dataset
from app.evaluation.encoders import ENGLISH, MULTILINGUAL
from app.evaluation.evaluation import Evaluation, evaluate, read_evaluation, write_evaluation
from app.evaluation.names import MULTILINGUAL as TRACK_4
from app.evaluation.names import UNDERSTANDING
from app.evaluation.schema import EvalReport, SampleResult
from app.evaluation.scoring import Scorer
from app.evaluation.summaries import calibration
from app.predictor import Predictor
from app.prompting import PromptLibrary
from app.rows import prediction_row
from app.settings import ROOT
from app.tasks.registry import task_of
from app.types import Outcome, Question, Sample, TaskType
from tests.evaluation import reference
from tests.scripted_engine import ScriptedEngine

DEVELOPMENT = Path(__file__).parents[3] / "shared" / "data" / "development.json"

CHOICE = "Which part gives light?\n0. bulb\n1. foot\n2. cord\n3. shade\nAnswer: "
RETRIEVAL = (
    "Choose the three numbers of the products that fit. Separate them by a comma.\n"
    + "".join(f"{n}. product {n}\n" for n in range(1, 11))
    + "Output:"
)
RANKING = (
    "Rank the products by how well they fit the query 'lamp'. Output a permutation of 1 to 5.\n"
    + "".join(f"{n}. product {n}\n" for n in range(1, 6))
    + "Output:"
)
ENTITY = (
    "Extract the phrase for the entity type 'colour' from the query.\nquery: blue lamp\nentity type: colour\nOutput:"
)


def sample(number: int, task: str, metric: str, gold: Any, prompt: str, track: str = UNDERSTANDING) -> Sample:  # noqa: ANN401 - any label
    types = {
        "accuracy": TaskType.MULTIPLE_CHOICE,
        "hit rate@3": TaskType.RETRIEVAL,
        "ndcg": TaskType.RANKING,
        "micro f1": TaskType.NAMED_ENTITY_RECOGNITION,
    }
    task_type = types.get(metric, TaskType.GENERATION)
    question = Question(str(number), prompt, task_type is TaskType.MULTIPLE_CHOICE)
    return Sample(question, task, task_type, metric, gold, track)


SAMPLES = [
    sample(0, "t1", "accuracy", 0, CHOICE),
    sample(1, "t1", "accuracy", 0, CHOICE),
    sample(2, "t1", "accuracy", 2, CHOICE),
    sample(3, "t2", "hit rate@3", [1, 2, 3], RETRIEVAL),
    sample(4, "t2", "hit rate@3", [1, 2, 9], RETRIEVAL),
    sample(5, "t3", "ndcg", [1, 0, 0, 0, 0], RANKING),
    sample(6, "t4", "micro f1", ["blue"], ENTITY),
    sample(7, "t4", "micro f1", ["blue", "lamp"], ENTITY),
    sample(8, "t5", "rougel", "soft and warm", "Say it.", TRACK_4),
    sample(9, "t5", "rougel", "soft", "Say it.", TRACK_4),
    sample(10, "t5", "bleu", "a lamp of blue oak", "Say it.", TRACK_4),
]
ANSWERS = ["0", "1", "2", "1,2,3", "4,5,1", "2,1,3,4,5", "blue", "blue, oak", "soft", "", "a lamp of blue oak"]


def run(samples: list[Sample], answers: list[Answered], path: Path = Path("data.json"), **settings: Any) -> Evaluation:  # noqa: ANN401 - passed on
    return evaluate(Dataset(path, samples), join(samples, answers), **settings)


def answered(samples: list[Sample], answers: list[str]) -> list[Answered]:
    return [
        Answered(one.question.id, text, Outcome.CLEAN, one.task_type)
        for one, text in zip(samples, answers, strict=True)
    ]


def test_task_track_and_overall_figures_by_hand() -> None:
    report = run(SAMPLES, answered(SAMPLES, ANSWERS)).report
    scores = {name: task.score for name, task in report.tasks.items()}
    discounted = 1 / math.log2(3)
    assert scores["t1"] == pytest.approx(2 / 3)
    assert scores["t2"] == pytest.approx((1 + 1 / 3) / 2)
    assert scores["t3"] == pytest.approx(discounted)
    assert scores["t4"] == pytest.approx(2 * 2 / (2 * 2 + 1 + 1))
    assert scores["t5"] == pytest.approx((0.5 + 0 + 1) / 3)
    assert report.tasks["t5"].metric == "rougel + bleu"
    first = (2 / 3 + 2 / 3 + discounted + 2 / 3) / 4
    assert report.tracks[UNDERSTANDING].score == pytest.approx(first)
    assert report.tracks[UNDERSTANDING].number == 1
    assert report.overall.mean_over_tracks == pytest.approx((first + 0.5) / 2)
    assert report.overall.mean_over_tasks == pytest.approx((4 * first + 0.5) / 5)
    assert (report.overall.n_tasks, report.overall.n_samples) == (5, 11)
    assert {kind: (group.tasks, group.score) for kind, group in report.types.items()} == {
        report.tasks[name].task_type: ([name], scores[name]) for name in scores
    }
    both = run(
        [replace(one, task_name=f"t1{one.gold}") if one.task_name == "t1" else one for one in SAMPLES],
        answered(SAMPLES, ANSWERS),
    ).report
    choices = both.types[TaskType.MULTIPLE_CHOICE]
    assert choices.tasks == ["t10", "t12"]
    assert choices.score == pytest.approx((0.5 + 1) / 2)
    assert choices.interval is not None


def test_a_predictor_its_predictions_and_their_file_are_scored_alike(tmp_path: Path) -> None:
    lines = [json.dumps(kit_row(one)) for one in SAMPLES[:8]]
    data = tmp_path / "data.jsonl"
    data.write_text("\n".join(lines), encoding="utf-8")
    predictor = Predictor(ScriptedEngine(lambda _: "1"), PromptLibrary(ROOT / "prompts"))
    asked = evaluate(data, predictor)
    predictions = predictor.predict(one.question for one in read_dataset(data).samples)
    (tmp_path / "out.jsonl").write_text("\n".join(json.dumps(prediction_row(one, "f")) for one in predictions))
    given = evaluate(str(data), reversed(predictions))
    read = evaluate(data, tmp_path / "out.jsonl", seed=0)
    assert asked.report.tasks == given.report.tasks == read.report.tasks
    assert asked.report.provenance.engine == "scripted"
    assert [one.answer for one in asked.results] == [one.answer for one in given.results]
    assert [evaluation.report.joining.by for evaluation in (asked, given, read)] == ["model", "id", "id"]


def test_baselines_by_hand() -> None:
    tasks = run(SAMPLES, answered(SAMPLES, ANSWERS)).report.tasks
    assert tasks["t1"].baselines.random == pytest.approx(1 / 4)
    assert tasks["t1"].baselines.majority == pytest.approx(2 / 3)
    assert tasks["t2"].baselines.random == pytest.approx(3 / 10)
    # Each list is answered with the other one: two of three.
    assert tasks["t2"].baselines.majority == pytest.approx(2 / 3)
    discounts = sum(1 / math.log2(rank + 1) for rank in range(1, 6))
    assert tasks["t3"].baselines.random == pytest.approx(discounts / 5)
    assert tasks["t3"].baselines.majority is None, "a single sample"
    # "blue lamp" has the spans "blue", "lamp" and "blue lamp": one hit in three, then two in three.
    assert tasks["t4"].baselines.random == pytest.approx(2 * (1 / 3 + 2 / 3) / (2 + 3))
    assert tasks["t4"].baselines.majority == pytest.approx(2 * 2 / (2 + 3))


def test_the_majority_baseline_may_learn_from_other_samples() -> None:
    known = [sample(0, "t1", "accuracy", 3, CHOICE), sample(1, "t5", "rougel", "warm", "Say it.", TRACK_4)]
    report = run(SAMPLES, answered(SAMPLES, ANSWERS), known=Dataset(Path("train.jsonl"), known)).report
    assert report.tasks["t1"].baselines.majority == 0
    assert report.tasks["t1"].baselines.random == pytest.approx(1 / 4)
    # "warm" against "soft and warm", "soft" and, by BLEU, "a lamp of blue oak"
    assert report.tasks["t5"].baselines.majority == pytest.approx(0.5 / 3)
    assert report.tasks["t3"].baselines.majority is None
    assert report.majority_from == "train.jsonl"
    assert "takes its answers from train.jsonl; 3 tasks are not in it" in " ".join(report.notes)


def test_random_baselines_are_what_random_answers_score() -> None:
    """The closed forms against 4,000 random legal answers."""
    rng = random.Random(0)
    scorer = Scorer()
    report = run(SAMPLES, answered(SAMPLES, ANSWERS)).report
    numbers = [str(n) for n in range(1, 11)]
    drawn: dict[str, Callable[[], str]] = {
        "t1": lambda: str(rng.randrange(4)),
        "t2": lambda: ",".join(rng.sample(numbers, 3)),
        "t3": lambda: ",".join(rng.sample(numbers[:5], 5)),
    }
    for name, draw in drawn.items():
        inside = [one for one in SAMPLES if one.task_name == name] * 4000
        scores = [score.score or 0.0 for score in scorer.score(inside, [draw() for _ in inside])]
        assert sum(scores) / len(scores) == pytest.approx(report.tasks[name].baselines.random, abs=0.02)


def test_a_text_baseline_is_another_samples_reference() -> None:
    texts = ["soft and warm", "soft", "soft", "wholly other"]
    samples = [sample(n, "t", "rougel", text, "Say it.") for n, text in enumerate(texts)]
    baselines = run(samples, answered(samples, texts)).report.tasks["t"].baselines
    # "soft" to all: 0.5, 1, 1, 0.
    assert baselines.majority == pytest.approx(2.5 / 4)
    # Each against the three others: (.5+.5+0) + (.5+1+0) + (.5+1+0) + 0, over 12.
    assert baselines.random == pytest.approx(4 / 12)
    alone = run(samples[:1], answered(samples[:1], texts[:1])).report.tasks["t"].baselines
    assert (alone.random, alone.majority) == (None, None)


def test_intervals_hold_the_score_and_wilson_serves_accuracy() -> None:
    report = run(SAMPLES, answered(SAMPLES, ANSWERS)).report
    for task in report.tasks.values():
        if task.interval and task.score is not None:
            assert task.interval.low <= task.score <= task.interval.high
    assert report.tasks["t1"].interval is not None
    assert report.tasks["t1"].interval.method == "wilson"
    assert report.tasks["t3"].interval is None, "a single sample"
    again = run(SAMPLES, answered(SAMPLES, ANSWERS)).report
    assert again.tasks == report.tasks
    assert again.overall == report.overall


def test_missing_and_extra_predictions_are_named_and_scored_as_empty() -> None:
    answers = [*answered(SAMPLES, ANSWERS)[1:], Answered("stray", "x")]
    evaluation = run(SAMPLES, answers)
    assert evaluation.report.joining.missing == ["0"]
    assert evaluation.report.joining.extra == ["stray"]
    assert evaluation.results[0].missing
    assert evaluation.results[0].score == 0
    assert evaluation.report.outcomes == {"clean": 10, "unknown": 1}
    assert evaluation.report.failed == {"missing": 1, "empty": 1}


def test_what_cannot_be_scored_is_named_and_never_zero(tmp_path: Path) -> None:
    scorer = Scorer({MULTILINGUAL: tmp_path})
    samples = [*SAMPLES[:3], sample(20, "t9", "multilingual-sent-transformer", "Licht", "Sag es.", TRACK_4)]
    report = run(samples, answered(samples, ["0", "0", "2", "Licht"]), scorer=scorer).report
    assert report.tasks["t9"].score is None
    assert report.tasks["t9"].not_scored == 1
    assert str(tmp_path) in (report.tasks["t9"].not_scored_reason or "")
    assert report.overall.mean_over_tasks == 1
    assert report.overall.mean_over_tracks == 1
    assert report.overall.not_scored == {"multilingual-sent-transformer": 1}
    assert report.tracks[TRACK_4].score is None
    assert any("t9" in note for note in report.notes)


def test_a_mean_baseline_needs_every_tasks_own() -> None:
    """A text task of one sample has none, and a mean over the others would not compare with the score."""
    samples = [*SAMPLES[:3], sample(30, "t8", "rougel", "soft", "Say it.")]
    report = run(samples, answered(samples, ["0", "0", "2", "soft"])).report
    assert report.tasks["t1"].baselines.random == pytest.approx(1 / 4)
    assert (report.overall.baselines.random, report.overall.baselines.majority) == (None, None)
    assert report.tracks[UNDERSTANDING].baselines.random is None


def test_tasks_are_resampled_each_by_itself() -> None:
    """The mean of two tasks alike is surer than either: with the same draws for both it would not be."""
    samples = [sample(n, f"t{n % 2}", "rougel", "soft", "Say it.") for n in range(80)]
    report = run(samples, answered(samples, ["soft" if n % 4 < 2 else "hard" for n in range(80)])).report
    alone, mean = report.tasks["t0"].interval, report.overall.mean_over_tasks_interval
    assert alone is not None
    assert mean is not None
    assert mean.high - mean.low < 0.8 * (alone.high - alone.low)


def test_a_task_that_mixes_types_is_refused() -> None:
    mixed = [SAMPLES[0], replace(SAMPLES[6], task_name="t1")]
    with pytest.raises(InputError, match="'t1' mixes task types"):
        run(mixed, answered(mixed, ["0", "blue"]))


def test_routing_counts_what_the_predictions_say() -> None:
    answers = answered(SAMPLES, ANSWERS)
    answers[0] = replace(answers[0], task_type=TaskType.GENERATION)
    report = run(SAMPLES, answers).report
    assert report.routing is not None
    assert (report.routing.right, report.routing.n) == (10, 11)
    assert report.routing.confusion["multiple-choice"] == {"generation": 1, "multiple-choice": 2}
    unknown = run(SAMPLES, [replace(one, task_type=None) for one in answers])
    assert unknown.report.routing is None
    assert unknown.results[0].route_right is None


def test_written_evaluations_read_the_same(tmp_path: Path) -> None:
    answers = answered(SAMPLES, [*ANSWERS[:-1], "half \ud800 pair"])
    answers[0] = replace(answers[0], label_probs={"0": 0.7, "1": 0.3}, label_mass=0.9)
    evaluation = run(SAMPLES, answers)
    write_evaluation(tmp_path / "new" / "folder", evaluation)
    again = read_evaluation(tmp_path / "new" / "folder")
    assert again.report == evaluation.report
    assert len(again.results) == len(evaluation.results)
    assert again.results == evaluation.results
    assert again.results[-1].answer == "half \ufffd pair"
    assert sorted(path.name for path in (tmp_path / "new" / "folder").iterdir()) == ["report.json", "samples.jsonl"]
    assert set(json.loads((tmp_path / "new" / "folder" / "report.json").read_text())) >= {
        "tasks", "tracks", "overall", "provenance", "schema_version",
    }  # fmt: skip


def test_a_folder_without_an_evaluation_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no evaluation"):
        read_evaluation(tmp_path)
    (tmp_path / "report.json").write_text('{"schema_version": 1, "surprise": 2}')
    (tmp_path / "samples.jsonl").write_text("")
    with pytest.raises(InputError, match="not written by this version"):
        read_evaluation(tmp_path)


def test_unknown_keys_are_refused() -> None:
    report = run(SAMPLES, answered(SAMPLES, ANSWERS)).report.model_dump(mode="json")
    with pytest.raises(ValueError, match="extra"):
        EvalReport.model_validate(report | {"more": 1})


def rated(gold: int, **probs: float) -> SampleResult:
    labels = {name.removeprefix("p"): value for name, value in probs.items()}
    one = Answered("0", "0", label_probs=labels, label_mass=0.5)
    samples = [sample(0, "t", "accuracy", gold, CHOICE)]
    return run(samples, [one]).results[0]


def test_calibration_by_hand() -> None:
    results = [rated(0, p0=0.95, p1=0.05), rated(1, p0=0.95, p1=0.05), rated(0, p0=0.55, p1=0.45)]
    found = calibration(results)
    assert found is not None
    assert found.n == 3
    assert found.ece == pytest.approx((2 * abs(0.5 - 0.95) + abs(1 - 0.55)) / 3)
    assert found.brier == pytest.approx((2 * 0.05**2 + 2 * 0.95**2 + 2 * 0.45**2) / 3)
    assert found.mean_label_mass == pytest.approx(0.5)
    assert sum(part.n for part in found.bins) == 3
    assert (found.bins[9].n, found.bins[9].accuracy) == (2, 0.5)
    assert calibration([]) is None


def test_calibration_bins_are_closed_above() -> None:
    found = calibration([rated(0, p0=0.5, p1=0.5), rated(0, p0=1.0, p1=0.0), rated(0, p0=0.0, p1=0.0)])
    assert found is not None
    assert [part.n for part in found.bins] == [1, 0, 0, 0, 1, 0, 0, 0, 0, 1]


@pytest.fixture(scope="module")
def development() -> Dataset:
    if not DEVELOPMENT.is_file():
        pytest.skip("the development set is not at ../shared/data/development.json")
    return read_dataset(DEVELOPMENT)


@pytest.fixture(scope="module")
def gold(development: Dataset) -> Evaluation:
    texts = [task_of(one.task_type).format_target(one.gold) for one in development.samples]
    return run(development.samples, answered(development.samples, texts), DEVELOPMENT)


def test_gold_answers_get_full_marks_on_96_of_96(gold: Evaluation) -> None:
    assert ENGLISH in gold.report.scorers
    assert len(gold.results) == 96
    assert [one.id for one in gold.results if one.score is None or one.score < 1 - 1e-6] == []
    assert gold.report.overall.mean_over_tasks == pytest.approx(1, abs=1e-6)
    assert gold.report.notes == []
    assert gold.report.routing is not None
    assert gold.report.overall.baselines.random is not None
    assert 0 < gold.report.overall.baselines.random < 0.5


def test_the_overall_figure_is_the_one_the_kit_would_print(development: Dataset) -> None:
    """On answers that are partly wrong, over the tasks that need no encoder."""
    samples = [one for one in development.samples if one.metric != "sent-transformer"]
    texts = [task_of(one.task_type).format_target(one.gold) for one in samples]
    texts = [text if n % 3 else texts[n - 1] for n, text in enumerate(texts)]
    report = run(samples, answered(samples, texts)).report
    rows = []
    for one, text in zip(samples, texts, strict=True):
        parsed = reference.parse(one.task_type, text)
        rows.append((one.task_name, one.metric, reference.score(one.metric, parsed, one.gold)))
    assert report.overall.mean_over_tasks == pytest.approx(reference.overall(rows), abs=1e-9)
    assert 0.3 < reference.overall(rows) < 0.95


def test_what_is_no_answer_of_the_models_is_counted_by_kind() -> None:
    answers = answered(SAMPLES, ANSWERS)[1:]
    answers[0] = replace(answers[0], error="the prompt does not fit", outcome=Outcome.FALLBACK)
    answers[1] = replace(answers[1], outcome=Outcome.FALLBACK)
    answers[2] = replace(answers[2], outcome=Outcome.UNASKED)
    answers[3] = replace(answers[3], answer=" ", outcome=None)
    report = run(SAMPLES, answers).report
    # Sample 9 is answered with an empty text.
    assert report.failed == {"empty": 2, "missing": 1, "error": 1, "fallback": 1, "unasked": 1}
    assert report.failed_share == pytest.approx(6 / 11)
    assert report.notes[0] == report.failure
    assert "6 of 11 samples (54.5%) have no answer of the model's own (2 empty, 1 missing, 1 error" in report.notes[0]
    kept = run(SAMPLES[:3], answered(SAMPLES[:3], ["0", "1", "2"])).report
    assert (kept.failed, kept.failed_share, kept.failure) == ({}, 0, None)


@pytest.mark.parametrize(
    ("metric", "golds", "prompt", "expected"),
    [
        # Each label alone is commonest only where it counts itself.
        ("accuracy", [0, 1, 2, 3, 0], CHOICE, 2 / 5),
        ("accuracy", [0, 1, 2, 3], CHOICE, 0),
        ("hit rate@3", [[1, 2, 3], [4, 5, 6]], RETRIEVAL, 0),
        ("micro f1", [["blue"], ["lamp"]], ENTITY, 0),
        ("rougel", ["soft", "warm"], "Say it.", 0),
        ("ndcg", [[0, 0, 0, 0, 1], [1, 0, 0, 0, 0]], RANKING, (1 / math.log2(6) + 1 / math.log2(3)) / 2),
    ],
)
def test_the_majority_does_not_know_the_label_that_it_is_scored_on(
    metric: str, golds: list[Any], prompt: str, expected: float
) -> None:
    samples = [sample(number, "t", metric, gold, prompt) for number, gold in enumerate(golds)]
    report = run(samples, answered(samples, ["0"] * len(samples))).report
    assert report.tasks["t"].baselines.majority == pytest.approx(expected)
    assert report.majority_from == "leave-one-out"


def test_the_majority_is_that_of_leaving_each_sample_out_by_hand() -> None:
    """Against the baseline that learns from all the other samples, one sample at a time."""
    rng = random.Random(3)
    for metric, prompt, draw in (
        ("accuracy", CHOICE, lambda: rng.choice([0, 1, 1, 2])),
        ("hit rate@3", RETRIEVAL, lambda: rng.sample(range(1, 9), rng.randint(1, 4))),
        ("ndcg", RANKING, lambda: [rng.choice([0, 0.1, 1]) for _ in range(5)]),
        ("rougel", "Say it.", lambda: rng.choice(["soft", "warm", "soft and warm"])),
    ):
        samples = [sample(number, "t", metric, draw(), prompt) for number in range(24)]
        alone = [
            baselines([one], Scorer(), others=[other for other in samples if other is not one]).majority or 0.0
            for one in samples
        ]
        assert baselines(samples, Scorer()).majority == pytest.approx(sum(alone) / len(alone)), metric


def test_a_task_of_full_marks_has_an_interval() -> None:
    samples = [sample(number, "t", "hit rate@3", [1, 2, 3], RETRIEVAL) for number in range(12)]
    task = run(samples, answered(samples, ["1,2,3"] * 12)).report.tasks["t"]
    assert (task.score, task.interval and task.interval.method) == (1, "wilson")
    assert task.interval is not None
    assert 0.7 < task.interval.low < task.interval.high == 1
