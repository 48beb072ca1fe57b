"""TRL's trainer for answers: weighted tokens, losses by capability, an order to resume in, saves that may fail."""

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

from app.errors import SetupError
from app.train.batches import AnswerCollator, EpochOrder
from app.train.examples import CAPABILITIES


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
    members = torch.nn.functional.one_hot(capability, len(CAPABILITIES)) * learnt[..., None]
    values = torch.stack([losses.detach().float(), torch.ones_like(losses, dtype=torch.float32)], dim=-1)
    return torch.einsum("btc,btv->bcv", members.float(), values)


LOSS = "answer_loss"
"""Mean negative log-likelihood of an answer token, in nats, whatever the tokens weigh in training."""
EVALUATION_LOSS = "eval_loss"


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
        group_by_length: bool = False,
    ) -> None:
        """Both data sets are encoded already; `train` may be packed."""
        self._group_by_length = group_by_length
        self._train_losses = CapabilityLosses()
        self._evaluation_losses = CapabilityLosses()
        pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id
        super().__init__(
            model=network,
            args=arguments,
            data_collator=AnswerCollator(pad),
            train_dataset=train,
            eval_dataset=validation,
            processing_class=tokenizer,
            callbacks=callbacks,
        )

    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """The weighted mean loss. `num_items_in_batch` is the weight of the whole step, over all processes."""
        del return_outputs
        own = ("weights", "capability")
        weights, capability = (inputs[name][:, 1:] for name in own)
        given = {name: value for name, value in inputs.items() if name not in own}
        outputs = model(**given, use_cache=False, fused_lm_head=True)
        losses = -outputs.log_probs
        if model.training:
            self._train_losses.add(losses, capability, outputs.label_mask)
        else:
            # By row, so that the rows that fill up the last batch of several processes are not counted twice.
            sums = self.accelerator.gather_for_metrics(token_sums(losses, capability, outputs.label_mask))
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
            if not math.isfinite(logs["loss"]):
                raise SetupError(
                    f"the loss is {logs['loss']} at step {self.state.global_step}: what is learnt is lost. Lower "
                    "optimizer.learning_rate, or set precision: float32, and start afresh with --overwrite"
                )
        super().log(logs, start_time)

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
        data = train_dataset if train_dataset is not None else self.train_dataset
        lengths = [len(ids) for ids in data.with_format("arrow")["input_ids"]] if self._group_by_length else None
        batch = self.args.train_batch_size * self.args.gradient_accumulation_steps * self.args.world_size
        return EpochOrder(len(data), self.args.seed, lengths, batch)

    def _save_checkpoint(self, model: nn.Module, trial: object) -> None:
        folder = Path(self.args.output_dir) / f"checkpoint-{self.state.global_step}"
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
        reason = str(error).strip().splitlines()[0]
        free = shutil.disk_usage(folder.parent).free / 2**30
        raise SetupError(
            f"cannot save {folder} ({free:.1f} GiB free): {reason}; nothing of it was kept. Make room and give the "
            "same command again: it goes on from the state before"
        ) from error
