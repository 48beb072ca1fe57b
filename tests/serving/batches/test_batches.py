"""The life of a batch, seen by OpenAI's own client."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import openai
import pytest
from openai.types import Batch

from app.errors import EngineError
from app.serving.batches import results, run
from app.types import GenerationRequest
from tests.serving.batches.local_server import Local, chat_line, local, predict_line
from tests.serving.calls import CHOICE, TEXT
from tests.serving.scripted_async_engine import ScriptedAsyncEngine


def in_server(folder: Path, work: Callable[[Local], Awaitable[None]], **words: object) -> None:
    async def main() -> None:
        async with local(folder, **words) as server:  # type: ignore[arg-type]  # as `local` takes them
            await work(server)

    asyncio.run(main())


async def reached(engine: ScriptedAsyncEngine, asked: int) -> None:
    """Wait until so many requests have come to the engine."""
    async with asyncio.timeout(30):
        while len(engine.asked) < asked:
            await asyncio.sleep(0.01)


class Gate:
    """Lets so many answers through, and the others when it is opened."""

    def __init__(self, free: int = 0) -> None:
        self.free = free
        self.open = asyncio.Event()

    async def __call__(self, request: GenerationRequest) -> str:
        del request
        if self.free > 0:
            self.free -= 1
        else:
            await self.open.wait()
        return "some words"


def test_questions_are_answered_as_online(tmp_path: Path) -> None:
    async def work(server: Local) -> None:
        whole = {"custom_id": "whole", "method": "POST", "url": "/v1/predict", "body": {"questions": [CHOICE, TEXT]}}
        bad = {"custom_id": "bad", "method": "POST", "url": "/v1/predict", "body": {"prompt": "a", "guided_json": 1}}
        batch = await server.batch([predict_line("a"), whole, bad, predict_line("b")])
        assert batch.status in ("validating", "in_progress")
        done = await server.ended(batch)
        assert done.status == "completed"
        assert done.request_counts is not None
        assert done.request_counts.model_dump() == {"total": 4, "completed": 3, "failed": 1}
        found = {str(line["custom_id"]): line["response"] for line in await server.lines(done.output_file_id)}
        assert list(found) == ["a", "whole", "b"]
        headers = {"authorization": "Bearer a-secret-of-alice"}
        online = (await server.http.post("/predict", json={"questions": [CHOICE, TEXT]}, headers=headers)).json()
        assert found["whole"] == {**_dict(found["whole"]), "status_code": 200, "body": online}
        assert _dict(_dict(found["a"])["body"])["answer"] == "some words"
        (refused,) = await server.lines(done.error_file_id)
        assert _dict(refused["response"])["status_code"] == 422
        assert "guided_json" in str(_dict(refused["response"])["body"])

    in_server(tmp_path, work)


def _dict(value: object) -> dict[str, object]:
    assert isinstance(value, dict)
    return value


def test_conversations(tmp_path: Path) -> None:
    async def work(server: Local) -> None:
        lines = [chat_line("a"), chat_line("b", n=99), chat_line("c", stream=True)]
        done = await server.ended(await server.batch(lines, "/v1/chat/completions"))
        (answered,) = await server.lines(done.output_file_id)
        assert _dict(_dict(answered["response"])["body"])["object"] == "chat.completion"
        assert [line["custom_id"] for line in await server.lines(done.error_file_id)] == ["b", "c"]

    in_server(tmp_path, work)


@pytest.mark.parametrize(
    ("lines", "code", "line"),
    [
        (["no json\n"], "invalid_json_line", 1),
        (["[1]\n"], "invalid_request", 1),
        ([predict_line("a"), predict_line("a")], "duplicate_custom_id", 2),
        ([predict_line("a"), chat_line("b")], "mismatched_url", 2),
        ([{**predict_line("a"), "method": "GET"}], "invalid_request", 1),
        ([{**predict_line("a"), "more": 1}], "invalid_request", 1),
        ([{**predict_line("a"), "custom_id": ""}], "invalid_custom_id", 1),
        ([predict_line(str(number)) for number in range(6)], "too_many_requests", None),
        (["\n"], "empty_file", None),
        ([b"\xff\xfe{".decode("latin-1")], "invalid_json_line", 1),
    ],
)
def test_a_file_that_is_no_batch_fails_by_line(
    tmp_path: Path, lines: list[object], code: str, line: int | None
) -> None:
    async def work(server: Local) -> None:
        done = await server.ended(await server.batch(lines))
        assert done.status == "failed"
        assert done.errors is not None
        assert done.errors.data is not None
        assert (done.errors.data[0].code, done.errors.data[0].line) == (code, line)
        assert server.engine.asked == []

    in_server(tmp_path, work, max_batch_requests=5)


def test_a_restart_asks_nothing_twice(tmp_path: Path) -> None:
    lines: list[object] = [predict_line(f"line {number}") for number in range(40)]

    async def main() -> None:
        first = ScriptedAsyncEngine(Gate(free=20))
        async with local(tmp_path, first, batch_concurrency=4) as server:
            batch = await server.batch(lines)
            await server.until(batch, lambda found: bool(found.request_counts and found.request_counts.completed == 20))
            await reached(first, 24)
        second = ScriptedAsyncEngine()
        async with local(tmp_path, second) as server:
            done = await server.ended(batch)
            assert done.status == "completed"
            assert done.request_counts is not None
            assert done.request_counts.completed == 40
            assert len(await server.lines(done.output_file_id)) == 40
        settled = {request.messages[-1].content for request in first.asked} - {
            request.messages[-1].content for request in first.aborted
        }
        assert len(settled) == 20
        assert settled.isdisjoint(request.messages[-1].content for request in second.asked)
        assert len(second.asked) == 20
        assert list((tmp_path / "journals").iterdir()) == []

    asyncio.run(main())


def test_another_model_does_not_go_on_with_a_batch(tmp_path: Path) -> None:
    async def main() -> None:
        async with local(tmp_path, ScriptedAsyncEngine(Gate(free=1))) as server:
            batch = await server.batch([predict_line("a"), predict_line("b")])
            await server.until(batch, lambda found: bool(found.request_counts and found.request_counts.completed == 1))
        async with local(tmp_path, revision="2") as server:
            done = await server.ended(batch)
        assert done.status == "failed"
        assert done.errors is not None
        assert done.errors.data is not None
        assert "model revision was 1 and is now 2" in str(done.errors.data[0].message)

    asyncio.run(main())


def test_cancelling_keeps_what_was_answered(tmp_path: Path) -> None:
    engine = ScriptedAsyncEngine()

    async def work(server: Local) -> None:
        engine.script = Gate(free=2)
        batch = await server.batch([predict_line("a"), predict_line("b"), predict_line("c")])
        await server.until(batch, lambda found: bool(found.request_counts and found.request_counts.completed == 2))
        assert (await server.alice.batches.cancel(batch.id)).status == "cancelling"
        done = await server.ended(batch)
        assert done.status == "cancelled"
        assert len(engine.aborted) == 1
        assert [line["custom_id"] for line in await server.lines(done.output_file_id)] == ["a", "b"]
        (left,) = await server.lines(done.error_file_id)
        assert _dict(left["error"])["code"] == "batch_cancelled"
        with pytest.raises(openai.ConflictError):
            await server.alice.batches.cancel(batch.id)

    in_server(tmp_path, work, engine=engine)


def test_what_is_not_answered_in_time_expires(tmp_path: Path) -> None:
    engine = ScriptedAsyncEngine()

    async def work(server: Local) -> None:
        engine.script = Gate(free=1)
        done = await server.ended(await server.batch([predict_line("a"), predict_line("b")], window="2s"))
        assert done.status == "expired"
        assert len(await server.lines(done.output_file_id)) == 1
        (left,) = await server.lines(done.error_file_id)
        assert _dict(left["error"])["code"] == "batch_expired"

    in_server(tmp_path, work, engine=engine)


def test_an_engine_that_fails_and_lives_on_is_asked_again(tmp_path: Path) -> None:
    times = iter([1, 0])

    async def script(request: GenerationRequest) -> str:
        del request
        if next(times, 0):
            raise EngineError("once")
        return "some words"

    async def work(server: Local) -> None:
        done = await server.ended(await server.batch([predict_line("a")]))
        assert done.status == "completed"
        assert len(await server.lines(done.output_file_id)) == 1

    in_server(tmp_path, work, engine=ScriptedAsyncEngine(script))


def test_a_line_that_always_fails_does_not_stop_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "RETRY_AFTER", 0.01)

    async def script(request: GenerationRequest) -> str:
        if "poison" in request.messages[-1].content:
            raise EngineError("always")
        return "some words"

    async def work(server: Local) -> None:
        done = await server.ended(await server.batch([predict_line("poison"), predict_line("b")]))
        assert done.status == "completed"
        assert [line["custom_id"] for line in await server.lines(done.output_file_id)] == ["b"]
        (failed,) = await server.lines(done.error_file_id)
        assert _dict(failed["response"])["status_code"] == 503

    in_server(tmp_path, work, engine=ScriptedAsyncEngine(script))


def test_an_engine_that_dies_leaves_the_batch_for_the_next_start(tmp_path: Path) -> None:
    async def main() -> None:
        engine = ScriptedAsyncEngine()

        async def script(request: GenerationRequest) -> str:
            del request
            engine.alive = False
            raise EngineError("dead")

        engine.script = script
        async with local(tmp_path, engine) as server:
            batch = await server.batch([predict_line("a")])
            await server.until(batch, lambda _: not engine.alive)
            await asyncio.sleep(0.1)
            assert (await server.alice.batches.retrieve(batch.id)).status == "in_progress"
        async with local(tmp_path) as server:
            assert (await server.ended(batch)).status == "completed"

    asyncio.run(main())


def deadly(engine: ScriptedAsyncEngine, asked: list[int]) -> Callable[[GenerationRequest], Awaitable[str]]:
    """Dies of one word."""

    async def script(request: GenerationRequest) -> str:
        if "poison" in request.messages[-1].content:
            asked.append(len(engine.asked))
            engine.alive = False
            raise EngineError("dead")
        await asyncio.sleep(0.05)
        return "some words"

    return script


def test_a_line_that_kills_every_engine_is_given_up_and_the_others_are_answered(tmp_path: Path) -> None:
    deaths: list[int] = []

    async def die(lines: list[dict[str, object]] | None, batch: Batch | None) -> Batch:
        engine = ScriptedAsyncEngine()
        engine.script = deadly(engine, deaths)
        async with local(tmp_path, engine) as server:
            batch = batch or await server.batch(lines or [])
            await server.until(batch, lambda _: not engine.alive)
            await asyncio.sleep(0.2)
        return batch

    async def main() -> None:
        batch = await die([predict_line(name) for name in ("a", "poison", "b", "c")], None)
        for _ in range(2):
            await die(None, batch)
        async with local(tmp_path, ScriptedAsyncEngine()) as server:
            done = await server.ended(batch)
            assert done.status == "completed"
            answered = {str(line["custom_id"]) for line in await server.lines(done.output_file_id)}
            assert answered == {"a", "b", "c"}
            (failed,) = await server.lines(done.error_file_id)
            assert _dict(failed["response"])["status_code"] == 503
            assert "died 3 times" in str(failed["response"])

    asyncio.run(main())
    assert len(deaths) == 3


def test_a_full_disk_only_delays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "AGAIN_AFTER", 0.05)
    fails = iter([True, True])
    write = results.write_results

    def full(*words: Any) -> results.Written:  # noqa: ANN401  # passes all through
        if next(fails, False):
            raise OSError(28, "No space left on device")
        return write(*words)

    monkeypatch.setattr(run, "write_results", full)

    async def work(server: Local) -> None:
        done = await server.ended(await server.batch([predict_line("a")]))
        assert done.status == "completed"
        assert len(server.engine.asked) == 1

    in_server(tmp_path, work)


def test_a_key_sees_its_own_only(tmp_path: Path) -> None:
    async def work(server: Local) -> None:
        done = await server.ended(await server.batch([predict_line("a")]))
        names = [done.input_file_id, done.output_file_id or ""]
        for name in names:
            for call in (server.bob.files.retrieve, server.bob.files.content, server.bob.files.delete):
                with pytest.raises(openai.NotFoundError):
                    await call(name)
        for ask in (server.bob.batches.retrieve, server.bob.batches.cancel):
            with pytest.raises(openai.NotFoundError):
                await ask(done.id)
        with pytest.raises(openai.NotFoundError):
            await server.bob.batches.create(
                input_file_id=done.input_file_id, endpoint="/v1/chat/completions", completion_window="24h"
            )
        assert (await server.bob.files.list()).data == []
        assert (await server.bob.batches.list()).data == []
        with pytest.raises(openai.NotFoundError):
            await server.bob.files.list(after=done.input_file_id)
        assert len((await server.alice.files.list()).data) == 2

    in_server(tmp_path, work)


def test_lists_in_pages(tmp_path: Path) -> None:
    async def work(server: Local) -> None:
        made = [await server.ended(await server.batch([predict_line("a")])) for _ in range(3)]
        found = [batch.id async for batch in server.alice.batches.list(limit=2)]
        assert found == [batch.id for batch in reversed(made)]
        first = await server.alice.files.list(limit=2, order="asc", purpose="batch")
        assert first.has_more
        files = [file.id async for file in server.alice.files.list(limit=2, order="asc", purpose="batch")]
        assert files == [batch.input_file_id for batch in made]

    in_server(tmp_path, work)


def test_online_questions_go_first(tmp_path: Path) -> None:
    engine = ScriptedAsyncEngine()

    async def work(server: Local) -> None:
        gate = engine.script = Gate()
        batch = await server.batch([predict_line(str(number)) for number in range(20)])
        await reached(engine, 6)
        with server.service.admission.enter(4):
            gate.open.set()
            gate = engine.script = Gate()
            await reached(engine, 8)
            await asyncio.sleep(0.1)
            assert len(engine.asked) == 8, "two places are left beside four online questions"
        await reached(engine, 12)
        gate.open.set()
        assert (await server.ended(batch)).status == "completed"

    in_server(tmp_path, work, engine=engine, batch_concurrency=6)


def test_a_key_has_so_many_batches_at_a_time(tmp_path: Path) -> None:
    engine = ScriptedAsyncEngine()

    async def work(server: Local) -> None:
        engine.script = Gate()
        for _ in range(2):
            await server.batch([predict_line("a")])
        with pytest.raises(openai.RateLimitError):
            await server.batch([predict_line("a")])

    in_server(tmp_path, work, engine=engine, max_batches=2)
