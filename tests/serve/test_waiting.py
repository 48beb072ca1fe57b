import asyncio
import json

import pytest

from app.serve.app import build_app
from app.serve.middleware.keys import ApiKeys
from app.types import GenerationRequest
from tests.serve.calls import TEXT, service_of
from tests.serve.scripted_async_engine import ScriptedAsyncEngine
from tests.serve.served import connected, raw_request, served

TOO_MUCH = " ".join(["x" * 65_536] * 400)
"""More than any socket's buffers hold."""


@pytest.mark.timeout(60)
def test_a_client_that_stops_reading_gives_its_places_back() -> None:
    async def much(_: GenerationRequest) -> str:
        return TOO_MUCH

    async def main() -> None:
        body = json.dumps({"questions": [TEXT], "explain": True}).encode()
        request = raw_request("/v1/predict", body, "Accept: application/x-ndjson")
        async with served(build_app(service, ApiKeys.parse(""))) as port, connected(port) as client:
            await asyncio.get_running_loop().sock_sendall(client, request)
            while not engine.asked:
                await asyncio.sleep(0.01)
            assert service.admission.pending == 1
            async with asyncio.timeout(20):
                while service.admission.pending:
                    await asyncio.sleep(0.05)

    engine = ScriptedAsyncEngine(much)
    service = service_of(engine, stall_timeout=0.5)
    asyncio.run(main())
