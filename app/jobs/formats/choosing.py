"""Which format a file has: the one that is asked for, else the one its name says."""

import json
from functools import partial
from pathlib import Path

from app.errors import InputError
from app.files import open_bytes
from app.jobs.formats.base import Format, as_they_arrive
from app.jobs.formats.openai_batch import OPENAI_BATCH, is_batch_line
from app.jobs.formats.writers import CsvWriter, JsonLinesWriter, ParquetWriter
from app.rows import count_questions, read_rows
from app.tables.readers import CSV, JSON, PARQUET, TEXT, kind_of

FORMATS = {
    kind: Format(kind, as_they_arrive(partial(read_rows, kind=kind)), partial(count_questions, kind=kind), writer)
    for kind, writer in ((JSON, JsonLinesWriter), (CSV, CsvWriter), (PARQUET, ParquetWriter), (TEXT, JsonLinesWriter))
} | {OPENAI_BATCH.name: OPENAI_BATCH}


def input_format(path: Path, name: str | None) -> Format:
    """The format to read a file in. JSON lines that begin with a batch request are an OpenAI batch file.

    Raises:
        InputError: there is no such format, the name says nothing, or the file cannot be read.
    """
    found = _named(path, name)
    if name is None and found.name == JSON and path.is_file() and _begins_as_batch(path):
        return OPENAI_BATCH
    return found


def output_format(path: Path, name: str | None, source: Format) -> Format:
    """The format to write a file in. Where the name says JSON lines, an OpenAI batch file answers one.

    Raises:
        InputError: there is no such format, or the name says nothing.
    """
    found = _named(path, name)
    return source if name is None and found.name == JSON and source is OPENAI_BATCH else found


def _named(path: Path, name: str | None) -> Format:
    if name is not None and name not in FORMATS:
        raise InputError(f"unknown format {name!r}; there are {', '.join(FORMATS)}")
    return FORMATS[name or kind_of(path)]


def _begins_as_batch(path: Path) -> bool:
    with open_bytes(path) as lines:
        first = next((line for line in lines if not line.isspace()), b"")
    try:
        return is_batch_line(json.loads(first))
    except (ValueError, RecursionError):
        return False
