"""`shopbench data list`, `generate` and `catalogue` as a user types them."""

import json
import resource
import subprocess
import sys
from pathlib import Path

from app.cli.data import generate_rows, generated_tasks
from app.data.row import Capability, row_from_json
from app.data.tasks.declared import TASKS
from app.evaluation.datasets.reading import read_dataset
from app.settings import ROOT
from app.types import TaskType
from tests.command import one_line, shopbench


def data(*words: object) -> subprocess.CompletedProcess[str]:
    return shopbench("data", *words)


def data_on_a_small_disk(size: int, *words: object) -> subprocess.CompletedProcess[str]:
    """In a process of its own, which may write so many bytes into a file."""
    return subprocess.run(
        [sys.executable, "-m", "app", "data", *map(str, words)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size)),
    )


def test_the_list_has_every_task_and_imports_nothing_heavy(tmp_path: Path) -> None:
    program = (
        "import sys\nfrom app.cli.main import cli\n"
        f"cli(['data', 'list', '--json', '--data', {str(tmp_path)!r}], standalone_mode=False)\n"
        "print([name for name in ('torch', 'transformers', 'numpy', 'datasets') if name in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=120, check=True
    )
    text, _, heavy = result.stdout.strip().rpartition("\n")
    listed = json.loads(text)
    assert heavy == "[]"
    assert [one["task"] for one in listed] == list(TASKS)
    assert {one["rows"] for one in listed} == {"unbounded", "absent"}


def test_the_list_can_be_filtered() -> None:
    result = data("list", "--type", "ranking", "--capability", "multilingual", "--source", "catalogue")
    assert "1 training tasks" in result.stdout
    assert "foreign_query_ranking" in result.stdout
    assert "no training task fits" in one_line(data("list", "--task", "next_query", "--type", "ranking"))
    assert "near: 'next_query'" in one_line(data("list", "--task", "nxt_query"))


def test_generated_rows_are_training_rows_and_shopbench_rows(tmp_path: Path) -> None:
    out = tmp_path / "rows.jsonl"
    result = data("generate", out, "--rows", 150, "--seed", 3)
    assert result.returncode == 0, result.stderr
    lines = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    rows = [row_from_json(line) for line in lines]
    assert rows == list(generate_rows(generated_tasks((), (), ()), 150, 3))
    assert {row.capability for row in rows} == set(Capability)
    assert {row.task_type for row in rows} == set(TaskType)
    assert [sample.gold for sample in read_dataset(out).samples] == [row.gold for row in rows]
    again = tmp_path / "again.jsonl"
    data("generate", again, "--rows", 150, "--seed", 3)
    assert again.read_bytes() == out.read_bytes()


def test_more_rows_begin_with_the_same_ones() -> None:
    tasks = generated_tasks(("next_query", "also_bought"), (), ())
    assert list(generate_rows(tasks, 9, 1))[:5] == list(generate_rows(tasks, 5, 1))


def test_rows_over_published_data_are_not_generated(tmp_path: Path) -> None:
    line = one_line(data("generate", tmp_path / "rows.jsonl", "--task", "ec_guide_rating"))
    assert "use 'shopbench data build'" in line


def test_a_full_disk_leaves_the_old_file_and_one_line(tmp_path: Path) -> None:
    out = tmp_path / "rows.jsonl"
    out.write_text("old\n")
    line = one_line(data_on_a_small_disk(20_000, "generate", out, "--rows", 500))
    assert f"cannot write {out}" in line
    assert [path.name for path in tmp_path.iterdir()] == ["rows.jsonl"]
    assert out.read_text() == "old\n"


def test_the_catalogue_is_written_whole_and_refers_to_itself(tmp_path: Path) -> None:
    out = tmp_path / "shop"
    result = data("catalogue", out, "--products", 300, "--seed", 2)
    assert result.returncode == 0, result.stderr
    files = {path.stem: [json.loads(line) for line in path.read_text().splitlines()] for path in out.iterdir()}
    assert set(files) == {"products", "queries", "sessions", "co_purchases", "reviews"}
    assert all(len(lines) == 300 for lines in files.values())
    ids = {product["id"] for product in files["products"]}
    assert len(ids) == 300
    assert all(set(query["matches"]) <= ids for query in files["queries"])
    assert all(set(one["bought_with"]) <= ids for one in files["co_purchases"])
    assert {review["product_id"] for review in files["reviews"]} == ids
    assert "is there" in one_line(data("catalogue", out))


def test_a_catalogue_that_does_not_fit_leaves_nothing(tmp_path: Path) -> None:
    line = one_line(data_on_a_small_disk(50_000, "catalogue", tmp_path / "shop", "--products", 400))
    assert "cannot write" in line
    assert list(tmp_path.iterdir()) == []
