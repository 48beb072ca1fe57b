"""Batches that go on after a restart, or do not."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from app.serving.batches.state import Kind, State
from tests.serving.batches.local_server import Gate, chat_line, local, predict_line, reached
from tests.serving.scripted_async_engine import ScriptedAsyncEngine


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
            await tidied(tmp_path)
        settled = {request.messages[-1].content for request in first.asked} - {
            request.messages[-1].content for request in first.aborted
        }
        assert len(settled) == 20
        assert settled.isdisjoint(request.messages[-1].content for request in second.asked)
        assert len(second.asked) == 20

    asyncio.run(main())


async def tidied(folder: Path) -> None:
    """The journal of a batch goes right after its end, which is shown first."""
    async with asyncio.timeout(10):
        while any((folder / "journals").iterdir()):
            await asyncio.sleep(0.02)


def test_another_model_does_not_go_on_with_a_batch(tmp_path: Path) -> None:
    async def main() -> None:
        async with local(tmp_path, ScriptedAsyncEngine(Gate(free=1))) as server:
            batch = await server.batch([predict_line("a"), predict_line("b")])
            await server.until(batch, lambda found: bool(found.request_counts and found.request_counts.completed == 1))
        async with local(tmp_path, revision="2") as server:
            done = await server.ended(batch)
            await tidied(tmp_path)
        assert done.status == "failed"
        assert done.errors is not None
        assert done.errors.data is not None
        assert "model revision was 1 and is now 2" in str(done.errors.data[0].message)

    asyncio.run(main())


@pytest.mark.parametrize("first", [b"\x00damaged\n", b'{"journal": "shopbench", "version": 0, "run": {}}\n'])
def test_a_batch_whose_journal_cannot_be_read_begins_again(tmp_path: Path, first: bytes) -> None:
    async def main() -> None:
        async with local(tmp_path, ScriptedAsyncEngine(Gate(free=1))) as server:
            batch = await server.batch([predict_line("a"), predict_line("b")])
            await server.until(batch, lambda found: bool(found.request_counts and found.request_counts.completed == 1))
        journal = tmp_path / "journals" / f"{batch.id}.journal"
        journal.write_bytes(first + journal.read_bytes().split(b"\n", 1)[1])
        async with local(tmp_path) as server:
            done = await server.ended(batch)
            assert done.status == "completed"
            assert len(await server.lines(done.output_file_id)) == 2
            assert len(server.engine.asked) == 2

    asyncio.run(main())


def test_a_start_deletes_what_batches_at_their_end_have_left(tmp_path: Path) -> None:
    async def main() -> None:
        async with local(tmp_path, ScriptedAsyncEngine(Gate())) as server:
            ended = await server.ended(await server.batch([chat_line("of another endpoint")]))
            under_way = await server.batch([predict_line("a")])
            await reached(server.engine, 1)
        journals = tmp_path / "journals"
        for left in (f"{ended.id}.journal", f"{ended.id}.suspects", "batch_unknown.journal", ".tmp-half-written"):
            (journals / left).write_text("{}")
        (journals / f"{under_way.id}.suspects").write_text("{}")
        async with local(tmp_path, ScriptedAsyncEngine(Gate())) as server:
            await reached(server.engine, 1)
            assert {path.name for path in journals.iterdir()} == {
                f"{under_way.id}.journal",
                f"{under_way.id}.suspects",
            }

    asyncio.run(main())


def test_answers_that_a_power_failure_took_are_asked_for_again(tmp_path: Path) -> None:
    async def main() -> None:
        async with local(tmp_path, ScriptedAsyncEngine(Gate())) as server:
            batch = await server.batch([predict_line("a"), predict_line("b")])
            await reached(server.engine, 2)
        state = State(tmp_path)
        (entry,) = state.every(Kind.BATCH)
        state.put(replace(entry, document=entry.document | {"status": "finalizing"}))
        state.close()
        async with local(tmp_path) as server:
            done = await server.ended(batch)
            assert done.status == "completed"
            assert len(await server.lines(done.output_file_id)) == 2

    asyncio.run(main())
