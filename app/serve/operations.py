"""Routes for those who run the server: liveness, readiness, metrics."""

from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.responses import JSONResponse, PlainTextResponse, Response

from app.serve.problems import ProblemError, problem_responses
from app.serve.service import Service


def operations_router(service: Service) -> APIRouter:
    """The routes."""
    router = APIRouter(tags=["operations"])

    @router.head("/livez", include_in_schema=False)
    @router.get("/livez", summary="Is the process worth keeping?", responses=problem_responses(503))
    async def livez() -> Response:
        """Red only where a restart is what helps: the engine has failed for good."""
        if not service.health.live:
            raise ProblemError(503, "engine_failed", "the engine has failed: restart the server")
        return JSONResponse({"status": "live"})

    @router.head("/readyz", include_in_schema=False)
    @router.get("/readyz", summary="Does the engine answer?", responses=problem_responses(503))
    async def readyz() -> Response:
        """Green where the engine produced a token lately, or produces one now within the canary's time."""
        reason = await service.health.why_not_ready()
        if reason is not None:
            raise ProblemError(503, "not_ready", reason, headers={"Retry-After": "5"})
        return JSONResponse({"status": "ready"})

    @router.get(
        "/metrics",
        summary="Figures for Prometheus",
        response_class=PlainTextResponse,
        responses=problem_responses(401, 403),
    )
    async def metrics() -> Response:
        """The server's own figures, vLLM's and the process', in Prometheus' text format."""
        return Response(service.metrics.text(), media_type=CONTENT_TYPE_LATEST)

    return router
