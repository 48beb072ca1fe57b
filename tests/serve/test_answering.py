import asyncio
import threading
from collections.abc import Iterator
from contextlib import aclosing, contextmanager

import httpx
import pytest

from app.serve.app import build_app
from app.serve.middleware.keys import ApiKeys
from app.serve.predict import Answering, Asked
from app.serve.service import Service
from app.types import GenerationRequest, Question
from tests.serve.calls import CHOICE, TEXT, problem, service_of, talk
from tests.serve.scripted_async_engine import ScriptedAsyncEngine

ASKED = [Asked(Question(name, "Write a short title.\nOutput: ")) for name in ("quick", "slow")]


async def slow_last(request: GenerationRequest) -> str:
    await asyncio.sleep(60 if request.id == "slow" else 0)
    return "x"


@pytest.mark.parametrize("explained", [False, True])
def test_a_stream_that_is_closed_early_aborts_what_is_left(explained: bool) -> None:
    async def main() -> None:
        answering = Answering(service_of(engine), asyncio.get_running_loop().time() + 60, ASKED)
        async with aclosing(answering.rows(explained=explained)) as rows:
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
        answering = Answering(service_of(ScriptedAsyncEngine(broken)), asyncio.get_running_loop().time() + 60, ASKED)
        async for _ in answering.rows(explained=False):
            pass

    with pytest.raises(ZeroDivisionError):
        asyncio.run(main())


@contextmanager
def held_up(service: Service) -> Iterator[None]:
    """The thread for long prompts has no time."""
    gate = threading.Event()
    waiting = asyncio.create_task(service.predictor.apart(gate.wait, 1_000_000))
    try:
        yield
    finally:
        gate.set()
        del waiting


@pytest.mark.parametrize("path", ["/v1/predict", "/v1/route"])
@pytest.mark.parametrize("lengths", [[5000], [3000, 3000]])
def test_deadlines_hold_before_a_long_request_is_routed(path: str, lengths: list[int]) -> None:
    questions = [{**TEXT, "prompt": "x" * length} for length in lengths]
    service = service_of(ScriptedAsyncEngine())

    async def work(connection: httpx.AsyncClient) -> None:
        with held_up(service):
            await asyncio.sleep(0)
            async with asyncio.timeout(20):
                late = await connection.post(path, json={"questions": questions}, headers={"x-request-timeout": "0.3"})
                problem(late, 504, "timeout")
                assert service.admission.pending == 0
                assert (await connection.post(path, json={"questions": [CHOICE]})).status_code == 200

    talk(build_app(service, ApiKeys.parse("")), work)


def test_a_late_question_counts_with_the_time_it_took() -> None:
    async def main() -> None:
        asked = [Asked(Question("slow", "Write a short title.\nOutput: "))]
        late = asyncio.get_running_loop().time() + 0.3
        answering = Answering(service_of(ScriptedAsyncEngine(slow_last)), late, asked)
        *_, last = [row async for row in answering.rows(explained=True)]
        assert last["answer"] is None
        assert last["seconds"] >= 0.25

    asyncio.run(main())
