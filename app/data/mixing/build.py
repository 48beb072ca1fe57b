"""A mixture from its settings: read and check, drop duplicates and overlaps, share out, write."""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryFile
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from app.data.encoding import RowEncoder
from app.data.mixing.checks import Drop, Repair, answer_content, check
from app.data.mixing.duplicates import (
    EvaluationIndex,
    NearDuplicates,
    RowContent,
    evaluation_prompts,
    without_duplicates,
)
from app.data.mixing.manifest import (
    BySplit,
    Manifest,
    OutputFile,
    SourceSummary,
    TaskSummary,
    render_mixture,
)
from app.data.mixing.mixture import MixtureSettings
from app.data.mixing.reading import Feed, is_chosen, open_feeds, refuse_unknown_tasks
from app.data.mixing.selection import Selected, select
from app.data.mixing.spool import RowSpool, Split
from app.data.mixing.text import SAMPLED_ROWS, digest, fingerprint, wording_of
from app.data.row import TrainingRow
from app.errors import InputError
from app.evaluation.scoring import Scorer
from app.files import FolderKind, git_revision, sha256, whole_folder, write_whole
from app.prompting import PromptLibrary
from app.settings import ROOT
from app.types import TaskType

What = TypeVar("What", bound=str)

PAGE = "report.html"
MIXTURE = FolderKind("mixture", "manifest.json")
UNLIMITED = 2**31
"""Tokens: nothing is cut to be counted."""


Watch = Callable[[str, int], Callable[[], object]]
"""Told of each phase and how many steps it has; what it gives is called at each of them."""


@dataclass(slots=True)
class Tally:
    """How many rows came, and what happened to them."""

    read: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By task and source, as the mixture calls it."""
    examples: dict[str, TrainingRow] = field(default_factory=dict)
    """The first row of each task, for what its rows share."""
    repaired: Counter[tuple[str, Repair]] = field(default_factory=Counter)
    dropped: Counter[tuple[str, Drop]] = field(default_factory=Counter)


class Kind(NamedTuple):
    """What rows are counted by."""

    task: str
    source: str
    capability: str
    task_type: str


Written = tuple[OutputFile, Counter[Kind]]
"""A file of rows, and how many there are of what."""


def build_mixture(settings: MixtureSettings, target: Path, watch: Watch, *, overwrite: bool = False) -> Manifest:
    """Write the folder of a mixture, whole or not at all. The same settings and data give the same bytes.

    Raises:
        SetupError: a setting, a source or the target; the message says which.
        InputError: a file is not what its data set publishes, or a split has no row.
    """
    feeds = open_feeds(settings)
    encoder = None
    if settings.tokenizer:
        from app.engines.chat import load_chat_tokenizer  # it brings torch along

        encoder = RowEncoder(load_chat_tokenizer(settings.tokenizer), PromptLibrary(ROOT / "prompts"), UNLIMITED)
    prompts = evaluation_prompts(settings.evaluation_files)
    index = EvaluationIndex((prompt for found in prompts.values() for prompt in found), settings.overlap)
    tally = Tally()
    with whole_folder(target, MIXTURE, overwrite=overwrite) as folder, TemporaryFile(dir=folder) as file:
        spool = RowSpool(file, settings.seed)
        _read(feeds, settings, spool, tally, watch)
        kept, dropped = without_duplicates(spool)
        tally.dropped += dropped
        selected = select(spool, _without_overlaps(kept, spool, index, settings, tally, watch), settings)
        _refuse_empty(selected)
        advance = watch("Writing", sum(len(one.rows) for one in selected))
        written = {
            one.split: _write(folder / f"{one.split}.jsonl", spool.read(one.rows), encoder, advance) for one in selected
        }
        distinct = {place: len(set(found)) for place, found in prompts.items()}
        manifest = _summary(settings, feeds, distinct, tally, selected, written)
        train = selected[0].rows
        _, first = np.unique(spool.tasks[train], return_index=True)
        write_whole(folder / MIXTURE.mark, manifest.model_dump_json(indent=1) + "\n")
        write_whole(folder / PAGE, render_mixture(manifest, target.name, spool.read(train[first])))
    return manifest


def _read(feeds: list[Feed], settings: MixtureSettings, spool: RowSpool, tally: Tally, watch: Watch) -> None:
    """Check rows one by one; what passes goes to the spool."""
    scorer = Scorer()
    found = set()
    for feed in feeds:
        for row in feed.rows(watch(f"Reading {feed.name}", feed.count())):
            found.add(row.task)
            if not is_chosen(row.task, settings):
                continue
            tally.read[row.task, feed.name] += 1
            tally.examples.setdefault(row.task, row)
            checked = check(row, scorer)
            tally.repaired.update((row.task, repair) for repair in checked.repairs)
            if checked.drop is None:
                spool.add(checked.row)
            else:
                tally.dropped[row.task, checked.drop] += 1
    refuse_unknown_tasks(settings, found)


def _without_overlaps(
    kept: NDArray[np.bool_],
    spool: RowSpool,
    index: EvaluationIndex,
    settings: MixtureSettings,
    tally: Tally,
    watch: Watch,
) -> NDArray[np.bool_]:
    """Which of the kept rows stay, one task after another. Of near duplicates it is the one with the smallest key."""
    advance = watch("Comparing", int(kept.sum()))
    clean = kept.copy()
    for task in sorted(spool.names):
        rows = spool.of_task(task, kept)
        wording = wording_of(fingerprint(row.prompt) for row in spool.read(rows[:SAMPLED_ROWS]))
        seen = NearDuplicates(settings.near_duplicates)
        for place, row in zip(rows, spool.read(rows), strict=True):
            advance()
            prompt = fingerprint(row.prompt)
            drop = index.overlap(row.prompt, prompt, wording)
            if drop is None:
                text = fingerprint(row.target).shingles if row.task_type is TaskType.GENERATION else frozenset[int]()
                content = RowContent(prompt.without(wording).shingles, digest(answer_content(row)), text)
                drop = None if seen.admit(content) else Drop.NEAR_DUPLICATE
            if drop is not None:
                clean[place] = False
                tally.dropped[task, drop] += 1
    return clean


def _refuse_empty(selected: list[Selected]) -> None:
    for one in selected:
        if not len(one.rows):
            raise InputError(
                f"no clean row is left for {one.split}.jsonl: read more rows"
                + ("" if one.split is Split.TRAIN else f", or set splits.{one.split} to 0")
            )


def _write(
    path: Path, rows: Iterable[TrainingRow], encoder: RowEncoder | None, advance: Callable[[], object]
) -> Written:
    """Write JSON lines, which the evaluation reads too; with an encoder, tokens are counted as training has them."""
    kinds: Counter[Kind] = Counter()
    prompt_tokens = answer_tokens = size = 0
    hashed = hashlib.sha256()
    with path.open("wb") as out:
        for row in rows:
            line = json.dumps(row.to_json(), ensure_ascii=False).encode() + b"\n"
            hashed.update(line)
            size += out.write(line)
            kinds[Kind(row.task, row.source, row.capability.value, row.task_type.value)] += 1
            if encoder:
                for encoded in encoder.encode(row):
                    prompt_tokens += len(encoded.prompt)
                    answer_tokens += len(encoded.answer)
            advance()
    file = OutputFile(
        rows=kinds.total(),
        bytes=size,
        sha256=hashed.hexdigest(),
        prompt_tokens=prompt_tokens if encoder else None,
        answer_tokens=answer_tokens if encoder else None,
    )
    return file, kinds


def _summary(
    settings: MixtureSettings,
    feeds: list[Feed],
    evaluation: dict[str, int],
    tally: Tally,
    selected: list[Selected],
    written: dict[Split, Written],
) -> Manifest:
    def by_split(by: str, name: str) -> BySplit:
        return {
            split: sum(n for kind, n in kinds.items() if getattr(kind, by) == name)
            for split, (_, kinds) in written.items()
        }

    def by_name(by: str) -> dict[str, BySplit]:
        names = {getattr(kind, by) for _, kinds in written.values() for kind in kinds}
        return {name: by_split(by, name) for name in sorted(names)}

    return Manifest(
        git_revision=git_revision(ROOT),
        seed=settings.seed,
        settings=settings.model_dump(mode="json"),
        inputs=_inputs(settings, feeds),
        evaluation_prompts=evaluation,
        sources={
            feed.name: SourceSummary(
                licence=feed.licence,
                place=str(feed.place) if feed.place else None,
                faults=dict(sorted(feed.faults.items())),
                read=sum(n for (_, source), n in tally.read.items() if source == feed.name),
                written=by_split("source", feed.name),
            )
            for feed in feeds
        },
        tasks={
            name: TaskSummary(
                capability=example.capability,
                task_type=example.task_type,
                metric=example.metric,
                sources=sorted(_of_task(name, tally.read)),
                read=sum(_of_task(name, tally.read).values()),
                repaired=_of_task(name, tally.repaired),
                dropped=_of_task(name, tally.dropped),
                clean={one.split: one.clean.get(name, 0) for one in selected},
                written=by_split("task", name),
            )
            for name, example in sorted(tally.examples.items())
        },
        capabilities=by_name("capability"),
        task_types=by_name("task_type"),
        unmet=[share for one in selected for share in one.quotas.unmet],
        outputs={f"{split}.jsonl": file for split, (file, _) in written.items()},
    )


def _of_task(name: str, counts: Mapping[tuple[str, What], int]) -> dict[str, int]:
    return {str(what): n for (task, what), n in sorted(counts.items()) if task == name and n}


def _inputs(settings: MixtureSettings, feeds: list[Feed]) -> dict[str, str]:
    files = [file for feed in feeds for file in feed.files()]
    for place in settings.evaluation_files:
        files += sorted(path for path in place.rglob("*") if path.is_file()) if place.is_dir() else [place]
    digests = {str(file): sha256(file) for file in dict.fromkeys(files)}
    return {file: digest for file, digest in digests.items() if digest is not None}
