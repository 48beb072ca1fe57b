"""The manifest of a mixture, put together from what its parts have counted."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from app.evaluation.provenance import git_revision, sha256
from app.training.mixing.checks import Drop, Repair
from app.training.mixing.cleaning import Tally
from app.training.mixing.manifest import BySplit, Manifest, SourceSummary, TaskSummary, UnmetShare
from app.training.mixing.reading import Feed
from app.training.mixing.selection import Selected
from app.training.mixing.settings import MixtureSettings
from app.training.mixing.splits import Split
from app.training.mixing.writing import Written

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
