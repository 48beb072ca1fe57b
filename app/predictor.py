"""Route, render, generate, read: from questions to answers."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import count
from pathlib import Path
from typing import Any, Generic, Self, TypeVar

from app.engines.base import SHORT_PROMPT, AsyncEngine, Engine, LoadedModel
from app.engines.loading import create_async_engine, create_engine
from app.errors import InputError
from app.fitting import fit
from app.forms import PLAIN, Asking, forms_of
from app.prompting import PromptLibrary
from app.routing import doubted, route
from app.settings import Form, Settings
from app.tasks.base import Reading, Task
from app.tasks.registry import TASKS
from app.types import Completion, Failure, GenerationRequest, Message, Outcome, Prediction, Question, TaskType


@dataclass(frozen=True, slots=True)
class Prepared:
    """A question on its way to the engine."""

    question: Question
    task: Task
    reading: Reading
    asking: Asking
    request: GenerationRequest
    truncated: bool
    started: float


TEMPLATE_ALLOWANCE = 64
"""Tokens that a chat template may add around the messages, generously."""
_SEVERITY = {outcome: rank for rank, outcome in enumerate(Outcome)}
_LOW_MASS = 0.01
"""Where the labels together get less of the model's probability, it meant to write something else."""

T = TypeVar("T")
EngineT_co = TypeVar("EngineT_co", bound=LoadedModel, covariant=True)


class QuestionPath(Generic[EngineT_co]):
    """The way of a question to any engine and back: routed, rendered and cut before it, read after it.

    Every entry point stands on this class: the competition's `UserModel`, the batch job, the server and
    the evaluation. So what is measured offline is what is served.
    """

    def __init__(
        self,
        engine: EngineT_co,
        prompts: PromptLibrary,
        adapters: Mapping[TaskType, str] | None = None,
        model_name: str | None = None,
        forms: Mapping[TaskType, Form] | None = None,
    ) -> None:
        """Check the templates against what the tasks provide.

        Args:
            engine: the engine, or no more of it than prompts are cut by.
            prompts: the templates.
            adapters: the engine's adapter that answers a task type, by name; the base model answers the others.
            model_name: what requests call the model; by default its folder's name.
            forms: the form in which a task type is asked; the others are asked for labels.

        Raises:
            SetupError: a template uses a variable that its task does not provide.
        """
        self.engine = engine
        self.prompts = prompts
        self.adapters = adapters or {}
        self.forms = forms or {}
        self.model_name = model_name or Path(engine.model).name
        for task in TASKS:
            prompts.check(task.type, {"question", *task.read(Question("", "")).variables})

    def prepare(self, question: Question, request_id: str, task: Task | None = None) -> Prepared | Prediction:
        """The request that asks this question, or the fallback answer where its prompt cannot be made to fit.

        The question is routed unless its task is given.
        """
        task = task or route(question)
        reading = task.read(question)
        if doubt := doubted(question, task):
            reading = replace(reading, doubt=doubt)
        asking = Asking(task, reading, self.forms.get(task.type, PLAIN), self.prompts)
        try:
            messages, truncated = self._fit(asking, question.prompt)
        except InputError as error:
            fallback, failure = reading.answer("").text, Failure("too_long", str(error))
            return Prediction(question.id, task.type, fallback, Outcome.FALLBACK, error=failure)
        adapter = self.adapters.get(task.type)
        variants = asking.variants(cut=truncated)
        request = GenerationRequest(request_id, messages, reading.sampling, asking.constraint, adapter, variants)
        return Prepared(question, task, reading, asking, request, truncated, time.monotonic())

    def finish(self, prepared: Prepared, completion: Completion) -> Prediction:
        """The completion as the evaluator reads it; a refused request gets the fallback answer and its reason."""
        answer, probabilities, mass = prepared.asking.decide(completion)
        found = [answer.outcome]
        if prepared.truncated:
            found.append(Outcome.TRUNCATED)
        if prepared.reading.doubt or (mass is not None and mass < _LOW_MASS):
            found.append(Outcome.UNSURE)
        return Prediction(
            prepared.question.id,
            prepared.task.type,
            answer.text,
            max(found, key=_SEVERITY.__getitem__),
            raw=completion.text,
            label_probs=probabilities,
            label_mass=mass,
            error=completion.error,
            seconds=time.monotonic() - prepared.started,
        )

    def _fit(self, asking: Asking, prompt: str) -> tuple[tuple[Message, ...], bool]:
        """The conversation that asks, and whether the prompt was cut for it."""
        budget = self.engine.context_length - asking.longest
        accepted: dict[str, tuple[Message, ...]] = {}

        def fits(text: str) -> bool:
            messages = asking.messages(text)
            # No token is shorter than a byte, so most prompts need no counting.
            size = sum(len(message.content.encode()) for message in messages)
            if size + TEMPLATE_ALLOWANCE > budget and self.engine.count_tokens(messages) > budget:
                return False
            accepted[text] = messages
            return True

        text, truncated = fit((asking.text or prompt).strip(), fits)
        return accepted[text], truncated


class Predictor(QuestionPath[Engine]):
    """Answers questions with one engine and one set of prompts, many at a time. An engine that fails: EngineError."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def predict(self, questions: Iterable[Question | str]) -> list[Prediction]:
        """Answers in the order of the questions, one each; of a plain prompt, see `as_question`."""
        numbered = dict(self.stream(enumerate(map(as_question, questions, count()))))
        return [numbered[number] for number in range(len(numbered))]

    def stream(self, questions: Iterable[tuple[int, Question]]) -> Iterator[tuple[int, Prediction]]:
        """`(key, answer)` for every `(key, question)`, in order of finishing.

        Keys are the caller's and distinct. Questions are pulled as the engine has room.
        """
        under_way: dict[str, Prepared] = {}
        unasked: deque[tuple[int, Prediction]] = deque()

        def requests() -> Iterator[GenerationRequest]:
            for key, question in questions:
                prepared = self.prepare(question, str(key))
                if isinstance(prepared, Prediction):
                    unasked.append((key, prepared))
                else:
                    under_way[prepared.request.id] = prepared
                    yield prepared.request

        for completion in self.engine.generate(requests()):
            while unasked:
                yield unasked.popleft()
            yield int(completion.id), self.finish(under_way.pop(completion.id), completion)
        yield from unasked

    def close(self) -> None:
        """Free the engine."""
        self.engine.close()


class AsyncPredictor(QuestionPath[AsyncEngine]):
    """Answers questions with an asynchronous engine, by the same steps as `Predictor`."""

    @cached_property
    def _preparing(self) -> ThreadPoolExecutor:
        """One thread: more would only wait for each other's Python."""
        return ThreadPoolExecutor(1, thread_name_prefix="prepare")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    async def predict(self, questions: Iterable[Question | str]) -> list[Prediction]:
        """As `Predictor.predict`; all questions are under way at once, and where the engine fails, all are given up."""
        tasks = [asyncio.create_task(self._predict(as_question(*given))) for given in zip(questions, count())]
        try:
            return await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()

    async def _predict(self, question: Question) -> Prediction:
        prepared = await self.apart(partial(self.prepare, question, question.id), len(question.prompt))
        return prepared if isinstance(prepared, Prediction) else await self.answer(prepared)

    async def apart(self, work: Callable[[], T], characters: int | None) -> T:
        """Run a step of a request of so many characters in all, such as `prepare`, without holding up the others.

        None where their number says nothing about the time.

        Much text takes milliseconds and goes to a thread. For a short prompt the way there takes longer.
        """
        if characters is not None and characters <= SHORT_PROMPT:
            return work()
        return await asyncio.get_running_loop().run_in_executor(self._preparing, work)

    async def answer(self, prepared: Prepared) -> Prediction:
        """The answer to a prepared question."""
        return self.finish(prepared, await self.engine.generate(prepared.request))

    async def stream(self, prepared: Prepared) -> AsyncGenerator[str | Prediction, None]:
        """Pieces of the model's text as they come, then the prediction."""
        async with aclosing(self.engine.stream(prepared.request)) as pieces:
            async for piece in pieces:
                yield self.finish(prepared, piece) if isinstance(piece, Completion) else piece

    def close(self) -> None:
        """Free the engine."""
        self._preparing.shutdown(wait=False, cancel_futures=True)
        self.engine.close()


def create_predictor(settings: Settings) -> Predictor:
    """A ready predictor. Prompts are checked before the engine loads, since loading takes the longest.

    Raises:
        SetupError: what is missing or wrong, with the fix.
    """
    return Predictor(*_parts(settings, create_engine))


def create_async_predictor(settings: Settings) -> AsyncPredictor:
    """As `create_predictor`, for a server."""
    return AsyncPredictor(*_parts(settings, create_async_engine))


def _parts(
    settings: Settings, create: Callable[[str, str, dict[str, Any]], T]
) -> tuple[T, PromptLibrary, Mapping[TaskType, str], str | None, Mapping[TaskType, Form]]:
    prompts, forms = PromptLibrary(settings.prompts), forms_of(settings)
    engine = create(settings.engine, settings.model, {"seed": settings.seed} | settings.engine_settings)
    return engine, prompts, settings.task_adapters, settings.server_settings.get("model_name"), forms


def as_question(given: Question | str, place: int) -> Question:
    """A plain prompt as a question: not marked, and its place is its id."""
    return Question(str(place), given) if isinstance(given, str) else given
