"""An application in this process with files and batches, asked by OpenAI's own client."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import openai
from openai.types import Batch, BatchError

from app.serve.app import build_app
from app.serve.batches.service import Batches
from app.serve.batches.state import State
from app.serve.middleware.keys import ApiKeys
from app.serve.service import Service
from app.types import GenerationRequest
from tests.serve.calls import batches_of, service_of
from tests.serve.scripted_async_engine import ScriptedAsyncEngine

KEYS = "alice:a-secret-of-alice,bob:a-secret-of-bob"
ENDED = ("completed", "failed", "expired", "cancelled")


@dataclass(frozen=True)
class Local:
    """A running application and a client for each key."""

    service: Service
    engine: ScriptedAsyncEngine
    batches: Batches
    clients: Mapping[str, openai.AsyncOpenAI]
    http: httpx.AsyncClient

    @property
    def alice(self) -> openai.AsyncOpenAI:
        return self.clients["alice"]

    @property
    def bob(self) -> openai.AsyncOpenAI:
        return self.clients["bob"]

    async def batch(self, lines: Sequence[object], endpoint: str = "/v1/predict", window: str = "24h") -> Batch:
        """Upload and start."""
        text = "".join(line if isinstance(line, str) else json.dumps(line) + "\n" for line in lines)
        file = await self.alice.files.create(file=("in.jsonl", text.encode()), purpose="batch")
        extra = {"endpoint": endpoint, "completion_window": window}
        return await self.alice.batches.create(
            input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h", extra_body=extra
        )

    async def ended(self, batch: Batch, within: float = 30) -> Batch:
        return await self.until(batch, lambda found: found.status in ENDED, within)

    async def until(self, batch: Batch, reached: Callable[[Batch], bool], within: float = 30) -> Batch:
        async with asyncio.timeout(within):
            while not reached(found := await self.alice.batches.retrieve(batch.id)):
                await asyncio.sleep(0.02)
        return found

    async def lines(self, file_id: str | None) -> list[dict[str, object]]:
        """What stands in an output file."""
        assert file_id is not None
        return [json.loads(line) for line in (await self.alice.files.content(file_id)).text.splitlines()]


@asynccontextmanager
async def local(
    folder: Path,
    engine: ScriptedAsyncEngine | None = None,
    revision: str = "1",
    prompts: str = "1",
    **settings: object,
) -> AsyncIterator[Local]:
    """Started as uvicorn would start it, and stopped at the end."""
    engine = engine or ScriptedAsyncEngine()
    service = service_of(engine, **settings)
    batches = batches_of(service, folder, revision, prompts)
    app = build_app(service, ApiKeys.parse(KEYS), batches=batches)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1:8000/v1") as http,
    ):
        clients = {
            name: openai.AsyncOpenAI(
                base_url="http://127.0.0.1:8000/v1",
                api_key=f"a-secret-of-{name}",
                http_client=http,  # type: ignore[arg-type]  # openai's types name a fork of httpx; either one works
                max_retries=0,
            )
            for name in ("alice", "bob")
        }
        yield Local(service, engine, batches, clients, http)


def predict_line(name: str, text: str = "Write a short title for a blue cotton shirt.\nOutput: ") -> dict[str, object]:
    body = {"prompt": f"{text} {name}", "is_multiple_choice": False}
    return {"custom_id": name, "method": "POST", "url": "/v1/predict", "body": body}


def chat_line(name: str, **body: object) -> dict[str, object]:
    messages = [{"role": "user", "content": name}]
    return {
        "custom_id": name,
        "method": "POST",
        "url": "/v1/chat/completions",
        "body": {"model": "scripted", "messages": messages, **body},
    }


def in_server(folder: Path, work: Callable[[Local], Awaitable[None]], **words: object) -> None:
    async def main() -> None:
        async with local(folder, **words) as server:  # type: ignore[arg-type]  # as `local` takes them
            await work(server)

    asyncio.run(main())


async def reached(engine: ScriptedAsyncEngine, asked: int) -> None:
    """Wait until so many requests have come to the engine."""
    async with asyncio.timeout(30):
        while len(engine.asked) < asked:
            await asyncio.sleep(0.01)


class Gate:
    """Lets so many answers through, and the others when it is opened."""

    def __init__(self, free: int = 0) -> None:
        self.free = free
        self.open = asyncio.Event()

    async def __call__(self, request: GenerationRequest) -> str:
        del request
        if self.free > 0:
            self.free -= 1
        else:
            await self.open.wait()
        return "some words"


def as_dict(value: object) -> dict[str, object]:
    assert isinstance(value, dict)
    return value


def first_error(batch: Batch) -> BatchError:
    """What a failed batch says."""
    assert batch.errors is not None
    assert batch.errors.data
    return batch.errors.data[0]


def refuse_while(state: State, full: Callable[[str], bool]) -> None:
    """Let nothing be forgotten while `full` says so of its name, as on a full disk."""
    remove = state.remove

    def refusing(name: str) -> None:
        if full(name):
            raise OSError(28, "No space left on device")
        remove(name)

    state.remove = refusing  # type: ignore[method-assign]  # a full disk
