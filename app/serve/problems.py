"""Errors as RFC 9457 problem documents: one shape for everything that goes wrong."""

import json
import logging
from collections.abc import Mapping
from contextvars import ContextVar
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.responses import Response

from app.errors import EngineError
from app.openai.wire import FieldError, RequestError, invalid_fields

REQUEST_ID: ContextVar[str] = ContextVar("request_id", default="")
"""Empty outside of a request."""


MEDIA_TYPE = "application/problem+json"
log = logging.getLogger(__name__)


KINDS = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}


class OpenAIError(BaseModel):
    """The error as OpenAI's clients read it: of a whole document, this is all that they look at."""

    message: str
    type: str = Field(examples=["invalid_request_error", "rate_limit_error", "server_error"])
    param: str | None = Field(description="The first field that is wrong.")
    code: str


class Problem(BaseModel):
    """What went wrong, for programs (`code`) and for people (`detail`). RFC 9457."""

    type: str = Field(description="A URN that names the kind of problem.", examples=["urn:shopbench:overloaded"])
    title: str = Field(description="The HTTP status in words.")
    status: int
    code: str = Field(description="Stable name of the kind of problem.")
    detail: str = Field(description="One line that names the fix.")
    request_id: str = Field(description="As in the header X-Request-ID and in the log.")
    errors: list[FieldError] | None = Field(None, description="For 422: the fields that are wrong, the first 32.")
    error: OpenAIError = Field(description="The same for OpenAI's clients.")


class ProblemError(RequestError):
    """A request that ends with a problem document, and what its headers say besides."""

    def __init__(self, status: int, code: str, detail: str, *, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status, code, detail)
        self.headers = dict(headers or {})


def try_later(code: str, detail: str, seconds: int) -> ProblemError:
    """429, with the header that says when."""
    headers = {"Retry-After": str(seconds)}
    return ProblemError(429, code, f"{detail}; try again in {seconds} s", headers=headers)


def document(error: RequestError) -> dict[str, Any]:
    """The body of a problem document, as plain data."""
    kind = "server_error" if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR else "invalid_request_error"
    told = OpenAIError(
        message=error.detail,
        type=KINDS.get(error.status, kind),
        param=error.errors[0].field if error.errors else None,
        code=error.code,
    )
    problem = Problem(
        type=f"urn:shopbench:{error.code}",
        title=HTTPStatus(error.status).phrase,
        status=error.status,
        code=error.code,
        detail=error.detail,
        request_id=REQUEST_ID.get(),
        errors=list(error.errors) if error.errors else None,
        error=told,
    )
    return {**problem.model_dump(exclude_none=True), "error": told.model_dump()}


def respond(error: RequestError) -> Response:
    """The problem document as a response."""
    headers = error.headers if isinstance(error, ProblemError) else None
    return Response(json.dumps(document(error)), error.status, headers, MEDIA_TYPE)


def engine_failed(error: EngineError) -> ProblemError:
    """503. What the engine said is for the log only."""
    log.error("engine failed", extra={"reason": str(error)})
    return ProblemError(503, "engine_failed", "the engine failed; try again shortly")


KNOWN: dict[int, tuple[str, str | None]] = {
    400: ("bad_request", "the body is not JSON: send one JSON object"),
    404: ("no_such_path", "there is nothing at this path; /docs lists what there is"),
    405: ("method_not_allowed", "this path does not take this method; the header Allow lists those it takes"),
    408: ("body_too_slow", None),
    413: ("body_too_large", None),
}
"""Code and detail, by status, of what Starlette and FastAPI raise; without a detail, theirs."""


def add_problem_responses(app: FastAPI) -> None:
    """Let every error that reaches the application become a problem document."""

    async def raised(request: Request, error: Exception) -> Response:
        if isinstance(error, RequestValidationError):
            return respond(invalid_fields(error.errors(), None))
        if isinstance(error, EngineError):
            return respond(engine_failed(error))
        if isinstance(error, HTTPException):
            return respond(_of_http(error, request.headers.get("content-type", "")))
        if isinstance(error, RequestError):
            return respond(error)
        raise error

    for kind in (RequestError, RequestValidationError, EngineError, HTTPException):
        app.add_exception_handler(kind, raised)


def _of_http(error: HTTPException, kind: str) -> ProblemError:
    if isinstance(error.__cause__, OSError):
        # FastAPI calls whatever happens while it reads a form a fault of the form.
        log.error("a form could not be kept", extra={"reason": str(error.__cause__)})
        return ProblemError(507, "storage_full", "the server's temporary folder does not take it: try again later")
    code, detail = KNOWN.get(error.status_code, ("http_error", None))
    if error.status_code == HTTPStatus.BAD_REQUEST and kind.startswith("multipart/"):
        return ProblemError(400, code, f"the form cannot be read: {error.detail}", headers=error.headers)
    return ProblemError(error.status_code, code, detail or str(error.detail), headers=error.headers)


def problem_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What a route says in the OpenAPI document about its errors."""
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {status: {"description": HTTPStatus(status).phrase, "content": content} for status in sorted(statuses)}
