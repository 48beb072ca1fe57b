"""The id of the request under way, for the log and for problem documents."""

import re
from contextvars import ContextVar
from uuid import uuid4

HEADER = "x-request-id"
GIVEN = re.compile(r"[A-Za-z0-9._-]{1,64}")

REQUEST_ID: ContextVar[str] = ContextVar("request_id", default="")
"""Empty outside of a request."""


def choose_id(given: str) -> str:
    """The client's id where it is harmless in a log and a header, else a new one."""
    return given if GIVEN.fullmatch(given) else uuid4().hex
