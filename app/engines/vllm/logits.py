"""vLLM's hook for constraints and sampling: the same rules, one batch at a time.

vLLM loads this class by its path, in whichever process holds the model.
"""

import multiprocessing

import torch
from vllm import SamplingParams
from vllm.config import VllmConfig
from vllm.v1.sample.logits_processor import BatchUpdate, LogitsProcessor, process_dict_updates

from app.engines.chat import load_chat_tokenizer
from app.engines.constraints.automaton import Follower
from app.engines.decoding import Decoding, decide
from app.engines.vllm.values import CONSTRAINT, SAMPLING, constraint_from_plain
from app.process import end_with_parent


class RequestLogitsProcessor(LogitsProcessor):  # type: ignore[misc]  # vLLM's types are not checked here
    """Keeps every request of the batch to its constraint, and samples where it asks for that.

    vLLM numbers the requests of a batch and tells of additions, removals and moves in `update_state`. A
    request that was preempted is added again with the tokens it had; one whose prompt is still being
    computed in chunks has a row whose sample vLLM throws away. Both come out right, because all that
    happens here follows from the request's own list of output tokens, which vLLM keeps up to date.
    """

    def __init__(self, vllm_config: VllmConfig, device: torch.device, is_pin_memory: bool) -> None:
        del device, is_pin_memory
        # vLLM's process would outlive a server that is killed, and keep its memory.
        if multiprocessing.current_process().name.startswith("EngineCore"):
            end_with_parent()
        self._model: str = vllm_config.model_config.tokenizer
        self._rows: dict[int, Decoding] = {}

    def is_argmax_invariant(self) -> bool:
        """No: the most probable token may be a forbidden one."""
        return False

    def update_state(self, batch_update: BatchUpdate | None) -> None:
        """Follow what happened to the batch since the last step."""
        process_dict_updates(self._rows, batch_update, self._new_row)

    def apply(self, logits: torch.Tensor) -> torch.Tensor:
        """Change the rows of `logits`, (requests, vocabulary), in place."""
        return decide(logits, self._rows)

    def _new_row(self, params: SamplingParams, prompt_ids: list[int] | None, output_ids: list[int]) -> Decoding | None:
        """A request that needs more than vLLM's own greedy choice."""
        extra = params.extra_args or {}
        allowed = None
        if CONSTRAINT in extra:
            vocabulary = load_chat_tokenizer(self._model).vocabulary
            allowed = Follower(constraint_from_plain(extra[CONSTRAINT]), vocabulary).allowed
        elif SAMPLING not in extra:
            return None
        return Decoding(prompt_ids or (), output_ids, allowed, extra.get(SAMPLING, {}))
