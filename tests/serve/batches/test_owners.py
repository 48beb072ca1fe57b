"""Whose files and batches they are."""

from pathlib import Path

import openai
import pytest

from tests.serve.batches.local_server import Local, in_server, predict_line


def test_a_key_sees_its_own_only(tmp_path: Path) -> None:
    async def work(server: Local) -> None:
        done = await server.ended(await server.batch([predict_line("a")]))
        names = [done.input_file_id, done.output_file_id or ""]
        for name in names:
            for call in (server.bob.files.retrieve, server.bob.files.content, server.bob.files.delete):
                with pytest.raises(openai.NotFoundError):
                    await call(name)
        for ask in (server.bob.batches.retrieve, server.bob.batches.cancel):
            with pytest.raises(openai.NotFoundError):
                await ask(done.id)
        with pytest.raises(openai.NotFoundError):
            await server.bob.batches.create(
                input_file_id=done.input_file_id, endpoint="/v1/chat/completions", completion_window="24h"
            )
        assert (await server.bob.files.list()).data == []
        assert (await server.bob.batches.list()).data == []
        with pytest.raises(openai.NotFoundError):
            await server.bob.files.list(after=done.input_file_id)
        assert len((await server.alice.files.list()).data) == 2

    in_server(tmp_path, work)
