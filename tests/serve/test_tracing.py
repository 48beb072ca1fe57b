import asyncio
import logging

import httpx
import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode
from starlette.middleware import Middleware

from app.errors import EngineError
from app.serve.middleware.tracing import ENDPOINTS, EXPORTERS, PROTOCOLS, TraceRequests, create_provider, tracing_wanted
from app.types import GenerationRequest
from tests.serve.calls import CHOICE, app_of, predict, talk
from tests.serve.scripted_async_engine import ScriptedAsyncEngine

TRACE = "0af7651916cd43dd8448eb211c80319c"


def test_a_request_is_a_span_of_the_callers_trace_without_its_prompt() -> None:
    spans = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    app = app_of()
    app.add_middleware(TraceRequests, tracer=provider.get_tracer("test"))

    async def work(connection: httpx.AsyncClient) -> None:
        headers = {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}
        await connection.post("/v1/predict", json={"questions": [CHOICE]}, headers=headers)
        await connection.get("/nothing")

    talk(app, work)
    answered, missed = spans.get_finished_spans()
    assert answered.name == "POST /v1/predict"
    assert f"{answered.context.trace_id:032x}" == TRACE
    assert answered.attributes is not None
    assert answered.attributes["http.response.status_code"] == 200
    assert "hair dryer" not in answered.to_json()
    assert missed.name == "GET"


@pytest.mark.parametrize(
    ("variables", "wanted"),
    [
        ({}, False),
        ({ENDPOINTS[0]: "http://localhost:4318/v1/traces"}, True),
        ({ENDPOINTS[1]: "http://localhost:4318"}, True),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, True),
        ({ENDPOINTS[1]: "http://localhost:4318", "OTEL_SDK_DISABLED": "true"}, False),
        ({ENDPOINTS[1]: "http://localhost:4318", "OTEL_TRACES_EXPORTER": "none"}, False),
    ],
)
def test_traces_are_made_only_when_asked_for(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], wanted: bool
) -> None:
    for name in (*ENDPOINTS, "OTEL_SDK_DISABLED", "OTEL_TRACES_EXPORTER"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert tracing_wanted() is wanted


@pytest.mark.parametrize(("error", "status"), [(EngineError, 503), (ZeroDivisionError, 500)])
def test_a_5xx_is_an_error_without_its_words(error: type[Exception], status: int) -> None:
    async def broken(_: GenerationRequest) -> str:
        raise error("the words of a prompt")

    spans = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    app = app_of(ScriptedAsyncEngine(broken))
    # Where `build_app` puts it: inside of what ends every error.
    app.user_middleware.insert(2, Middleware(TraceRequests, tracer=provider.get_tracer("test")))
    assert predict(app, CHOICE).status_code == status
    (span,) = spans.get_finished_spans()
    assert span.status.status_code is StatusCode.ERROR
    assert span.attributes is not None
    assert span.attributes["http.response.status_code"] == status
    assert "the words" not in span.to_json()


def test_the_last_spans_are_sent_before_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        app = app_of()
        async with app.router.lifespan_context(app):
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as connection:
                await connection.get("/livez")

    spans = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(spans, schedule_delay_millis=3_600_000))
    monkeypatch.setattr("app.serve.app.tracing_wanted", lambda: True)
    monkeypatch.setattr("app.serve.app.create_provider", lambda: provider)
    asyncio.run(main())
    assert [span.name for span in spans.get_finished_spans()] == ["GET /livez"]


@pytest.mark.parametrize("protocol", EXPORTERS)
def test_the_protocol_is_the_one_that_is_named(monkeypatch: pytest.MonkeyPatch, protocol: str) -> None:
    monkeypatch.setenv(PROTOCOLS[1], protocol)
    provider = create_provider()
    (processor,) = provider._active_span_processor._span_processors
    assert type(processor.span_exporter).__module__.startswith(EXPORTERS[protocol])
    provider.shutdown()


@pytest.mark.parametrize(("protocol", "says"), [("grpc", "opentelemetry-exporter-otlp-proto-grpc"), ("smoke", "smoke")])
def test_a_protocol_that_cannot_be_had_is_one_line(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, protocol: str, says: str
) -> None:
    monkeypatch.setenv(PROTOCOLS[1], protocol)
    monkeypatch.setattr("app.serve.middleware.tracing._installed", lambda name: "grpc" not in name)
    with caplog.at_level(logging.WARNING):
        assert create_provider() is None
    (line,) = caplog.messages
    assert says in line
    assert "\n" not in line
