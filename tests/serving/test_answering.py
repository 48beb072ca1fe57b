import asyncio
from contextlib import aclosing

import pytest

from app.serving.answering import Answering, Asked
from app.types import GenerationRequest, Question
from tests.serving.calls import service_of
from tests.serving.scripted_async_engine import ScriptedAsyncEngine

ASKED = [Asked(Question(name, "Write a short title.\nOutput: ")) for name in ("quick", "slow")]


async def slow_last(request: GenerationRequest) -> str:
    await asyncio.sleep(60 if request.id == "slow" else 0)
    return "x"


@pytest.mark.parametrize("explained", [False, True])
def test_a_stream_that_is_closed_early_aborts_what_is_left(explained: bool) -> None:
    async def main() -> None:
        answering = Answering(service_of(engine), asyncio.get_running_loop().time() + 60)
        async with aclosing(answering.rows(ASKED, explained=explained)) as rows:
            async for row in rows:
                assert row["id"] in ("quick", "slow")
                if row.get("answer") == "x":
                    break
        assert [request.id for request in engine.aborted] == ["slow"]

    engine = ScriptedAsyncEngine(slow_last)
    asyncio.run(main())


def test_an_unexpected_error_ends_the_stream() -> None:
    async def broken(_: GenerationRequest) -> str:
        raise ZeroDivisionError

    async def main() -> None:
        answering = Answering(service_of(ScriptedAsyncEngine(broken)), asyncio.get_running_loop().time() + 60)
        async for _ in answering.rows(ASKED, explained=False):
            pass

    with pytest.raises(ZeroDivisionError):
        asyncio.run(main())
