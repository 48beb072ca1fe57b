from dataclasses import replace

from app.data.mixing.manifest import (
    Manifest,
    OutputFile,
    SourceSummary,
    TaskSummary,
    UnmetShare,
    charts_of,
    faults_of,
    render_mixture,
)
from app.data.row import Capability
from app.types import TaskType
from tests.data.mixing.rows import choice

FILE = OutputFile(rows=30, bytes=1000, sha256="a" * 64)


def task(train: int, test: int, dropped: dict[str, int]) -> TaskSummary:
    return TaskSummary(
        capability=Capability.MULTILINGUAL,
        task_type=TaskType.RANKING,
        metric="ndcg",
        sources=["own"],
        read=train + test + sum(dropped.values()),
        repaired={},
        dropped=dropped,
        clean={"train": train, "test": test},
        written={"train": train, "test": test},
    )


MANIFEST = Manifest(
    git_revision="abc",
    seed=3,
    settings={},
    inputs={},
    evaluation_prompts={"exam.jsonl": 7},
    sources={
        "own": SourceSummary(
            licence="CC0-1.0", place=None, faults={"no label": 4}, read=45, written={"train": 36, "test": 4}
        )
    },
    tasks={"small": task(9, 1, {}), "large": task(27, 3, {"near duplicate": 5})},
    capabilities={"multilingual": {"train": 36, "test": 4}},
    task_types={"ranking": {"train": 36, "test": 4}},
    unmet=[UnmetShare(split="test", level="capability", name="user_behaviour", wanted=9, given=2)],
    outputs={"train.jsonl": FILE, "test.jsonl": FILE},
)


def test_bars_come_longest_first_with_their_shares() -> None:
    bars = charts_of(MANIFEST)["task"]

    assert [(bar.name, bar.rows, bar.share) for bar in bars] == [("large", 30, 0.75), ("small", 10, 0.25)]
    assert [bar.width for bar in bars] == [1, 1 / 3]


def test_faults_of_readers_and_of_rows_are_listed() -> None:
    assert [(place, reason, rows) for place, _, reason, rows in faults_of(MANIFEST)] == [
        ("own", "no label", 4),
        ("large", "near duplicate", 5),
    ]


def test_the_page_shows_everything_and_runs_nothing_of_the_data() -> None:
    hostile = replace(choice("<script>alert(1)</script>"), task="large")
    page = render_mixture(MANIFEST, "mine", [hostile])

    for text in ("Training mixture mine", "near duplicate", "CC0-1.0", "7 prompts of exam.jsonl", "got 2 of 9"):
        assert text in page
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)" in page
