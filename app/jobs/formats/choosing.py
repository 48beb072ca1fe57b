"""Which format a file has: the one that is asked for, else the one its name says."""

import json
from functools import partial
from pathlib import Path

from app.errors import InputError
from app.files import open_bytes
from app.jobs.formats.base import Format, ResultWriter, as_they_arrive
from app.jobs.formats.openai_batch import OPENAI_BATCH, is_batch_line
from app.rows import count_questions, read_rows
from app.tables.columns import NO_COLUMNS, Columns
from app.tables.readers import JSON, kind_of
from app.tables.writers import WRITERS


def _table(kind: str, columns: Columns = NO_COLUMNS) -> Format:
    read = as_they_arrive(partial(read_rows, kind=kind, columns=columns))
    count = partial(count_questions, kind=kind, columns=columns)
    return Format(kind, read, count, partial(ResultWriter, kind=kind))


FORMATS = {kind: _table(kind) for kind in WRITERS} | {OPENAI_BATCH.name: OPENAI_BATCH}


def input_format(path: Path, name: str | None, columns: Columns = NO_COLUMNS) -> Format:
    """The format to read a file in. JSON lines that begin with a batch request are an OpenAI batch file.

    Raises:
        InputError: there is no such format, the name says nothing, or the file cannot be read.
    """
    found = _named(path, name)
    if name is None and found.name == JSON and path.is_file() and _begins_as_batch(path):
        found = OPENAI_BATCH
    if columns and found is OPENAI_BATCH:
        raise InputError(f"{path} is an OpenAI batch file, whose fields have fixed names: leave --columns out")
    return _table(found.name, columns) if columns else found


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
