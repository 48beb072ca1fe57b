import io
import json
import logging
import warnings
from collections.abc import Iterator

import pytest

from app.serve.operations import set_up_logging, take_over

NAMES = ("", "uvicorn", "uvicorn.access", "vllm")


@pytest.fixture(autouse=True)
def kept() -> Iterator[None]:
    """Loggers are the process'."""
    # vLLM, where it is loaded in this process, adds fields to every record.
    factory = logging.getLogRecordFactory()
    logging.setLogRecordFactory(logging.LogRecord)
    loggers = [logging.getLogger(name) for name in NAMES]
    before = [(logger.handlers[:], logger.propagate, logger.level) for logger in loggers]
    yield
    logging.captureWarnings(False)
    logging.setLogRecordFactory(factory)
    for logger, (handlers, propagate, level) in zip(loggers, before, strict=True):
        logger.handlers, logger.propagate = handlers, propagate
        logger.setLevel(level)


def test_what_libraries_log_is_json_too(capsys: pytest.CaptureFixture[str]) -> None:
    # As uvicorn sets them up. Its dictConfig is not called: that closes every handler of the process, and absl's, where
    # a scorer has loaded it, closes the stream that pytest reads.
    for name in NAMES[1:]:
        logging.getLogger(name).addHandler(logging.StreamHandler())
        logging.getLogger(name).propagate = False
    set_up_logging("info")
    take_over("vllm")
    logging.getLogger("uvicorn.error").info("Uvicorn running on %s", "http://127.0.0.1:8000")
    logging.getLogger("uvicorn.access").info("the request line says so already")
    logging.getLogger("vllm.engine").error(
        "out of memory", extra={"vllm_process_name": "APIServer", "_ray_timestamp_ns": 1}
    )
    warnings.warn("this will change", FutureWarning, stacklevel=1)
    shown = capsys.readouterr()
    assert shown.out == ""
    first, second, third = map(json.loads, shown.err.splitlines())
    assert (first["logger"], first["message"]) == ("uvicorn.error", "Uvicorn running on http://127.0.0.1:8000")
    assert (second["logger"], second["message"]) == ("vllm.engine", "out of memory")
    assert not {"vllm_process_name", "_ray_timestamp_ns"} & second.keys()
    assert third["logger"] == "py.warnings"
    assert "this will change" in third["message"]


def test_a_librarys_handler_keeps_its_stream() -> None:
    class Closing(logging.StreamHandler[io.StringIO]):
        def close(self) -> None:
            self.stream.close()
            super().close()

    stream = io.StringIO()
    logging.root.addHandler(Closing(stream))
    set_up_logging("info")
    assert not stream.closed
    assert len(logging.root.handlers) == 1
