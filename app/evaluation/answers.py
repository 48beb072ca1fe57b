"""Answers to score: read from a file, asked of a predictor, or of a `UserModel` as the organisers ask it."""

import importlib
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol, runtime_checkable

from pydantic import BaseModel, BeforeValidator, Field, JsonValue, StrictFloat, StrictInt, StrictStr, ValidationError

from app.errors import InputError, SetupError
from app.evaluation.schema import BatchTime, Provenance, Scalar
from app.files import git_revision
from app.forms import conversation
from app.predictor import Predictor, Prepared
from app.prompting import PromptLibrary
from app.settings import ROOT
from app.tables.raw import RawRow, blank, id_of, missing, shown
from app.tables.readers import read_raw, strict
from app.tasks.registry import task_of
from app.types import Message, Outcome, Prediction, Question, Sample, TaskType

LARGEST_BATCH = 16
SECONDS_A_SAMPLE = 10.0
"""The competition stops a run whose batch takes longer than this times its size."""
SEED_VARIABLE = "AICROWD_RUN_SEED"
"""The competition's evaluator seeds a submission by it: a `UserModel` takes no arguments."""


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer and what is known of how it came about. `id` is None where the file names none."""

    id: str | None
    answer: str
    outcome: Outcome | None = None
    task_type: TaskType | None = None
    raw: str | None = None
    label_probs: Mapping[str, float] | None = None
    label_mass: float | None = None
    seconds: float | None = None
    output_tokens: int | None = None
    error: str | None = None
    fingerprint: str | None = None
    """Of the prompts that asked."""
    rendered: tuple[Message, ...] | None = None


@dataclass(frozen=True, slots=True)
class Answers:
    """One entry a sample, in the samples' order, None where there is no answer; and where they came from."""

    by: Literal["id", "order", "model"]
    answers: Sequence[Answered | None]
    missing: list[str] = field(default_factory=list)
    """Ids of samples without an answer."""
    extra: list[str] = field(default_factory=list)
    """Ids of answers without a sample."""
    provenance: Provenance = field(default_factory=Provenance)
    batches: list[BatchTime] = field(default_factory=list)
    """Of a `UserModel`."""
    load_seconds: float | None = None
    predict_seconds: float | None = None


_Finite = Annotated[StrictFloat, Field(allow_inf_nan=False)]


class _PredictionRow(BaseModel):
    """A row that `shopbench predict` writes; what else stands in it is left alone."""

    id: Annotated[str | None, BeforeValidator(id_of)] = None
    answer: StrictStr | None
    outcome: Outcome | None = None
    task_type: TaskType | None = None
    raw: StrictStr | None = None
    label_probs: Annotated[dict[str, Annotated[StrictFloat, Field(ge=0, le=1)]], Field(min_length=1)] | None = None
    label_mass: _Finite | None = None
    seconds: _Finite | None = None
    output_tokens: StrictInt | None = None
    error: JsonValue = None
    prompts: StrictStr | None = None


def read_answers(path: Path, samples: Sequence[Sample], prompts: PromptLibrary | None = None) -> Answers:
    """The rows that `shopbench predict` writes, joined with the samples that they answer.

    `answer` alone is required, and may be null beside an `error`. The conversation that asked is rendered again
    where these very `prompts` asked and none was cut to fit.

    Raises:
        InputError: the file cannot be read, a row is malformed (the message names line and field), or the answers
            cannot be joined, as `join` says.
    """
    answers = [_read(row) for raw in strict(read_raw(path), path) for row in _predictions(raw)]
    fingerprints = {answered.fingerprint for answered in answers}
    joined = join(samples, answers)
    if prompts is not None:
        pairs = zip(joined.answers, samples, strict=True)
        rendered = [_with_prompt(answered, sample.question, prompts) for answered, sample in pairs]
        joined = replace(joined, answers=rendered)
    provenance = Provenance(
        prompt_fingerprint=fingerprints.pop() if len(fingerprints) == 1 else None,
        git_revision=git_revision(ROOT),
        settings={"predictions": path.name},
    )
    return replace(joined, provenance=provenance)


def join(samples: Sequence[Sample], answers: Sequence[Answered]) -> Answers:
    """Pair by id where every answer has one, else by order where there is one for each sample.

    Raises:
        InputError: ids on some answers only, an id twice, no id that any sample has, or no ids and another count.
    """
    ids = [sample.question.id for sample in samples]
    wanted = set(ids)
    named = sum(answered.id is not None for answered in answers)
    if named == 0:
        if len(answers) != len(samples):
            raise InputError(
                f"{len(answers)} predictions without an 'id' for {len(samples)} samples: which belongs to which is not "
                "known; give each prediction the id of its sample"
            )
        return Answers("order", answers)
    if named < len(answers):
        raise InputError(f"{len(answers) - named} predictions have no 'id' and {named} have: give all or none")
    by_id = {str(answered.id): answered for answered in answers}
    if len(by_id) < len(answers):
        identity, count = Counter(answered.id for answered in answers).most_common(1)[0]
        raise InputError(f"the id {identity!r} stands {count} times in the predictions: keep one row for each id")
    if wanted.isdisjoint(by_id):
        raise InputError(
            f"no prediction has the id of a sample (such as {ids[0]!r}; the predictions say {answers[0].id!r}): "
            "are they answers to this file?"
        )
    missing = [identity for identity in ids if identity not in by_id]
    extra = [identity for identity in by_id if identity not in wanted]
    return Answers("id", [by_id.get(identity) for identity in ids], missing, extra)


def from_prediction(prediction: Prediction, rendered: tuple[Message, ...] | None = None) -> Answered:
    """What a predictor in this process said."""
    return Answered(
        id=prediction.id,
        answer=prediction.answer or "",
        outcome=prediction.outcome,
        task_type=prediction.task_type,
        raw=prediction.raw,
        label_probs=prediction.label_probs,
        label_mass=prediction.label_mass,
        seconds=prediction.seconds,
        error=prediction.error.message if prediction.error else None,
        rendered=rendered,
    )


def _read(row: RawRow) -> Answered:
    try:
        found = _PredictionRow.model_validate(row.values)
    except ValidationError as error:
        first = error.errors()[0]
        name, problem = str(first["loc"][0]), str(first["msg"])
        if first["type"] == "missing":
            raise missing(row.place, name, row.values) from error
        raise row.refuse(
            name, f"is wrong: {problem[0].lower()}{problem[1:]} (given: {shown(first['input'])})"
        ) from error
    if found.answer is None and found.error is None:
        raise row.refuse("answer", "must be a text (null only beside an 'error')")
    answer, told = found.answer or "", found.error
    return Answered(
        id=found.id,
        answer=answer,
        raw=answer if found.raw is None and found.outcome is Outcome.CLEAN else found.raw,
        error=None if told is None else str(told.get("message", told) if isinstance(told, dict) else told),
        fingerprint=found.prompts,
        **found.model_dump(exclude={"id", "answer", "raw", "error", "prompts"}),
    )


_JSON_CELLS = ("label_probs", "label_mass", "seconds", "output_tokens", "error")


def _predictions(raw: RawRow) -> list[RawRow]:
    """The predictions of a row in any format that `shopbench predict` writes, what is not known left out.

    Cells of CSV hold JSON where the column is no text, and a line of an OpenAI batch one prediction or several.
    """
    values = dict(raw.values)
    if {"custom_id", "response"} <= values.keys():
        body = (values["response"] or {}).get("body") or {}
        alone = body if "choices" not in body else {"answer": body["choices"][0]["message"]["content"]}
        found = body.get("predictions") or [{"answer": None, **alone}]
        named = {"id": values["custom_id"], "error": values.get("error"), "prompts": body.get("prompts")}
        return [_plain(raw, named | one) for one in found]
    return [_plain(raw, values)]


def _plain(raw: RawRow, values: dict[str, Any]) -> RawRow:
    for name in _JSON_CELLS:
        if isinstance(cell := values.get(name), str) and cell:
            with suppress(ValueError):
                values[name] = json.loads(cell)
    if isinstance(pairs := values.get("label_probs"), list):  # as Parquet has a map
        values["label_probs"] = dict(pairs)
    return replace(raw, values={name: value for name, value in values.items() if name == "answer" or not blank(value)})


def _with_prompt(answered: Answered | None, question: Question, prompts: PromptLibrary) -> Answered | None:
    if answered is None or answered.task_type is None or answered.fingerprint != prompts.fingerprint:
        return answered
    if answered.outcome is Outcome.TRUNCATED:
        return answered
    task = task_of(answered.task_type)
    return replace(answered, rendered=conversation(prompts, task, task.read(question), question.prompt.strip()))


def ask(
    predictor: Predictor,
    samples: Sequence[Sample],
    settings: Mapping[str, Scalar] | None = None,
    advance: Callable[[int], None] = lambda _: None,
) -> Answers:
    """Every sample's answer, asked as fast as the engine has room; `advance` is told of each one.

    `settings` are worth knowing of how the predictor was made.

    Raises:
        EngineError: the engine failed.
    """
    started = time.perf_counter()
    answers: dict[int, Answered] = {}
    for position, prediction in predictor.stream((n, sample.question) for n, sample in enumerate(samples)):
        answers[position] = from_prediction(prediction, _rendered(predictor, samples[position].question))
        advance(1)
    return Answers(
        "model",
        [answers[position] for position in range(len(samples))],
        provenance=_provenance(predictor, settings or {}),
        predict_seconds=time.perf_counter() - started,
    )


class UserModel(Protocol):
    """What a submission must offer."""

    def get_batch_size(self) -> int:
        """Questions a call, 1 to 16."""
        ...

    def batch_predict(self, batch: dict[str, list[str]], is_multiple_choice: bool) -> list[str]:
        """One answer for each prompt, in order."""
        ...


@runtime_checkable
class Explaining(Protocol):
    """A model of this project, which also says how the answers of its last batch came about."""

    predictor: Predictor
    predictions: list[Prediction]


def load_user_model(module: str, seed: int = 0) -> UserModel:
    """`module.UserModel()`, seeded as the competition seeds it.

    Raises:
        SetupError: no such module, or it has no `UserModel`.
    """
    os.environ[SEED_VARIABLE] = str(seed)
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        loaded = importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise SetupError(f"cannot import {module!r} ({error}): name a module such as models.user_config") from error
    if not hasattr(loaded, "UserModel"):
        raise SetupError(f"{module} has no 'UserModel': name the class so that the evaluator finds it")
    model: UserModel = loaded.UserModel()
    return model


def drive(
    model: UserModel,
    samples: Sequence[Sample],
    settings: Mapping[str, Scalar] | None = None,
    advance: Callable[[int], None] = lambda _: None,
) -> Answers:
    """Ask every sample. As in the kit, task types come in alphabetical order, samples within one in file order.

    The model is told the prompts and whether they are multiple choice, nothing else. `advance` is told the size of
    each batch done; `settings` are worth knowing of how the model was made.

    Raises:
        SetupError: a batch size out of range, or answers that are not one text a prompt.
    """
    answers: dict[int, Answered] = {}
    times: list[BatchTime] = []
    for task_type, positions in _batches(model, samples):
        batch = [samples[position] for position in positions]
        started = time.perf_counter()
        texts = model.batch_predict(
            {"prompt": [sample.question.prompt for sample in batch]}, task_type is TaskType.MULTIPLE_CHOICE
        )
        seconds = time.perf_counter() - started
        _check(texts, len(batch), len(times))
        limit = SECONDS_A_SAMPLE * len(batch)
        times.append(
            BatchTime(
                index=len(times),
                task_type=task_type,
                size=len(batch),
                seconds=seconds,
                limit_seconds=limit,
                within_limit=seconds <= limit,
            )
        )
        answers.update(zip(positions, _told(model, batch, texts, seconds / len(batch)), strict=True))
        advance(len(batch))
    known = {**(settings or {}), "batch_size": model.get_batch_size()}
    foreign = Provenance(model=type(model).__module__, git_revision=git_revision(ROOT), settings=known)
    return Answers(
        "model",
        [answers[position] for position in range(len(samples))],
        provenance=_provenance(model.predictor, known) if isinstance(model, Explaining) else foreign,
        batches=times,
        predict_seconds=sum(batch.seconds for batch in times),
    )


def _batches(model: UserModel, samples: Sequence[Sample]) -> Iterator[tuple[TaskType, list[int]]]:
    for task_type in sorted(TaskType):
        positions = [position for position, sample in enumerate(samples) if sample.task_type is task_type]
        size = model.get_batch_size() if positions else 1
        if isinstance(size, bool) or not isinstance(size, int) or not 1 <= size <= LARGEST_BATCH:
            raise SetupError(f"get_batch_size() returned {size!r}: it must be a whole number from 1 to 16")
        for start in range(0, len(positions), size):
            yield task_type, positions[start : start + size]


def _check(texts: object, size: int, batch: int) -> None:
    if not isinstance(texts, list) or len(texts) != size:
        given = f"{len(texts)} answers" if isinstance(texts, list) else f"a {type(texts).__name__}"
        raise SetupError(f"batch_predict returned {given} for the {size} prompts of batch {batch}: return a list")
    for text in texts:
        if not isinstance(text, str):
            raise SetupError(f"batch_predict returned a {type(text).__name__} in batch {batch}: answers are texts")


def _told(model: UserModel, batch: Sequence[Sample], texts: Sequence[str], seconds: float) -> list[Answered]:
    """The answers that the evaluator got, with the model's own account of them where it gives one."""
    questions = [sample.question for sample in batch]
    if not isinstance(model, Explaining) or len(model.predictions) != len(batch):
        return [Answered(question.id, text, seconds=seconds) for question, text in zip(questions, texts, strict=True)]
    told = zip(questions, model.predictions, texts, strict=True)
    return [
        replace(from_prediction(prediction, _rendered(model.predictor, question)), id=question.id, answer=text)
        for question, prediction, text in told
    ]


def _rendered(predictor: Predictor, question: Question) -> tuple[Message, ...] | None:
    prepared = predictor.prepare(question, "0")
    return prepared.request.messages if isinstance(prepared, Prepared) else None


def _provenance(predictor: Predictor, settings: Mapping[str, Scalar]) -> Provenance:
    # A checkpoint of the project is told by its place in it: reports leave the machine that made them.
    model = Path(predictor.engine.model)
    return Provenance(
        engine=predictor.engine.name,
        engine_version=predictor.engine.version,
        model=str(model.relative_to(ROOT)) if model.is_relative_to(ROOT) else predictor.engine.model,
        prompt_fingerprint=predictor.prompts.fingerprint,
        git_revision=git_revision(ROOT),
        settings=dict(settings),
    )
