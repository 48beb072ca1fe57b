from pathlib import Path

from app.jobs.journal import journal_path, partial_path, store_path


def test_everything_is_named_after_the_output() -> None:
    names = [path(Path("a/out.jsonl")) for path in (journal_path, store_path, partial_path)]
    assert names == [Path("a/out.jsonl.journal"), Path("a/out.jsonl.ray"), Path("a/out.jsonl.part")]
