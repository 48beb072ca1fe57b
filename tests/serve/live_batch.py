"""A batch on a server that is killed in the middle of it."""

import json
import shutil
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openai
from openai.types import Batch

from app.jobs.store import Store
from tests.jobs.scripted_job import keys_in
from tests.serve.live_server import KEY, LiveServer

LINES = 400
ENDED = ("completed", "failed", "expired", "cancelled")


@dataclass(frozen=True)
class LiveBatch:
    """What is known of it after the server's death."""

    folder: Path
    id: str
    settled: tuple[str, ...]
    """The keys in its store."""


def connect(server: LiveServer) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{server.url}/v1", api_key=KEY, max_retries=0, timeout=120)


def kill_in_the_middle(server: LiveServer) -> LiveBatch:
    """Start a batch, and kill the server once part of it is answered; the engine's process must go with it."""
    client = connect(server)
    batch = start(server, _lines())
    until = time.monotonic() + 900
    while True:
        found = client.batches.retrieve(batch.id)
        assert found.status in ("validating", "in_progress"), found
        assert time.monotonic() < until, found
        if found.request_counts is not None and found.request_counts.completed >= 20:
            break
        time.sleep(0.02)
    server.process.kill()
    server.process.wait(30)
    while left := _running(server.process.pid):
        assert time.monotonic() < until, left
        time.sleep(0.02)
    return LiveBatch(server.log.parent, batch.id, tuple(_keys(server.log.parent)))


def start(server: LiveServer, lines: Iterable[object], window: str = "24h") -> Batch:
    """Upload conversations and have them answered."""
    client = connect(server)
    text = "".join(json.dumps(line) + "\n" for line in lines)
    file = client.files.create(file=("in.jsonl", text.encode()), purpose="batch")
    return client.batches.create(
        input_file_id=file.id,
        endpoint="/v1/chat/completions",
        completion_window="24h",
        metadata={"by": "tests"},
        extra_body={"completion_window": window},
    )


def chat_lines(*bodies: Mapping[str, object]) -> list[dict[str, object]]:
    """One line of a batch each."""
    head = {"method": "POST", "url": "/v1/chat/completions"}
    return [{"custom_id": f"line-{number}", **head, "body": body} for number, body in enumerate(bodies)]


def contents(server: LiveServer, name: str | None) -> list[dict[str, Any]]:
    """What stands in an output or error file; nothing where there is none."""
    return [] if name is None else list(map(json.loads, connect(server).files.content(name).text.splitlines()))


def _running(group: int) -> list[str]:
    """What runs of a process group; zombies, which nobody may collect, do not."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            name, _, rest = path.read_text().rpartition(")")
            state, _, its_group = rest.split()[:3]
            if int(its_group) == group and state != "Z":
                found.append(name)
    return found


def wait(server: LiveServer, name: str, within: float = 900) -> Batch:
    """The batch at its end."""
    client = connect(server)
    until = time.monotonic() + within
    while (found := client.batches.retrieve(name)).status not in ENDED:
        assert time.monotonic() < until, found
        time.sleep(0.1)
    return found


def _lines() -> list[dict[str, object]]:
    bodies: list[dict[str, object]] = [
        {
            "model": "coral" if number % 10 == 0 else "mini",
            "messages": [{"role": "user", "content": f"Name a chair for garden number {number}."}],
            "max_completion_tokens": 24,
            "temperature": 0,
            # Even a model that would end at once writes as much.
            "structured_outputs": {"regex": "[a-z ]{40}"},
        }
        for number in range(LINES)
    ]
    return chat_lines(*bodies)


def _keys(folder: Path) -> list[str]:
    """Found in a copy: opening a store mends its end, which is left to the next server."""
    copies = shutil.copytree(folder / "data" / "journals", folder / "copies")
    (path,) = copies.glob("*.journal")
    with Store(path) as store:
        return [key.hex() for key in keys_in(store)]
