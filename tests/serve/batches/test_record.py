import asyncio
from typing import Any

from openai.types import BatchRequestCounts

from app.serve.batches.state import Entry, Kind, Record

DOCUMENT: dict[str, Any] = {
    "id": "batch_1",
    "object": "batch",
    "endpoint": "/v1/predict",
    "input_file_id": "file-1",
    "completion_window": "24h",
    "status": "validating",
    "created_at": 1,
}


def test_a_change_is_on_the_disk_before_it_is_shown() -> None:
    async def main() -> None:
        seen: list[tuple[str, str]] = []

        async def put(*entries: Entry) -> None:
            seen.append((entries[-1].document["status"], record.document.status))

        record = Record(Entry(Kind.BATCH, "batch_1", "alice", DOCUMENT), put)
        await record.advance("in_progress", request_counts=BatchRequestCounts(total=2, completed=0, failed=0))
        await record.end("completed")
        assert seen == [("in_progress", "validating"), ("completed", "in_progress")]
        assert record.total == 2
        assert not await record.cancel()

    asyncio.run(main())


def test_answers_that_come_while_the_disk_is_slow_are_counted() -> None:
    async def main() -> None:
        async def put(*_: Entry) -> None:
            record.count(200)

        counts = {"total": 2, "completed": 0, "failed": 1}
        record = Record(Entry(Kind.BATCH, "batch_1", "alice", DOCUMENT | {"request_counts": counts}), put)
        await record.advance("finalizing")
        assert record.document.request_counts == BatchRequestCounts(total=2, completed=1, failed=1)

    asyncio.run(main())


def test_a_batch_that_is_being_cancelled_keeps_saying_so() -> None:
    async def main() -> None:
        async def put(*_: Entry) -> None:
            await asyncio.sleep(0)

        record = Record(Entry(Kind.BATCH, "batch_1", "alice", DOCUMENT), put)
        cancelled, _ = await asyncio.gather(record.cancel(), record.advance("in_progress"))
        assert cancelled
        assert (record.cancelled, record.document.status) == (True, "cancelling")
        await record.end("cancelled")
        assert record.ended

    asyncio.run(main())
