"""Who waits for a slow disk: never the event loop, which has streams and probes to serve."""

import asyncio
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.database import Database
from app.jobs.store import Store
from app.serve.batches import run
from tests.serve.batches.local_server import Gate, Local, in_server, predict_line
from tests.serve.scripted_async_engine import ScriptedAsyncEngine


def test_no_call_waits_on_the_event_loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = ScriptedAsyncEngine()
    waited: list[str] = []

    def noting(name: str, work: Callable[..., Any]) -> Callable[..., Any]:
        def noted(*words: Any) -> Any:  # noqa: ANN401  # passes all through
            if threading.current_thread() is threading.main_thread():
                waited.append(name)
            return work(*words)

        return noted

    async def work(server: Local) -> None:
        monkeypatch.setattr(os, "fsync", noting("fsync", os.fsync))
        monkeypatch.setattr(Database, "transaction", noting("database", Database.transaction))
        gate = engine.script = Gate()
        batch = await server.batch([predict_line("a")])
        await server.alice.batches.list()
        await server.alice.batches.cancel(batch.id)
        gate.open.set()
        done = await server.ended(batch)
        await server.lines(done.error_file_id)
        await server.alice.files.list()
        await server.alice.files.retrieve(batch.input_file_id)
        await server.alice.files.delete(batch.input_file_id)
        assert waited == []

    in_server(tmp_path, work, engine=engine)


def test_a_reply_is_forced_to_the_disk_while_the_next_is_long_in_coming(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[None] = []

    async def work(server: Local) -> None:
        batch = await server.batch([predict_line("a"), predict_line("b")])
        await server.until(batch, lambda found: bool(found.request_counts and found.request_counts.completed == 1))
        so_far = len(looked)
        async with asyncio.timeout(30):
            while len(looked) < so_far + 3:
                await asyncio.sleep(0.01)

    monkeypatch.setattr(run, "SYNC_SECONDS", 0.02)
    monkeypatch.setattr(Store, "sync_if_due", lambda _: looked.append(None))
    in_server(tmp_path, work, engine=ScriptedAsyncEngine(Gate(free=1)))
