"""The log: one JSON object a line on standard error, with the request's id."""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any

from app.serve.problems import REQUEST_ID

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "color_message", "taskName"}
# What vLLM adds to every record.
_STANDARD |= {"vllm_process_name", "fileinfo"}


class JsonFormatter(logging.Formatter):
    """`time`, `level`, `logger`, `message`, `request_id`, whatever the caller adds, and `traceback`."""

    def format(self, record: logging.LogRecord) -> str:
        """One line, whatever the message holds."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if current := REQUEST_ID.get():
            line["request_id"] = current
        # Ray adds names of its own, with an underscore.
        line |= {name: value for name, value in vars(record).items() if name not in _STANDARD and name[0] != "_"}
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def set_up_logging(level: str) -> None:
    """Send everything that is logged in this process to standard error, as JSON; see `take_over` for later loggers."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    # Other libraries speak up only when something is wrong.
    for name in ("httpx", "httpcore", "asyncio"):
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.captureWarnings(True)
    take_over("uvicorn")
    access = logging.getLogger("uvicorn.access")
    # Our own line of each request says more.
    access.handlers, access.propagate = [], False


def take_over(library: str) -> None:
    """Have a library that set up a handler of its own log as all others do."""
    logger = logging.getLogger(library)
    logger.handlers, logger.propagate = [], True
