"""One fine-tuning run from settings to a finished adapter or checkpoint."""

import json
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from statistics import median

import torch
from accelerate import PartialState
from peft import PeftModel
from torch.utils.tensorboard import SummaryWriter
from transformers import AutoConfig, EarlyStoppingCallback, PrinterCallback, TrainerCallback
from transformers.integrations import TensorBoardCallback
from trl import SFTConfig

from app.data.own import told
from app.engines.chat import load_chat_tokenizer
from app.files import dump, whole_folder
from app.forms import write_forms
from app.jobs.identity import Identity
from app.process import Interruption
from app.train.batches import pack, refuse_leaks
from app.train.callbacks import MetricsLog, Narrator, StopEarly, Watcher
from app.train.encoded import encode_once
from app.train.examples import DataFile, Examples, read_data
from app.train.network import (
    CPU_TOKENS,
    Precision,
    choose_precision,
    default_threads,
    fetch_checkpoint,
    load_network,
    on_gpu,
)
from app.train.recipe import FinetuneConfig
from app.train.run_folder import (
    OUTPUT,
    SUMMARY,
    Progress,
    RunFolder,
    run_identity,
    told_at_the_end,
    training_summary,
    write_serving,
)
from app.train.trainer import EVALUATION_LOSS, SPEED, AnswerTrainer, saving

NOT_OURS = ("README.md", "training_args.bin")
"""What the libraries write beside the weights: an empty card, and a pickle."""
TOKENIZER = ("tokenizer*", "chat_template*", "special_tokens_map.json", "vocab*", "merges.txt", "added_tokens.json")


@dataclass(frozen=True, slots=True)
class Ending:
    """How a call of `finetune` ended."""

    finished: bool
    """Whether the output is there; otherwise the run was asked to stop, and its state is saved."""
    step: int
    steps: int
    already: bool = False
    """Whether an earlier call had finished the run."""
    out_of_time: bool = False
    """Whether it was `time_budget` that ended this sitting."""
    first: bool = True
    """Whether this is the first of the run's processes, which speaks for all."""


@dataclass(frozen=True, slots=True)
class _Data:
    train: Examples
    validation: Examples | None
    files: tuple[list[DataFile], list[DataFile]]


def finetune(
    config: FinetuneConfig, watcher: Watcher, interruption: Interruption, *, overwrite: bool = False
) -> Ending:
    """Train, or go on with training, and write the output. `interruption` must be entered.

    Raises:
        SetupError: a setting, a file or the machine does not allow it, or the disk is full.
        InputError: a data file or a row cannot be used.
    """
    stop = StopEarly(interruption, config.time_budget)
    rows, train_files = read_data(config.train, config.capabilities)
    validation_rows, validation_files = (
        read_data(config.validation, config.capabilities) if config.validation else ([], [])
    )
    config.refuse_missing_reporters()
    precision = choose_precision(config)
    arguments = trainer_arguments(config, precision)
    with PartialState().local_main_process_first():
        fetch_checkpoint(config.model)
    identity = dict(run_identity(config, train_files, validation_files))
    identity["processes"] = str(PartialState().num_processes)
    folder = RunFolder(config.run_folder, config.output)
    if not on_gpu(config):
        threads = config.threads or (None if overwrite else folder.known("threads")) or default_threads()
        identity["threads"] = str(threads)
        torch.set_num_threads(int(threads))
    # Not before all have looked: the first one's files would look like something else's to a slower one.
    PartialState().wait_for_everyone()
    with PartialState().main_process_first():
        resumed = folder.open(identity, overwrite=overwrite and PartialState().is_main_process)
    if folder.finished:
        progress = json.loads((config.output / SUMMARY).read_text(encoding="utf-8"))["progress"]
        return Ending(finished=True, step=progress["steps"], steps=progress["steps"], already=True)
    data = _Data(
        encode_once(rows, config, identity),
        encode_once(validation_rows, config, identity) if validation_rows else None,
        (train_files, validation_files),
    )
    for name, examples in (("training", data.train), ("validation", data.validation)):
        if examples is not None:
            _say(watcher, f"{name}: " + ", ".join(f"{count:,} {what}" for what, count in examples.counts.items()))
    _say(watcher, *(f"{file.path}: {told(file.faults)}" for file in [*train_files, *validation_files] if file.faults))
    log = MetricsLog(config.run_folder)
    train = pack(data.train.data, config.max_length, config.seed) if config.packing else data.train.data
    trainer = AnswerTrainer(
        load_network(config, precision),
        arguments,
        train,
        data.validation.data if data.validation else None,
        load_chat_tokenizer(config.model).tokenizer,
        [log, Narrator(watcher), stop, *_optional_callbacks(config)],
        group_by_length=config.group_by_length,
        tokens_at_once=config.tokens_at_once or (None if on_gpu(config) else CPU_TOKENS),
    )
    trainer.remove_callback(PrinterCallback)
    if not config.packing:
        widths = ", ".join(map(str, trainer.widths))
        _say(watcher, f"{trainer.padding:.1%} of what is computed is padding; rows are {widths} tokens wide")
    else:
        model_config = trainer.model.config.get_text_config()
        refuse_leaks(trainer.model, model_config.vocab_size, model_config._attn_implementation)
    if resumed is not None:
        _say(watcher, f"going on from {resumed}")
    trainer.train(resume_from_checkpoint=str(resumed) if resumed else None)
    watcher.ended()
    state = trainer.state
    if stop.stopped:
        out_of_time = not interruption.requested
        return Ending(finished=False, step=state.global_step, steps=state.max_steps, out_of_time=out_of_time)
    summary = _summary(config, identity, data, trainer, log)
    _write_output(config, trainer, summary)
    if PartialState().is_main_process and config.method != "full":
        write_serving(config)
    _say(watcher, *told_at_the_end(summary))
    first = PartialState().is_main_process
    return Ending(finished=True, step=state.global_step, steps=state.max_steps, first=first)


def _optional_callbacks(config: FinetuneConfig) -> list[TrainerCallback]:
    callbacks: list[TrainerCallback] = []
    if PartialState().is_main_process:
        callbacks.append(TensorBoardCallback(SummaryWriter(str(config.run_folder / "tensorboard"))))
    if config.evaluation.patience is not None:
        callbacks.append(EarlyStoppingCallback(config.evaluation.patience))
    return callbacks


def _say(watcher: Watcher, *lines: str) -> None:
    if PartialState().is_main_process:
        for line in lines:
            watcher.said(line)


def _summary(
    config: FinetuneConfig, identity: Identity, data: _Data, trainer: AnswerTrainer, log: MetricsLog
) -> dict[str, object]:
    state = trainer.state
    parameters = list(trainer.model.parameters())
    lines = log.lines()
    speeds = [line[SPEED] for line in lines if SPEED in line]
    progress = Progress(
        steps=state.global_step,
        epochs=round(state.epoch or 0.0, 4),
        seconds=round(log.seconds, 1),
        best_step=state.best_global_step if data.validation else None,
        trained_tokens=trainer.count_tokens(),
        epoch_tokens=data.train.tokens,
        tokens_per_second=round(median(speeds)) if speeds else None,
        parameters=sum(parameter.numel() for parameter in parameters),
        trained_parameters=sum(parameter.numel() for parameter in parameters if parameter.requires_grad),
    )
    counts = {"train": data.train.counts} | ({"validation": data.validation.counts} if data.validation else {})
    return training_summary(config, identity, data.files, counts, progress, lines)


def _write_output(config: FinetuneConfig, trainer: AnswerTrainer, summary: Mapping[str, object]) -> None:
    """Every process takes part in collecting the weights; the first one writes, whole or not at all."""
    first = PartialState().is_main_process
    if config.method == "full" and not trainer.is_fsdp_enabled:
        # Mixed precision trains in float32; what is served keeps the format that the base came in.
        trainer.model.to(AutoConfig.from_pretrained(config.model).dtype or torch.float32)
    with (
        whole_folder(config.output, OUTPUT, overwrite=True) if first else nullcontext(config.run_folder) as made,
        saving(config.output),
    ):
        trainer.save_model(str(made))
        if first:
            unwanted = (*NOT_OURS, *TOKENIZER) if isinstance(trainer.model, PeftModel) else NOT_OURS
            for path in [path for pattern in unwanted for path in made.glob(pattern)]:
                path.unlink()
            text = dump(summary, indent=2) + "\n"
            (made / SUMMARY).write_text(text, encoding="utf-8")
            write_forms(made, config.forms)


def trainer_arguments(config: FinetuneConfig, precision: Precision) -> SFTConfig:
    """The trainer's arguments. Making them also joins the other processes, where there are any."""
    optimizer, evaluation = config.optimizer, config.evaluation
    evaluated = bool(config.validation)
    return SFTConfig(
        output_dir=str(config.run_folder),
        use_cpu=not on_gpu(config),
        bf16=precision.compute is torch.bfloat16,
        fp16=precision.compute is torch.float16,
        optim=optimizer.name,
        learning_rate=optimizer.learning_rate,
        lr_scheduler_type=optimizer.scheduler,
        warmup_steps=optimizer.warmup,
        weight_decay=optimizer.weight_decay,
        max_grad_norm=optimizer.clip_norm,
        num_train_epochs=optimizer.epochs,
        max_steps=optimizer.steps if optimizer.steps is not None else -1,
        per_device_train_batch_size=optimizer.batch_size,
        gradient_accumulation_steps=optimizer.accumulation,
        gradient_checkpointing=config.gradient_checkpointing,
        gradient_checkpointing_kwargs={"use_reentrant": False} if config.gradient_checkpointing else None,
        eval_strategy="steps" if evaluated else "no",
        eval_steps=evaluation.every if evaluated else None,
        per_device_eval_batch_size=evaluation.batch_size or optimizer.batch_size,
        prediction_loss_only=True,
        load_best_model_at_end=evaluated,
        metric_for_best_model=EVALUATION_LOSS if evaluated else None,
        greater_is_better=False if evaluated else None,
        save_strategy="steps",
        save_steps=config.save_every,
        save_total_limit=config.keep,
        # Patience counts on after a resumption as if there had been none.
        restore_callback_states_from_checkpoint=True,
        logging_strategy="steps",
        logging_steps=config.log_every,
        logging_nan_inf_filter=False,
        # The losses for TensorBoard are always written, into the run's folder.
        report_to=[name for name in config.report_to if name != "tensorboard"],
        run_name=config.output.name,
        disable_tqdm=True,
        seed=config.seed,
        remove_unused_columns=False,
        dataset_kwargs={"skip_prepare_dataset": True},
        # The loss is the answers' alone; routers of mixtures of experts are not balanced anew.
        router_aux_loss_coef=0.0,
        dataloader_pin_memory=on_gpu(config),
    )
