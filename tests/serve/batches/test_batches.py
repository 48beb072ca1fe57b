"""The life of a batch, seen by OpenAI's own client."""

import asyncio
from pathlib import Path

import openai
import pytest

from app.types import GenerationRequest
from tests.serve.batches.local_server import Gate, Local, as_dict, chat_line, in_server, predict_line, reached
from tests.serve.calls import CHOICE, TEXT, problem
from tests.serve.scripted_async_engine import ScriptedAsyncEngine


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
        assert found["whole"] == {**as_dict(found["whole"]), "status_code": 200, "body": online}
        assert as_dict(as_dict(found["a"])["body"])["answer"] == "some words"
        (refused,) = await server.lines(done.error_file_id)
        assert as_dict(refused["response"])["status_code"] == 422
        assert "guided_json" in str(as_dict(refused["response"])["body"])

    in_server(tmp_path, work)


def test_conversations(tmp_path: Path) -> None:
    async def work(server: Local) -> None:
        lines = [chat_line("a"), chat_line("b", n=99), chat_line("c", stream=True)]
        done = await server.ended(await server.batch(lines, "/v1/chat/completions"))
        (answered,) = await server.lines(done.output_file_id)
        assert as_dict(as_dict(answered["response"])["body"])["object"] == "chat.completion"
        assert [line["custom_id"] for line in await server.lines(done.error_file_id)] == ["b", "c"]

    in_server(tmp_path, work)


@pytest.mark.parametrize(
    ("lines", "code", "line"),
    [
        (["{no json\n"], "invalid_json_line", 1),
        (["no json\n"], "invalid_file", None),
        (["[1]\n"], "invalid_request", 1),
        ([predict_line("a"), predict_line("a")], "duplicate_custom_id", 2),
        ([predict_line("a"), chat_line("b")], "mismatched_url", 2),
        ([{**predict_line("a"), "method": "GET"}], "invalid_request", 1),
        ([{**predict_line("a"), "more": 1}], "invalid_request", 1),
        ([{**predict_line("a"), "custom_id": ""}], "invalid_custom_id", 1),
        ([predict_line(str(number)) for number in range(6)], "too_many_requests", None),
        (["\n"], "empty_file", None),
        ([b"\xff\xfe{".decode("latin-1")], "invalid_file", None),
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
            for _ in range(5):  # the server does other things meanwhile
                await server.alice.batches.retrieve(batch.id)
            assert len(engine.asked) == 8, "two places are left beside four online questions"
        await reached(engine, 12)
        gate.open.set()
        assert (await server.ended(batch)).status == "completed"

    in_server(tmp_path, work, engine=engine, batch_concurrency=6)


def test_a_line_of_many_questions_takes_a_place_for_each(tmp_path: Path) -> None:
    running, most = 0, 0

    async def script(request: GenerationRequest) -> str:
        nonlocal running, most
        del request
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.02)
        running -= 1
        return "some words"

    def line(name: str, questions: int) -> dict[str, object]:
        return {"custom_id": name, "method": "POST", "url": "/v1/predict", "body": {"questions": [TEXT] * questions}}

    async def work(server: Local) -> None:
        done = await server.ended(await server.batch([line(str(number), 3) for number in range(5)] + [line("a", 7)]))
        assert done.status == "completed"
        assert most == 6, "two lines of three, or the one of seven alone, six of it at a time"
        assert server.batches._share.in_use == 0

    in_server(tmp_path, work, engine=ScriptedAsyncEngine(script), batch_concurrency=6)


def test_a_key_has_so_many_batches_at_a_time(tmp_path: Path) -> None:
    engine = ScriptedAsyncEngine()

    async def work(server: Local) -> None:
        engine.script = Gate()
        for _ in range(2):
            await server.batch([predict_line("a")])
        with pytest.raises(openai.RateLimitError):
            await server.batch([predict_line("a")])

    in_server(tmp_path, work, engine=engine, max_batches=2)


def test_what_a_batch_writes_counts_and_leaves_no_room_for_another(tmp_path: Path) -> None:
    async def work(server: Local) -> None:
        done = await server.ended(await server.batch([predict_line(str(number)) for number in range(4)]))
        assert done.status == "completed"
        headers = {"authorization": "Bearer a-secret-of-alice"}
        again = {"input_file_id": done.input_file_id, "endpoint": "/v1/predict", "completion_window": "24h"}
        problem(await server.http.post("/batches", json=again, headers=headers), 413, "too_many_bytes")
        await server.alice.files.delete(done.output_file_id or "")
        assert (await server.http.post("/batches", json=again, headers=headers)).status_code == 200

    in_server(tmp_path, work, max_stored_bytes=1200)
