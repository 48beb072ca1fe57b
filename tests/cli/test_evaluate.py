"""`shopbench evaluate`, `compare` and `convert` as a user types them, on the project's own samples."""

import json
from pathlib import Path

import pytest

from app.evaluation.datasets.reading import read_dataset
from app.settings import ROOT
from app.tasks.registry import task_of
from tests.command import one_line, shopbench

SAMPLE = ROOT / "data" / "sample.jsonl"


@pytest.fixture
def gold(tmp_path: Path) -> Path:
    path = tmp_path / "gold.jsonl"
    with path.open("w") as out:
        for sample in read_dataset(SAMPLE).samples:
            answer = task_of(sample.task_type).format_target(sample.gold)
            out.write(json.dumps({"id": sample.question.id, "answer": answer}) + "\n")
    return path


def test_gold_answers_get_full_marks_and_a_page(tmp_path: Path, gold: Path) -> None:
    report = tmp_path / "report"
    result = shopbench("evaluate", SAMPLE, "--predictions", gold, "--report", report)
    assert result.returncode == 0, result.stderr
    told = json.loads((report / "report.json").read_text())
    assert told["overall"]["mean_over_tasks"] == pytest.approx(1.0)
    assert told["joining"] == {"by": "id", "missing": [], "extra": []}
    assert len((report / "samples.jsonl").read_text().splitlines()) == 19
    assert "<title>" in (report / "report.html").read_text()
    assert "mean over tasks" in result.stdout


def test_some_samples_are_scored_under_a_name(tmp_path: Path, gold: Path) -> None:
    report = tmp_path / "report"
    done = shopbench(
        "evaluate", SAMPLE, "--predictions", gold, "--report", report, "--limit", "5", "--name", "first try"
    )
    assert done.returncode == 0, done.stderr
    told = json.loads((report / "report.json").read_text())
    assert (told["name"], told["overall"]["n_samples"]) == ("first try", 5)
    assert told["joining"] == {"by": "id", "missing": [], "extra": []}
    assert "5 of 19 samples, spread over the file (--limit)" in told["notes"]
    assert len(told["tasks"]) > 1
    assert "<h1>first try: evaluation of sample.jsonl</h1>" in (report / "report.html").read_text()
    assert "first try, sample.jsonl: 5 samples scored" in done.stdout
    assert "A: first try" in shopbench("compare", report, report).stdout


def test_a_change_is_judged(tmp_path: Path) -> None:
    data = tmp_path / "data.jsonl"
    sample = json.loads(SAMPLE.read_text().splitlines()[0])
    data.write_text("".join(json.dumps(sample | {"id": str(n)}) + "\n" for n in range(30)))
    for name, right in (("before", 12), ("after", 27)):
        predictions = tmp_path / f"{name}.jsonl"
        answers = [sample["output_field"] if n < right else 0 for n in range(30)]
        predictions.write_text(
            "".join(json.dumps({"id": str(n), "answer": str(answer)}) + "\n" for n, answer in enumerate(answers))
        )
        done = shopbench("evaluate", data, "--predictions", predictions, "--report", tmp_path / name)
        assert done.returncode == 0, done.stderr
    result = shopbench("compare", tmp_path / "before", tmp_path / "after", "--page", tmp_path / "comparison.html")
    assert result.returncode == 0, result.stderr
    assert "rose" in result.stdout
    assert "cannot be told apart" not in result.stdout
    assert "<title>" in (tmp_path / "comparison.html").read_text()


def test_convert_writes_what_evaluate_reads(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "colour_choice.csv").write_text(
        "question,choices,answer\nWhich is a colour?,\"['spoon', 'teal', 'brick', 'lamp']\",1\n"
    )
    out = tmp_path / "out.jsonl"
    result = shopbench("convert", tmp_path / "in" / "colour_choice.csv", out)
    assert result.returncode == 0, result.stderr
    (row,) = (json.loads(line) for line in out.read_text().splitlines())
    assert row["task_name"] == "colour_choice"
    assert row["metric"] == "accuracy"
    assert row["is_multiple_choice"] is True
    assert read_dataset(out).samples[0].gold == 1


@pytest.mark.parametrize(
    ("predictions", "says"),
    [
        ("{\n", "line 1"),
        ('{"id": "mc-1"}\n', "answer"),
        ('{"id": "nobody", "answer": "1"}\n', "are they answers to this file?"),
    ],
)
def test_bad_predictions_are_one_line(tmp_path: Path, predictions: str, says: str) -> None:
    path = tmp_path / "predictions.jsonl"
    path.write_text(predictions)
    result = shopbench("evaluate", SAMPLE, "--predictions", path, "--report", tmp_path / "report")
    assert says in one_line(result)
    assert not (tmp_path / "report").exists()


def test_a_module_without_a_user_model_is_one_line(tmp_path: Path) -> None:
    result = shopbench("evaluate", SAMPLE, "--user-model", "json", "--report", tmp_path / "report")
    assert "json has no 'UserModel'" in one_line(result)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--predictions", SAMPLE, "--model", "some/checkpoint"], "--predictions holds the answers"),
        (["--user-model", "json", "--config", "configs/submission.yaml"], "a --user-model sets itself up"),
        (["--model", "no/such/folder", "--engine", "transformers"], "no/such/folder"),
    ],
)
def test_what_does_not_fit_together_is_one_line(tmp_path: Path, words: list[object], says: str) -> None:
    result = shopbench("evaluate", SAMPLE, *words, "--report", tmp_path / "report")
    assert says in one_line(result)
    assert not (tmp_path / "report").exists()


def test_a_model_is_a_checkpoint(tmp_path: Path, checkpoint: Path) -> None:
    report = tmp_path / "report"
    words = ("--model", checkpoint, "--engine", "transformers", "--seed", 5, "--report", report)
    result = shopbench("evaluate", SAMPLE, *words)
    assert result.returncode == 0, result.stderr
    told = json.loads((report / "report.json").read_text())
    assert told["provenance"]["engine"] == "transformers"
    assert told["provenance"]["settings"] == {"seed": 5}
    assert told["joining"]["by"] == "model"
    assert told["durations"]["batches"] == []
    rendered = [json.loads(line)["rendered"] for line in (report / "samples.jsonl").read_text().splitlines()]
    assert all(rendered)


def test_a_user_model_is_driven_in_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "silent.py").write_text(
        "class UserModel:\n"
        "    def get_batch_size(self):\n        return 4\n"
        "    def batch_predict(self, batch, is_multiple_choice):\n        return ['0' for _ in batch['prompt']]\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    report = tmp_path / "report"
    result = shopbench("evaluate", SAMPLE, "--user-model", "silent", "--report", report)
    assert result.returncode == 0, result.stderr
    told = json.loads((report / "report.json").read_text())
    assert told["provenance"]["settings"] == {"module": "silent", "seed": 0, "batch_size": 4}
    assert sum(batch["size"] for batch in told["durations"]["batches"]) == 19


def test_comparing_what_is_not_there_is_one_line(tmp_path: Path) -> None:
    result = shopbench("compare", tmp_path / "a", tmp_path / "b")
    assert "holds no evaluation" in one_line(result)


@pytest.mark.parametrize(("lost", "code"), [(19, 1), (18, 0), (0, 0)])
def test_answers_that_are_all_errors_are_no_score(tmp_path: Path, gold: Path, lost: int, code: int) -> None:
    rows = [json.loads(line) for line in gold.read_text().splitlines()]
    rows[:lost] = [
        {"id": row["id"], "answer": None, "error": {"code": "engine", "message": "no"}} for row in rows[:lost]
    ]
    gold.write_text("".join(json.dumps(row) + "\n" for row in rows))
    done = shopbench("evaluate", SAMPLE, "--predictions", gold, "--report", tmp_path / "report")
    assert done.returncode == code, done.stderr
    told = json.loads((tmp_path / "report" / "report.json").read_text())
    assert told["failed"] == ({"error": lost} if lost else {})
    said = f"{lost} of 19 samples" in " ".join(done.stderr.split())
    assert said is bool(lost)
