"""vLLM for a server: its `AsyncLLM`, which runs the model in a process of its own and batches continuously."""

import asyncio
import importlib
import os
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from itertools import count
from typing import TYPE_CHECKING

from app.engines.base import SHORT_PROMPT, RefusedRequestError
from app.engines.chat import load_chat_tokenizer
from app.engines.options import VllmSettings
from app.engines.prepared import CountsTokens, PreparedRequest, Variants, prepare, text_so_far
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
from app.types import Completion, GenerationRequest, JsonSchema, Regex, Texts

if TYPE_CHECKING:
    from vllm.logprobs import Logprob
    from vllm.lora.request import LoRARequest
    from vllm.outputs import RequestOutput
    from vllm.v1.engine.async_llm import AsyncLLM


UNFINISHED = "\ufffd"
"""What the beginning of a character decodes to."""


class AsyncVllmEngine(CountsTokens):
    """`AsyncEngine` on vLLM, on GPUs and CPUs alike."""

    name = "vllm"

    def __init__(self, model: str, settings: VllmSettings) -> None:
        """Load the weights, which takes half a minute even for a small model; raises what `create_engine` does."""
        self.model = model
        self._tokenizer = load_chat_tokenizer(model)
        # An unknown kind of tokenizer is told before the long start.
        _ = self._tokenizer.vocabulary, self._tokenizer.special
        self.version: str = import_vllm().__version__
        self._sampling_params = importlib.import_module("vllm.sampling_params").SamplingParams
        self._inputs = importlib.import_module("vllm.inputs.engine")
        faults = importlib.import_module("vllm.exceptions")
        self._failures = (faults.VLLMServerError, faults.GracefulHTTPError)
        self._refusals = refusals()
        self.adapters = adapter_requests(settings)
        self._loaded: set[str] = set()
        self._numbers = count()
        self._hear()
        self._llm: AsyncLLM | None = self._start(settings)
        self.context_length: int = self._running().model_config.max_model_len
        self._dtype = str(self._running().model_config.dtype).removeprefix("torch.")
        # Tokenising a long prompt, or compiling a grammar, would hold up every other answer.
        self._tokenising = ThreadPoolExecutor(1, thread_name_prefix="tokenise")

    @property
    def alive(self) -> bool:
        """False once vLLM's process has died or its output can no longer be read."""
        return self._llm is not None and not self._llm.errored

    @property
    def last_heard(self) -> float:
        """When the last token came, on `time.monotonic`'s clock."""
        return self._last_heard

    async def generate(self, request: GenerationRequest) -> Completion:
        """The completion of one request; cancelling it aborts the request in vLLM, its variants too."""
        variants = Variants()
        parts = variants.spread([request])
        if parts != [request]:
            tasks = [asyncio.create_task(self._generate(part)) for part in parts]
            try:
                return next(variants.joined(await asyncio.gather(*tasks)))
            finally:
                for task in tasks:
                    task.cancel()
        return await self._generate(request)

    async def _generate(self, request: GenerationRequest) -> Completion:
        try:
            prepared = await self._prepare(request)
            async with aclosing(self._outputs(prepared, "FINAL_ONLY")) as outputs:
                async for output in outputs:
                    done = output.outputs[0]
                    return read_output(
                        prepared,
                        self._tokenizer,
                        done,
                        done.token_ids,
                        done.text,
                        done.logprobs,
                        output.prompt_logprobs,
                        dtype=self._dtype,
                    )
        except RefusedRequestError as refusal:
            return refusal.completion(request.id)
        raise EngineError(f"vLLM ended request {request.id} without an answer")

    async def stream(self, request: GenerationRequest) -> AsyncGenerator[str | Completion, None]:
        """Pieces of the text, then the completion; closing the stream aborts the request in vLLM."""
        ids: list[int] = []
        logprobs: list[Mapping[int, Logprob]] = []
        cut, sent = "", ""
        if request.variants or isinstance(request.constraint, Texts):  # judged, not written: nothing to stream
            yield await self.generate(request)
            return
        try:
            prepared = await self._prepare(request)
            async with aclosing(self._outputs(prepared, "DELTA")) as outputs:
                async for whole in outputs:
                    output = whole.outputs[0]
                    ids.extend(output.token_ids)
                    logprobs.extend(output.logprobs or ())
                    cut += output.text
                    if output.finish_reason is not None:
                        yield read_output(prepared, self._tokenizer, output, ids, cut, logprobs, dtype=self._dtype)
                        return
                    # vLLM keeps back what may be the beginning of a stop string.
                    text = cut if request.sampling.stop else text_so_far(prepared, self._tokenizer, ids)
                    if text.startswith(sent) and len(text) > len(sent) and not text.endswith(UNFINISHED):
                        yield text[len(sent) :]
                        sent = text
        except RefusedRequestError as refusal:
            yield refusal.completion(request.id)

    async def probe(self) -> None:
        """Generate one token."""
        params = self._sampling_params(max_tokens=1, temperature=0, detokenize=False)
        prompt = self._inputs.tokens_input([self._tokenizer.end_ids[0]])
        try:
            async for _ in self._running().generate(prompt, params, f"probe-{next(self._numbers)}"):
                self._hear()
        except self._failures as error:
            raise EngineError(f"vLLM failed: {first_line(error)}") from error

    def close(self) -> None:
        """Free the model. Safe to call twice."""
        if self._llm is not None:
            self._tokenising.shutdown(wait=False, cancel_futures=True)
            self._llm.shutdown()
            self._llm = None

    def _running(self) -> "AsyncLLM":
        if self._llm is None:
            raise EngineError("the vllm engine is closed")
        return self._llm

    def _hear(self) -> None:
        self._last_heard = time.monotonic()

    async def _prepare(self, request: GenerationRequest) -> PreparedRequest:
        given = (request, self._tokenizer, self.context_length, self.adapters)
        grammar = isinstance(request.constraint, Regex | JsonSchema)
        if not grammar and sum(len(message.content) for message in request.messages) <= SHORT_PROMPT:
            return prepare(*given)
        return await asyncio.get_running_loop().run_in_executor(self._tokenising, prepare, *given)

    async def _have(self, adapter: "LoRARequest") -> None:
        """Load an adapter by a call of its own: where vLLM cannot adapt a layer, the call fails, and not the engine."""
        if adapter.lora_name in self._loaded:
            return
        try:
            await self._running().add_lora(adapter)
        except self._failures:
            raise
        except Exception as error:  # what vLLM's other process raised comes as nothing narrower
            # Its reason names folders of this machine, which callers must not see.
            raise RefusedRequestError(
                "engine", f"vLLM cannot load the adapter {adapter.lora_name!r}; the server's log has the reason"
            ) from error
        self._loaded.add(adapter.lora_name)

    async def _outputs(self, prepared: PreparedRequest, kind: str) -> "AsyncGenerator[RequestOutput, None]":
        adapter = self.adapters.get(prepared.request.adapter or "")
        try:
            if adapter is not None:
                await self._have(adapter)
            outputs = self._running().generate(
                self._inputs.tokens_input(prepared.prompt_ids),
                sampling_params(prepared, self._tokenizer.end_ids, kind),
                str(next(self._numbers)),
                lora_request=adapter,
            )
            async with aclosing(outputs):
                async for output in outputs:
                    yield output
        except self._failures as error:
            raise EngineError(f"vLLM failed: {first_line(error)}") from error
        except self._refusals as error:
            raise refused_by_vllm(error) from error

    def _start(self, settings: VllmSettings) -> "AsyncLLM":
        values = engine_values(self.model, settings, compute_capability()) | {"disable_log_stats": False}
        if values["enforce_eager"]:
            # vLLM compiles a few small functions even so. On CPUs that needs a C++ compiler and seconds.
            os.environ.setdefault("TORCHDYNAMO_DISABLE", "1")
        from vllm.engine.arg_utils import AsyncEngineArgs
        from vllm.v1.engine.async_llm import AsyncLLM

        with starting(self.model):
            return AsyncLLM.from_engine_args(AsyncEngineArgs(**values), stat_loggers=[_listener(self._hear)])


def _listener(heard: Callable[[], None]) -> type:
    """A logger that vLLM makes for the engine, and that hears whenever it has produced something for some caller."""
    from vllm.v1.metrics.loggers import StatLoggerBase

    class Listener(StatLoggerBase):  # type: ignore[misc]  # vLLM's types are not checked here
        def __init__(self, config: object, engine_index: int = 0) -> None:
            pass

        def record(self, scheduler_stats: object, iteration_stats: object, *_: object, **__: object) -> None:
            del scheduler_stats
            if iteration_stats is not None:
                heard()

        def log_engine_initialized(self) -> None:
            pass

    return Listener
