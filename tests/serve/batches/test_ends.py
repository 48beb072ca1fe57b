"""Batches that end before all is answered."""

import asyncio
import threading
from pathlib import Path

import openai
import pytest

from app.serve.batches.state import Entry, Record
from tests.serve.batches.local_server import Gate, Local, as_dict, in_server, predict_line, reached
from tests.serve.scripted_async_engine import ScriptedAsyncEngine


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
        assert as_dict(left["error"])["code"] == "batch_cancelled"
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
        assert as_dict(left["error"])["code"] == "batch_expired"

    in_server(tmp_path, work, engine=engine)


def slow_end(server: Local, monkeypatch: pytest.MonkeyPatch) -> tuple[threading.Event, threading.Event]:
    """Entering a batch's end waits: the first event says that it began, the second lets it go on."""
    state = server.batches.files._state
    put, begun, go_on = state.put, threading.Event(), threading.Event()

    def slow(*entries: Entry) -> None:
        if any(entry.document["status"] == "completed" for entry in entries):
            begun.set()
            go_on.wait(30)
        put(*entries)

    monkeypatch.setattr(state, "put", slow)
    return begun, go_on


def test_a_cancel_that_comes_with_the_end_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def work(server: Local) -> None:
        begun, go_on = slow_end(server, monkeypatch)
        batch = await server.batch([predict_line("a")])
        await asyncio.to_thread(begun.wait, 30)
        asked = asyncio.Event()
        cancel = Record.cancel

        async def noted(record: Record) -> bool:
            asked.set()
            return await cancel(record)

        monkeypatch.setattr(Record, "cancel", noted)
        cancelling = asyncio.create_task(server.alice.batches.cancel(batch.id))
        await asyncio.wait_for(asked.wait(), 30)
        go_on.set()
        with pytest.raises(openai.ConflictError):
            await cancelling
        done = await server.ended(batch)
        assert done.status == "completed"
        assert len(await server.lines(done.output_file_id)) == 1

    in_server(tmp_path, work)


def test_a_cancel_that_the_disk_refuses_leaves_the_batch_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = ScriptedAsyncEngine()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    async def work(server: Local) -> None:
        gate = engine.script = Gate()
        batch = await server.batch([predict_line("a")])
        await reached(engine, 1)
        with monkeypatch.context() as patch:
            patch.setattr(server.batches.files._state, "put", full)
            with pytest.raises(openai.InternalServerError) as caught:
                await server.alice.batches.cancel(batch.id)
        assert caught.value.status_code == 507
        gate.open.set()
        assert (await server.ended(batch)).status == "completed"

    in_server(tmp_path, work, engine=engine)
