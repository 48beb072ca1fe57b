"""The published data sets, where they are at hand: nothing of the development set may come through."""

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from app.data.mixing.build import build_mixture
from app.data.mixing.checks import Drop, Repair
from app.data.mixing.manifest import Manifest, read_manifest
from app.data.mixing.mixture import MixSettings, MixtureSettings, SourceSettings, SplitSettings, TaskSelection
from app.data.mixing.text import normal
from app.data.row import TrainingRow, row_from_json
from app.errors import InputError, SetupError
from app.evaluation.datasets.reading import read_dataset
from tests.data.mixing.rows import choice, free_text, subject, unwatched

ROWS = [choice(subject(number), number % 2, group=f"group {number // 3}") for number in range(120)]
TEXTS = [free_text(subject(number), f"It serves well as {subject(number)} every day.") for number in range(60)]


def write(path: Path, rows: list[TrainingRow]) -> Path:
    path.write_text("".join(json.dumps(row.to_json()) + "\n" for row in rows), encoding="utf-8")
    return path


def mixture(file: Path, mix: MixSettings | None = None, **more: object) -> MixtureSettings:
    values: dict[str, object] = {
        "data": Path("absent"),
        "sources": {"own": SourceSettings(file=file, licence="CC0-1.0")},
        "evaluation_files": (),
        "mix": mix or MixSettings(),
        "splits": SplitSettings(train=0.7, validation=0.2, test=0.1),
    }
    return MixtureSettings.model_validate(values | more)


def build(settings: MixtureSettings, target: Path) -> tuple[Manifest, dict[str, list[TrainingRow]]]:
    manifest = build_mixture(settings, target, unwatched)
    files = {path.stem: path.read_text(encoding="utf-8").splitlines() for path in target.glob("*.jsonl")}
    return manifest, {name: [row_from_json(json.loads(line)) for line in lines] for name, lines in files.items()}


def test_clean_rows_are_split_by_group_and_all_of_them_written(tmp_path: Path) -> None:
    manifest, files = build(mixture(write(tmp_path / "rows.jsonl", ROWS + TEXTS)), tmp_path / "out")

    written = [row for rows in files.values() for row in rows]
    assert sorted(row.prompt for row in written) == sorted(row.prompt for row in ROWS + TEXTS)
    sides = {name: {row.group or row.prompt for row in rows} for name, rows in files.items()}
    assert not sides["train"] & sides["validation"]
    assert not sides["train"] & sides["test"]
    assert not sides["validation"] & sides["test"]
    assert manifest.read == 180
    assert manifest.dropped == {}
    assert {name: file.rows for name, file in manifest.outputs.items()} == {
        f"{name}.jsonl": len(rows) for name, rows in files.items()
    }
    assert read_manifest(tmp_path / "out") == manifest
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(
        [*manifest.outputs, "manifest.json", "report.html"]
    )


def test_every_file_is_one_that_the_evaluation_reads(tmp_path: Path) -> None:
    _, files = build(mixture(write(tmp_path / "rows.jsonl", ROWS + TEXTS)), tmp_path / "out")

    for name, rows in files.items():
        samples = read_dataset(tmp_path / "out" / f"{name}.jsonl").samples
        assert [(one.question.prompt, one.gold, one.task_name) for one in samples] == [
            (row.prompt, row.gold, row.task) for row in rows
        ]


def test_the_same_rows_in_another_order_give_the_same_bytes(tmp_path: Path) -> None:
    near = [replace(row, prompt=row.prompt + " please") for row in ROWS[:20]]
    rows = ROWS + TEXTS + ROWS[:10] + near
    mix = MixSettings(total=100)
    first, _ = build(mixture(write(tmp_path / "a.jsonl", rows), mix), tmp_path / "a")
    second, _ = build(mixture(write(tmp_path / "b.jsonl", rows[::-1]), mix), tmp_path / "b")
    other, _ = build(mixture(tmp_path / "a.jsonl", mix, seed=1), tmp_path / "c")

    assert first.outputs == second.outputs
    assert first.tasks == second.tasks
    assert first.outputs != other.outputs


def test_the_same_settings_give_the_same_folder(tmp_path: Path) -> None:
    settings = mixture(write(tmp_path / "rows.jsonl", ROWS + TEXTS), MixSettings(total=50))
    build(settings, tmp_path / "a" / "mixture")
    build(settings, tmp_path / "b" / "mixture")

    for path in (tmp_path / "a" / "mixture").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / "mixture" / path.name).read_bytes()


def test_faults_are_counted_by_task_and_reason(tmp_path: Path) -> None:
    evaluation = write(tmp_path / "evaluation.jsonl", [choice("a secret anvil")])
    rows = [
        *ROWS,
        ROWS[0],
        replace(ROWS[1], prompt=ROWS[1].prompt.replace("\nProduct", "\r\nProduct").replace("kettle", "cafÃ©")),
        choice("conflict", 0),
        choice("conflict", 1),
        choice("a secret  ANVIL"),
        choice("out of range", 9),
        replace(TEXTS[0], target="", task="other"),
    ]
    manifest, _ = build(mixture(write(tmp_path / "rows.jsonl", rows), evaluation_files=(evaluation,)), tmp_path / "out")

    assert manifest.tasks["colour_choice"].dropped == {
        Drop.EXACT_DUPLICATE: 1,
        Drop.CONFLICT: 2,
        Drop.EVALUATION_PROMPT: 1,
        Drop.NOT_SERVED: 1,
    }
    assert manifest.tasks["colour_choice"].repaired == {Repair.CONTROL_CHARACTERS: 1, Repair.ENCODING: 1}
    assert manifest.tasks["other"].dropped == {Drop.NO_TARGET: 1}
    assert manifest.evaluation_prompts == {str(evaluation): 1}
    assert set(manifest.inputs) == {str(evaluation), str(tmp_path / "rows.jsonl")}
    for task in manifest.tasks.values():
        assert task.read == sum(task.dropped.values()) + sum(task.clean.values())


def test_rows_are_repeated_in_training_alone_and_what_lacks_is_told(tmp_path: Path) -> None:
    settings = mixture(write(tmp_path / "rows.jsonl", ROWS), MixSettings(total=1000, max_repeats=3))
    manifest, files = build(settings, tmp_path / "out")

    clean = manifest.tasks["colour_choice"].clean
    assert set(Counter(row.prompt for row in files["train"]).values()) == {3}
    assert len(files["train"]) == 3 * clean["train"]
    assert len(files["test"]) == clean["test"]
    assert [(share.split, share.level, share.given) for share in manifest.unmet if share.level == "total"] == [
        (split, "total", len(files[split])) for split in ("train", "validation", "test")
    ]


def test_rows_of_ones_own_are_a_source_like_any_other(tmp_path: Path) -> None:
    asked = [choice(subject(number)) for number in range(40)]
    rows: list[dict[str, object]] = [{"instruction": row.prompt, "output": row.target} for row in asked]
    rows += [{"messages": [{"role": "user", "content": f"Describe {subject(n)}."}]} for n in range(3)]
    rows += [rows[0], {"prompt": "Describe a secret anvil.", "completion": "Heavy."}, {"a": 1}]
    evaluation = write(tmp_path / "evaluation.jsonl", [free_text("an anvil", "Heavy.")])
    secret = json.loads(evaluation.read_text()) | {"input_field": "Describe  a secret ANVIL."}
    evaluation.write_text(json.dumps(secret) + "\n")
    (tmp_path / "own.json").write_text(json.dumps(rows))

    manifest, files = build(mixture(tmp_path / "own.json", evaluation_files=(evaluation,)), tmp_path / "out")

    written = [row for rows in files.values() for row in rows]
    assert sorted((row.prompt, row.target, row.source) for row in written) == sorted(
        (row.prompt, row.target, "own") for row in asked
    )
    assert manifest.sources["own"].faults == {"a question without an answer": 3, "in no form that is known": 1}
    assert manifest.tasks["own_multiple_choice"].dropped == {Drop.EXACT_DUPLICATE: 1}
    assert manifest.tasks["own_generation"].dropped == {Drop.EVALUATION_PROMPT: 1}


def test_near_duplicates_of_one_task_are_dropped_and_the_wording_does_not_count(tmp_path: Path) -> None:
    long_name = "a very sturdy oak ladder with nine steps and two hooks for buckets"
    rows = [*ROWS, choice(long_name), choice(long_name + " please")]
    manifest, _ = build(mixture(write(tmp_path / "rows.jsonl", rows)), tmp_path / "out")

    assert manifest.dropped == {Drop.NEAR_DUPLICATE: 1}


def test_tokens_are_counted_where_a_checkpoint_is_named(tmp_path: Path) -> None:
    file = write(tmp_path / "rows.jsonl", ROWS)
    manifest, files = build(mixture(file, tokenizer="tests/fixtures/mini"), tmp_path / "out")

    train = manifest.outputs["train.jsonl"]
    assert train.answer_tokens == 2 * len(files["train"])  # the digit and the end of the turn
    assert train.prompt_tokens is not None
    assert train.prompt_tokens > 10 * train.rows


@pytest.mark.parametrize(
    ("more", "error", "message"),
    [
        ({"tasks": TaskSelection(include=("colour_choise",))}, SetupError, "'colour_choise'; near: 'colour_choice'"),
        ({"tasks": TaskSelection(exclude=("*",))}, InputError, "no clean row is left for train.jsonl"),
        ({"splits": SplitSettings(train=0.99, validation=0.005, test=0.005)}, InputError, "set splits.* to 0"),
        ({"tokenizer": "absent"}, SetupError, "absent"),
    ],
)
def test_what_cannot_be_built_leaves_nothing(
    tmp_path: Path, more: dict[str, object], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        build(mixture(write(tmp_path / "rows.jsonl", ROWS[:9]), None, **more), tmp_path / "out")

    assert [path.name for path in tmp_path.iterdir()] == ["rows.jsonl"]


SHARED = Path(__file__).resolve().parents[4] / "shared" / "data"


@pytest.mark.skipif(not SHARED.is_dir(), reason=f"the published data sets are not in {SHARED}")
def test_rows_of_published_sets_are_clean_and_hold_nothing_of_the_development_set(tmp_path: Path) -> None:
    development = SHARED / "development.json"
    settings = MixtureSettings(
        data=SHARED,
        sources={name: SourceSettings(rows=12) for name in ("EC-Guide", "IntentionQA")},
        evaluation_files=(development,),
    )
    manifest = build_mixture(settings, tmp_path / "mixture", unwatched)

    asked = {normal(sample.question.prompt) for sample in read_dataset(development).samples}
    rows = [sample for file in manifest.outputs for sample in read_dataset(tmp_path / "mixture" / file).samples]
    assert len(rows) > 200
    assert not asked & {normal(sample.question.prompt) for sample in rows}
    assert manifest.evaluation_prompts == {str(development): len(asked)}
    assert {source.licence for source in manifest.sources.values()} == {"Apache-2.0", "MIT"}
    assert all(task.read == sum(task.dropped.values()) + sum(task.clean.values()) for task in manifest.tasks.values())
