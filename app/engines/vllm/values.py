"""The pure half of the vLLM engine: requests and settings as the plain values that vLLM takes."""

import importlib
import logging
import math
import os
import signal
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from multiprocessing import resource_tracker
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from app.engines.adapter_files import MOST_RANK, adapted_modules, check_adapter, largest_rank
from app.engines.base import RefusedRequestError
from app.engines.checkpoint_files import format_on_cpu
from app.engines.options import VllmSettings
from app.errors import EngineError, SetupError, first_line
from app.types import Choice, Completion, Copy, JsonSchema, Regex, Selection, TextConstraint, Texts

if TYPE_CHECKING:
    from vllm.lora.request import LoRARequest
    from vllm.outputs import RequestOutput
    from vllm.sampling_params import SamplingParams

    from app.engines.chat import ChatTokenizer
    from app.engines.prepared import PreparedRequest


_CONSTRAINTS: Mapping[str, Callable[..., TextConstraint]] = {
    kind.__name__: kind for kind in (Selection, Copy, Regex, JsonSchema)
}


def constraint_to_plain(constraint: TextConstraint) -> dict[str, Any]:
    """A value of strings, numbers and lists only."""
    return {"kind": type(constraint).__name__, **asdict(constraint)}


def constraint_from_plain(value: Mapping[str, Any]) -> TextConstraint:
    """The constraint again; an `EngineError` where the value was not made by `constraint_to_plain`."""
    fields: dict[str, Any] = {name: tuple(part) if isinstance(part, list) else part for name, part in value.items()}
    try:
        return _CONSTRAINTS[fields.pop("kind")](**fields)
    except (KeyError, TypeError) as error:
        raise EngineError(f"not a constraint: {str(value)[:80]}") from error


LOGITS_PROCESSOR = "app.engines.vllm.logits:RequestLogitsProcessor"
CONSTRAINT, SAMPLING = "shopbench_constraint", "shopbench_sampling"
"""Keys in `SamplingParams.extra_args`, which the logits processor reads."""
LORA_RANKS = (1, 8, 16, 32, 64, 128, 256, 320, MOST_RANK)
"""The adapter ranks that vLLM makes room for."""
CPU_BLOCK = 32
"""Tokens whose keys and values are kept, and found again, together on CPUs."""


def sampling_values(prepared: "PreparedRequest") -> dict[str, Any]:
    """The arguments of vLLM's `SamplingParams` for one request.

    A choice is one token whose labels' log-probabilities vLLM gathers itself (`logprob_token_ids`). Texts that are
    scored whole need `prompt_logprobs`, for which vLLM would leave what it has computed unread: see `scored`. Other
    constraints travel to the logits processor.
    """
    request = prepared.request
    values: dict[str, Any] = {
        "max_tokens": prepared.max_tokens,
        # Sampling is noise from the logits processor, see app/engines/decoding.py.
        "temperature": 0.0,
        "stop_token_ids": list(prepared.end_ids),
        "ignore_eos": request.sampling.ignore_eos,
        # Text is needed in the loop only to find stop strings in it.
        "detokenize": bool(request.sampling.stop),
    }
    if request.sampling.stop:
        values["stop"] = list(request.sampling.stop)
    if prepared.given:
        values |= {"prompt_logprobs": 0, "skip_reading_prefix_cache": prepared.fresh}
    elif prepared.labels is not None:
        values["logprob_token_ids"] = prepared.label_ids
        values["allowed_token_ids"] = prepared.label_ids
    elif request.sampling.logprobs is not None:
        values["logprobs"] = request.sampling.logprobs
        if request.echo:
            # What vLLM has computed before has no scores.
            values |= {"prompt_logprobs": request.sampling.logprobs, "skip_reading_prefix_cache": True}
    else:
        # Of each token written, flat in memory: their sum says whether the model computed numbers, see `read_output`.
        values |= {"logprobs": 0, "flat_logprobs": True}
    # What the logits processor must know, as plain data that can change process.
    extra: dict[str, Any] = {}
    if request.constraint is not None and not isinstance(request.constraint, Choice | Texts):
        extra[CONSTRAINT] = constraint_to_plain(request.constraint)
    if choosing := request.sampling.choosing:
        extra[SAMPLING] = choosing
    return values | ({"extra_args": extra} if extra else {})


def engine_values(model: str, settings: VllmSettings, capability: tuple[int, int] | None) -> dict[str, Any]:
    """The arguments of vLLM's `EngineArgs`; `capability` is the GPU's compute capability, or None on a CPU."""
    on_cpu = capability is None
    values: dict[str, Any] = {
        "model": model,
        "dtype": _dtype(settings.dtype, capability, model),
        "seed": settings.seed,
        "max_model_len": settings.max_model_len,
        "max_num_seqs": settings.max_num_seqs,
        "tensor_parallel_size": settings.tensor_parallel_size,
        "pipeline_parallel_size": settings.pipeline_parallel_size,
        "enable_prefix_caching": settings.enable_prefix_caching,
        "enforce_eager": on_cpu if settings.enforce_eager is None else settings.enforce_eager,
        "quantization": settings.quantization,
        "logits_processors": [LOGITS_PROCESSOR],
        # Decoding defaults that a checkpoint brings along must not leak into requests.
        "generation_config": "vllm",
        "trust_remote_code": False,
        "disable_log_stats": True,
        "use_tqdm_on_load": False,
    }
    if settings.max_num_batched_tokens is not None:
        values["max_num_batched_tokens"] = settings.max_num_batched_tokens
    if on_cpu:
        # vLLM's own choice, 128, leaves nothing of a question's usual 100 tokens to share. Its CPU kernels want
        # a multiple of 32.
        values["block_size"] = CPU_BLOCK
        values["kv_cache_memory_bytes"] = settings.cpu_cache_gib << 30
    else:
        values["gpu_memory_utilization"] = settings.gpu_memory_utilization
    return values | _lora_values(settings, on_cpu=on_cpu)


def _lora_values(settings: VllmSettings, *, on_cpu: bool) -> dict[str, Any]:
    if not settings.adapters:
        return {}
    ranks = [largest_rank(check_adapter(name, path)) for name, path in settings.adapters.items()]
    room = next(rank for rank in LORA_RANKS if rank >= max(ranks))
    count = len(settings.adapters)
    # vLLM's CPU kernels give requests without an adapter the last slot's (index -1, vLLM 0.32), so that one
    # is kept empty: adapters fill the slots from the first.
    slots = count + 1 if on_cpu else min(count, 4)
    values: dict[str, Any] = {
        "enable_lora": True,
        "max_lora_rank": room,
        "max_loras": slots,
        "max_cpu_loras": max(slots, count),
    }
    adapted = {name: adapted_modules(path) for name, path in settings.adapters.items()}
    # Ready to adapt the output layer, vLLM 0.32 takes one token of each request to meet it; where a prompt's are
    # scored, more do, and that ends the engine.
    for name, modules in adapted.items():
        if "lm_head" in modules:
            raise SetupError(
                f"adapter {name!r}: it changes the output layer, beside which vLLM scores no prompts; merge it"
            )
    if all(adapted.values()):
        values["lora_target_modules"] = sorted(frozenset().union(*adapted.values()))
    return values


def _dtype(wanted: str, capability: tuple[int, int] | None, model: str) -> str:
    if wanted != "auto":
        return wanted
    if capability is None:
        return format_on_cpu(model)
    # The competition's T4 (7.5) has no bfloat16.
    return "auto" if capability >= (8, 0) else "half"


REQUIRED = {
    # The second model runner takes another kind of logits processor and does not run without Triton,
    # that is, not on CPUs. The first one runs everywhere.
    "VLLM_USE_V2_MODEL_RUNNER": "0",
    # Offline, the engine runs in the caller's process and is fed step by step: it starts in less than half the
    # time and answers a third more choices a second than with processes of its own. For a server it has one
    # process either way; with this, vLLM on CPUs does not put the model in a second one behind it, which
    # would cost a message through shared memory each way for every step.
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
}
DEFAULTS = {
    "VLLM_LOGGING_LEVEL": "ERROR",
    # Standard output is for answers.
    "VLLM_LOGGING_STREAM": "ext://sys.stderr",
    "TORCH_CPP_LOG_LEVEL": "ERROR",
    # Pinned to cores, the caller's own threads would share one, and two engines on a machine the same ones.
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
}
"""What a variable of the same name overrides."""


def prepare_environment() -> None:
    """Set the variables: quiet, the first model runner, and no more processes than are needed."""
    for name, value in DEFAULTS.items():
        os.environ.setdefault(name, value)
    os.environ.update(REQUIRED)


def prepare_serving_environment() -> None:
    """As `prepare_environment`, for an engine beside a server on the same machine.

    One core is left to the server. All threads of a computation wait for the last one: where the server takes a
    core away from one of them, the others stand still. On two cores this made a third more answers
    at 8 clients, and half to nine tenths more at 32.
    """
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, len(os.sched_getaffinity(0)) - 1)))
    prepare_environment()


def import_vllm() -> ModuleType:
    """vLLM, imported late: it takes seconds, and its environment must be set first."""
    logging.getLogger("torch._library.triton").setLevel(logging.ERROR)
    # Remarks of the library about itself, which its users can do nothing about.
    warnings.filterwarnings("ignore", category=FutureWarning, module=r"vllm\.")
    return importlib.import_module("vllm")


def compute_capability() -> tuple[int, int] | None:
    """The GPU's, or None on a CPU."""
    from vllm.platforms import current_platform

    found = current_platform.get_device_capability()
    return None if found is None else (found.major, found.minor)


def reason_of(error: Exception) -> str:
    """The reason in one line of what vLLM says in many."""
    # Validation errors open with a headline; the reason is on a line of its own.
    lines = map(str.strip, str(error).splitlines())
    reason = next((line for line in lines if line.startswith("Value error")), first_line(error))
    return reason.removeprefix("Value error, ").split(" [type=")[0]


def adapter_requests(settings: VllmSettings) -> "dict[str, LoRARequest]":
    """The adapters by name, as vLLM asks for them."""
    from vllm.lora.request import LoRARequest

    return {
        name: LoRARequest(name, number, str(Path(path).resolve()))
        for number, (name, path) in enumerate(sorted(settings.adapters.items()), start=1)
    }


def refusals() -> tuple[type[Exception], ...]:
    """What vLLM raises where it does not take a request."""
    return ValueError, importlib.import_module("vllm.exceptions").VLLMClientError


def failures() -> tuple[type[Exception], ...]:
    """What its server's engine raises where it has failed itself."""
    faults = importlib.import_module("vllm.exceptions")
    return faults.VLLMServerError, faults.GracefulHTTPError


def refused_by_vllm(error: Exception) -> RefusedRequestError:
    """The refusal of one request, with vLLM's reason."""
    return RefusedRequestError("engine", f"vLLM refuses the request: {reason_of(error)}")


def sampling_params(prepared: "PreparedRequest", kind: str) -> "SamplingParams":
    """What vLLM is asked for; `kind` is a member of its `RequestOutputKind`."""
    from vllm.sampling_params import RepetitionDetectionParams, RequestOutputKind, SamplingParams

    values = sampling_values(prepared)
    if prepared.request.sampling.end_loops:
        from app.engines.prepared import LONGEST_LOOP, LOOPS, SHORTEST_LOOP

        values["repetition_detection"] = RepetitionDetectionParams(LONGEST_LOOP, SHORTEST_LOOP, LOOPS)
    # Made for this request alone, so that vLLM need not copy it to its depth.
    return SamplingParams(**values, output_kind=RequestOutputKind[kind], skip_clone=True)


def scored(prepared: "PreparedRequest", whole: "RequestOutput") -> bool:
    """Whether vLLM scored each token of the text that is given, if one is.

    A prompt whose beginning it has computed before has scores from there on only, and none that mean anything ahead of
    it. Where that reaches into the text, the request must be made again, as a `fresh` one.
    """
    if not prepared.given:
        return True
    size = len(prepared.given)
    told = (whole.prompt_logprobs or ())[-size:]
    computed = (whole.num_cached_tokens or 0) < len(prepared.prompt_ids) - size
    return computed and all(index in (one or {}) for index, one in zip(prepared.given, told, strict=True))


def read_output(
    prepared: "PreparedRequest", tokenizer: "ChatTokenizer", whole: "RequestOutput", dtype: str
) -> Completion:
    """The completion of an answer: vLLM's last output for it, which holds all of its tokens.

    Raises:
        EngineError: vLLM gave the request up.
    """
    from app.engines.prepared import finish  # it brings transformers along

    output = whole.outputs[0]
    if output.finish_reason not in ("stop", "length", "repetition"):
        raise EngineError(f"vLLM ended request {prepared.request.id} with {output.finish_reason!r}")
    # Others are asked for their sum alone, which is NaN where one of them is.
    told_apart = prepared.labels is not None or prepared.request.sampling.logprobs is not None
    asked = output.logprobs if told_apart else None
    total, given = output.cumulative_logprob, prepared.given
    of_prompt = (whole.prompt_logprobs or ())[-len(given) :] if given else ()
    of_echo = (whole.prompt_logprobs or ()) if prepared.request.echo else ()
    return finish(
        prepared,
        tokenizer,
        output.token_ids,
        dtype=dtype,
        finite=total is None or not math.isnan(total),
        token_logprobs=[{index: one.logprob for index, one in told.items()} for told in asked or ()],
        # vLLM names the stop string that it cut the text at; for stop tokens it gives their id.
        text=output.text if isinstance(output.stop_reason, str) and output.finish_reason == "stop" else None,
        given_logprobs=[(told or {})[index].logprob for index, told in zip(given, of_prompt, strict=True)],
        prompt_logprobs=[one and {index: found.logprob for index, found in one.items()} for one in of_echo],
    )


@contextmanager
def starting(model: str) -> Iterator[None]:
    """VLLM is being loaded: what goes wrong is one line.

    Ctrl+C reaches every process of a terminal. vLLM's would end at once, and with it what was accepted.
    """
    # Started later, Python's resource tracker would let the signal through again.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    except (OSError, ValueError, RuntimeError) as error:
        raise SetupError(f"vLLM cannot load {model}: {reason_of(error)}") from error
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
