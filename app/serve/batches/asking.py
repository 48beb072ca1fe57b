"""One line of a batch, answered as if it had been sent to its endpoint."""

import asyncio
from collections import deque
from collections.abc import Coroutine
from functools import partial
from typing import Any

from app.errors import EngineError
from app.jobs.store import Reply
from app.openai.batches import MODELS
from app.openai.request import ModelRequest
from app.openai.wire import RequestError, read_body
from app.rows import read_predict_line
from app.serve.admission import Admission
from app.serve.batches.lines import Line
from app.serve.batches.state import OK
from app.serve.chat import completion_of, counting
from app.serve.predict import ENGINE_FAILED, Answering, asked_of, predict_response
from app.serve.problems import document
from app.serve.service import Service
from app.serve.waiting import until


async def reply_to(line: Line, endpoint: str, service: Service) -> Reply:
    """The answer to one line, a refusal too; cancelling it aborts it in the engine.

    Lines go the way of online requests, but for the queue: they have a share of their own.

    Raises:
        EngineError: the engine failed; the line may be asked again.
    """
    late = asyncio.get_running_loop().time() + service.settings.max_timeout
    try:
        if endpoint in MODELS:
            request = await service.predictor.apart(partial(_read, line, endpoint, service), None)
            return Reply(OK, await _complete(request, service, late))
        return Reply(OK, await _predict(line, service, late))
    except RequestError as problem:
        if problem.code == ENGINE_FAILED:
            raise EngineError(problem.detail) from problem
        return refused(problem)


def _read(line: Line, endpoint: str, service: Service) -> ModelRequest:
    request = read_body(MODELS[endpoint], line.body)
    request.check(service.settings.chat_limits, in_batch=True)
    return request


async def _complete(request: ModelRequest, service: Service, late: float) -> dict[str, Any]:
    count = counting(service, request)
    try:
        whole = await until(late, completion_of(service, request))
    except (EngineError, RequestError) as error:
        count(error)
        raise
    count(None)
    return whole


async def _predict(line: Line, service: Service, late: float) -> dict[str, Any]:
    """A whole request, or one question, which gets its prediction alone, as in `shopbench predict`."""
    request, alone = await service.predictor.apart(partial(read_predict_line, line.custom_id, line.body), None)
    # No more at a time than the share of batches has, whatever a line holds.
    most = service.settings.batch_concurrency
    answers = await Answering(service, late, asked_of(request, service), most).all()
    for answered in answers:
        failure = answered.prediction.error
        if failure is not None and failure.code == ENGINE_FAILED:
            raise EngineError(failure.message)
    response = predict_response(service, request, answers)
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
    """Tasks, each with its places of the share, and the first fault of any, which `start` and `all_ended` raise."""

    def __init__(self, share: Share) -> None:
        self._share = share
        self._running: set[asyncio.Task[None]] = set()
        self._fault: BaseException | None = None
        self.unanswered: set[str] = set()
        """Names of the lines that were begun and have no reply."""

    async def start(self, line: Line, work: Coroutine[Any, Any, None]) -> None:
        """Wait for the line's places and begin."""
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
        """Wait for all that were begun."""
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
