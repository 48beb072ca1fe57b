"""Requests made up from the OpenAPI document: FUZZ_CASES=2000 for a long run. The engine is scripted: this
is about what the server takes and gives; `test_openai.py` asks vLLM's layer."""

import atexit
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import (
    content_type_conformance,
    not_a_server_error,
    response_schema_conformance,
    status_code_conformance,
)

from app.predictor import AsyncPredictor
from app.prompting import PromptLibrary
from app.serve.app import build_app, guard
from app.serve.middleware.keys import ApiKeys
from app.serve.server_settings import ServerSettings
from app.settings import ROOT
from tests.serve.calls import batches_of
from tests.serve.scripted_async_engine import ScriptedAsyncEngine

CASES = int(os.environ.get("FUZZ_CASES", "25"))


class LastingPredictor(AsyncPredictor):
    """Schemathesis starts and stops the application around every call."""

    def close(self) -> None:
        """Stay open for the next one."""


def fuzzed() -> schemathesis.BaseSchema:
    predictor = LastingPredictor(ScriptedAsyncEngine(), PromptLibrary(ROOT / "prompts"), model_name="mini")
    service = guard(predictor, ServerSettings.parse({"insecure": True, "max_batches": 1000}))
    folder = Path(tempfile.mkdtemp(prefix="shopbench-fuzz-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    app = build_app(service, ApiKeys.parse(""), batches=batches_of(service, folder))
    return schemathesis.openapi.from_asgi("/openapi.json", app)


@fuzzed().parametrize()
@settings(max_examples=CASES, deadline=None, suppress_health_check=list(HealthCheck))
def test_made_up_requests_are_answered_as_the_document_says(case: schemathesis.Case[Any]) -> None:
    # Longer than by default: a busy machine is no fault of the server.
    response = case.call(timeout=300)
    if response.status_code == 504 and ("timeout" in str(case.body) or "timeout" in str(case.headers).lower()):
        return  # A time too short for any answer is refused by this very status.
    checks = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
    case.validate_response(response, checks=checks)
