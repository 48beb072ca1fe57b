"""A mixture from its settings: read and check, drop duplicates and overlaps, share out, write."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from app.data.mixing.checks import Drop, Repair
from app.data.mixing.cleaning import RowCheck, Tally, TaskCleaning
from app.data.mixing.duplicates import EvaluationIndex, evaluation_prompts, without_duplicates
from app.data.mixing.manifest import BySplit, Manifest, SourceSummary, TaskSummary, UnmetShare
from app.data.mixing.mixture import MixtureSettings
from app.data.mixing.page import render_mixture
from app.data.mixing.reading import Feed, is_chosen, open_feeds, refuse_unknown_tasks
from app.data.mixing.selection import Selected, select
from app.data.mixing.spool import RowSpool, Split
from app.data.mixing.writing import TokenCounter, Watch, Written, write_rows
from app.data.row import TrainingRow
from app.errors import InputError
from app.evaluate.provenance import git_revision, sha256
from app.files import FolderKind, whole_folder, write_whole

Reason = TypeVar("Reason", Drop, Repair)


@dataclass(frozen=True, slots=True)
class Built:
    """What there is once the rows are written."""

    settings: MixtureSettings
    feeds: list[Feed]
    evaluation_prompts: dict[str, int]
    tally: Tally
    selected: list[Selected]
    written: dict[Split, Written]


def summarise(built: Built) -> Manifest:
    """The manifest."""
    return Manifest(
        git_revision=git_revision(),
        seed=built.settings.seed,
        settings=built.settings.model_dump(mode="json"),
        inputs=_inputs(built),
        evaluation_prompts=built.evaluation_prompts,
        sources={feed.name: _source(feed, built) for feed in built.feeds},
        tasks={name: _task(name, built) for name in sorted(built.tally.read)},
        capabilities=_by_split(built, lambda written: written.capabilities),
        task_types=_by_split(built, lambda written: written.task_types),
        unmet=[
            UnmetShare(split=one.split, level=share.level, name=share.name, wanted=share.wanted, given=share.given)
            for one in built.selected
            for share in one.quotas.unmet
        ],
        outputs={f"{split}.jsonl": written.file for split, written in built.written.items()},
    )


def _inputs(built: Built) -> dict[str, str]:
    files = [file for feed in built.feeds for file in feed.files()]
    for place in built.settings.evaluation_files:
        files += sorted(path for path in place.rglob("*") if path.is_file()) if place.is_dir() else [place]
    digests = {str(file): sha256(file) for file in dict.fromkeys(files)}
    return {file: digest for file, digest in digests.items() if digest is not None}


def _source(feed: Feed, built: Built) -> SourceSummary:
    return SourceSummary(
        licence=feed.licence,
        place=str(feed.place) if feed.place else None,
        faults=dict(sorted(feed.faults.items())),
        read=built.tally.read_by_source[feed.name],
        written={split: written.sources[feed.name] for split, written in built.written.items()},
    )


def _task(name: str, built: Built) -> TaskSummary:
    tally = built.tally
    example = tally.examples[name]
    return TaskSummary(
        capability=example.capability,
        task_type=example.task_type,
        metric=example.metric,
        sources=sorted(tally.sources[name]),
        read=tally.read[name],
        repaired=_of_task(name, tally.repaired),
        dropped=_of_task(name, tally.dropped),
        clean={one.split: one.clean.get(name, 0) for one in built.selected},
        written={split: written.tasks[name] for split, written in built.written.items()},
    )


def _of_task(name: str, counts: Mapping[tuple[str, Reason], int]) -> dict[str, int]:
    return {str(reason): n for (task, reason), n in sorted(counts.items()) if task == name and n}


def _by_split(built: Built, counts: Callable[[Written], Counter[str]]) -> dict[str, BySplit]:
    names = sorted({name for written in built.written.values() for name in counts(written)})
    return {name: {split: counts(written)[name] for split, written in built.written.items()} for name in names}


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
