import asyncio
import random
from pathlib import Path

import pytest

from app.serve.batches.files import Files
from app.serve.batches.state import Entry, Kind, State
from app.serve.problems import ProblemError


def entry(number: int, size: int) -> Entry:
    return Entry(Kind.FILE, f"file-{number}", "alice", {"bytes": size, "purpose": "batch"})


def test_no_order_of_uploads_goes_over_the_room(tmp_path: Path) -> None:
    async def main() -> None:
        rng = random.Random(5)
        state = State(tmp_path)
        files = Files(state, tmp_path, 100, 60)
        refused: list[int] = []

        async def upload(number: int, size: int) -> None:
            try:
                async with files.hold_room("alice", size):
                    await asyncio.sleep(rng.random() / 100)
                    if rng.random() < 0.5:
                        await asyncio.to_thread(state.put, entry(number, size))
                    await asyncio.sleep(rng.random() / 100)
                    assert await asyncio.to_thread(state.stored_bytes, "alice") <= 100
            except ProblemError:
                refused.append(number)

        await asyncio.gather(*(upload(number, rng.randint(1, 40)) for number in range(60)))
        assert refused
        left = 100 - state.stored_bytes("alice")
        assert left < 100
        await files.check_room("alice", left)
        with pytest.raises(ProblemError, match="100 bytes at most"):
            await files.check_room("alice", left + 1)
        await files.check_room("bob", 100)
        state.close()

    asyncio.run(main())
