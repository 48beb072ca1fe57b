"""The predictor of a server: one question at a time for each caller, many callers at once."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from typing import TypeVar

from app.engines.base import SHORT_PROMPT, AsyncEngine
from app.predictor import Prepared, QuestionPath
from app.prompting import PromptLibrary
from app.types import Completion, Prediction, TaskType

T = TypeVar("T")


class AsyncPredictor(QuestionPath):
    """Answers questions with an asynchronous engine, by the same steps as `Predictor`."""

    def __init__(
        self, engine: AsyncEngine, prompts: PromptLibrary, adapters: Mapping[TaskType, str] | None = None
    ) -> None:
        """As `QuestionPath`.

        Raises:
            SetupError: a template uses a variable that its task does not provide.
        """
        super().__init__(engine, prompts, adapters)
        self.engine = engine
        # One thread: more would only wait for each other's Python.
        self._preparing = ThreadPoolExecutor(1, thread_name_prefix="prepare")

    async def apart(self, work: Callable[[], T], characters: int) -> T:
        """Run a step of a request of so many characters in all, such as `prepare`, without holding up the others.

        Much text takes milliseconds and goes to a thread. For a short prompt the way there takes longer.
        """
        if characters <= SHORT_PROMPT:
            return work()
        return await asyncio.get_running_loop().run_in_executor(self._preparing, work)

    async def answer(self, prepared: Prepared) -> Prediction:
        """The answer to a prepared question.

        Raises:
            EngineError: the engine failed.
        """
        return self.finish(prepared, await self.engine.generate(prepared.request))

    async def stream(self, prepared: Prepared) -> AsyncGenerator[str | Prediction, None]:
        """Pieces of the model's text as they come, then the prediction.

        Raises:
            EngineError: the engine failed.
        """
        async with aclosing(self.engine.stream(prepared.request)) as pieces:
            async for piece in pieces:
                yield self.finish(prepared, piece) if isinstance(piece, Completion) else piece

    def close(self) -> None:
        """Free the engine."""
        self._preparing.shutdown(wait=False, cancel_futures=True)
        self.engine.close()
