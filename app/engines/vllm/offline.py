"""The thin half of the vLLM engine: it runs in the caller's process and is fed step by step."""

from collections.abc import Callable, Iterable, Iterator
from itertools import count
from typing import TYPE_CHECKING

import torch
import torch._dynamo

from app.engines.base import never, pull
from app.engines.chat import load_chat_tokenizer
from app.engines.options import VllmSettings
from app.engines.prepared import CountsTokens, PreparedRequest, Variants, prepare_all
from app.engines.vllm.values import (
    adapter_requests,
    compute_capability,
    engine_values,
    first_line,
    import_vllm,
    read_output,
    refusals,
    refused_by_vllm,
    sampling_params,
    starting,
)
from app.errors import EngineError
from app.types import Completion, GenerationRequest

if TYPE_CHECKING:
    from vllm.v1.engine.llm_engine import LLMEngine


AHEAD = 2
"""Requests in flight, in multiples of `max_num_seqs`: enough that a freed place is filled in the next step."""


class VllmEngine(CountsTokens):
    """`Engine` on vLLM, on GPUs and CPUs alike."""

    name = "vllm"

    def __init__(self, model: str, settings: VllmSettings) -> None:
        """Load the weights; raises what `create_engine` does."""
        self.model = model
        self._settings = settings
        self._tokenizer = load_chat_tokenizer(model)
        self._tokenizer.vocabulary  # noqa: B018  # an unknown kind of tokenizer is told before the long start
        self.version: str = import_vllm().__version__
        self._refusals = refusals()
        self.adapters = adapter_requests(self._settings)
        self._sound = True
        self._engine: LLMEngine | None = self._start()
        self._numbers = count()
        self._generating = False
        self.context_length: int = self._running().model_config.max_model_len
        self.dtype = str(self._running().model_config.dtype).removeprefix("torch.")

    def generate(
        self, requests: Iterable[GenerationRequest | None], give_up: Callable[[], bool] = never
    ) -> Iterator[Completion]:
        """Completions in order of finishing. At most `AHEAD * max_num_seqs` requests are in flight."""
        engine = self._running()
        if self._generating:
            raise EngineError("the vllm engine is already generating; finish that stream first")
        self._generating = True
        in_flight: dict[str, PreparedRequest] = {}
        variants = Variants()
        source, more = iter(requests), True
        try:
            while (more or in_flight) and not give_up():
                if more and (wanted := max(0, AHEAD * self._settings.max_num_seqs - len(in_flight))):
                    taken, more = pull(source, wanted)
                    prepared, refused = prepare_all(
                        variants.spread(taken), self._tokenizer, self.context_length, self.adapters
                    )
                    for one in prepared:
                        number = str(next(self._numbers))
                        try:
                            engine.add_request(
                                number,
                                {"prompt_token_ids": one.prompt_ids},
                                sampling_params(one, self._tokenizer.end_ids, "FINAL_ONLY"),
                                lora_request=self.adapters.get(one.request.adapter or ""),
                            )
                        except self._refusals as error:
                            refused.append(refused_by_vllm(error).completion(one.request.id))
                        else:
                            in_flight[number] = one
                    yield from variants.joined(refused)
                if in_flight:
                    yield from variants.joined(self._step(in_flight))
        finally:
            self._generating = False
            if in_flight and self._sound and self._engine is not None:
                self._engine.abort_request(list(in_flight), internal=False)

    def close(self) -> None:
        """Free the model. Safe to call twice."""
        if self._engine is None:
            return
        from vllm.distributed import cleanup_dist_env_and_memory

        self._engine.engine_core.shutdown()
        self._engine = None
        cleanup_dist_env_and_memory()

    def _running(self) -> "LLMEngine":
        if self._engine is None:
            raise EngineError("the vllm engine is closed")
        if not self._sound:
            raise EngineError("the vllm engine failed in an earlier step; load it again")
        return self._engine

    def _step(self, in_flight: dict[str, PreparedRequest]) -> Iterator[Completion]:
        engine = self._running()
        # A step that raises leaves vLLM with half of it done, and what comes after would be wrong answers.
        self._sound = False
        try:
            finished = [output for output in engine.step() if output.finished]
        except (RuntimeError, OSError) as error:
            raise EngineError(f"vLLM failed: {first_line(error)}") from error
        self._sound = True
        for output in finished:
            # Removed before the yield: what the caller has seen is no longer in flight.
            done = output.outputs[0]
            yield read_output(
                in_flight.pop(output.request_id),
                self._tokenizer,
                done,
                done.token_ids,
                done.text,
                done.logprobs,
                output.prompt_logprobs,
                dtype=self.dtype,
            )

    def _start(self) -> "LLMEngine":
        values = engine_values(self.model, self._settings, compute_capability())
        if values["enforce_eager"]:
            # vLLM compiles a few small functions even so. On CPUs that needs a C++ compiler and seconds.
            torch._dynamo.config.disable = True
        from vllm.engine.arg_utils import EngineArgs
        from vllm.v1.engine.llm_engine import LLMEngine

        with starting(self.model):
            engine = LLMEngine.from_engine_args(EngineArgs(**values))
            for adapter in self.adapters.values():
                # Layers that vLLM does not adapt in this architecture are told now, not by the first request.
                engine.add_lora(adapter)
            return engine
