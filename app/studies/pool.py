"""The rows of a study: which each cell is trained on, and the questions that all of them are asked."""

import hashlib
import json
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import ClassVar

from pydantic import Field

from app.data.mixing.build import MIXTURE, Watch, build_mixture
from app.data.mixing.manifest import read_manifest
from app.data.mixing.selection import apportion
from app.data.mixing.spool import Split
from app.data.own import read_training_rows
from app.data.row import Capability, TrainingRow
from app.errors import SetupError
from app.evaluation.scoring import Scorer
from app.settings import StrictSettings
from app.studies.plan import Cell, Study
from app.types import Question, Sample, TaskType

SEEN, NEW_WORDINGS, NEW_TASKS, GENERAL = "seen", "new wordings", "new tasks", "general"
STRATA = (SEEN, NEW_WORDINGS, NEW_TASKS, GENERAL)


class General(StrictSettings):
    """What tells whether a model forgets: nothing of it has to do with shopping."""

    called: ClassVar[str] = "the general probe"

    texts: tuple[str, ...] = Field(min_length=1)
    questions: tuple[tuple[str, ...], ...] = Field(min_length=1)
    """Question, right answer, wrong answers."""


@dataclass(frozen=True, slots=True)
class FixedQuestion:
    """A question that all cells are asked, and what it is there for."""

    sample: Sample
    stratum: str
    capability: str
    """Empty for general questions."""


@dataclass(frozen=True)
class Pool:
    """All rows that cells may be trained on."""

    rows: Sequence[TrainingRow]
    """In an order of preference that depends on the rows alone."""
    sha256: str
    """Of the file that they come from."""

    @cached_property
    def by_task(self) -> dict[str, list[int]]:
        """Places of each task's rows."""
        found: defaultdict[str, list[int]] = defaultdict(list)
        for place, row in enumerate(self.rows):
            found[row.task].append(place)
        return dict(sorted(found.items()))

    def tasks(self, cell: Cell) -> list[str]:
        """What a cell is trained on: of each of its capabilities the cell's share of tasks, those of less in more."""
        chosen = []
        for capability in cell.capabilities:
            names = [name for name, places in self.by_task.items() if self.rows[places[0]].capability is capability]
            names.sort(key=lambda name: _digest(str(cell.seed), name))
            chosen += names[: max(1, round(cell.share * len(names)))]
        return sorted(chosen)

    def choose(self, cell: Cell) -> list[int]:
        """Places of a cell's rows: equally many of each capability, and within it of each task, as far as they go.

        Seeds take other rows; of one seed, more rows of a task hold the fewer ones.

        Raises:
            SetupError: there are not enough rows.
        """
        tasks = self.tasks(cell)
        shares = shared_out(cell.rows, {name: self.by_task[name] for name in tasks}, self._capability)
        if sum(shares.values()) < cell.rows:
            raise SetupError(
                f"{cell.name} needs {cell.rows} rows and the pool has {sum(shares.values())} of its tasks: lower "
                "grid.rows, or raise pool.mix.cap and the rows of the sources"
            )
        chosen = []
        for name, count in shares.items():
            ordered = sorted(self.by_task[name], key=lambda place: _digest(str(cell.seed), self.rows[place].prompt))
            chosen += ordered[:count]
        return sorted(chosen)

    def _capability(self, task: str) -> Capability:
        return self.rows[self.by_task[task][0]].capability

    def digest(self, places: Iterable[int]) -> str:
        """A hash of rows, as a cell's record has it."""
        hashed = hashlib.sha256()
        for place in places:
            hashed.update(json.dumps(self.rows[place].to_json(), ensure_ascii=False).encode() + b"\n")
        return hashed.hexdigest()


def shared_out(
    total: int, supply: Mapping[str, Sequence[object]], part_of: Callable[[str], Hashable]
) -> dict[str, int]:
    """So many of each task that parts get equally many, and tasks within a part; fewer only where there are no more."""
    parts: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for name, found in supply.items():
        parts[str(part_of(name))][name] = len(found)
    capacity = {part: sum(tasks.values()) for part, tasks in parts.items()}
    shares: dict[str, int] = {}
    for part, count in apportion(total, dict.fromkeys(parts, 1.0), capacity).items():
        shares |= apportion(count, dict.fromkeys(parts[part], 1.0), parts[part])
    return shares


def open_pool(study: Study, watch: Watch) -> tuple[Pool, list[FixedQuestion]]:
    """The pool, made where it is not there, and all questions that may be asked.

    Raises:
        SetupError: a setting, a source, or too few rows.
        InputError: a file is not what its data set publishes.
    """
    folder = study.work / "pool"
    wanted = study.pool.model_dump(mode="json")
    if not (folder / MIXTURE.mark).is_file() or read_manifest(folder).settings != wanted:
        build_mixture(study.pool, folder, watch, overwrite=True)
    manifest = read_manifest(folder)
    names = set(manifest.tasks)
    if unknown := sorted(set(study.held_out.tasks) - names):
        raise SetupError(f"held_out.tasks: the pool has no task {unknown[0]!r}; it has {', '.join(sorted(names))}")
    rows = split_rows(study, Split.TRAIN)
    trained = learnable(study, rows)
    pool = Pool(trained, manifest.outputs["train.jsonl"].sha256)
    missing = {capability for order in study.grid.orders for capability in order} - {row.capability for row in trained}
    if missing:
        raise SetupError(f"grid.orders: the pool has no row of {sorted(missing)[0]} to train on")
    asked = [row for row in split_rows(study, Split.TEST) if len(row.prompt) <= study.test.longest]
    return pool, [*_questions(study, asked), *general_questions()]


def split_rows(study: Study, split: Split) -> list[TrainingRow]:
    """The rows of a file of the pool."""
    return [row for _, row in read_training_rows(study.work / "pool" / f"{split}.jsonl", Counter())]


def learnable(study: Study, rows: Iterable[TrainingRow]) -> list[TrainingRow]:
    """Those of which nothing is held out."""
    held_out = study.held_out
    return [row for row in rows if row.task not in held_out.tasks and row.wording not in held_out.wordings]


def _questions(study: Study, rows: Iterable[TrainingRow]) -> list[FixedQuestion]:
    """All of the test split that can be asked and scored, each once, with its stratum."""
    found: dict[str, FixedQuestion] = {}
    for row in rows:
        stratum = NEW_WORDINGS if row.wording in study.held_out.wordings else SEEN
        if row.task in study.held_out.tasks:
            stratum = NEW_TASKS
        sample = row.sample
        question = replace(sample.question, id=_digest(row.task, row.prompt)[:12])
        sample = replace(sample, question=question, task_name=f"{row.task}, {stratum}", track=stratum)
        found[question.id] = FixedQuestion(sample, stratum, row.capability.value)
    scores = Scorer().score([one.sample for one in found.values()], [""] * len(found))
    return [one for one, score in zip(found.values(), scores, strict=True) if score.reason is None]


def choose_questions(study: Study, found: Sequence[FixedQuestion]) -> list[FixedQuestion]:
    """The fixed test: as many of each stratum as the study asks for, shared out, and all general questions."""
    wanted = {SEEN: study.test.seen, NEW_WORDINGS: study.test.new_wordings, NEW_TASKS: study.test.new_tasks}
    chosen = []
    for stratum, total in wanted.items():
        by_task: defaultdict[str, list[FixedQuestion]] = defaultdict(list)
        for one in found:
            if one.stratum == stratum:
                by_task[one.sample.task_name].append(one)
        if not by_task:
            raise SetupError(f"the pool's test split has no row for '{stratum}': give it more rows, or change held_out")
        part = {name: group[0].capability for name, group in by_task.items()}
        for name, count in sorted(shared_out(total, by_task, part.__getitem__).items()):
            chosen += sorted(by_task[name], key=lambda one: one.sample.question.id)[:count]
    return [*chosen, *(one for one in found if one.stratum == GENERAL)]


def recorded_questions(ids: Sequence[str], found: Sequence[FixedQuestion], place: Path) -> list[FixedQuestion]:
    """The questions of a study that goes on, in its order.

    Raises:
        SetupError: the data has changed so that some are not there any more.
    """
    by_id = {one.sample.question.id: one for one in found}
    missing = sum(identity not in by_id for identity in ids)
    if missing:
        raise SetupError(
            f"{missing} of the {len(ids)} questions that the cells of {place} were asked are not in the data any more: "
            "go on with the data and the program of then, or give 'results' another folder"
        )
    return [by_id[identity] for identity in ids]


def read_general() -> General:
    """The probe for forgetting, written for this project."""
    return General.read(Path(__file__).parent / "general.yaml")


def general_questions() -> list[FixedQuestion]:
    """Its questions as choices of four or so, in an order of options that is always the same."""
    found = []
    for number, (question, *answers) in enumerate(read_general().questions):
        options = list(answers)
        random.Random(number).shuffle(options)
        listed = "\n".join(f"{place}. {option}" for place, option in enumerate(options))
        asked = Question(f"general-{number}", f"{question}\n{listed}\nAnswer:", is_multiple_choice=True)
        sample = Sample(
            asked, "general knowledge", TaskType.MULTIPLE_CHOICE, "accuracy", options.index(answers[0]), GENERAL
        )
        found.append(FixedQuestion(sample, GENERAL, ""))
    return found


def counted(questions: Iterable[FixedQuestion]) -> dict[str, int]:
    """Questions by stratum."""
    return dict(Counter(one.stratum for one in questions))


def _digest(*parts: str) -> str:
    hashed = hashlib.blake2b(digest_size=8)
    for part in parts:
        hashed.update(part.encode() + b"\0")
    return hashed.hexdigest()
