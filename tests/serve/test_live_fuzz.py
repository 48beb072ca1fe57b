"""Requests made up from the OpenAPI document, to the real engine: FUZZ_CASES=2000 for a long run.

`test_fuzz.py` looks at all operations, with a scripted engine."""

import os
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error, response_schema_conformance, status_code_conformance
from schemathesis.generation import GenerationMode

from tests.serve.live_server import HEADERS, LiveServer

CASES = int(os.environ.get("FUZZ_CASES", "8"))
FEW = 8
"""Tokens of an answer: a thousand cases are about what comes in."""
pytestmark = pytest.mark.timeout(6000, func_only=True)


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["as described", "otherwise"])
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions", "/v1/predict", "/v1/route"])
def test_the_engine_outlives_made_up_requests(server: LiveServer, path: str, mode: GenerationMode) -> None:
    document = schemathesis.openapi.from_url(f"{server.url}/openapi.json", headers=HEADERS)

    @settings(max_examples=CASES, deadline=None, suppress_health_check=list(HealthCheck))
    @given(document[path]["POST"].as_strategy(generation_mode=mode))
    def ask(case: schemathesis.Case[Any]) -> None:
        if isinstance(case.body, dict):
            sharpen(case.body, path)
        response = case.call(headers={**HEADERS, "x-request-timeout": "120"}, timeout=300)
        checks = [not_a_server_error, status_code_conformance, response_schema_conformance]
        case.validate_response(response, checks=checks)
        assert server.process.poll() is None

    ask()


def sharpen(body: dict[str, Any], path: str) -> None:
    """Made-up names never name the model, and a made-up time is too short for any answer."""
    if "model" in body:
        body["model"] = "mini"
    body.pop("timeout", None)
    if path.endswith("completions"):
        body.pop("max_tokens", None)
        body["max_tokens" if path == "/v1/completions" else "max_completion_tokens"] = FEW
