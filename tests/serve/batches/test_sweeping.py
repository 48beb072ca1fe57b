"""What is deleted without being asked."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import openai
import pytest

from app.serve.batches import service
from tests.serve.batches.local_server import Local, in_server, local, predict_line, refuse_while


def test_files_whose_time_is_over_are_gone(tmp_path: Path) -> None:
    async def main() -> None:
        async with local(tmp_path) as server:
            made = await server.alice.files.create(file=("a", b"a"), purpose="batch")
            state = server.batches.files._state
            later = time.time() + 31 * 86_400
            state._now = lambda: later
            with pytest.raises(openai.NotFoundError):
                await server.alice.files.retrieve(made.id)
            server.batches.files.sweep()
            assert list((tmp_path / "contents").iterdir()) == []

    asyncio.run(main())


async def swept(reached: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not reached():
            await asyncio.sleep(0.01)


def test_a_disk_that_refuses_stops_no_sweeping(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "SWEEP_EVERY", 0.01)
    contents = tmp_path / "contents"

    async def work(server: Local) -> None:
        made = [await server.alice.files.create(file=("a", b"a"), purpose="batch") for _ in range(2)]
        state = server.batches.files._state
        full = True
        refuse_while(state, lambda name: full and name == made[0].id)
        later = time.time() + 31 * 86_400
        state._now = lambda: later
        await swept(lambda: [entry.id for entry in state.outdated()] == [made[0].id])
        full = False
        await swept(lambda: not state.outdated())
        assert list(contents.iterdir()) == []

    in_server(tmp_path, work)


def test_a_database_that_cannot_be_read_stops_no_sweeping(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "SWEEP_EVERY", 0.01)
    fails = iter([True, True])

    async def work(server: Local) -> None:
        files = server.batches.files
        sweep = files.sweep
        times = 0

        def failing() -> None:
            nonlocal times
            times += 1
            if next(fails, False):
                raise OSError("disk I/O error")
            sweep()

        monkeypatch.setattr(files, "sweep", failing)
        await swept(lambda: times > 2)

    in_server(tmp_path, work)


def test_batches_go_with_their_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "SWEEP_EVERY", 0.01)

    async def work(server: Local) -> None:
        done = await server.ended(await server.batch([predict_line("a")]))
        later = time.time() + 32 * 86_400
        monkeypatch.setattr(time, "time", lambda: later)
        async with asyncio.timeout(30):
            while (await server.alice.batches.list()).data:
                await asyncio.sleep(0.01)
        with pytest.raises(openai.NotFoundError):
            await server.alice.batches.retrieve(done.id)

    in_server(tmp_path, work)
