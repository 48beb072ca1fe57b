"""One cell at a time: trained on the base that stays loaded, merged, asked the fixed questions, written down."""

import copy
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean

import torch
from peft import PeftModel
from torch import nn
from transformers import PreTrainedModel, PrinterCallback, TrainerCallback, TrainerControl, TrainerState
from transformers.trainer_utils import SaveStrategy

from app.data.mixing.spool import Split
from app.data.row import TrainingRow
from app.engines.chat import load_chat_tokenizer
from app.engines.options import TransformersSettings
from app.engines.transformers import TransformersEngine
from app.errors import SetupError
from app.evaluation.answers import Answered, Answers, ask
from app.evaluation.datasets.kit import write_kit
from app.evaluation.datasets.reading import Dataset
from app.evaluation.evaluation import Evaluation, evaluate, write_evaluation
from app.evaluation.scoring import Scorer
from app.evaluation.statistics import mean_over_tasks, score_interval
from app.files import FolderKind, git_revision, whole_folder, write_lines
from app.forms import write_forms
from app.predictor import Predictor, Prepared
from app.process import Interruption
from app.prompting import PromptLibrary
from app.settings import ROOT
from app.studies.plan import Cell, Study, experts
from app.studies.pool import SEEN, FixedQuestion, Pool, learnable, read_general, shared_out, split_rows
from app.studies.results import CellResult, Group, Training
from app.tasks.base import Task
from app.train.adapters import Combination, combine
from app.train.callbacks import Narrator, Watcher
from app.train.encoded import encode_once
from app.train.examples import PlacedRow, row_lengths
from app.train.finetune import trainer_arguments
from app.train.gates import GateSettings, learn_gates
from app.train.network import (
    CPU_TOKENS,
    adapted,
    choose_precision,
    default_threads,
    fetch_checkpoint,
    load_base,
    on_gpu,
)
from app.train.run_folder import run_identity
from app.train.trainer import LOSS, AnswerTrainer
from app.types import Prediction, Question, TaskType

CELL = FolderKind("cell of a study", "cell.json")
ADAPTER = "adapter"
GATE_STEPS = 24
"""Of 8 rows: shares of so few adapters are found soon, and each step costs as much as one of training."""
AT_ONCE = 64
"""Answers that are written at the same time: a step of writing costs a CPU little more for many rows than for few."""
GATE_ROWS = 96
"""Half to learn gates from, half to measure them on."""


class Interrupted(Exception):  # noqa: N818 - what happened, and no fault
    """Somebody asked to stop while a cell was under way; nothing of it is kept."""


class _Stop(TrainerCallback):  # type: ignore[misc]  # transformers is not typed
    def __init__(self, interruption: Interruption) -> None:
        self._interruption = interruption

    def on_step_end(self, _: object, __: TrainerState, control: TrainerControl, **___: object) -> TrainerControl:
        control.should_training_stop = control.should_training_stop or self._interruption.requested
        return control


WRITTEN = (TaskType.NAMED_ENTITY_RECOGNITION, TaskType.GENERATION)


class _Brief(Predictor):
    """A predictor whose answers are bounded."""

    longest_answer = 1

    def prepare(self, question: Question, request_id: str, task: Task | None = None) -> Prepared | Prediction:
        prepared = super().prepare(question, request_id, task)
        if isinstance(prepared, Prediction):
            return prepared
        sampling = prepared.request.sampling
        brief = replace(sampling, max_tokens=min(sampling.max_tokens, self.longest_answer))
        return replace(prepared, request=replace(prepared.request, sampling=brief))


@dataclass(frozen=True, slots=True)
class _Trained:
    network: PreTrainedModel
    told: Training


class Bench:
    """What all cells share: the base, the encoded rows, the questions and the scorer."""

    def __init__(
        self, study: Study, pool: Pool, questions: Sequence[FixedQuestion], watcher: Watcher, interruption: Interruption
    ) -> None:
        """Load the base and encode the pool, or find it encoded.

        Raises:
            SetupError: the base, a setting of the training, or the machine does not allow it.
            InputError: a row cannot be used.
        """
        self.study, self.questions = study, questions
        self._watcher, self._interruption = watcher, interruption
        fetch_checkpoint(study.base)
        config = study.recipe(Cell("base"), study.work / "cells" / ADAPTER)
        self._precision = choose_precision(config)
        if not on_gpu(config):
            torch.set_num_threads(config.threads or default_threads())
        placed = [PlacedRow(f"row {number} of the pool", row) for number, row in enumerate(pool.rows)]
        self._examples = encode_once(placed, config, run_identity(config, [], []))
        self._lengths = row_lengths(self._examples.data)
        # What is too long for the settings is not in the pool, so that totals are equal.
        fitting = sorted(set(self._examples.kept))
        self.pool = Pool([pool.rows[place] for place in fitting], pool.sha256)
        numbers = {place: number for number, place in enumerate(fitting)}
        self._row_of = [numbers[place] for place in self._examples.kept]
        """Of each encoded example, its row in the pool."""
        self._base = load_base(config, self._precision).eval()
        self._tokenizer = load_chat_tokenizer(study.base)
        self._scorer = Scorer()

    def run(self, cell: Cell) -> CellResult:
        """Train a cell, ask it, and leave its folder.

        Raises:
            Interrupted: somebody asked to stop.
            SetupError: the disk is full, or there are not enough rows.
        """
        with whole_folder(self.study.work / "cells" / cell.name, CELL, overwrite=True) as folder:
            networks, training = self._networks(cell, folder)
            if self._interruption.requested:
                raise Interrupted
            began = time.monotonic()
            answers = [self._ask(network, kind) for kind, network in networks.items()]
            evaluation = self._evaluate(answers, folder)
            loss = self._text_loss(next(iter(networks.values()))) if len(networks) == 1 else None
            result = CellResult(
                kind=cell.kind,
                seed=cell.seed,
                rank=cell.rank,
                rows=cell.rows,
                capabilities=list(cell.capabilities),
                share=cell.share,
                tasks=self.pool.tasks(cell),
                pool=self.pool.sha256,
                training=training,
                groups=self._groups(evaluation, self.pool.tasks(cell)),
                text_loss=None if loss is None else round(loss, 5),
                scores=[None if one.score is None else round(one.score, 4) for one in evaluation.results],
                evaluation_seconds=round(time.monotonic() - began, 1),
                revision=git_revision(ROOT),
            )
            (folder / CELL.mark).write_text(result.model_dump_json(indent=1) + "\n", encoding="utf-8")
        return result

    def _networks(self, cell: Cell, folder: Path) -> tuple[dict[TaskType | None, PreTrainedModel], Training | None]:
        """What answers, by task type where it differs, and how it came about."""
        if cell.kind == "base":
            return {None: copy.deepcopy(self._base)}, None
        if cell.kind == "adapter":
            kept = folder / ADAPTER if cell in experts(self.study.grid, cell.seed) else None
            trained = self._train(cell, kept)
            return {None: trained.network}, trained.told
        adapters = [self._adapter(one) for one in experts(self.study.grid, cell.seed)]
        if cell.kind == "average":
            share = 1 / len(adapters)
            combine(adapters, [share] * len(adapters), Combination("cat"), folder / ADAPTER, self.study.base)
            return {None: self._merged(folder / ADAPTER)}, None
        data = folder / "gates.jsonl"
        by_type: defaultdict[str, list[TrainingRow]] = defaultdict(list)
        for row in learnable(self.study, split_rows(self.study, Split.VALIDATION)):
            by_type[row.task_type.value].append(row)
        shares = shared_out(GATE_ROWS, by_type, str)
        write_lines(data, (row.to_json() for kind, count in shares.items() for row in by_type[kind][:count]))
        config = self.study.recipe(cell, folder)
        settings = GateSettings(
            tuple(adapters), (data,), folder / "gates", self.study.base, self.study.prompts,
            steps=GATE_STEPS, max_length=config.max_length, seed=cell.seed,
        )  # fmt: skip
        found = learn_gates(settings, lambda _, __: None)
        if lacking := {one.sample.task_type.value for one in self.questions} - found.keys():
            raise SetupError(
                f"gates need rows of every task type, and the pool's validation rows lack {sorted(lacking)[0]}: "
                "raise pool.splits.validation, or take grid.experts_rank out"
            )
        return {TaskType(kind): self._merged(folder / "gates" / gate.adapter) for kind, gate in found.items()}, None

    def _adapter(self, cell: Cell) -> Path:
        """The adapter of an expert, trained again where another machine trained it."""
        folder = self.study.work / "cells" / cell.name
        if not (folder / ADAPTER).is_dir():
            with whole_folder(folder, CELL, overwrite=True) as made:
                self._train(cell, made / ADAPTER)
                (made / CELL.mark).write_text("{}\n", encoding="utf-8")
        return folder / ADAPTER

    def _merged(self, adapter: Path) -> PreTrainedModel:
        merged: PreTrainedModel = PeftModel.from_pretrained(copy.deepcopy(self._base), str(adapter)).merge_and_unload()
        return merged.eval()

    def _train(self, cell: Cell, kept: Path | None) -> _Trained:
        """The base with what a cell's rows teach it; `kept` gets the adapter."""
        chosen = set(self.pool.choose(cell))
        places = [place for place, row in enumerate(self._row_of) if row in chosen]
        config = self.study.recipe(cell, self.study.work / "cells" / cell.name)
        arguments = trainer_arguments(config, self._precision)
        arguments.save_strategy = SaveStrategy.NO
        trainer = AnswerTrainer(
            adapted(copy.deepcopy(self._base), config, self._precision),
            arguments,
            self._examples.data.select(places),
            None,
            self._tokenizer.tokenizer,
            [Narrator(self._watcher), _Stop(self._interruption)],
            group_by_length=config.group_by_length,
            tokens_at_once=config.tokens_at_once or (None if on_gpu(config) else CPU_TOKENS),
        )
        trainer.remove_callback(PrinterCallback)
        began = time.monotonic()
        trainer.train()
        seconds = time.monotonic() - began
        if self._interruption.requested:
            raise Interrupted
        losses = [line[LOSS] for line in trainer.state.log_history if LOSS in line]
        network = trainer.accelerator.unwrap_model(trainer.model, keep_fp32_wrapper=False)
        told = Training(
            rows=len(chosen),
            sha256=self.pool.digest(sorted(chosen)),
            examples=len(places),
            tokens=sum(self._lengths[place] for place in places),
            steps=trainer.state.global_step,
            seconds=round(seconds, 1),
            trained_parameters=sum(one.numel() for one in network.parameters() if one.requires_grad),
            first_loss=round(losses[0], 5),
            last_loss=round(fmean(losses[-3:]), 5),
            threads=torch.get_num_threads(),
            precision=str(self._precision.compute).removeprefix("torch."),
        )
        if kept is not None:
            network.save_pretrained(str(kept))
            write_forms(kept, config.forms)
        return _Trained(network.merge_and_unload().eval(), told)

    def _ask(self, network: PreTrainedModel, kind: TaskType | None) -> dict[str, Answered | None]:
        """Answers by question, of one task type where it is named."""
        config = self.study.recipe(Cell("base"), self.study.work)
        place = {"device": "cpu"} if self.study.device == "cpu" else {}
        settings = TransformersSettings.parse({"batch_size": AT_ONCE, **place})
        engine = TransformersEngine(self.study.base, settings, network)
        # What is written comes last and together: a batch of it takes as long as its longest answer.
        samples = sorted(
            (one.sample for one in self.questions if kind in (None, one.sample.task_type)),
            key=lambda sample: sample.task_type in WRITTEN,
        )
        predictor = _Brief(engine, PromptLibrary(config.prompts), forms=config.forms)
        predictor.longest_answer = self.study.test.longest_answer
        answers = ask(predictor, samples)
        return {sample.question.id: answer for sample, answer in zip(samples, answers.answers, strict=True)}

    def _evaluate(self, answers: Sequence[Mapping[str, Answered | None]], folder: Path) -> Evaluation:
        samples = [one.sample for one in self.questions]
        file = folder / "questions.jsonl"
        write_kit(samples, file)
        found = {identity: answer for part in answers for identity, answer in part.items()}
        joined = Answers("model", [found.get(sample.question.id) for sample in samples])
        evaluation = evaluate(Dataset(file, samples), joined, scorer=self._scorer)
        write_evaluation(folder, evaluation)
        return evaluation

    def _groups(self, evaluation: Evaluation, tasks: Sequence[str]) -> dict[str, Group]:
        """Means over tasks with their intervals: by stratum, by capability, and of what the cell was trained on."""
        members: dict[str, list[str]] = {}
        for one in self.questions:
            names = [one.stratum]
            if one.stratum == SEEN:
                names.append(one.capability)
                if one.sample.task_name.partition(",")[0] in tasks:
                    names.append("trained on")
            for name in names:
                members.setdefault(name, [])
                if one.sample.task_name not in members[name]:
                    members[name].append(one.sample.task_name)
        groups = {}
        for name, inside in members.items():
            drawn = mean_over_tasks([evaluation.drawn[task] for task in inside])
            interval = score_interval(drawn)
            groups[name] = Group(
                score=round(drawn.estimate, 4),
                low=None if interval is None else round(interval.low, 4),
                high=None if interval is None else round(interval.high, 4),
                tasks=len(inside),
                questions=drawn.n,
            )
        return groups

    @torch.inference_mode()
    def _text_loss(self, network: PreTrainedModel) -> float:
        """Nats a token of plain English, each text alone."""
        total = tokens = 0.0
        device = next(network.parameters()).device
        for text in read_general().texts:
            ids = torch.tensor([self._tokenizer.special.ids_of_text(text)], device=device)
            scores = network(input_ids=ids, use_cache=False).logits[0, :-1].float()
            total += float(nn.functional.cross_entropy(scores, ids[0, 1:], reduction="sum"))
            tokens += ids.shape[1] - 1
        return total / tokens
