"""The application: `uvicorn --factory app.serve.app:create_app`.

What is missing or wrong before it serves is a SetupError that names the fix.
"""

import asyncio
import gc
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.openapi.utils import get_openapi
from starlette.responses import JSONResponse, Response

from app.jobs.identity import Identity, served_identity
from app.predictor import AsyncPredictor, create_async_predictor
from app.serve.admission import Admission, RateLimit, ShedLoad
from app.serve.batches.api import batch_router
from app.serve.batches.service import Batches
from app.serve.batches.state import State
from app.serve.chat import openai_router
from app.serve.middleware.bodies import CheckBody
from app.serve.middleware.context import OwnPath, RequestContext, prefix_of
from app.serve.middleware.headers import BoundHeaders, RefuseRanges, SecurityHeaders
from app.serve.middleware.keys import PUBLIC, VARIABLE, ApiKeys, RequireKey
from app.serve.middleware.tracing import TraceRequests, create_provider, tracing_wanted
from app.serve.operations import Health, Metrics, operations_router, set_up_logging, take_over
from app.serve.pages import pages_router
from app.serve.predict import question_router
from app.serve.problems import Problem, add_problem_responses
from app.serve.server_settings import ServerSettings
from app.serve.service import Service
from app.settings import OUTPUT_ROOT, Settings, load_settings

DESCRIPTION = (
    "Answers e-commerce questions in the form that the competition's evaluator reads. "
    "With keys set, send one as `Authorization: Bearer <key>`."
)
CONFIG_VARIABLE = "SHOPBENCH_CONFIG"


def create_app() -> FastAPI:
    """The application from the environment: settings from the file that `SHOPBENCH_CONFIG` names, if any."""
    named = os.environ.get(CONFIG_VARIABLE)
    settings = load_settings(Path(named) if named else None)
    server = ServerSettings.parse(settings.server_settings)
    set_up_logging(server.log_level)
    keys = ApiKeys.parse(os.environ.get(VARIABLE, ""))
    check_data_folder(server)
    service = create_service(settings, server)
    return build_app(service, keys, batches=create_batches(settings, service))


def create_service(settings: Settings, server: ServerSettings) -> Service:
    """Load the model."""
    predictor = create_async_predictor(settings)
    for library in ("vllm", "transformers"):
        take_over(library)
    service = guard(predictor, server)
    # What is loaded stays: each look through it for garbage would hold up all answers for 0.4 s.
    gc.collect()
    gc.freeze()
    return service


def guard(predictor: AsyncPredictor, server: ServerSettings) -> Service:
    """A predictor with its queue, its limits, its health and its figures."""
    metrics = Metrics()
    admission = Admission(server.max_pending)
    metrics.watch("pending_questions", "Questions accepted and not yet answered.", lambda: admission.pending)
    metrics.watch("max_pending_questions", "The most that are accepted.", lambda: admission.capacity)
    health = Health(predictor.engine, server.canary_timeout)
    metrics.watch("engine_alive", "1 unless the engine has failed for good.", lambda: health.live)
    metrics.watch("engine_silent_seconds", "Since the engine's last token, for anybody.", lambda: health.silent)
    return Service(predictor, server, admission, RateLimit(server.rate_limit), health, metrics)


def check_data_folder(server: ServerSettings) -> None:
    """See that files and batches can be kept, before the model is loaded, and that no other server does so there."""
    if server.data_dir is not None:
        State(OUTPUT_ROOT / server.data_dir).close()


def create_batches(settings: Settings, service: Service) -> Batches | None:
    """Files and batches in the folder that the settings name; None where they name none."""
    if service.settings.data_dir is None:
        return None

    @cache
    def identity(questions: bool) -> Identity:  # a callable's only argument
        return served_identity(settings, service.predictor.engine, questions=questions)

    return Batches(service, OUTPUT_ROOT / service.settings.data_dir, identity)


def build_app(
    service: Service, keys: ApiKeys, when_dead: Callable[[], None] | None = None, batches: Batches | None = None
) -> FastAPI:
    """Routes and middleware around a loaded model. `when_dead` is called once the engine has failed for good."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        if batches is not None:
            batches.start()
        watching = asyncio.create_task(_watch(service, when_dead))
        try:
            yield
        finally:
            watching.cancel()
            if batches is not None:
                await batches.close()
            await service.health.close()
            service.predictor.close()
            if traces is not None:
                # uvicorn ends by the signal that it got, so nothing comes after this.
                await asyncio.to_thread(traces.shutdown)

    traces = create_provider() if tracing_wanted() else None
    app = FastAPI(
        title="ShopBench",
        version=version("shopbench"),
        description=DESCRIPTION,
        lifespan=lifespan,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    operations = operations_router(service.health, service.metrics)
    for router in (question_router(service), operations, pages_router(), openai_router(service)):
        app.include_router(router)
    if batches is not None:
        app.include_router(batch_router(batches, service))
    add_problem_responses(app)
    # The last one added is the outermost.
    settings = service.settings
    app.add_middleware(CheckBody, settings=settings)
    app.add_middleware(ShedLoad, admission=service.admission, metrics=service.metrics)
    app.add_middleware(RefuseRanges)
    app.add_middleware(RequireKey, keys=keys, insecure=settings.insecure)
    if traces is not None:
        app.add_middleware(TraceRequests, tracer=traces.get_tracer("shopbench"))
    app.add_middleware(BoundHeaders)
    app.add_middleware(OwnPath, prefix=settings.root_path)
    app.add_middleware(RequestContext, metrics=service.metrics, stall_timeout=settings.stall_timeout)
    app.add_middleware(SecurityHeaders)
    _describe(app)
    return app


DEAD_FOR = 15.0
"""Seconds between the engine's end and `when_dead`: long enough for probes to see it and requests to hear of it."""


async def _watch(service: Service, when_dead: Callable[[], None] | None) -> None:
    while service.health.live:
        await asyncio.sleep(1)
    await asyncio.sleep(DEAD_FOR)
    if when_dead is not None:
        when_dead()


def _describe(app: FastAPI) -> None:
    """Complete the OpenAPI document: the shape of problems, how keys are sent, and where none is needed."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            made = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
            parts = made.setdefault("components", {})
            problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
            parts.setdefault("schemas", {}).update(problem.pop("$defs", {}) | {"Problem": problem})
            parts["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
            made["security"] = [{"key": []}]
            for path in PUBLIC & made["paths"].keys():
                for operation in made["paths"][path].values():
                    operation["security"] = []
            app.openapi_schema = made
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]  # as FastAPI documents

    @app.get("/openapi.json", include_in_schema=False)
    async def interface(request: Request) -> Response:
        prefix = prefix_of(request.scope)
        return JSONResponse(document() | ({"servers": [{"url": prefix}]} if prefix else {}))
