"""Hearing from vLLM's process whenever it has produced something, for whichever caller."""

from collections.abc import Callable

from vllm.config import VllmConfig
from vllm.v1.metrics.loggers import StatLoggerBase


class Listener(StatLoggerBase):  # type: ignore[misc]  # vLLM's types are not checked here
    """Called by vLLM after each step of the engine."""

    def __init__(self, heard: Callable[[], None]) -> None:
        self._heard = heard

    def record(self, scheduler_stats: object, iteration_stats: object, *_: object, **__: object) -> None:
        """Take note of a step that had output."""
        del scheduler_stats
        if iteration_stats is not None:
            self._heard()

    def log_engine_initialized(self) -> None:
        """Nothing to say."""


def listening(heard: Callable[[], None]) -> Callable[[VllmConfig, int], Listener]:
    """What vLLM calls to make a listener for one engine."""

    def make(config: VllmConfig, engine_index: int = 0) -> Listener:
        del config, engine_index
        return Listener(heard)

    return make
