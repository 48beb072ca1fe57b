"""Which format a file has: the one that is asked for, else the one its name says."""

import json
from pathlib import Path

from app.errors import InputError
from app.files import is_stream, open_bytes
from app.jobs.formats.base import Format
from app.jobs.formats.comma_separated import CSV
from app.jobs.formats.json_lines import JSON_LINES
from app.jobs.formats.openai_batch import OPENAI_BATCH, is_batch_line
from app.jobs.formats.parquet import PARQUET

FORMATS = {format_.name: format_ for format_ in (JSON_LINES, CSV, PARQUET, OPENAI_BATCH)}


def input_format(path: Path, name: str | None) -> Format:
    """The format to read a file in. JSON lines that begin with a batch request are an OpenAI batch file.

    Raises:
        InputError: there is no such format, the name says nothing, or the file cannot be read.
    """
    found = _named(path, name)
    if found is PARQUET and (is_stream(path) or path.suffix == ".gz"):
        raise InputError(f"Parquet is read from a plain file, not from {str(path)!r}: it begins at its end")
    if name is None and found is JSON_LINES and path.is_file() and _begins_as_batch(path):
        return OPENAI_BATCH
    return found


def output_format(path: Path, name: str | None, source: Format) -> Format:
    """The format to write a file in. Where the name says JSON lines, an OpenAI batch file answers one.

    Raises:
        InputError: there is no such format, or the name says nothing.
    """
    found = _named(path, name)
    return source if name is None and found is JSON_LINES and source is OPENAI_BATCH else found


def _named(path: Path, name: str | None) -> Format:
    known = ", ".join(FORMATS)
    if name is not None:
        if name not in FORMATS:
            raise InputError(f"unknown format {name!r}; there are {known}")
        return FORMATS[name]
    suffix = (path.with_suffix("") if path.suffix == ".gz" else path).suffix.lower()
    for format_ in FORMATS.values():
        if suffix in format_.suffixes:
            return format_
    raise InputError(f"{path}: {suffix!r} says nothing; name the format with an option, one of {known}")


def _begins_as_batch(path: Path) -> bool:
    with open_bytes(path) as lines:
        first = next((line for line in lines if not line.isspace()), b"")
    try:
        return is_batch_line(json.loads(first))
    except (ValueError, RecursionError):
        return False
