"""Batches whose engine or disk fails."""

import asyncio
import sqlite3
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from openai.types import Batch

from app.errors import EngineError, InputError
from app.jobs.identity import Identity
from app.jobs.store import Reply, Store
from app.serve.batches import lines, run
from app.serve.batches.lines import Line
from app.serve.batches.state import Entry
from app.types import GenerationRequest
from tests.serve.batches.local_server import Local, as_dict, first_error, in_server, local, predict_line
from tests.serve.calls import happens
from tests.serve.scripted_async_engine import ScriptedAsyncEngine


@pytest.fixture(autouse=True)
def deaths_count_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "COUNTED_AFTER", 0.01)


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
        assert as_dict(failed["response"])["status_code"] == 503

    in_server(tmp_path, work, engine=ScriptedAsyncEngine(script))


def test_an_unexpected_error_costs_one_line_only(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def script(request: GenerationRequest) -> str:
        if "odd" in request.messages[-1].content:
            raise KeyError("a fault of the program")
        return "some words"

    async def work(server: Local) -> None:
        done = await server.ended(await server.batch([predict_line("odd"), predict_line("b")]))
        assert done.status == "completed"
        assert [line["custom_id"] for line in await server.lines(done.output_file_id)] == ["b"]
        (failed,) = await server.lines(done.error_file_id)
        response = as_dict(failed["response"])
        assert response["status_code"] == 500
        assert as_dict(response["body"])["code"] == "internal"
        assert "a fault of the program" not in str(failed)
        assert "a fault of the program" in caplog.text

    in_server(tmp_path, work, engine=ScriptedAsyncEngine(script))


@pytest.mark.parametrize("error", [EngineError("dead"), KeyError("in the middle of a reply")])
def test_an_engine_that_dies_leaves_the_batch_for_the_next_start(
    tmp_path: Path, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        engine = ScriptedAsyncEngine()

        async def script(request: GenerationRequest) -> str:
            del request
            engine.alive = False
            raise error

        engine.script = script
        async with local(tmp_path, engine) as server:
            batch = await server.batch([predict_line("a")])
            await given_up(caplog)
            assert (await server.alice.batches.retrieve(batch.id)).status == "in_progress"
        async with local(tmp_path) as server:
            done = await server.ended(batch)
            assert done.status == "completed"
            assert done.error_file_id is None

    asyncio.run(main())


async def given_up(caplog: pytest.LogCaptureFixture) -> None:
    """Wait until the server has noted that a batch waits for a restart."""
    async with asyncio.timeout(30):
        while "a batch waits for a restart" not in caplog.text:
            await asyncio.sleep(0.01)
    caplog.clear()


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


def test_a_line_that_kills_every_engine_is_given_up_and_the_others_are_answered(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    deaths: list[int] = []

    async def die(lines: list[dict[str, object]] | None, batch: Batch | None) -> Batch:
        engine = ScriptedAsyncEngine()
        engine.script = deadly(engine, deaths)
        async with local(tmp_path, engine) as server:
            batch = batch or await server.batch(lines or [])
            await given_up(caplog)
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
            assert as_dict(failed["response"])["status_code"] == 503
            assert "died 3 times" in str(failed["response"])

    asyncio.run(main())
    assert len(deaths) == 3


def test_an_engine_that_ends_with_its_server_is_no_lines_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Service managers send the signal to every process: vLLM's ends at once, and the server after its requests."""
    monkeypatch.setattr(run, "COUNTED_AFTER", 60)

    async def main() -> None:
        batch = None
        for _ in range(5):
            deaths.clear()
            engine = ScriptedAsyncEngine()
            engine.script = deadly(engine, deaths)
            async with local(tmp_path, engine) as server:
                batch = batch or await server.batch([predict_line("poison")])
                await happens(lambda: deaths)
        async with local(tmp_path, ScriptedAsyncEngine()) as server:
            assert batch is not None
            done = await server.ended(batch)
            assert (done.status, done.error_file_id) == ("completed", None)

    deaths: list[int] = []
    asyncio.run(main())


def test_a_full_disk_only_delays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "AGAIN_AFTER", 0.05)
    fails = iter([True, True])
    write = lines.write_results

    def full(*words: Any) -> lines.Written:  # noqa: ANN401  # passes all through
        if next(fails, False):
            raise OSError(28, "No space left on device")
        return write(*words)

    monkeypatch.setattr(run, "write_results", full)

    async def work(server: Local) -> None:
        done = await server.ended(await server.batch([predict_line("a")]))
        assert done.status == "completed"
        assert len(server.engine.asked) == 1

    in_server(tmp_path, work)


def test_a_store_that_the_disk_refuses_at_first_is_not_left_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "AGAIN_AFTER", 0.05)
    fails = iter([True])
    kept: list[BaseException] = []
    begin = Store.begin

    def full(store: Store, identity: Identity) -> None:
        if next(fails, False):
            # Whoever keeps the error keeps its frames, and with them the store: it must be closed by then.
            kept.append(InputError("No space left on device"))
            raise kept[0]
        begin(store, identity)

    monkeypatch.setattr(Store, "begin", full)

    async def work(server: Local) -> None:
        assert (await server.ended(await server.batch([predict_line("a")]), within=5)).status == "completed"

    in_server(tmp_path, work)


def refuse_reply(monkeypatch: pytest.MonkeyPatch, custom_id: str) -> None:
    """Storing the reply to one line meets a fault of the program."""
    store = run.Run._store

    async def faulty(self: run.Run, line: Line, reply: Reply, into: Store) -> None:
        if line.custom_id == custom_id:
            raise KeyError("a fault of the program")
        await store(self, line, reply, into)

    monkeypatch.setattr(run.Run, "_store", faulty)


def test_an_unexpected_error_of_a_batch_leaves_what_was_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    refuse_reply(monkeypatch, "b")

    async def work(server: Local) -> None:
        done = await server.ended(await server.batch([predict_line("a"), predict_line("b")]))
        assert done.status == "failed"
        assert first_error(done).code == "internal"
        assert "log" in str(first_error(done).message)
        assert "a fault of the program" in caplog.text
        assert [line["custom_id"] for line in await server.lines(done.output_file_id)] == ["a"]
        (left,) = await server.lines(done.error_file_id)
        assert as_dict(left["error"])["code"] == "internal"

    in_server(tmp_path, work, batch_concurrency=1)


def test_a_batch_that_cannot_be_written_fails_and_holds_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def faulty(*_: object) -> None:
        raise KeyError("a fault of the program")

    monkeypatch.setattr(run, "write_results", faulty)

    async def work(server: Local) -> None:
        done = await server.ended(await server.batch([predict_line("a")]), within=5)
        assert done.status == "failed"
        assert first_error(done).code == "internal"
        assert done.output_file_id is done.error_file_id is None
        await server.alice.files.delete(done.input_file_id)
        await server.ended(await server.batch([predict_line("a")]), within=5)

    in_server(tmp_path, work, max_batches=1)


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), sqlite3.IntegrityError("odd")])
def test_a_failure_that_cannot_be_entered_is_entered_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    monkeypatch.setattr(run, "AGAIN_AFTER", 0.3)
    times: list[float] = []

    def faulty(*_: object) -> None:
        raise KeyError("a fault of the program")

    monkeypatch.setattr(run, "write_results", faulty)

    async def work(server: Local) -> None:
        state = server.batches.files._state
        put = state.put

        def full(*entries: Entry) -> None:
            if entries[-1].document.get("status") == "failed":
                times.append(time.monotonic())
                if len(times) == 1:
                    raise error
            put(*entries)

        monkeypatch.setattr(state, "put", full)
        assert (await server.ended(await server.batch([predict_line("a")]), within=5)).status == "failed"
        assert len(times) == 2
        assert times[1] - times[0] > 0.25

    in_server(tmp_path, work)
