"""vLLM's hook for constraints and sampling: the same rules, one batch at a time.

vLLM loads this class by its path, in whichever process holds the model.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from vllm import SamplingParams
from vllm.config import VllmConfig
from vllm.v1.sample.logits_processor import BatchUpdate, LogitsProcessor, process_dict_updates

from app.engines.chat import load_chat_tokenizer
from app.engines.constraints.automaton import Follower
from app.engines.decoding import choose, keep_only
from app.engines.vllm.values import CONSTRAINT, SAMPLING, constraint_from_plain


class _Row:
    """One request of the batch that needs more than vLLM's own greedy choice."""

    def __init__(self, model: str, extra: Mapping[str, Any], output_ids: list[int]) -> None:
        self._output_ids = output_ids
        self._sampling: Mapping[str, Any] | None = extra.get(SAMPLING)
        self._follower = None
        if CONSTRAINT in extra:
            vocabulary = load_chat_tokenizer(model).vocabulary
            self._follower = Follower(constraint_from_plain(extra[CONSTRAINT]), vocabulary)

    def allowed(self) -> NDArray[np.int64] | None:
        """The tokens that may follow, or None where any may."""
        return self._follower.allowed(self._output_ids) if self._follower else None

    def choose(self, scores: torch.Tensor) -> None:
        """Have the next token chosen as the request asks, where that is not the highest score's."""
        if self._sampling is not None:
            choose(scores, self._output_ids, **self._sampling)


class RequestLogitsProcessor(LogitsProcessor):  # type: ignore[misc]  # vLLM's types are not checked here
    """Keeps every request of the batch to its constraint, and samples where it asks for that.

    vLLM numbers the requests of a batch and tells of additions, removals and moves in `update_state`. A
    request that was preempted is added again with the tokens it had; one whose prompt is still being
    computed in chunks has a row whose sample vLLM throws away. Both come out right, because all that
    happens here follows from the request's own list of output tokens, which vLLM keeps up to date.
    """

    def __init__(self, vllm_config: VllmConfig, device: torch.device, is_pin_memory: bool) -> None:
        del device, is_pin_memory
        self._model: str = vllm_config.model_config.tokenizer
        self._rows: dict[int, _Row] = {}

    def is_argmax_invariant(self) -> bool:
        """No: the most probable token may be a forbidden one."""
        return False

    def update_state(self, batch_update: BatchUpdate | None) -> None:
        """Follow what happened to the batch since the last step."""
        process_dict_updates(self._rows, batch_update, self._new_row)

    def apply(self, logits: torch.Tensor) -> torch.Tensor:
        """Change the rows of `logits`, (requests, vocabulary), in place."""
        allowed = {place: ids for place, row in self._rows.items() if (ids := row.allowed()) is not None}
        logits = keep_only(logits, allowed)
        for place, row in self._rows.items():
            row.choose(logits[place])
        return logits

    def _new_row(self, params: SamplingParams, prompt_ids: list[int] | None, output_ids: list[int]) -> _Row | None:
        del prompt_ids
        extra = params.extra_args or {}
        return _Row(self._model, extra, output_ids) if CONSTRAINT in extra or SAMPLING in extra else None
