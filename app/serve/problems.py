"""Errors as RFC 9457 problem documents: one shape for everything that goes wrong."""

import json
import logging
import re
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from http import HTTPStatus
from typing import Any
from uuid import uuid4

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.responses import Response

from app.errors import EngineError

HEADER = "x-request-id"
GIVEN = re.compile(r"[A-Za-z0-9._-]{1,64}")

REQUEST_ID: ContextVar[str] = ContextVar("request_id", default="")
"""Empty outside of a request."""


def choose_id(given: str) -> str:
    """The client's id where it is harmless in a log and a header, else a new one."""
    return given if GIVEN.fullmatch(given) else uuid4().hex


MEDIA_TYPE = "application/problem+json"
log = logging.getLogger(__name__)


class FieldError(BaseModel):
    """One thing that is wrong with a request body."""

    field: str = Field(description="Where in the body, such as `questions.0.prompt`.")
    message: str


class Problem(BaseModel):
    """What went wrong, for programs (`code`) and for people (`detail`). RFC 9457."""

    type: str = Field(description="A URN that names the kind of problem.", examples=["urn:shopbench:overloaded"])
    title: str = Field(description="The HTTP status in words.")
    status: int
    code: str = Field(description="Stable name of the kind of problem.")
    detail: str = Field(description="One line that names the fix.")
    request_id: str = Field(description="As in the header X-Request-ID and in the log.")
    errors: list[FieldError] | None = Field(None, description="For 422: every field that is wrong.")


class ProblemError(Exception):
    """A request that ends with a problem document."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        errors: Sequence[FieldError] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.errors = errors
        self.headers = dict(headers or {})

    def document(self) -> dict[str, Any]:
        """The body, as plain data."""
        problem = Problem(
            type=f"urn:shopbench:{self.code}",
            title=HTTPStatus(self.status).phrase,
            status=self.status,
            code=self.code,
            detail=self.detail,
            request_id=REQUEST_ID.get(),
            errors=list(self.errors) if self.errors else None,
        )
        return problem.model_dump(exclude_none=True)

    def response(self) -> Response:
        """The document as a response."""
        return Response(json.dumps(self.document()), self.status, self.headers, MEDIA_TYPE)


def engine_failed(error: EngineError) -> ProblemError:
    """503. What the engine said is for the log only."""
    log.error("engine failed", extra={"reason": str(error)})
    return ProblemError(503, "engine_failed", "the engine failed; try again shortly")


CODES = {
    400: "bad_request",
    404: "no_such_path",
    405: "method_not_allowed",
    408: "body_too_slow",
    413: "body_too_large",
}
DETAILS = {
    400: "the body is not JSON: send one JSON object",
    404: "there is nothing at this path; /docs lists what there is",
    405: "this path does not take this method; the header Allow lists those it takes",
}


def add_problem_responses(app: FastAPI) -> None:
    """Let every error that reaches the application become a problem document."""

    async def raised(request: Request, error: Exception) -> Response:
        if isinstance(error, ProblemError):
            return error.response()
        if isinstance(error, RequestValidationError):
            return invalid_fields(error.errors()).response()
        if isinstance(error, EngineError):
            return engine_failed(error).response()
        if isinstance(error, HTTPException):
            return _of_http(error, request.headers.get("content-type", "")).response()
        raise error

    for kind in (ProblemError, RequestValidationError, EngineError, HTTPException):
        app.add_exception_handler(kind, raised)


def _of_http(error: HTTPException, kind: str) -> ProblemError:
    if isinstance(error.__cause__, OSError):
        # FastAPI calls whatever happens while it reads a form a fault of the form.
        log.error("a form could not be kept", extra={"reason": str(error.__cause__)})
        return ProblemError(507, "storage_full", "the server's temporary folder does not take it: try again later")
    code = CODES.get(error.status_code, "http_error")
    if error.status_code == HTTPStatus.BAD_REQUEST and kind.startswith("multipart/"):
        return ProblemError(400, code, f"the form cannot be read: {error.detail}", headers=error.headers)
    detail = DETAILS.get(error.status_code, str(error.detail))
    return ProblemError(error.status_code, code, detail, headers=error.headers)


def invalid_fields(errors: Sequence[Any]) -> ProblemError:
    """422 that names every field, without repeating what was sent."""
    found = [FieldError(field=_name(error["loc"]), message=_message(error)) for error in errors]
    if any(error["type"] == "json_invalid" for error in errors):
        return ProblemError(400, "bad_request", f"the body is not JSON: {errors[0].get('ctx', {}).get('error', '')}")
    first = found[0]
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    return ProblemError(422, "invalid_request", f"{first.field}: {first.message}{more}", errors=found)


def _name(location: Sequence[str | int]) -> str:
    parts = [str(part) for part in location]
    return ".".join(parts[1:] if parts[:1] == ["body"] else parts) or "body"


def _message(error: Mapping[str, Any]) -> str:
    if error["type"] == "extra_forbidden":
        return "there is no such field"
    message = str(error["msg"])
    return (message[0].lower() + message[1:]).removeprefix("value error, ")


def problem_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What a route says in the OpenAPI document about its errors."""
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {status: {"description": HTTPStatus(status).phrase, "content": content} for status in sorted(statuses)}
