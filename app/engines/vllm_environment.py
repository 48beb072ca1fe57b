"""Environment variables that must stand before vLLM, and torch with it, is first imported."""

import os

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
