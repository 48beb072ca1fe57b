import json
from dataclasses import replace
from pathlib import Path

import pytest

from app.errors import InputError
from app.evaluation.answers import Answered, join
from app.evaluation.compare import compare
from app.evaluation.datasets.reading import Dataset
from app.evaluation.evaluation import evaluate, write_evaluation
from app.evaluation.names import REASONING, UNDERSTANDING, Metric
from app.evaluation.schema import Comparison, Verdict
from app.types import Question, Sample, TaskType

CHOICE = "Which part gives light?\n0. bulb\n1. foot\nAnswer: "


def samples_of(task: str, metric: str, gold: object, track: str, n: int) -> list[Sample]:
    task_type = Metric(metric).task_type
    choice = task_type is TaskType.MULTIPLE_CHOICE
    prompt = CHOICE if choice else "Say it."
    return [
        Sample(Question(f"{task[0]}{number}", prompt, choice), task, task_type, metric, gold, track)
        for number in range(n)
    ]


SAMPLES = [
    *samples_of("choice, steady", "accuracy", 0, UNDERSTANDING, 40),
    *samples_of("risen", "accuracy", 0, UNDERSTANDING, 40),
    *samples_of("fallen", "rougel", "soft and warm", REASONING, 30),
    *samples_of("entities", "micro f1", ["oak"], REASONING, 30),
]


def side(folder: Path, right: dict[str, float], samples: list[Sample] = SAMPLES) -> Path:
    """An evaluation in which each task's first samples, up to the share, are right."""
    good = {"accuracy": "0", "rougel": "soft and warm", "bleu": "soft and warm", "micro f1": "oak"}
    bad = {"accuracy": "1", "rougel": "cold", "bleu": "cold", "micro f1": "elm"}
    seen: dict[str, int] = {}
    totals = {task: sum(one.task_name == task for one in samples) for task in right}
    answers = []
    for one in samples:
        seen[one.task_name] = seen.get(one.task_name, 0) + 1
        is_right = seen[one.task_name] <= right[one.task_name] * totals[one.task_name]
        answers.append(Answered(one.question.id, (good if is_right else bad)[one.metric]))
    write_evaluation(folder, evaluate(Dataset(Path("data.json"), samples), join(samples, answers)))
    return folder


BASE = {"choice, steady": 0.5, "risen": 0.4, "fallen": 0.9, "entities": 0.5}


def test_rise_fall_and_neither_are_told_apart(tmp_path: Path) -> None:
    a = side(tmp_path / "a", BASE)
    b = side(tmp_path / "b", {"choice, steady": 0.525, "risen": 0.9, "fallen": 0.3, "entities": 0.5})
    found = compare(a, b)
    assert {name: task.verdict for name, task in found.tasks.items()} == {
        "choice, steady": Verdict.UNDECIDED,
        "risen": Verdict.ROSE,
        "fallen": Verdict.FELL,
        "entities": Verdict.UNDECIDED,
    }
    risen, fallen = found.tasks["risen"], found.tasks["fallen"]
    assert (risen.better, risen.worse, risen.n) == (20, 0, 40)
    assert risen.delta == pytest.approx(0.5)
    assert (risen.test, fallen.test) == ("mcnemar", "paired bootstrap")
    assert risen.p_mcnemar == pytest.approx(2 / 2**20)
    assert risen.p_bootstrap is not None
    assert fallen.p_mcnemar is None
    assert risen.interval is not None
    assert risen.interval.low < 0.5 < risen.interval.high
    assert all(task.p_adjusted >= task.p_value for task in found.tasks.values())
    assert found.tracks[UNDERSTANDING].verdict is Verdict.ROSE
    assert found.tracks[REASONING].verdict is Verdict.FELL
    assert found.mean_over_tasks.delta == pytest.approx((0.025 + 0.5 - 0.6 + 0) / 4)
    assert found.mean_over_tracks.n_tasks == 4
    assert len(found.changes) == 1 + 20 + 18
    assert Comparison.model_validate_json(found.model_dump_json()) == found


def test_the_other_way_round_is_the_mirror_image(tmp_path: Path) -> None:
    a = side(tmp_path / "a", BASE)
    b = side(tmp_path / "b", BASE | {"risen": 0.9})
    assert compare(a, b).tasks["risen"].delta == -compare(b, a).tasks["risen"].delta
    assert compare(b, a).tasks["risen"].verdict is Verdict.FELL


def test_an_evaluation_against_itself_shows_nothing(tmp_path: Path) -> None:
    a = side(tmp_path / "a", BASE)
    found = compare(a, a)
    assert {task.verdict for task in found.tasks.values()} == {Verdict.UNDECIDED}
    assert {task.p_value for task in found.tasks.values()} == {1.0}
    assert found.mean_over_tasks.p_value == 1
    assert found.changes == []


def test_rounding_of_embeddings_is_no_difference(tmp_path: Path) -> None:
    a, b = side(tmp_path / "a", BASE), side(tmp_path / "b", BASE)
    lines = (b / "samples.jsonl").read_text().replace('"score": 1.0', '"score": 1.0000001')
    (b / "samples.jsonl").write_text(lines)
    assert "1.0000001" in lines
    assert compare(a, b).tasks["fallen"].p_value == 1
    assert compare(a, b).changes == []


def test_only_shared_samples_count(tmp_path: Path) -> None:
    a = side(tmp_path / "a", BASE)
    b = side(tmp_path / "b", BASE, [one for one in SAMPLES if one.question.id != "c0"])
    found = compare(a, b)
    assert found.n == len(SAMPLES) - 1
    assert found.notes == ["1 samples of A are not in B, by prompt, metric and gold label: left out"]


def test_other_data_is_refused(tmp_path: Path) -> None:
    a = side(tmp_path / "a", BASE)
    changed = [replace(one, question=replace(one.question, prompt="Other?")) for one in SAMPLES]
    with pytest.raises(InputError, match="share no scored sample .140 samples of A are not in B"):
        compare(a, side(tmp_path / "c", BASE, changed))
    with pytest.raises(InputError, match="holds no evaluation"):
        compare(a, tmp_path / "nowhere")


def test_a_renamed_file_holds_the_same_samples(tmp_path: Path) -> None:
    """Tables take tasks' names and ids from the file; the samples are the same, in another order too."""
    a = side(tmp_path / "a", BASE)
    renamed = [
        replace(one, task_name=f"new {one.task_name}", question=replace(one.question, id="z" + one.question.id))
        for one in SAMPLES
    ]
    same = {f"new {name}": share for name, share in BASE.items()}
    found = compare(a, side(tmp_path / "b", same, renamed))
    assert list(found.tasks) == list(BASE)
    assert (found.n, found.mean_over_tasks.delta) == (len(SAMPLES), 0)
    assert found.notes == ["140 samples belong to a task of another name in B: A's names stand"]
    turned = compare(a, side(tmp_path / "c", same | {"new risen": 0.9}, renamed))
    assert turned.tasks["risen"].delta == pytest.approx(0.5)


def test_other_labels_are_no_other_answers(tmp_path: Path) -> None:
    """With every label of a task changed, the same answers fell in it; with some, only the others are compared."""
    a = side(tmp_path / "a", BASE)
    golds = [replace(one, gold=1) if one.task_name == "risen" else one for one in SAMPLES]
    found = compare(a, side(tmp_path / "b", BASE, golds))
    assert "risen" not in found.tasks
    assert found.notes == ["40 samples have another gold label in B: left out"]
    alone = samples_of("risen", "accuracy", 0, UNDERSTANDING, 40)
    with pytest.raises(InputError, match="40 samples have another gold label in B: left out.: compare"):
        compare(
            side(tmp_path / "alone", {"risen": 0.4}, alone),
            side(tmp_path / "c", {"risen": 0.4}, [replace(one, gold=1) for one in alone]),
        )


def test_what_was_not_answered_did_not_fall(tmp_path: Path) -> None:
    samples = samples_of("risen", "accuracy", 0, UNDERSTANDING, 12)
    a = side(tmp_path / "a", {"risen": 1}, samples)
    write_evaluation(
        tmp_path / "b",
        evaluate(Dataset(Path("data.json"), samples), join(samples, [Answered(f"r{n}", "0") for n in range(3)])),
    )
    found = compare(a, tmp_path / "b")
    assert (found.n, found.tasks["risen"].delta, found.tasks["risen"].verdict) == (3, 0, Verdict.UNDECIDED)
    assert found.notes[0] == "9 samples have no prediction in B: left out"
    assert found.notes[1].startswith("B: 9 of 12 samples (75.0%) have no answer of the model's own")


def test_samples_without_a_score_are_left_out_and_told(tmp_path: Path) -> None:
    a, b = side(tmp_path / "a", BASE), side(tmp_path / "b", BASE)
    lines = (b / "samples.jsonl").read_text().splitlines()
    unscored = [json.dumps(json.loads(line) | {"score": None}) for line in lines[:2]]
    (b / "samples.jsonl").write_text("\n".join(unscored + lines[2:]))
    found = compare(a, b)
    assert found.n == len(SAMPLES) - 2
    assert found.notes == ["2 samples have no score on one side or both: left out"]


def test_one_of_many_tasks_must_be_the_surer(tmp_path: Path) -> None:
    """Six changes in one direction have p = 1/32; as one of four tasks that is no finding."""
    a = side(tmp_path / "a", BASE)
    b = side(tmp_path / "b", BASE | {"risen": 0.55})
    risen = compare(a, b).tasks["risen"]
    assert risen.p_value == pytest.approx(2 / 2**6)
    assert risen.p_adjusted == pytest.approx(4 * 2 / 2**6)
    assert risen.verdict is Verdict.UNDECIDED
    assert compare(a, b, alpha=0.2).tasks["risen"].verdict is Verdict.ROSE


def test_tasks_whose_samples_all_changed_alike_prove_nothing_together(tmp_path: Path) -> None:
    """Resampling equal differences gives no other mean, so no test of it is possible."""
    samples = samples_of("risen", "accuracy", 0, UNDERSTANDING, 2)
    found = compare(side(tmp_path / "a", {"risen": 0}, samples), side(tmp_path / "b", {"risen": 1}, samples))
    assert found.mean_over_tasks.delta == 1
    assert (found.mean_over_tasks.p_value, found.mean_over_tasks.verdict) == (1, Verdict.UNDECIDED)
