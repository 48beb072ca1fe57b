"""The error tree. Every message is one line and names the fix."""

from importlib import import_module
from typing import Any


class ShopBenchError(Exception):
    """Anything this project raises on purpose."""


class SetupError(ShopBenchError):
    """Something must be mended before work can start: weights, a setting, a template. Exit code 2."""


class InputError(ShopBenchError):
    """A row or a file that cannot be read as what it claims to be."""


class EngineError(ShopBenchError):
    """The engine refused a request or failed while it ran."""


def library(name: str, purpose: str, extra: str) -> Any:  # noqa: ANN401  # whatever it is
    """A library that only some work needs, or a part of it ("pyarrow.parquet"); `extra` is ours that brings it.

    Raises:
        SetupError: it is not installed.
    """
    try:
        return import_module(name)
    except ImportError as error:
        package = name.split(".")[0]
        fix = f"pip install 'shopbench[{extra}]'"
        raise SetupError(f"{purpose} needs {package}, which is not installed: {fix}") from error


def first_line(error: BaseException) -> str:
    """What a library says in many lines, or in none: its first line that says something, else the error's kind."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
