"""The thin half of the engines on vLLM: what calls the library, offline and for a server, on GPUs and CPUs alike."""

import asyncio
import os
import time
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING, Any

from app.engines.base import SHORT_PROMPT, RefusedRequestError, never, pull
from app.engines.chat import load_chat_tokenizer
from app.engines.options import VllmSettings
from app.engines.prepared import CountsTokens, PreparedRequest, Variants, prepare, prepare_all, text_so_far
from app.engines.vllm.values import (
    adapter_requests,
    compute_capability,
    engine_values,
    failures,
    import_vllm,
    read_output,
    reason_of,
    refusals,
    refused_by_vllm,
    sampling_params,
    scored,
    starting,
)
from app.errors import EngineError
from app.types import Completion, GenerationRequest, JsonSchema, Regex, Texts

if TYPE_CHECKING:
    from vllm.logprobs import Logprob
    from vllm.lora.request import LoRARequest
    from vllm.outputs import RequestOutput
    from vllm.v1.engine.async_llm import AsyncLLM
    from vllm.v1.engine.llm_engine import LLMEngine


AHEAD = 2
"""Requests in flight, in multiples of `max_num_seqs`: enough that a freed place is filled in the next step."""
UNFINISHED = "\ufffd"
"""What the beginning of a character decodes to."""


class _OnVllm(CountsTokens):
    """What an engine on vLLM knows of its model, offline and served; `_start` gives vLLM's own engine."""

    name = "vllm"

    def __init__(self, model: str, settings: VllmSettings) -> None:
        """Load the weights, which takes half a minute even for a small model; raises what `create_engine` does."""
        self.model = model
        self._settings = settings
        self._tokenizer = load_chat_tokenizer(model)
        # An unknown kind of tokenizer is told before the long start.
        _ = self._tokenizer.vocabulary, self._tokenizer.special
        self.version: str = import_vllm().__version__
        self._refusals, self._failures = refusals(), failures()
        self.adapters = adapter_requests(settings)
        self._numbers = count()
        values = engine_values(model, settings, compute_capability())
        with starting(model):
            self._inner: Any = self._start(values)
        self.context_length: int = self._inner.model_config.max_model_len
        self.dtype = str(self._inner.model_config.dtype).removeprefix("torch.")

    def _start(self, values: dict[str, Any]) -> "LLMEngine | AsyncLLM":
        raise NotImplementedError

    def _running(self) -> Any:  # noqa: ANN401  # vLLM's types are not checked here
        if self._inner is None:
            raise EngineError("the vllm engine is closed")
        return self._inner

    def _read(self, prepared: PreparedRequest, whole: "RequestOutput") -> Completion:
        return read_output(prepared, self._tokenizer, whole, dtype=self.dtype)


class VllmEngine(_OnVllm):
    """`Engine` on vLLM, which runs in the caller's process and is fed step by step."""

    _sound = True
    _generating = False

    def generate(
        self, requests: Iterable[GenerationRequest | None], give_up: Callable[[], bool] = never
    ) -> Iterator[Completion]:
        """Completions in order of finishing. At most `AHEAD * max_num_seqs` requests are in flight."""
        engine = self._running()
        if self._generating:
            raise EngineError("the vllm engine is already generating; finish that stream first")
        self._generating = True
        in_flight: dict[str, PreparedRequest] = {}
        again: list[PreparedRequest] = []
        variants = Variants()
        source, more = iter(requests), True
        try:
            while (more or in_flight or again) and not give_up():
                wanted = max(0, AHEAD * self._settings.max_num_seqs - len(in_flight))
                if again or (more and wanted):
                    taken, more = pull(source, wanted) if more and wanted else ([], more)
                    prepared, refused = prepare_all(
                        variants.spread(taken), self._tokenizer, self.context_length, self.adapters
                    )
                    for one in prepared + again:
                        number = str(next(self._numbers))
                        try:
                            engine.add_request(
                                number,
                                {"prompt_token_ids": one.prompt_ids},
                                sampling_params(one, "FINAL_ONLY"),
                                lora_request=self.adapters.get(one.request.adapter or ""),
                            )
                        except self._refusals as error:
                            refused.append(refused_by_vllm(error).completion(one.request.id))
                        else:
                            in_flight[number] = one
                    again.clear()
                    yield from variants.joined(refused)
                if in_flight:
                    yield from variants.joined(self._step(in_flight, again))
        finally:
            self._generating = False
            if in_flight and self._sound and self._inner is not None:
                self._inner.abort_request(list(in_flight), internal=False)

    def close(self) -> None:
        """Free the model. Safe to call twice."""
        if self._inner is None:
            return
        from vllm.distributed import cleanup_dist_env_and_memory

        self._inner.engine_core.shutdown()
        self._inner = None
        cleanup_dist_env_and_memory()

    def _running(self) -> Any:  # noqa: ANN401  # vLLM's types are not checked here
        if not self._sound:
            raise EngineError("the vllm engine failed in an earlier step; load it again")
        return super()._running()

    def _step(self, in_flight: dict[str, PreparedRequest], again: list[PreparedRequest]) -> Iterator[Completion]:
        engine = self._running()
        # A step that raises leaves vLLM with half of it done, and what comes after would be wrong answers.
        self._sound = False
        try:
            finished = [output for output in engine.step() if output.finished]
        except (RuntimeError, OSError) as error:
            raise EngineError(f"vLLM failed: {reason_of(error)}") from error
        self._sound = True
        for output in finished:
            # Removed before the yield: what the caller has seen is no longer in flight.
            prepared = in_flight.pop(output.request_id)
            if scored(prepared, output):
                yield self._read(prepared, output)
            else:
                again.append(replace(prepared, fresh=True))

    def _start(self, values: dict[str, Any]) -> "LLMEngine":
        import torch._dynamo

        if values["enforce_eager"]:
            # vLLM compiles a few small functions even so. On CPUs that needs a C++ compiler and seconds.
            torch._dynamo.config.disable = True
        from vllm.engine.arg_utils import EngineArgs
        from vllm.v1.engine.llm_engine import LLMEngine

        # On CPUs vLLM 0.32 puts a function that does nothing in its place, for the whole process.
        set_num_threads = torch.set_num_threads
        try:
            engine = LLMEngine.from_engine_args(EngineArgs(**values))
        finally:
            torch.set_num_threads = set_num_threads
        for adapter in self.adapters.values():
            # Layers that vLLM does not adapt in this architecture are told now, not by the first request.
            engine.add_lora(adapter)
        return engine


class AsyncVllmEngine(_OnVllm):
    """`AsyncEngine` on vLLM's `AsyncLLM`, which runs the model in a process of its own and batches continuously."""

    last_heard: float

    def __init__(self, model: str, settings: VllmSettings) -> None:
        """As `VllmEngine`."""
        self._hear()
        super().__init__(model, settings)
        self._loaded: set[str] = set()
        # Tokenising a long prompt, or compiling a grammar, would hold up every other answer.
        self._tokenising = ThreadPoolExecutor(1, thread_name_prefix="tokenise")

    @property
    def alive(self) -> bool:
        """False once vLLM's process has died or its output can no longer be read."""
        return self._inner is not None and not self._inner.errored

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
            for asked in (prepared, replace(prepared, fresh=True)):
                async with aclosing(self._outputs(asked, "FINAL_ONLY")) as outputs:
                    async for output in outputs:
                        if not scored(asked, output):
                            continue
                        if not request.echo:
                            return self._read(asked, output)
                        # As long as tokenising it.
                        loop = asyncio.get_running_loop()
                        return await loop.run_in_executor(self._tokenising, self._read, asked, output)
        except RefusedRequestError as refusal:
            return refusal.completion(request.id)
        raise EngineError(f"vLLM ended request {request.id} without an answer")

    async def stream(self, request: GenerationRequest) -> AsyncGenerator[str | Completion, None]:
        """Pieces of the text, then the completion; closing the stream aborts the request in vLLM."""
        ids: list[int] = []
        logprobs: list[Mapping[int, Logprob]] = []
        cut, sent = "", ""
        of_prompt: Sequence[Mapping[int, Logprob] | None] | None = None
        if request.variants or isinstance(request.constraint, Texts):  # judged, not written: nothing to stream
            yield await self.generate(request)
            return
        try:
            prepared = await self._prepare(request)
            async with aclosing(self._outputs(prepared, "DELTA")) as outputs:
                async for whole in outputs:
                    output = whole.outputs[0]
                    of_prompt = of_prompt or whole.prompt_logprobs
                    ids.extend(output.token_ids)
                    logprobs.extend(output.logprobs or ())
                    cut += output.text
                    if output.finish_reason is not None:
                        output.token_ids, output.logprobs, output.text = ids, logprobs, cut
                        whole.prompt_logprobs = of_prompt
                        yield self._read(prepared, whole)
                        return
                    # vLLM keeps back what may be the beginning of a stop string.
                    text = cut if request.sampling.stop else text_so_far(prepared, self._tokenizer, ids)
                    text = prepared.opening + text
                    if text.startswith(sent) and len(text) > len(sent) and not text.endswith(UNFINISHED):
                        yield text[len(sent) :]
                        sent = text
        except RefusedRequestError as refusal:
            yield refusal.completion(request.id)

    async def probe(self) -> None:
        """Generate one token."""
        from vllm.inputs.engine import tokens_input
        from vllm.sampling_params import SamplingParams

        params = SamplingParams(max_tokens=1, temperature=0, detokenize=False)
        prompt = tokens_input([self._tokenizer.end_ids[0]])
        try:
            async for _ in self._running().generate(prompt, params, f"probe-{next(self._numbers)}"):
                self._hear()
        except self._failures as error:
            raise EngineError(f"vLLM failed: {reason_of(error)}") from error

    def close(self) -> None:
        """Free the model. Safe to call twice."""
        if self._inner is not None:
            self._tokenising.shutdown(wait=False, cancel_futures=True)
            self._inner.shutdown()
            self._inner = None

    def _hear(self) -> None:
        self.last_heard = time.monotonic()

    async def _prepare(self, request: GenerationRequest) -> PreparedRequest:
        given = (request, self._tokenizer, self.context_length, self.adapters)
        grammar = isinstance(request.constraint, Regex | JsonSchema)
        size = len(request.tools) + len(request.prompt or ()) + sum(len(turn.content) for turn in request.messages)
        if not grammar and size <= SHORT_PROMPT:
            return prepare(*given)
        return await asyncio.get_running_loop().run_in_executor(self._tokenising, prepare, *given)

    async def _have(self, adapter: "LoRARequest") -> None:
        """Load an adapter by a call of its own: where vLLM cannot adapt a layer, the call fails, and not the engine."""
        if adapter.lora_name in self._loaded:
            return
        llm = self._running()
        try:
            await llm.add_lora(adapter)
        except self._failures:
            raise
        except Exception as error:  # what vLLM's other process raised comes as nothing narrower
            # Its reason names folders of this machine, which callers must not see.
            raise RefusedRequestError(
                "engine", f"vLLM cannot load the adapter {adapter.lora_name!r}; the server's log has the reason"
            ) from error
        self._loaded.add(adapter.lora_name)

    async def _outputs(self, prepared: PreparedRequest, kind: str) -> "AsyncGenerator[RequestOutput, None]":
        from vllm.inputs.engine import tokens_input

        adapter = self.adapters.get(prepared.request.adapter or "")
        try:
            if adapter is not None:
                await self._have(adapter)
            outputs = self._running().generate(
                tokens_input(prepared.prompt_ids),
                sampling_params(prepared, kind),
                str(next(self._numbers)),
                lora_request=adapter,
            )
            async with aclosing(outputs):
                async for output in outputs:
                    yield output
        except self._failures as error:
            raise EngineError(f"vLLM failed: {reason_of(error)}") from error
        except self._refusals as error:
            raise refused_by_vllm(error) from error

    def _start(self, values: dict[str, Any]) -> "AsyncLLM":
        if values["enforce_eager"]:
            # As offline, but in the process that vLLM starts.
            os.environ.setdefault("TORCHDYNAMO_DISABLE", "1")
        from vllm.engine.arg_utils import AsyncEngineArgs
        from vllm.v1.engine.async_llm import AsyncLLM

        arguments = AsyncEngineArgs(**values | {"disable_log_stats": False})
        return AsyncLLM.from_engine_args(arguments, stat_loggers=[_listener(self._hear)])


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
