"""What lies beside an output: its journal, its store on Ray, the file that is being written."""

from pathlib import Path


def journal_path(target: Path) -> Path:
    """Where the journal of an output lies: `answers.jsonl` -> `answers.jsonl.journal`."""
    return target.with_name(target.name + ".journal")


def store_path(target: Path) -> Path:
    """Where the store of an output lies, of a run on Ray: `answers.jsonl` -> `answers.jsonl.ray`."""
    return target.with_name(target.name + ".ray")


def partial_path(target: Path) -> Path:
    """Where an output lies until it is whole: `answers.jsonl` -> `answers.jsonl.part`."""
    return target.with_name(target.name + ".part")
