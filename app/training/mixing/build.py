"""A mixture from its settings: read and check, drop duplicates and overlaps, share out, write."""

from pathlib import Path

import numpy as np

from app.errors import InputError
from app.training.mixing.cleaning import RowCheck, Tally, TaskCleaning
from app.training.mixing.exact_duplicates import without_duplicates
from app.training.mixing.manifest import Manifest
from app.training.mixing.overlap import EvaluationIndex, evaluation_prompts
from app.training.mixing.page import render_mixture
from app.training.mixing.reading import Feed, is_chosen, open_feeds, refuse_unknown_tasks
from app.training.mixing.selection import Selected, select
from app.training.mixing.settings import MixtureSettings
from app.training.mixing.splits import Split
from app.training.mixing.spool import RowSpool
from app.training.mixing.summary import Built, summarise
from app.training.mixing.token_counts import TokenCounter
from app.training.mixing.watching import Watch
from app.training.mixing.writing import Written, write_rows
from app.training.row import TrainingRow
from app.training.whole_folder import FolderKind, whole_folder
from app.whole_file import write_whole

PAGE = "report.html"
MIXTURE = FolderKind("mixture", "manifest.json")


def build_mixture(settings: MixtureSettings, target: Path, watch: Watch, *, overwrite: bool = False) -> Manifest:
    """Write the folder of a mixture, whole or not at all. The same settings and data give the same bytes.

    Raises:
        SetupError: a setting, a source or the target; the message says which.
        InputError: a file is not what its data set publishes, or a split has no row.
    """
    feeds = open_feeds(settings)
    tokens = TokenCounter(settings.tokenizer) if settings.tokenizer else None
    prompts = evaluation_prompts(settings.evaluation_files)
    index = EvaluationIndex((prompt for found in prompts.values() for prompt in found), settings.overlap)
    tally = Tally()
    with (
        whole_folder(target, MIXTURE, overwrite=overwrite) as folder,
        RowSpool(folder / ".rows", settings.seed) as spool,
    ):
        _read(feeds, settings, spool, tally, watch)
        exact = without_duplicates(spool)
        tally.dropped += exact.dropped
        clean = TaskCleaning(spool, index, settings.near_duplicates, tally, watch).run(exact.kept)
        selected = select(spool, clean, settings)
        _refuse_empty(selected)
        written = _write(folder, selected, spool, tokens, watch)
        distinct = {place: len(set(found)) for place, found in prompts.items()}
        manifest = summarise(Built(settings, feeds, distinct, tally, selected, written))
        write_whole(folder / MIXTURE.mark, manifest.model_dump_json(indent=1) + "\n")
        write_whole(folder / PAGE, render_mixture(manifest, target.name, _examples(selected, spool)))
    return manifest


def _read(feeds: list[Feed], settings: MixtureSettings, spool: RowSpool, tally: Tally, watch: Watch) -> None:
    rows = RowCheck(spool, tally)
    found = set()
    for feed in feeds:
        watch.phase(f"Reading {feed.name}", feed.count())
        for row in feed.rows(watch.advance):
            found.add(row.task)
            if is_chosen(row.task, settings):
                rows.take(row, feed.name)
    refuse_unknown_tasks(settings, found)


def _examples(selected: list[Selected], spool: RowSpool) -> list[TrainingRow]:
    """The first training row of each task."""
    _, first = np.unique(spool.tasks[selected[0].rows], return_index=True)
    return list(spool.read(selected[0].rows[first]))


def _refuse_empty(selected: list[Selected]) -> None:
    for one in selected:
        if not len(one.rows):
            raise InputError(
                f"no clean row is left for {one.split}.jsonl: read more rows"
                + ("" if one.split is Split.TRAIN else f", or set splits.{one.split} to 0")
            )


def _write(
    folder: Path, selected: list[Selected], spool: RowSpool, tokens: TokenCounter | None, watch: Watch
) -> dict[Split, Written]:
    watch.phase("Writing", sum(len(one.rows) for one in selected))
    return {
        one.split: write_rows(folder / f"{one.split}.jsonl", spool.read(one.rows), tokens, watch) for one in selected
    }
