import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import openai
import pytest

from app.serve.problems import ProblemError
from tests.serve.batches.local_server import Local, in_server, predict_line, refuse_while
from tests.serve.calls import problem
from tests.serve.scripted_async_engine import ScriptedAsyncEngine

ALICE = {"authorization": "Bearer a-secret-of-alice"}


def test_what_is_uploaded_comes_back(tmp_path: Path) -> None:
    async def work(server: Local) -> None:
        data = b'{"a": 1}\n' * 10_000
        made = await server.alice.files.create(
            file=("in.jsonl", data), purpose="batch", expires_after={"anchor": "created_at", "seconds": 7200}
        )
        assert made.bytes == len(data)
        assert made.filename == "in.jsonl"
        assert made.expires_at == made.created_at + 7200
        assert await server.alice.files.retrieve(made.id) == made
        assert (await server.alice.files.content(made.id)).content == data
        assert (await server.alice.files.delete(made.id)).deleted
        with pytest.raises(openai.NotFoundError):
            await server.alice.files.retrieve(made.id)
        assert list((tmp_path / "contents").iterdir()) == []

    in_server(tmp_path, work)


def test_uploads_have_limits(tmp_path: Path) -> None:
    async def post(server: Local, data: bytes, **form: str) -> httpx.Response:
        form = form or {"purpose": "batch"}
        return await server.http.post("/files", data=form, files={"file": ("a", data)}, headers=ALICE)

    async def work(server: Local) -> None:
        problem(await post(server, b"a" * 5000), 413, "body_too_large")
        problem(await post(server, b""), 422, "invalid_request")
        problem(await post(server, b"a", purpose="fine-tune"), 422, "invalid_request")
        problem(await post(server, b"a", purpose="batch", more="b"), 422, "invalid_request")
        problem(await server.http.post("/files", json={}, headers=ALICE), 415, "not_a_form")
        assert (await post(server, b"a" * 3000)).status_code == 200
        problem(await post(server, b"a" * 3000), 413, "too_many_bytes")

        async def endless() -> AsyncIterator[bytes]:
            yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
            for _ in range(100):
                yield b"a" * 1000

        headers = {**ALICE, "content-type": "multipart/form-data; boundary=x"}
        problem(await server.http.post("/files", content=endless(), headers=headers), 413, "body_too_large")
        assert len(list((tmp_path / "contents").iterdir())) == 1

    in_server(tmp_path, work, max_upload_bytes=4096, max_stored_bytes=5000)


def test_an_upload_without_room_is_refused_before_its_body_is_read(tmp_path: Path) -> None:
    read: list[int] = []

    async def body() -> AsyncIterator[bytes]:
        for number in range(20):
            read.append(number)
            yield b"a" * 1000

    async def work(server: Local) -> None:
        headers = {**ALICE, "content-type": "multipart/form-data; boundary=x", "content-length": "20000"}
        problem(await server.http.post("/files", content=body(), headers=headers), 413, "too_many_bytes")
        assert read == []

    in_server(tmp_path, work, max_stored_bytes=15_000)


def test_uploads_side_by_side_keep_to_the_room_there_is(tmp_path: Path) -> None:
    async def work(server: Local) -> None:
        posts = [
            server.http.post("/files", data={"purpose": "batch"}, files={"file": ("a", b"a" * 3000)}, headers=ALICE)
            for _ in range(10)
        ]
        found = [response.status_code for response in await asyncio.gather(*posts)]
        assert sorted(found) == [200] + [413] * 9
        assert len((await server.alice.files.list()).data) == 1

    in_server(tmp_path, work, max_stored_bytes=5000)


def test_a_file_that_a_batch_reads_stays(tmp_path: Path) -> None:
    async def forever(_: object) -> str:
        await asyncio.sleep(60)
        return ""

    async def work(server: Local) -> None:
        batch = await server.batch([predict_line("a")])
        with pytest.raises(openai.ConflictError):
            await server.alice.files.delete(batch.input_file_id)
        await server.alice.batches.cancel(batch.id)
        await server.ended(batch)
        assert (await server.alice.files.delete(batch.input_file_id)).deleted

    in_server(tmp_path, work, engine=ScriptedAsyncEngine(forever))


def test_what_an_earlier_server_left_half_written_is_removed(tmp_path: Path) -> None:
    folder = tmp_path / "contents"
    folder.mkdir()
    (folder / "file-1.part").write_text("half")
    (folder / "file-2").write_text("not entered")

    async def work(_: Local) -> None:
        assert list(folder.iterdir()) == []

    in_server(tmp_path, work)


def test_deleting_makes_room_on_a_full_disk(tmp_path: Path) -> None:
    async def work(server: Local) -> None:
        made = await server.alice.files.create(file=("a", b"a"), purpose="batch")
        path = tmp_path / "contents" / made.id
        refuse_while(server.batches.files._state, lambda _: path.exists())
        assert (await server.alice.files.delete(made.id)).deleted
        assert (await server.alice.files.list()).data == []

    in_server(tmp_path, work)


def test_a_file_that_the_disk_does_not_let_go_can_be_deleted_later(tmp_path: Path) -> None:
    async def work(server: Local) -> None:
        made = await server.alice.files.create(file=("a", b"a"), purpose="batch")
        full = True
        refuse_while(server.batches.files._state, lambda _: full)
        problem(await server.http.delete(f"/files/{made.id}", headers=ALICE), 507, "storage_full")
        problem(await server.http.get(f"/files/{made.id}/content", headers=ALICE), 404, "no_such_file")
        full = False
        assert (await server.alice.files.delete(made.id)).deleted

    in_server(tmp_path, work)


def test_what_is_refused_often_is_not_kept(tmp_path: Path) -> None:
    """An error that is raised again holds the frames of every time, and so whole requests."""

    async def work(server: Local) -> None:
        found = []
        for find in [server.batches.files.find, server.batches.find] * 2:
            with pytest.raises(ProblemError) as caught:
                find("alice", "unknown")
            found.append(caught.value)
        assert len({id(error) for error in found}) == 4

    in_server(tmp_path, work)
