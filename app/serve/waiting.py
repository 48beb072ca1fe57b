"""Work for a client that may go away or lose patience."""

import asyncio
import math
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Sequence
from contextlib import aclosing
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.types import Send

from app.openai.wire import FieldError, invalid
from app.serve.middleware.context import ClientGoneError
from app.serve.problems import ProblemError
from app.serve.server_settings import ServerSettings

TIMEOUT_HEADER = "x-request-timeout"
_SECONDS = {"description": "Seconds until an answer is late.", "schema": {"type": "number", "exclusiveMinimum": 0}}
TIMEOUT_PARAMETER = {"parameters": [{"name": TIMEOUT_HEADER, "in": "header", "required": False, **_SECONDS}]}
"""For a route's part of the OpenAPI document."""
T = TypeVar("T")
Tell = Callable[[T], None]


async def unless_gone(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`, which is cancelled as soon as the client closes the connection: ClientGoneError."""

    async def disconnected() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    working = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(disconnected())
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientGoneError
        return working.result()
    finally:
        for task in (working, leaving):
            task.cancel()
        await asyncio.gather(working, leaving, return_exceptions=True)


async def until(late: float, work: Awaitable[T]) -> T:
    """The result of `work`; ProblemError 504 where it is late (on the event loop's clock)."""
    try:
        async with asyncio.timeout_at(late):
            return await work
    except TimeoutError:
        raise too_late() from None


def too_late() -> ProblemError:
    """504. A new one each time: an error that is raised again keeps the frames of every time."""
    return ProblemError(504, "timeout", "no answer within the request's time: allow more, or ask for less")


async def side_by_side(works: Sequence[Callable[[Tell[T]], Coroutine[Any, Any, None]]]) -> AsyncGenerator[T, None]:
    """What several works tell, as it comes; closing it cancels them all."""
    ready: asyncio.Queue[tuple[T] | None] = asyncio.Queue()

    async def one(work: Callable[[Tell[T]], Coroutine[Any, Any, None]]) -> None:
        try:
            await work(lambda told: ready.put_nowait((told,)))
        finally:
            ready.put_nowait(None)

    # No task group: closing a generator that is inside one ends in an exception group.
    running = [asyncio.create_task(one(work)) for work in works]
    try:
        left = len(running)
        while left:
            told = await ready.get()
            if told is not None:
                yield told[0]
                continue
            left -= 1
            for task in running:
                # The one that ended in an error has nothing more to say, and neither should the others.
                if task.done():
                    task.result()
        await asyncio.gather(*running)
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


class Stream(StreamingResponse):
    """A response whose source is closed with it, in the same task, however it ends."""

    def __init__(self, source: AsyncGenerator[str, None], media_type: str) -> None:
        # Buffering proxies would turn a stream back into one late answer.
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        super().__init__(source, media_type=media_type, headers=headers)
        self._source = source

    async def stream_response(self, send: Send) -> None:
        """Send what comes, then close the source. Begins with its first piece: see `BoundedHttp`, which asks before."""
        async with aclosing(self._source):
            first = await anext(self._source, "")

            async def pieces() -> AsyncGenerator[str, None]:
                yield first
                async for piece in self._source:
                    yield piece

            self.body_iterator = pieces()
            await super().stream_response(send)


def deadline(request: Request, named: float | None, settings: ServerSettings) -> float:
    """When the request is late, on the event loop's clock: from its field, its header, or by default.

    Raises:
        RequestError: 422, a time that is no number of seconds or longer than allowed.
    """
    seconds, where = named, "timeout"
    if seconds is None and (given := request.headers.get(TIMEOUT_HEADER)) is not None:
        where = TIMEOUT_HEADER
        try:
            seconds = float(given)
        except ValueError:
            seconds = math.nan
    if seconds is None:
        seconds = settings.default_timeout
    elif not 0 < seconds <= settings.max_timeout:
        message = f"seconds, more than 0 and at most {settings.max_timeout:g}, are needed"
        raise invalid([FieldError(field=where, message=message)])
    return asyncio.get_running_loop().time() + seconds
