"""Batches that end before all is answered."""

from pathlib import Path

import openai
import pytest

from tests.serving.batches.local_server import Gate, Local, as_dict, in_server, predict_line
from tests.serving.scripted_async_engine import ScriptedAsyncEngine


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
