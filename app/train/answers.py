"""The losses of answers: only positions before an answer's tokens meet the output layer, on every device."""

from typing import Any

import torch
from torch import nn
from torch.nn.functional import pad
from transformers import PreTrainedModel
from transformers.utils import ModelOutput
from trl.trainer.utils import add_fused_lm_head

from app.train.examples import IGNORED

OWN = ("labels", "weights", "capability")
"""Columns of a batch that the network does not take."""
GRAIN = 64
"""Positions are filled up to a multiple of this: a CPU plans a matrix product anew for every number of rows."""


class AnswerLosses:
    """TRL's fused output layer, fed with the positions that count.

    Without Triton it scores all positions (`trl.trainer.utils.add_fused_lm_head`), which on a CPU takes half of the
    time and of the memory; so what the network's trunk returns is reduced to those positions before it.
    """

    def __init__(self, network: PreTrainedModel) -> None:
        """`network` is the causal language model itself, without wrappers; an adapter's modules may be in it."""
        # With the log-probabilities alone: the trainer's own, beneath, computes figures that nobody reads.
        add_fused_lm_head(network)
        self._positions: torch.Tensor | None = None
        network.base_model.register_forward_hook(self._select)

    def __call__(self, network: nn.Module, batch: dict[str, Any]) -> torch.Tensor:
        """Negative log-likelihoods (nats) of shape (rows, tokens - 1), zero where nothing is learnt.

        `network` is the one that was given, in whatever wrappers; `batch` is as `AnswerCollator` makes it.
        """
        labels = batch["labels"][:, 1:]
        learnt = labels != IGNORED
        positions = pad(learnt, (0, 1)).flatten().nonzero()[:, 0]
        filler = (0, -len(positions) % GRAIN)
        targets = pad(labels[learnt], filler, value=IGNORED)[None]
        inputs = {name: value for name, value in batch.items() if name not in OWN}
        self._positions = pad(positions, filler)
        try:
            outputs = network(**inputs, shift_labels=targets, use_cache=False, fused_lm_head=True)
        finally:
            self._positions = None
        found = -outputs.log_probs[0, : len(positions)]
        losses: torch.Tensor = found.new_zeros(learnt.shape).masked_scatter(learnt, found)
        return losses

    def _select(self, _: nn.Module, __: object, output: ModelOutput) -> ModelOutput:
        if self._positions is not None:
            output.last_hidden_state = output.last_hidden_state.flatten(0, 1)[self._positions][None]
        return output
