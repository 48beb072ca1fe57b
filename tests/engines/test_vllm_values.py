import json
import math
import os
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from app.engines.chat import load_chat_tokenizer
from app.engines.options import VllmSettings
from app.engines.prepared import prepare
from app.engines.vllm.values import (
    CONSTRAINT,
    SAMPLING,
    constraint_from_plain,
    engine_values,
    prepare_environment,
    prepare_serving_environment,
    read_output,
    reason_of,
    sampling_values,
)
from app.errors import EngineError
from app.types import Choice, Copy, GenerationRequest, Message, SamplingParams, Selection


def values(checkpoint: Path, request: GenerationRequest) -> dict[str, object]:
    tokenizer = load_chat_tokenizer(str(checkpoint))
    return sampling_values(prepare(request, tokenizer, 1024, ()))


def ask(constraint: Choice | Selection | Copy | None, sampling: SamplingParams) -> GenerationRequest:
    return GenerationRequest("0", (Message("user", "Which?"),), sampling, constraint)


def test_a_choice_is_one_of_its_tokens_with_their_logprobs(checkpoint: Path) -> None:
    tokenizer = load_chat_tokenizer(str(checkpoint))
    found = values(checkpoint, ask(Choice(("0", "1")), SamplingParams(8)))
    expected = [*tokenizer.vocabulary.label_ids("0"), *tokenizer.vocabulary.label_ids("1")]
    assert found["allowed_token_ids"] == found["logprob_token_ids"] == expected
    assert found["max_tokens"] == 1
    assert "prompt_logprobs" not in found
    assert "extra_args" not in found


@pytest.mark.parametrize("constraint", [Selection((1, 2, 3), 2), Copy("red chair, größe 🙂", 3)])
def test_other_constraints_travel_as_json(checkpoint: Path, constraint: Selection | Copy) -> None:
    extra = values(checkpoint, ask(constraint, SamplingParams(8)))["extra_args"]
    assert isinstance(extra, dict)
    assert constraint_from_plain(json.loads(json.dumps(extra))[CONSTRAINT]) == constraint
    assert SAMPLING not in extra


def test_every_answer_says_whether_the_model_computed_numbers(checkpoint: Path) -> None:
    """By its tokens' log-probabilities, which also those have that nobody asked for; their sum is read."""
    found = [
        values(checkpoint, ask(constraint, SamplingParams(4)))
        for constraint in (None, Selection((1, 2), 1), Copy("red lamp", 1))
    ]
    assert [(one["logprobs"], one["flat_logprobs"]) for one in found] == [(0, True)] * 3
    asked = values(checkpoint, ask(None, SamplingParams(4, logprobs=2)))
    assert (asked["logprobs"], asked.get("flat_logprobs")) == (2, None)
    tokenizer = load_chat_tokenizer(str(checkpoint))
    prepared = prepare(ask(None, SamplingParams(4)), tokenizer, 1024, ())
    for total, code in ((-3.5, None), (math.nan, "not_finite")):
        output = SimpleNamespace(
            finish_reason="stop", stop_reason=None, cumulative_logprob=total, token_ids=[5, 6], text="", logprobs=None
        )
        whole: Any = SimpleNamespace(outputs=[output], prompt_logprobs=None)
        read = read_output(prepared, tokenizer, whole, dtype="float16")
        assert (read.error and read.error.code) == code


def test_sampling_is_left_to_the_logits_processor(checkpoint: Path) -> None:
    found = values(checkpoint, ask(None, SamplingParams(8, temperature=0.7, seed=3)))
    assert found["temperature"] == 0
    assert found["extra_args"] == {SAMPLING: {"temperature": 0.7, "seed": 3, "top_p": 1.0, "top_k": 0, "min_p": 0.0}}


def test_text_is_made_in_the_loop_only_for_stop_strings(checkpoint: Path) -> None:
    assert values(checkpoint, ask(None, SamplingParams(8)))["detokenize"] is False
    found = values(checkpoint, ask(None, SamplingParams(8, stop=("\n",))))
    assert (found["detokenize"], found["stop"]) == (True, ["\n"])


@pytest.mark.parametrize(
    ("capability", "dtype", "eager"),
    [(None, "float32", True), ((7, 5), "half", False), ((8, 0), "auto", False), ((9, 0), "auto", False)],
)
def test_the_machine_decides_format_and_compilation(
    capability: tuple[int, int] | None, dtype: str, eager: bool
) -> None:
    found = engine_values("model", VllmSettings.parse({}), capability)
    assert (found["dtype"], found["enforce_eager"]) == (dtype, eager)
    assert found["trust_remote_code"] is False
    assert found["enable_prefix_caching"] is True
    assert ("kv_cache_memory_bytes" in found) == (capability is None)


def test_settings_reach_vllm_under_its_names() -> None:
    given = {
        "dtype": "float16",
        "max_model_len": 512,
        "seed": 3,
        "max_num_seqs": 7,
        "max_num_batched_tokens": 96,
        "gpu_memory_utilization": 0.5,
        "tensor_parallel_size": 2,
        "pipeline_parallel_size": 3,
        "quantization": "awq",
        "enforce_eager": True,
        "enable_prefix_caching": False,
    }
    on_gpu = engine_values("model", VllmSettings.parse(given), (7, 5))
    assert on_gpu.items() >= {"model": "model", **given}.items()
    assert {"block_size", "kv_cache_memory_bytes"}.isdisjoint(on_gpu)
    on_cpu = engine_values("model", VllmSettings.parse({"cpu_cache_gib": 3, "enforce_eager": False}), None)
    assert (on_cpu["kv_cache_memory_bytes"], on_cpu["block_size"] % 32) == (3 * 2**30, 0)
    assert on_cpu["enforce_eager"] is False
    assert {"gpu_memory_utilization", "max_num_batched_tokens", "enable_lora"}.isdisjoint(on_cpu)
    # What a checkpoint brings along decides nothing, and nothing but answers is written.
    assert (on_cpu["generation_config"], on_cpu["disable_log_stats"], on_cpu["use_tqdm_on_load"]) == (
        "vllm",
        True,
        False,
    )


@pytest.mark.parametrize(("rank", "room"), [(1, 1), (2, 8), (9, 16), (512, 512)])
def test_there_is_room_for_the_largest_rank(adapter: Path, tmp_path: Path, rank: int, room: int) -> None:
    large = tmp_path / "large"
    shutil.copytree(adapter, large)
    (large / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", "r": rank}))
    small = tmp_path / "small"
    shutil.copytree(adapter, small)
    (small / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", "r": 1}))
    settings = VllmSettings.parse({"adapters": {"a": large, "b": small}})
    found = engine_values("model", settings, (8, 0))
    assert (found["enable_lora"], found["max_lora_rank"]) == (True, room)


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("out of memory\nat line 3", "out of memory"),
        ("\n  one line  \n", "one line"),
        ("1 validation error\n  Value error, no such thing [type=value_error, input=3]\n  see https", "no such thing"),
        ("", "ValueError"),
    ],
)
def test_of_what_vllm_says_the_reason_is_told(said: str, reason: str) -> None:
    assert reason_of(ValueError(said)) == reason


def test_log_probabilities_are_asked_for_where_the_request_wants_them(checkpoint: Path) -> None:
    assert "flat_logprobs" in values(checkpoint, ask(None, SamplingParams(8))), "their sum alone is read"
    found = values(checkpoint, ask(None, SamplingParams(8, logprobs=0)))
    assert (found["logprobs"], "flat_logprobs" in found) == (0, False)


def test_room_for_adapters_follows_their_rank(adapter: Path) -> None:
    settings = VllmSettings.parse({"adapters": {"a": adapter, "b": adapter}})
    on_gpu, on_cpu = engine_values("model", settings, (8, 0)), engine_values("model", settings, None)
    assert (on_gpu["max_lora_rank"], on_gpu["max_loras"]) == (8, 2)
    assert on_cpu["max_loras"] == 3
    many = VllmSettings.parse({"adapters": {str(number): adapter for number in range(6)}})
    found = engine_values("model", many, (8, 0))
    assert (found["max_loras"], found["max_cpu_loras"]) == (4, 6)
    assert engine_values("model", many, None)["max_loras"] == 7


def test_the_environment_is_quiet_where_nobody_asks_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.environ", {"VLLM_LOGGING_LEVEL": "DEBUG", "VLLM_USE_V2_MODEL_RUNNER": "1"})
    prepare_environment()
    assert os.environ["VLLM_LOGGING_LEVEL"] == "DEBUG"
    assert os.environ["VLLM_LOGGING_STREAM"] == "ext://sys.stderr"
    assert os.environ["VLLM_USE_V2_MODEL_RUNNER"] == os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] == "0"
    assert "OMP_NUM_THREADS" not in os.environ
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(6)))
    prepare_serving_environment()
    assert os.environ["OMP_NUM_THREADS"] == "5"


def test_what_is_not_a_constraint_is_refused() -> None:
    with pytest.raises(EngineError, match="not a constraint"):
        constraint_from_plain({"kind": "regex"})


@pytest.mark.parametrize(("method", "dtype"), [("gptq", "bfloat16"), ("compressed-tensors", "bfloat16")])
def test_packed_weights_decide_the_format_on_cpus(tmp_path: Path, method: str, dtype: str) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"quantization_config": {"quant_method": method}}))
    settings = VllmSettings.parse({})
    assert engine_values(str(tmp_path), settings, None)["dtype"] == dtype
    assert engine_values(str(tmp_path), settings, (7, 5))["dtype"] == "half"
