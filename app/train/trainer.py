"""TRL's trainer for answers: weighted tokens, losses by capability, few shapes, exact resumption, careful saves."""

import math
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from datasets import Dataset
from peft import PeftModel
from safetensors import SafetensorError
from torch import nn
from torch.utils.data import Sampler
from transformers import EarlyStoppingCallback, PreTrainedModel, PreTrainedTokenizerBase, Trainer, TrainerCallback
from transformers.trainer_utils import EvalLoopOutput
from trl import SFTConfig, SFTTrainer

from app.errors import SetupError, first_line
from app.train.answers import AnswerLosses
from app.train.batches import PADDING, AnswerCollator, EpochOrder, batch_widths, padding_share, width_of
from app.train.callbacks import Stopwatch
from app.train.examples import CAPABILITIES, row_lengths


class CapabilityLosses:
    """Sums of losses and tokens since they were last read, on the device where they arise."""

    def __init__(self) -> None:
        self._sums: torch.Tensor | None = None

    def add(self, losses: torch.Tensor, capability: torch.Tensor, learnt: torch.Tensor) -> None:
        """Add a batch: the negative log-likelihood (nats), the capability's number and whether it counts, a token."""
        self.add_sums(token_sums(losses, capability, learnt).sum(0))

    def add_sums(self, sums: torch.Tensor) -> None:
        """Add sums of shape (capabilities, 2): losses and tokens."""
        self._sums = sums if self._sums is None else self._sums + sums

    def read(self, accelerator: Accelerator, prefix: str, *, shared: bool = False) -> dict[str, float]:
        """`<prefix>` and `<prefix>/<capability>` in nats a token, of all processes; then begin again.

        Every process must call this. `shared` says that each has the sums of all already.
        """
        sums = self._sums if self._sums is not None else torch.zeros(len(CAPABILITIES), 2, device=accelerator.device)
        self._sums = None
        if not shared:
            sums = accelerator.reduce(sums, "sum")
        loss, tokens = (column.tolist() for column in sums.double().T)
        values = {prefix: sum(loss) / sum(tokens)} if sum(tokens) else {}
        return values | {
            f"{prefix}/{capability}": loss[number] / tokens[number]
            for number, capability in enumerate(CAPABILITIES)
            if tokens[number]
        }


def token_sums(losses: torch.Tensor, capability: torch.Tensor, learnt: torch.Tensor) -> torch.Tensor:
    """Losses and tokens by row and capability, of shape (rows, capabilities, 2)."""
    members = torch.nn.functional.one_hot(capability.clamp(min=0), len(CAPABILITIES)) * learnt[..., None]
    values = torch.stack([losses.detach().float(), torch.ones_like(losses, dtype=torch.float32)], dim=-1)
    return torch.einsum("btc,btv->bcv", members.float(), values)


LOSS = "answer_loss"
"""Mean negative log-likelihood of an answer token, in nats, whatever the tokens weigh in training."""
EVALUATION_LOSS = "eval_loss"
SPEED = "tokens_per_second"
"""Of prompts and answers, in steps alone; padding is no token."""


class AnswerTrainer(SFTTrainer):  # type: ignore[misc]  # TRL is not typed
    """Trains on data with the columns of `app.train.examples.FEATURES`."""

    # `compute_loss` divides by the weight of the whole step, so it must not be divided once more.
    loss_is_scaled_for_ga = True

    def __init__(
        self,
        network: PreTrainedModel | PeftModel,
        arguments: SFTConfig,
        train: Dataset,
        validation: Dataset | None,
        tokenizer: PreTrainedTokenizerBase,
        callbacks: list[TrainerCallback],
        *,
        group_by_length: bool = True,
        tokens_at_once: int | None = None,
    ) -> None:
        """Both data sets are encoded already; `train` may be packed.

        Batches of more tokens than `tokens_at_once` are computed in parts of whole rows.
        """
        lengths = row_lengths(train)
        packed = "seq_lengths" in train.column_names
        widths: tuple[int, ...] = ()
        if not packed:
            widths = batch_widths(lengths + (row_lengths(validation) if validation is not None else []))
        grouped = [width_of(length, widths) for length in lengths] if group_by_length and not packed else None
        step = arguments.train_batch_size * arguments.gradient_accumulation_steps * arguments.world_size
        self._order = EpochOrder(len(train), arguments.seed, grouped, step)
        self.padding = 0.0 if packed else padding_share(list(self._order), lengths, widths, arguments.train_batch_size)
        """Share of what is computed in the first epoch."""
        self.widths = widths
        """Tokens of a row in a batch, as few widths as there are."""
        self._tokens_at_once = tokens_at_once
        if validation is not None:
            places = row_lengths(validation)
            validation = validation.select(sorted(range(len(places)), key=places.__getitem__))
        self._train_losses = CapabilityLosses()
        self._evaluation_losses = CapabilityLosses()
        self._stopwatch = Stopwatch()
        self._tokens = torch.zeros((), dtype=torch.long)
        self._since_log = 0
        pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id
        super().__init__(
            model=network,
            args=arguments,
            data_collator=AnswerCollator(pad, widths),
            train_dataset=train,
            eval_dataset=validation,
            processing_class=tokenizer,
            callbacks=[*callbacks, self._stopwatch],
        )
        self._answers = AnswerLosses(network.get_base_model() if isinstance(network, PeftModel) else network)

    def training_step(
        self, model: nn.Module, inputs: dict[str, Any], num_items_in_batch: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Forward and backward, in as many parts as memory asks for: the gradient is the same sum."""
        self._tokens = self._tokens + (inputs["capability"] != PADDING).sum()
        *first, last = self._parts(inputs)
        losses = []
        for part in first:
            with self.accelerator.no_sync(model):
                losses.append(super().training_step(model, part, num_items_in_batch))
        losses.append(super().training_step(model, last, num_items_in_batch))
        return torch.stack(losses).sum()

    def _parts(self, inputs: dict[str, Any]) -> list[dict[str, Any]]:
        rows, width = inputs["input_ids"].shape
        if self._tokens_at_once is None or rows == 1:
            return [inputs]
        size = max(1, self._tokens_at_once // width)
        return [{name: value[start : start + size] for name, value in inputs.items()} for start in range(0, rows, size)]

    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """The weighted mean loss. `num_items_in_batch` is the weight of the whole step, over all processes."""
        del return_outputs
        weights, capability = inputs["weights"][:, 1:], inputs["capability"][:, 1:]
        learnt = weights > 0
        losses = self._answers(model, inputs)
        if model.training:
            self._train_losses.add(losses, capability, learnt)
        else:
            # By row, so that the rows that fill up the last batch of several processes are not counted twice.
            sums = self.accelerator.gather_for_metrics(token_sums(losses, capability, learnt))
            self._evaluation_losses.add_sums(sums.sum(0))
        whole = weights.sum() if num_items_in_batch is None else num_items_in_batch
        loss: torch.Tensor = (losses * weights).sum() / whole
        # Gradients are averaged over processes, and `whole` counts all of them.
        return loss * self.accelerator.num_processes if num_items_in_batch is not None else loss

    def _send_telemetry(self) -> None:
        """Training reports to nobody."""

    def _get_num_items_in_batch(self, batch_samples: list[dict[str, Any]], device: torch.device) -> torch.Tensor:
        own = torch.stack([batch["weights"][:, 1:].sum() for batch in batch_samples]).sum().to(device)
        total: torch.Tensor = self.accelerator.reduce(own, "sum")
        return total

    def evaluation_loop(self, *arguments: Any, **named: Any) -> EvalLoopOutput:  # noqa: ANN401 - the trainer's
        """The trainer's loop, with the exact mean over tokens in place of its mean over batches."""
        output = super().evaluation_loop(*arguments, **named)
        output.metrics.update(self._evaluation_losses.read(self.accelerator, EVALUATION_LOSS, shared=True))
        return output

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Add the losses by capability to what is logged about training.

        Raises:
            SetupError: the loss is not a number any more.
        """
        if "loss" in logs:
            logs.update(self._train_losses.read(self.accelerator, LOSS))
            self.count_tokens()
            logs[SPEED] = round(self._since_log / self._stopwatch.seconds)
            self._since_log, self._stopwatch.seconds = 0, 0.0
            if not math.isfinite(logs["loss"]):
                raise SetupError(
                    f"the loss is {logs['loss']} at step {self.state.global_step}: what is learnt is lost. Lower "
                    "optimizer.learning_rate, or set precision: float32, and start afresh with --overwrite"
                )
        super().log(logs, start_time)

    def count_tokens(self) -> int:
        """Tokens of prompts and answers in all steps so far, padding apart, of all processes and sittings.

        Every process must call this. The trainer's state keeps the number.
        """
        tokens = int(self.accelerator.reduce(self._tokens.to(self.accelerator.device), "sum"))
        self._tokens = torch.zeros_like(self._tokens)
        self._since_log += tokens
        self.state.num_input_tokens_seen += tokens
        return int(self.state.num_input_tokens_seen)

    def _run_epoch(self, *arguments: Any, **named: Any) -> None:  # noqa: ANN401 - the trainer's
        # The trainer looks whether it is done after a step only: a run that goes on from its last state would make
        # one step too many.
        stopping = [one for one in self.callback_handler.callbacks if isinstance(one, EarlyStoppingCallback)]
        out_of_patience = any(one.early_stopping_patience_counter >= one.early_stopping_patience for one in stopping)
        if out_of_patience or self.state.global_step >= self.state.max_steps:
            self.control.should_training_stop = True
        else:
            super()._run_epoch(*arguments, **named)

    def _get_train_sampler(self, train_dataset: Dataset | None = None) -> Sampler[int]:
        del train_dataset
        return self._order

    def _save_checkpoint(self, model: nn.Module, trial: object) -> None:
        folder = Path(self.args.output_dir) / f"checkpoint-{self.state.global_step}"
        self.count_tokens()
        try:
            with saving(folder):
                # Past TRL's own, which writes a model card into every state.
                Trainer._save_checkpoint(self, model, trial)
        except SetupError:
            shutil.rmtree(folder, ignore_errors=True)
            raise


@contextmanager
def saving(folder: Path) -> Iterator[None]:
    """What PyTorch and safetensors raise where the disk refuses, each its own, in one line.

    Raises:
        SetupError: something could not be written.
    """
    try:
        yield
    except (OSError, RuntimeError, SafetensorError) as error:
        reason = first_line(error)
        free = shutil.disk_usage(folder.parent).free / 2**30
        raise SetupError(
            f"cannot save {folder} ({free:.1f} GiB free): {reason}; nothing of it was kept. Make room and give the "
            "same command again: it goes on from the state before"
        ) from error
