"""One line of a batch, answered as if it had been sent to its endpoint."""

import asyncio
from collections import deque
from collections.abc import Coroutine, Iterable
from functools import partial
from typing import Any

from app.errors import EngineError
from app.jobs.store import Reply, Store
from app.openai.batches import CHAT
from app.openai.chat import ChatRequest
from app.openai.wire import RequestError, read_body
from app.rows import read_predict_line
from app.serve.admission import Admission
from app.serve.batches.lines import Line
from app.serve.batches.state import OK
from app.serve.chat.service import complete
from app.serve.predict.service import ENGINE_FAILED, Answering, asked_of, predict_response
from app.serve.problems import document
from app.serve.service import Service
from app.serve.waiting import until


class Asking:
    """Lines go the way of online requests, but for the queue: they have a share of their own."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def reply(self, endpoint: str, line: Line) -> Reply:
        """The answer to one line, a refusal too; cancelling it aborts it in the engine.

        Raises:
            EngineError: the engine failed; the line may be asked again.
        """
        try:
            body = await (self._complete(line.body) if endpoint == CHAT else self._predict(line))
        except RequestError as problem:
            if problem.code == ENGINE_FAILED:
                raise EngineError(problem.detail) from problem
            return refused(problem)
        return Reply(OK, body)

    def _late(self) -> float:
        return asyncio.get_running_loop().time() + self._service.settings.max_timeout

    async def _complete(self, body: dict[str, Any]) -> dict[str, Any]:
        request = read_body(ChatRequest, body)
        request.check(self._service.settings.chat_limits, in_batch=True)
        return await until(self._late(), complete(self._service, request))

    async def _predict(self, line: Line) -> dict[str, Any]:
        """A whole request, or one question, which gets its prediction alone, as in `shopbench predict`."""
        request, alone = read_predict_line(line.custom_id, line.body)
        questions = asked_of(request, self._service)
        # No more at a time than the share of batches has, whatever a line holds.
        most = self._service.settings.batch_concurrency
        answers = await Answering(self._service, self._late(), questions, most).all()
        for answered in answers:
            failure = answered.prediction.error
            if failure is not None and failure.code == ENGINE_FAILED:
                raise EngineError(failure.message)
        response = predict_response(self._service, request, answers)
        return {**response["predictions"][0], "prompts": response["prompts"]} if alone else response


def refused(problem: RequestError) -> Reply:
    """The reply that a problem stands for."""
    return Reply(problem.status, document(problem))


class Share:
    """Places for batch requests: `most` on an idle server, one less for each online question, one at least.

    Online questions never wait for a place, and a batch goes on under any load, if slowly. Places are given in
    the order of asking, so that many batches go on side by side. Who needs more of them than there are goes alone.
    """

    def __init__(self, most: int, admission: Admission) -> None:
        self._most = most
        self._admission = admission
        self.in_use = 0
        self._waiting: deque[tuple[asyncio.Future[None], int]] = deque()
        admission.on_leave(self._give)

    @property
    def places(self) -> int:
        """How many requests of batches may be in the engine now."""
        return max(1, self._most - self._admission.pending)

    async def take(self, places: int) -> None:
        """Wait for so many places."""
        if not self._waiting and self._fits(places):
            self.in_use += places
            return
        mine: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((mine, places))
        try:
            await mine
        except asyncio.CancelledError:
            if mine.done() and not mine.cancelled():
                self.give_back(places)
            else:
                # The next one may need less.
                self._give()
            raise

    def give_back(self, places: int) -> None:
        """Let the next ones have the places."""
        self.in_use -= places
        self._give()

    def _fits(self, places: int) -> bool:
        return self.in_use == 0 or self.in_use + places <= self.places

    def _give(self) -> None:
        while self._waiting:
            first, places = self._waiting[0]
            if not first.done():
                if not self._fits(places):
                    return
                self.in_use += places
                first.set_result(None)
            self._waiting.popleft()


class Asked:
    """Tasks, each with its places of the share, and the first fault of any."""

    def __init__(self, share: Share) -> None:
        """Nothing is asked yet."""
        self._share = share
        self._running: set[asyncio.Task[None]] = set()
        self._fault: BaseException | None = None
        self.unanswered: set[str] = set()
        """Names of the lines that were begun and have no reply."""

    async def start(self, line: Line, work: Coroutine[Any, Any, None]) -> None:
        """Wait for the line's places and begin.

        Raises:
            EngineError: an earlier line failed with it, as with every other error.
        """
        try:
            await self._share.take(line.weight)
        except asyncio.CancelledError:
            work.close()
            raise
        self.unanswered.add(line.name)
        task = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(partial(self._ended, line))
        self._raise_fault()

    async def all_ended(self) -> None:
        """Wait for all that were begun.

        Raises:
            EngineError: as `start`.
        """
        await asyncio.gather(*self._running)
        self._raise_fault()

    async def cancel(self) -> None:
        """Ask nothing more of what is running."""
        left = list(self._running)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    def _ended(self, line: Line, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._share.give_back(line.weight)
        if task.cancelled():
            return
        if (fault := task.exception()) is not None:
            self._fault = self._fault or fault
        else:
            self.unanswered.discard(line.name)

    def _raise_fault(self) -> None:
        if self._fault is not None:
            raise self._fault


MOST_DEATHS = 3
"""A line is asked no more after so many deaths of the engine with it."""


class Suspects:
    """How often the engine died with a line, by the line's name, in the batch's store."""

    def __init__(self, store: Store) -> None:
        """Read what earlier servers saw."""
        self._store = store
        self._deaths: dict[str, int] = store.note("deaths") or {}

    def __contains__(self, name: str) -> bool:
        return name in self._deaths

    def convicted(self, name: str) -> bool:
        """Whether the line has had its chances."""
        return self._deaths.get(name, 0) >= MOST_DEATHS

    def add(self, names: Iterable[str]) -> None:
        """The engine died with these lines. They are on the disk when the call returns.

        Raises:
            InputError: the disk is full, or refuses otherwise.
        """
        for name in names:
            self._deaths[name] = self._deaths.get(name, 0) + 1
        self._store.write_note("deaths", self._deaths)
