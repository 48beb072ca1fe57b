"""vLLM's hook for constraints: the same automata, masking one batch at a time.

vLLM loads this class by its path, in whichever process holds the model.
"""

import torch
from vllm import SamplingParams
from vllm.config import VllmConfig
from vllm.v1.sample.logits_processor import BatchUpdate, LogitsProcessor, process_dict_updates

from app.engines.automaton import Follower
from app.engines.chat import load_chat_tokenizer
from app.engines.constraint_json import EXTRA_ARG, constraint_from_plain
from app.engines.masking import keep_only


class ConstraintLogitsProcessor(LogitsProcessor):  # type: ignore[misc]  # vLLM's types are not checked here
    """Keeps every constrained request of the batch to its form.

    vLLM numbers the requests of a batch and tells of additions, removals and moves in `update_state`. A
    request that was preempted is added again with the tokens it had; one whose prompt is still being
    computed in chunks has a row whose sample vLLM throws away. Both come out right, because the automaton
    follows the request's own list of output tokens, which vLLM keeps up to date.
    """

    def __init__(self, vllm_config: VllmConfig, device: torch.device, is_pin_memory: bool) -> None:
        del device, is_pin_memory
        self._model: str = vllm_config.model_config.tokenizer
        self._rows: dict[int, tuple[Follower, list[int]]] = {}

    def is_argmax_invariant(self) -> bool:
        """No: the most probable token may be a forbidden one."""
        return False

    def update_state(self, batch_update: BatchUpdate | None) -> None:
        """Follow what happened to the batch since the last step."""
        process_dict_updates(self._rows, batch_update, self._new_row)

    def apply(self, logits: torch.Tensor) -> torch.Tensor:
        """Mask the constrained rows of `logits`, (requests, vocabulary), in place."""
        return keep_only(
            logits, {place: follower.allowed(output_ids) for place, (follower, output_ids) in self._rows.items()}
        )

    def _new_row(
        self, params: SamplingParams, prompt_ids: list[int] | None, output_ids: list[int]
    ) -> tuple[Follower, list[int]] | None:
        del prompt_ids
        plain = (params.extra_args or {}).get(EXTRA_ARG)
        if plain is None:
            return None
        vocabulary = load_chat_tokenizer(self._model).vocabulary
        return Follower(constraint_from_plain(plain), vocabulary), output_ids
