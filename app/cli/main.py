"""The command line. Each command imports what it needs when it runs, so that `--help` stays instant."""

import sys
import traceback
from typing import Annotated

import typer

from app.cli import adapters, checkpoint, data, evaluate, predict, serve, study, train
from app.cli.options import ENGINE, EXIT_CODES, INTERRUPTED, SETUP, UNEXPECTED
from app.errors import EngineError, InputError, SetupError

cli = typer.Typer(
    name="shopbench",
    help="Answer e-commerce questions with a language model, offline and online.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)


def _show_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        print(f"shopbench {version('shopbench')}")
        raise typer.Exit


@cli.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and end.", is_eager=True, callback=_show_version)
    ] = False,
) -> None:
    del version


for group in (predict, evaluate, serve, checkpoint, data, train, adapters, study):
    cli.add_typer(group.cli)


def main() -> None:
    """Run the command line; what a user can mend is one line on standard error, without a traceback."""
    try:
        cli()
    except (SetupError, InputError) as error:
        _fail(error, SETUP)
    except EngineError as error:
        _fail(error, ENGINE)
    except KeyboardInterrupt:
        _fail("interrupted", INTERRUPTED)
    except Exception:  # noqa: BLE001  # whatever it is, it must not end like a job that is done
        traceback.print_exc()
        sys.exit(UNEXPECTED)


def _fail(reason: object, code: int) -> None:
    print(f"shopbench: {reason}", file=sys.stderr)
    sys.exit(code)
