"""The pure half of the vLLM engine: requests and settings as the plain values that vLLM takes."""

from typing import Any

from app.engines.checkpoint import check_adapter, quantization_method
from app.engines.constraint_json import constraint_to_plain
from app.engines.prepared import PreparedRequest
from app.engines.settings import VllmSettings
from app.types import Choice, GenerationRequest

LOGITS_PROCESSOR = "app.engines.vllm_logits:RequestLogitsProcessor"
CONSTRAINT, SAMPLING = "shopbench_constraint", "shopbench_sampling"
"""Keys in `SamplingParams.extra_args`, which the logits processor reads."""
LORA_RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
"""The adapter ranks that vLLM makes room for."""
CPU_BLOCK = 32
"""Tokens whose keys and values are kept, and found again, together on CPUs."""
NO_FLOAT32 = ("gptq", "awq")
"""Ways to pack weights whose kernels compute in 16 bits only, on CPUs too (vLLM 0.32)."""


def sampling_values(prepared: PreparedRequest, end_ids: tuple[int, ...]) -> dict[str, Any]:
    """The arguments of vLLM's `SamplingParams` for one request.

    A choice is one token whose labels' log-probabilities vLLM gathers itself (`logprob_token_ids`), which,
    unlike `prompt_logprobs`, leaves prefix caching on. Other constraints travel to the logits processor.
    """
    request = prepared.request
    values: dict[str, Any] = {
        "max_tokens": prepared.max_tokens,
        # Sampling is noise from the logits processor, see sampling.py.
        "temperature": 0.0,
        "stop_token_ids": list(end_ids),
        # Text is needed in the loop only to find stop strings in it.
        "detokenize": bool(request.sampling.stop),
    }
    if request.sampling.stop:
        values["stop"] = list(request.sampling.stop)
    if prepared.labels is not None:
        values["logprob_token_ids"] = prepared.label_ids
        values["allowed_token_ids"] = prepared.label_ids
    if extra := _extra_args(request):
        values["extra_args"] = extra
    return values


def engine_values(model: str, settings: VllmSettings, capability: tuple[int, int] | None) -> dict[str, Any]:
    """The arguments of vLLM's `EngineArgs`.

    Args:
        model: path or hub name of the checkpoint.
        settings: the engine's settings.
        capability: the GPU's compute capability, or None on a CPU.
    """
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


def _extra_args(request: GenerationRequest) -> dict[str, Any]:
    """What the logits processor must know of a request, as plain data that can change process."""
    extra: dict[str, Any] = {}
    if request.constraint is not None and not isinstance(request.constraint, Choice):
        extra[CONSTRAINT] = constraint_to_plain(request.constraint)
    if request.sampling.temperature > 0:
        extra[SAMPLING] = {"temperature": request.sampling.temperature, "seed": request.sampling.seed}
    return extra


def _lora_values(settings: VllmSettings, *, on_cpu: bool) -> dict[str, Any]:
    if not settings.adapters:
        return {}
    ranks = [int(check_adapter(name, path).get("r", 8)) for name, path in settings.adapters.items()]
    room = next((rank for rank in LORA_RANKS if rank >= max(ranks)), LORA_RANKS[-1])
    count = len(settings.adapters)
    # vLLM's CPU kernels give requests without an adapter the last slot's (index -1, vLLM 0.32), so that one
    # is kept empty: adapters fill the slots from the first.
    slots = count + 1 if on_cpu else min(count, 4)
    return {"enable_lora": True, "max_lora_rank": room, "max_loras": slots, "max_cpu_loras": max(slots, count)}


def _dtype(wanted: str, capability: tuple[int, int] | None, model: str) -> str:
    if wanted != "auto":
        return wanted
    if capability is None:
        return "bfloat16" if quantization_method(model) in NO_FLOAT32 else "float32"
    # The competition's T4 (7.5) has no bfloat16.
    return "auto" if capability >= (8, 0) else "half"
