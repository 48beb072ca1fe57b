import httpx
import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from app.serving.tracing import VARIABLES, TraceRequests, tracing_wanted
from tests.serving.calls import CHOICE, app_of, talk

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
        ({VARIABLES[0]: "http://localhost:4318/v1/traces"}, True),
        ({VARIABLES[1]: "http://localhost:4318"}, True),
        ({VARIABLES[1]: "http://localhost:4318", "OTEL_SDK_DISABLED": "true"}, False),
    ],
)
def test_traces_are_made_only_when_asked_for(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], wanted: bool
) -> None:
    for name in (*VARIABLES, "OTEL_SDK_DISABLED"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert tracing_wanted() is wanted
