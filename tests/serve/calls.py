"""Calls to an application in this process."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import httpx
from fastapi import FastAPI

from app.predictor import AsyncPredictor
from app.prompting import PromptLibrary
from app.serve.app import build_app, guard
from app.serve.batches.service import Batches
from app.serve.middleware.keys import ApiKeys
from app.serve.server_settings import ServerSettings
from app.serve.service import Service
from app.settings import ROOT
from tests.serve.scripted_async_engine import ScriptedAsyncEngine

T = TypeVar("T")
CHOICE: dict[str, object] = {
    "prompt": "Which is sold by its wattage?\n0. bookmark\n1. hair dryer\nAnswer: ",
    "is_multiple_choice": True,
}
TEXT: dict[str, object] = {
    "prompt": "Write a short title for a blue cotton shirt.\nOutput: ",
    "is_multiple_choice": False,
}


def service_of(engine: ScriptedAsyncEngine, **settings: object) -> Service:
    predictor = AsyncPredictor(engine, PromptLibrary(ROOT / "prompts"), model_name="scripted")
    return guard(predictor, ServerSettings.parse(settings))


def app_of(
    engine: ScriptedAsyncEngine | None = None, keys: str = "", folder: Path | None = None, **settings: object
) -> FastAPI:
    """With `folder`, all routes there are; files and batches are kept there."""
    service = service_of(engine or ScriptedAsyncEngine(), **settings)
    if folder is None:
        return build_app(service, ApiKeys.parse(keys))
    return build_app(service, ApiKeys.parse(keys), batches=batches_of(service, folder))


def batches_of(service: Service, folder: Path, revision: str = "1", prompts: str = "1") -> Batches:
    identity = {"model revision": revision, "prompts": prompts}
    return Batches(
        service,
        folder,
        lambda questions: identity if questions else {"model revision": revision},
    )


async def happens(what: Callable[[], object], within: float = 20) -> None:
    """Wait until it is so."""
    async with asyncio.timeout(within):
        while not what():
            await asyncio.sleep(0.001)


def call(app: FastAPI, method: str, path: str, **words: Any) -> httpx.Response:  # noqa: ANN401  # as httpx takes them
    async def work(connection: httpx.AsyncClient) -> httpx.Response:
        return await connection.request(method, path, **words)

    return talk(app, work)


def talk(app: FastAPI, work: Callable[[httpx.AsyncClient], Awaitable[T]], server: str = "127.0.0.1") -> T:
    async def main() -> T:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url=f"http://{server}:8000") as connection:
            return await work(connection)

    return asyncio.run(main())


def predict(
    app: FastAPI, *questions: Mapping[str, object], headers: Mapping[str, str] | None = None, **words: object
) -> httpx.Response:
    return call(app, "POST", "/v1/predict", json={"questions": list(questions), **words}, headers=headers)


def problem(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The problem document of a response that must be one."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = response.json()
    assert document["status"] == status
    assert document["code"] == code
    assert document["type"] == f"urn:shopbench:{code}"
    assert document["request_id"] == response.headers["x-request-id"]
    assert document["error"]["code"] == code
    assert "Traceback" not in response.text
    return document
