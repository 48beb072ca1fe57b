"""Bodies as clients sent them to a server, recorded on the way, are all answered; docs/serving.md has the versions."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.openai.batches import MODELS
from app.openai.request import Limits
from app.openai.wire import read_body
from app.types import GenerationRequest, JsonSchema
from tests.serve.calls import app_of, talk
from tests.serve.scripted_async_engine import ScriptedAsyncEngine

RECORDED = [json.loads(line) for line in Path(__file__).with_name("client_bodies.jsonl").read_text().splitlines()]


def test_they_are_of_many_clients() -> None:
    assert len({one["client"] for one in RECORDED}) >= 9
    assert {one["url"] for one in RECORDED} == set(MODELS)


@pytest.mark.parametrize("recorded", RECORDED, ids=lambda one: f"{one['client']} {sorted(one['body'])}"[:90])
def test_what_a_client_sends_is_taken(recorded: dict[str, Any]) -> None:
    read_body(MODELS[recorded["url"]], recorded["body"]).check(Limits())


def test_what_clients_send_is_answered() -> None:
    async def script(request: GenerationRequest) -> str:
        several = (
            isinstance(request.constraint, JsonSchema) and json.loads(request.constraint.schema)["type"] == "array"
        )
        name = json.loads(request.tools)[0]["function"]["name"] if request.tools else ""
        return json.dumps([{"name": name, "parameters": {}}]) if several else "some words"

    async def work(connection: httpx.AsyncClient) -> list[int]:
        return [
            (await connection.post(one["url"], json={**one["body"], "model": "scripted"})).status_code
            for one in RECORDED
        ]

    assert talk(app_of(ScriptedAsyncEngine(script)), work) == [200] * len(RECORDED)
