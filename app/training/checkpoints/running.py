"""Checkpoints in the project's engines, one after the other."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from app.engines.base import Engine
from app.engines.registry import create_engine
from app.predictor import QuestionPath
from app.prompting import PromptLibrary
from app.training.checkpoints.prompts import PROMPTS, prepared_of
from app.types import Completion, Sample

ADAPTER = "adapter"
"""The name that an adapter gets in the engine."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A model's completion for one sample, and the answer that the evaluator would read."""

    completion: Completion
    answer: str


@dataclass(frozen=True, slots=True)
class Running:
    """How to run a checkpoint: an engine by name, and what is set on it."""

    engine: str = "vllm"
    settings: Mapping[str, object] = field(default_factory=dict)
    prompts: Path = PROMPTS

    @contextmanager
    def load(self, checkpoint: Path, adapter: Path | None = None) -> Iterator[Engine]:
        """The checkpoint in its engine, closed at the end.

        Raises:
            SetupError: it cannot be loaded.
        """
        adapters = {} if adapter is None else {"adapters": {ADAPTER: adapter}}
        engine = create_engine(self.engine, checkpoint, dict(self.settings) | adapters)
        try:
            yield engine
        finally:
            engine.close()

    def ask(self, checkpoint: Path, samples: Sequence[Sample], adapter: Path | None = None) -> list[Asked]:
        """What the checkpoint answers to each sample, greedily, in order.

        Raises:
            InputError: a prompt does not fit the context.
            SetupError: the checkpoint cannot be loaded.
            EngineError: the engine failed.
        """
        with self.load(checkpoint, adapter) as engine:
            path = QuestionPath(engine, PromptLibrary(self.prompts))
            prepared = prepared_of(samples, path, None if adapter is None else ADAPTER)
            found = {int(one.id): one for one in engine.generate([one.request for one in prepared])}
            return [Asked(found[n], path.finish(one, found[n]).answer or "") for n, one in enumerate(prepared)]
