import asyncio
from collections.abc import Awaitable, Callable

import pytest

from app.errors import EngineError
from app.serve.admission import Admission
from app.serve.batches.asking import Asked, Share
from app.serve.batches.lines import Line

LINES = [Line(number, f"line {number}", {}) for number in range(4)]


def with_share(most: int, work: Callable[[Asked, Share], Awaitable[None]]) -> None:
    async def main() -> None:
        share = Share(most, Admission(100))
        await work(Asked(share), share)
        assert share.in_use == 0

    asyncio.run(main())


async def nothing() -> None: ...


async def dead() -> None:
    raise EngineError("dead")


async def forever() -> None:
    await asyncio.sleep(60)


def test_all_are_asked_and_none_is_left() -> None:
    async def work(asked: Asked, _: Share) -> None:
        for line in LINES:
            await asked.start(line, nothing())
        await asked.all_ended()
        assert asked.unanswered == set()

    with_share(2, work)


def test_the_first_fault_is_raised_and_what_has_no_reply_is_named() -> None:
    async def work(asked: Asked, _: Share) -> None:
        await asked.start(LINES[0], nothing())
        await asked.start(LINES[1], forever())
        await asked.start(LINES[2], dead())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        with pytest.raises(EngineError, match="dead"):
            await asked.start(LINES[3], forever())
        await asked.cancel()
        with pytest.raises(EngineError, match="dead"):
            await asked.all_ended()
        assert asked.unanswered == {line.name for line in LINES[1:]}

    with_share(4, work)


def test_one_who_waits_for_a_place_in_vain_gives_nothing_back() -> None:
    async def work(asked: Asked, share: Share) -> None:
        await asked.start(LINES[0], forever())
        waiting = asyncio.create_task(asked.start(LINES[1], forever()))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert share.in_use == 1
        assert asked.unanswered == {LINES[0].name}
        await asked.cancel()

    with_share(1, work)
