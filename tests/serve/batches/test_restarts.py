"""Batches that go on after a restart, or do not."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from app.serve.batches import run
from app.serve.batches.state import Entry, Kind, State
from tests.serve.batches.local_server import (
    Gate,
    Local,
    as_dict,
    chat_line,
    first_error,
    local,
    predict_line,
    reached,
)
from tests.serve.scripted_async_engine import ScriptedAsyncEngine


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
            assert first_error(done).code == "server_changed"
            assert "model revision was 1 and is now 2" in str(first_error(done).message)
            assert len(await server.lines(done.output_file_id)) == 1
            (left,) = await server.lines(done.error_file_id)
            assert as_dict(left["error"])["code"] == "server_changed"
            assert server.engine.asked == []

    asyncio.run(main())


def enter(folder: Path, **changes: object) -> None:
    """Change the document of the only batch while no server runs."""
    state = State(folder)
    (entry,) = state.every(Kind.BATCH)
    state.put(replace(entry, document=entry.document | changes))
    state.close()


@pytest.mark.parametrize(
    ("answered", "changes", "status"),
    [(1, {"status": "cancelling", "cancelling_at": 1}, "cancelled"), (2, {"status": "finalizing"}, "completed")],
)
def test_another_model_ends_a_batch_that_has_nothing_to_ask(
    tmp_path: Path, answered: int, changes: dict[str, object], status: str
) -> None:
    async def main() -> None:
        async with local(tmp_path, ScriptedAsyncEngine(Gate(free=answered))) as server:
            lines = [predict_line("a"), predict_line("b")]
            if answered == 2:
                stop_at_the_end(server)
            batch = await server.batch(lines)
            await server.until(
                batch, lambda found: bool(found.request_counts and found.request_counts.completed == answered)
            )
        enter(tmp_path, **changes)
        async with local(tmp_path, revision="2") as server:
            done = await server.ended(batch)
            assert done.status == status
            assert done.errors is None
            assert len(await server.lines(done.output_file_id)) == answered
            assert server.engine.asked == []

    asyncio.run(main())


def stop_at_the_end(server: Local) -> None:
    """Let no batch of this server come to its end."""
    state = server.batches.files._state
    put = state.put

    def refusing(*entries: Entry) -> None:
        if any(entry.document.get("status") == "completed" for entry in entries):
            raise OSError(28, "No space left on device")
        put(*entries)

    state.put = refusing  # type: ignore[method-assign]  # a full disk


@pytest.mark.parametrize(("endpoint", "status"), [("/v1/chat/completions", "completed"), ("/v1/predict", "failed")])
def test_other_prompts_stop_questions_and_not_conversations(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, endpoint: str, status: str
) -> None:
    line = chat_line("a") if endpoint == "/v1/chat/completions" else predict_line("a")

    async def main() -> None:
        asked = asyncio.Event()

        async def never(*_: object) -> None:
            asked.set()
            await asyncio.Event().wait()

        with monkeypatch.context() as patch:
            patch.setattr(run, "reply_to", never)
            async with local(tmp_path, prompts="1") as server:
                batch = await server.batch([line], endpoint)
                await asyncio.wait_for(asked.wait(), 10)
        async with local(tmp_path, prompts="2") as server:
            assert (await server.ended(batch)).status == status

    asyncio.run(main())


@pytest.mark.parametrize("first", [b"\x00damaged\n", b'{"journal": "shopbench", "version": 1, "run": {}}\n'])
def test_a_batch_whose_journal_cannot_be_read_begins_again(tmp_path: Path, first: bytes) -> None:
    async def main() -> None:
        async with local(tmp_path, ScriptedAsyncEngine(Gate(free=1))) as server:
            batch = await server.batch([predict_line("a"), predict_line("b")])
            await server.until(batch, lambda found: bool(found.request_counts and found.request_counts.completed == 1))
        journal = tmp_path / "journals" / f"{batch.id}.journal"
        journal.write_bytes(first + journal.read_bytes())
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
        for left in (f"{ended.id}.journal", f"{ended.id}.journal-wal", "batch_unknown.journal", ".tmp-half-written"):
            (journals / left).write_text("{}")
        async with local(tmp_path, ScriptedAsyncEngine(Gate())) as server:
            await reached(server.engine, 1)
            assert {path.name for path in journals.iterdir()} == {
                f"{under_way.id}.journal",
                f"{under_way.id}.journal-wal",
            }

    asyncio.run(main())


def test_answers_that_a_power_failure_took_are_asked_for_again(tmp_path: Path) -> None:
    async def main() -> None:
        async with local(tmp_path, ScriptedAsyncEngine(Gate())) as server:
            batch = await server.batch([predict_line("a"), predict_line("b")])
            await reached(server.engine, 2)
        enter(tmp_path, status="finalizing")
        async with local(tmp_path) as server:
            done = await server.ended(batch)
            assert done.status == "completed"
            assert len(await server.lines(done.output_file_id)) == 2

    asyncio.run(main())
