"""The card holds what the records hold, and says what is not there."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from app.checkpoints.card import CardRequest, count_parameters, flat, render_card, row, shown, write_card
from app.checkpoints.combine import combine, interpolation
from app.checkpoints.folder import Output, add_checks
from app.errors import InputError, SetupError
from app.evaluation.schema import (
    Baselines,
    Durations,
    EvalReport,
    GroupScore,
    Interval,
    Joining,
    Overall,
    Provenance,
    TaskScore,
)
from app.types import TaskType

RECORD = {
    "model": "acme/base-7b",
    "settings": {"lora": {"rank": 8, "alpha": None}, "output": "/home/me/out", "seed": 0},
    "progress": {"steps": 120, "seconds": 5400.0, "tokens": 93_510, "best_step": None},
    "losses": {
        "first": {"step": 5, "answer_loss": 4.18693},
        "last": {"step": 120, "answer_loss": 1.25},
        "best_evaluation": {"step": 100, "eval_loss": 1.63},
    },
    "machine": {"system": "Linux x86_64", "gpus": ["A100", "A100"], "threads": 8},
    "data": {"train": [{"path": "/home/me/rows.jsonl", "sha256": "ab" * 32, "rows": 120}], "validation": []},
}
MANIFEST: dict[str, object] = {
    "git_revision": None,
    "seed": 1,
    "settings": {},
    "inputs": {},
    "evaluation_prompts": {"dev.jsonl": 96},
    "sources": {
        "own catalogue": {
            "licence": "Apache-2.0",
            "place": None,
            "faults": {},
            "read": 500,
            "written": {"train": 380, "validation": 20},
        }
    },
    "tasks": {
        "pick-one": {
            "capability": "concept_understanding",
            "task_type": "multiple-choice",
            "metric": "accuracy",
            "sources": ["own catalogue"],
            "read": 500,
            "repaired": {"labels trimmed": 3},
            "dropped": {"near duplicate": 100},
            "clean": {"train": 380, "validation": 20},
            "written": {"train": 380, "validation": 20},
        }
    },
    "capabilities": {},
    "task_types": {},
    "unmet": [],
    "outputs": {"train.jsonl": {"rows": 380, "bytes": 9000, "sha256": "cd" * 32}},
}


def report() -> EvalReport:
    baselines = Baselines(random=0.25, majority=0.3)
    interval = Interval(low=0.512, high=0.688, method="wilson")
    task = TaskScore(
        task_type=TaskType.MULTIPLE_CHOICE,
        track="t",
        metric="accuracy",
        n=120,
        score=0.6,
        interval=interval,
        baselines=baselines,
    )
    return EvalReport(
        created=datetime.now(UTC),
        data="dev.jsonl",
        data_sha256="ef" * 32,
        provenance=Provenance(engine="vllm", engine_version="0.32.0"),
        joining=Joining(by="model"),
        overall=Overall(
            mean_over_tasks=0.6,
            mean_over_tasks_interval=interval,
            mean_over_tracks=0.6,
            mean_over_tracks_interval=None,
            n_tasks=1,
            n_samples=120,
            not_scored={},
            baselines=baselines,
        ),
        tracks={},
        types={
            TaskType.MULTIPLE_CHOICE: GroupScore(tasks=["pick|one"], score=0.6, interval=interval, baselines=baselines),
            TaskType.RANKING: GroupScore(
                tasks=["order"], score=None, interval=None, baselines=Baselines(random=None, majority=None)
            ),
        },
        tasks={"pick|one": task},
        outcomes={},
        routing=None,
        calibration=None,
        durations=Durations(score_seconds=1.0),
        published=[],
        scorers={},
        notes=["two rows were left out"],
    )


@pytest.fixture
def mixed(checkpoint: Path, tuned: Path, tmp_path: Path) -> Path:
    out = tmp_path / "mixed"
    combine([checkpoint, tuned], Output(out), interpolation(0.4))
    (out / "training.json").write_text(json.dumps(RECORD))
    add_checks(out, {"loss": 0.0123})
    return out


def test_the_card_tells_what_the_records_tell(mixed: Path, tmp_path: Path) -> None:
    (tmp_path / "mixture").mkdir()
    (tmp_path / "mixture" / "manifest.json").write_text(json.dumps(MANIFEST))
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev" / "report.json").write_text(report().model_dump_json())
    path = write_card(
        CardRequest(
            mixed,
            "Shop assistant",
            "apache-2.0",
            "Answers questions of a shop.",
            mixture=tmp_path / "mixture",
            evaluations=(tmp_path / "dev",),
        )
    )
    text = path.read_text()

    head = yaml.safe_load(text.split("---\n")[1])
    assert (head["license"], head["base_model"]) == ("apache-2.0", "acme/base-7b")
    for told in (
        "# Shop assistant",
        "Answers questions of a shop.",
        "| own catalogue | Apache-2.0 | 500 | 380 | 20 |",
        "| dropped: near duplicate | 100 |",
        "| train.jsonl | 380 | `cdcdcdcdcdcd` |",
        r"| pick\|one | accuracy | 120 | 0.600 | 0.512 to 0.688 | 0.250 | 0.300 |",
        "| multiple-choice | 1 | 0.600 | 0.512 to 0.688 | 0.250 | 0.300 |",
        "| ranking | 1 |",
        "engine vllm 0.32.0",
        "- two rows were left out",
        "| lora.rank | 8 |",
        "| duration | 1 h 30 min |",
        "gpus: A100, A100",
        "| last | 120 | 1.25 |",
        "| best evaluation | 100 | 1.63 |",
        "| 1 | interpolate |",
        "alpha 0.4",
        "- step 1, interpolate: loss 0.0123",
    ):
        assert told in text, told
    assert "/home/me" not in text
    assert "Not in this card" not in text


def test_what_is_not_known_is_said(mixed: Path) -> None:
    text = render_card(CardRequest(mixed, "Shop assistant", "mit"))
    assert "No evaluation is given" in text
    assert "No mixture is given" in text
    assert "| rows.jsonl | train | 120 | `abababababab` |" in text


def test_parameters_are_those_of_the_network(checkpoint: Path) -> None:
    from app.checkpoints.network import load_network

    assert count_parameters(checkpoint) == sum(one.numel() for one in load_network(checkpoint).parameters())


def test_records_that_are_missing_or_of_another_kind_are_named(mixed: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no evaluation"):
        render_card(CardRequest(mixed, "x", "mit", evaluations=(tmp_path,)))
    with pytest.raises(InputError, match="is no mixture"):
        render_card(CardRequest(mixed, "x", "mit", mixture=tmp_path))
    with pytest.raises(InputError, match=r"name the training\.json"):
        render_card(CardRequest(mixed, "x", "mit", record=tmp_path / "none.json"))
    (mixed / "training.json").write_text("[]")
    with pytest.raises(SetupError, match="one JSON object"):
        render_card(CardRequest(mixed, "x", "mit"))
    (mixed / "lineage.json").write_text('{"steps": 3}')
    with pytest.raises(InputError, match="not of this version"):
        render_card(CardRequest(mixed, "x", "mit"))


def test_markdown_keeps_its_shape() -> None:
    assert row("x|y\nz", 1234567) == "| x\\|y z | 1,234,567 |"
    assert list(flat({"a": {"b": 1, "c": None}, "d": []})) == [("a.b", 1)]
    assert [shown(value) for value in (True, 0.00012345, [1, 2], None)] == ["yes", "0.0001234", "1, 2", ""]
