"""OpenTelemetry: a span a request, when the standard variables ask for it and the packages are there."""

import logging
import os
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.serve.middleware.context import ClientGoneError
from app.serve.problems import REQUEST_ID

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
EXPORTERS = {
    "http/protobuf": "opentelemetry.exporter.otlp.proto.http",
    "grpc": "opentelemetry.exporter.otlp.proto.grpc",
}
INTERNAL = 500
log = logging.getLogger(__name__)


def tracing_wanted() -> bool:
    """Whether an exporter or an endpoint is named and tracing is not switched off."""
    if os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return False
    exporter = os.environ.get("OTEL_TRACES_EXPORTER", "").lower()
    return exporter == "otlp" or (exporter != "none" and _named(ENDPOINTS) is not None)


def create_provider() -> Any:  # noqa: ANN401  # the package is optional
    """Who makes tracers that export over OTLP to where the standard variables say; shut it down to send the last spans.

    None where packages are missing; the log says which.
    """
    protocol = _named(PROTOCOLS) or "http/protobuf"
    exporter = EXPORTERS.get(protocol)
    if exporter is None:
        log.warning(f"no traces: {PROTOCOLS[1]} may be {' or '.join(EXPORTERS)}, not {protocol}")
        return None
    missing = [name for name in ("opentelemetry.sdk", exporter) if not _installed(name)]
    if missing:
        packages = " ".join(name.replace(".", "-") for name in missing)
        log.warning(f"no traces: install {packages}, or name another {PROTOCOLS[1]}")
        return None
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    named = {} if os.environ.get("OTEL_SERVICE_NAME") else {"service.name": "shopbench"}
    provider = TracerProvider(resource=Resource.create(named))
    provider.add_span_processor(BatchSpanProcessor(import_module(f"{exporter}.trace_exporter").OTLPSpanExporter()))
    return provider


class TraceRequests:
    """A server span around each request, continuing the caller's trace (W3C `traceparent`). No prompt is in it."""

    def __init__(self, app: ASGIApp, tracer: Any) -> None:  # noqa: ANN401  # the package is optional
        self._app = app
        self._tracer = tracer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run one request inside its span."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        from opentelemetry.propagate import extract
        from opentelemetry.trace import SpanKind, StatusCode

        status = 0

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        attributes = {"http.request.method": scope["method"], "url.path": scope["path"]}
        context = extract(dict(Headers(scope=scope)))
        # The words of an exception may be those of a prompt.
        with self._tracer.start_as_current_span(
            scope["method"],
            context=context,
            kind=SpanKind.SERVER,
            attributes=attributes,
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                await self._app(scope, receive, watched)
            except ClientGoneError:
                raise
            except Exception as error:  # what is answered further out, see `RequestContext`
                status = INTERNAL
                span.set_attribute("error.type", type(error).__qualname__)
                raise
            finally:
                route = getattr(scope.get("route"), "path", None)
                if route is not None:
                    span.update_name(f"{scope['method']} {route}")
                    span.set_attribute("http.route", route)
                if status:
                    span.set_attribute("http.response.status_code", status)
                if status >= INTERNAL:
                    span.set_status(StatusCode.ERROR)
                span.set_attribute("shopbench.request_id", REQUEST_ID.get())


def _named(variables: tuple[str, ...]) -> str | None:
    return next(filter(None, map(os.environ.get, variables)), None)


def _installed(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:
        return False
