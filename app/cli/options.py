"""What several commands share: options, exit codes, and reading what is written in an option."""

from pathlib import Path
from typing import Annotated

import typer

from app.errors import InputError
from app.process import ended_by_sigterm

SOME_ROWS_FAILED = 1
SETUP = 2
ENGINE = 3
TOO_MANY_FAILED = 4
UNEXPECTED = 70
"""As sysexits.h has it (EX_SOFTWARE): a script that goes on after 1 must not go on after a fault of ours."""
INTERRUPTED = 130

EXIT_CODES = (
    "Exit codes: 0 done; 1 done, but some rows failed; 2 a setting, file or weight must be mended; "
    "3 the engine failed; 4 stopped at --max-errors, without OUT; 70 a fault of this program; "
    "130 interrupted, 143 terminated."
)

Config = Annotated[
    Path | None, typer.Option("--config", "-c", help="YAML file of settings, see configs/.", show_default=False)
]
Engine = Annotated[str | None, typer.Option(help="vllm or transformers.", show_default="vllm")]
Model = Annotated[
    str | None,
    typer.Option(help="Folder or hub name of the checkpoint.", show_default="in a checkout: weights/shopbench-135m"),
]
Columns = Annotated[
    str | None,
    typer.Option(
        help="What your own columns hold, such as prompt=question,options=choices,gold=label,id=sku; "
        "options=a+b+c where each has a column. Other columns stand beside the answers.",
        show_default="as the kit names them",
    ),
]
InputFormat = Annotated[
    str | None, typer.Option(help="jsonl, csv, parquet, text or openai.", show_default="from IN's name")
]
Seed = Annotated[int | None, typer.Option(help="Seed of the run.", show_default="0")]


def command_group(name: str, about: str) -> typer.Typer:
    """Commands under one name. On SIGTERM each clears away what it began before it ends."""

    def clearing_away(context: typer.Context) -> None:
        context.with_resource(ended_by_sigterm())

    return typer.Typer(name=name, help=about, no_args_is_help=True, callback=clearing_away)


def numbers(text: str, option: str) -> list[float]:
    """Numbers with commas between them.

    Raises:
        InputError: something else stands there.
    """
    try:
        return [float(part) for part in text.split(",")]
    except ValueError as error:
        raise InputError(f"{option} must be numbers with commas, such as 0.5,1 (given: {text!r})") from error
