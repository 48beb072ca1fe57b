"""The command line. Each command imports what it needs when it runs, so that `--help` stays instant."""

import sys
import time
import traceback
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from app.cli import adapters, checkpoint, data, train
from app.errors import EngineError, InputError, SetupError

OK = 0
SOME_ROWS_FAILED = 1
SETUP = 2
ENGINE = 3
UNEXPECTED = 70
"""As sysexits.h has it (EX_SOFTWARE): a script that goes on after 1 must not go on after a fault of ours."""
INTERRUPTED = 130

EXIT_CODES = (
    "Exit codes: 0 done; 1 done, but some rows failed; 2 a setting, file or weight must be mended; "
    "3 the engine failed; 4 stopped at --max-errors, without OUT; 70 a fault of this program; "
    "130 interrupted, 143 terminated."
)


class Executor(StrEnum):
    """What runs the engines."""

    LOCAL = "local"
    RAY = "ray"


cli = typer.Typer(
    name="shopbench",
    help="Answer e-commerce questions with a language model, offline and online.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
cli.add_typer(checkpoint.cli)
cli.add_typer(data.cli)
cli.add_typer(train.cli)
cli.add_typer(adapters.cli)

Config = Annotated[
    Path | None, typer.Option("--config", "-c", help="YAML file of settings, see configs/.", show_default=False)
]
Engine = Annotated[str | None, typer.Option(help="vllm or transformers. [default: vllm]", show_default=False)]
Model = Annotated[
    str | None,
    typer.Option(help="Folder or hub name of the checkpoint. [default: tests/fixtures/mini]", show_default=False),
]
Seed = Annotated[int | None, typer.Option(help="Seed of the run. [default: 0]", show_default=False)]


@cli.command(epilog="Example:  shopbench route questions.jsonl types.jsonl")
def route(
    source: Annotated[Path, typer.Argument(metavar="IN", help="Questions, one JSON object a line.")],
    target: Annotated[Path, typer.Argument(metavar="OUT", help="Where 'id' and 'task_type' go.")],
) -> None:
    """Tell the task type of every question; needs no engine."""
    from app.cli.output import stderr
    from app.cli.run_predict import route_file

    counts = route_file(source, target)
    for task_type, n in counts.most_common():
        stderr.print(f"{n:>9,}  {task_type or '(no question)'}")
    if counts[None]:
        raise typer.Exit(SOME_ROWS_FAILED)


@cli.command(
    epilog="Example:  shopbench predict questions.jsonl answers.jsonl --model tests/fixtures/mini\n\n" + EXIT_CODES
)
def predict(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="IN", help="Questions: .jsonl (or .gz of it), .csv, .parquet, or a pipe: - or <(command)."
        ),
    ],
    target: Annotated[
        Path, typer.Argument(metavar="OUT", help="Where the answers go, as IN. OUT.journal beside it keeps the run.")
    ],
    config: Config = None,
    engine: Engine = None,
    model: Model = None,
    seed: Seed = None,
    overwrite: Annotated[
        bool,
        typer.Option(
            "--overwrite",
            help="Answer anew where OUT is finished or was made with other settings; an unfinished run of the same "
            "settings goes on. The old answers go when the engine is ready, the old OUT when the new one is whole.",
        ),
    ] = False,
    max_errors: Annotated[
        int | None, typer.Option(min=1, help="Stop after so many failed rows. [default: never]", show_default=False)
    ] = None,
    time_budget: Annotated[
        str | None,
        typer.Option(help="Answer every row within this time, such as 70m, loading included.", show_default=False),
    ] = None,
    input_format: Annotated[
        str | None,
        typer.Option(help="jsonl, csv, parquet or openai. [default: from IN's name]", show_default=False),
    ] = None,
    output_format: Annotated[
        str | None,
        typer.Option(help="jsonl, csv, parquet or openai. [default: from OUT's name]", show_default=False),
    ] = None,
    executor: Annotated[
        Executor, typer.Option(help="One engine in this process, or engines on the machines of a Ray cluster.")
    ] = Executor.LOCAL,
    ray_address: Annotated[
        str | None,
        typer.Option(help="Ray cluster, host:port or auto. [default: one on this machine]", show_default=False),
    ] = None,
    replicas: Annotated[
        int | None,
        typer.Option(min=1, help="Engines on the cluster. [default: as many as fit]", show_default=False),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar, no summary.")] = False,
) -> None:
    """Answer every question of a file, in the file's order. Given again after a stop, it goes on."""
    started = time.monotonic()
    from app.cli.run_predict import conclude, predict_file, predict_on_cluster, report
    from app.jobs.file_job import FileJob
    from app.process import parse_duration
    from app.settings import load_settings

    seconds = parse_duration(time_budget) if time_budget else None
    job = FileJob(source, target, input_format, output_format, overwrite, max_errors, seconds, started)
    settings = load_settings(config, {"engine": engine, "model": model, "seed": seed})
    if executor is Executor.RAY:
        summary = predict_on_cluster(job, settings, ray_address, replicas, quiet=quiet)
    elif ray_address or replicas:
        raise InputError("--ray-address and --replicas are for --executor ray: add it, or leave them out")
    else:
        summary = predict_file(job, settings, quiet=quiet)
    if not quiet:
        report(summary, job)
    if code := conclude(summary, job):
        raise typer.Exit(code)


@cli.command(epilog="Example:  shopbench demo --engine transformers")
def demo(
    config: Config = None,
    engine: Engine = None,
    model: Model = None,
    seed: Seed = None,
) -> None:
    """Answer the project's own sample questions and show them as a table."""
    from app.cli.run_predict import demo as run
    from app.settings import load_settings

    run(load_settings(config, {"engine": engine, "model": model, "seed": seed}))


@cli.command(
    epilog="Examples:\n\n  shopbench evaluate data/sample.jsonl --report runs/sample\n\n"
    "  shopbench evaluate data/sample.jsonl --predictions answers.jsonl --report runs/sample"
)
def evaluate(
    data: Annotated[Path, typer.Argument(metavar="DATA", help="Samples: a file, or a folder of files.")],
    report: Annotated[Path, typer.Option(help="Folder for report.json, samples.jsonl and report.html.")] = Path(
        "runs/evaluation"
    ),
    predictions: Annotated[
        Path | None, typer.Option(help="Answers of 'shopbench predict'; without it the model answers now.")
    ] = None,
    model: Annotated[
        str, typer.Option(help="Module with a UserModel, driven as the organisers' evaluator does.")
    ] = "models.user_config",
    config: Config = None,
    seed: Annotated[int, typer.Option(help="Seed of the run and of the bootstrap.")] = 0,
    english_encoder: Annotated[Path | None, typer.Option(help="Folder of all-MiniLM-L6-v2.")] = None,
    multilingual_encoder: Annotated[
        Path | None, typer.Option(help="Folder of paraphrase-multilingual-MiniLM-L12-v2.")
    ] = None,
    baseline_data: Annotated[
        Path | None,
        typer.Option(help="Other samples of the same tasks, such as training rows, for the majority baseline."),
    ] = None,
) -> None:
    """Score answers as the competition does, with intervals, baselines and a page to read."""
    from app.cli.run_evaluate import Encoders, EvaluationRequest, print_report, run_evaluation

    encoders = Encoders(english_encoder, multilingual_encoder)
    request = EvaluationRequest(data, report, predictions, model, config, seed, encoders, baseline_data)
    print_report(run_evaluation(request).report, report)


@cli.command(epilog="Example:  shopbench compare runs/before runs/after --page runs/comparison.html")
def compare(
    a: Annotated[Path, typer.Argument(metavar="A", help="Folder of the evaluation to compare with.")],
    b: Annotated[Path, typer.Argument(metavar="B", help="Folder of the evaluation to judge.")],
    page: Annotated[Path | None, typer.Option(help="Write the comparison as an HTML page.")] = None,
    alpha: Annotated[float, typer.Option(help="Share of false discoveries to accept over the tasks.")] = 0.05,
    seed: Annotated[int, typer.Option(help="Seed of the bootstrap.")] = 0,
) -> None:
    """Tell which tasks rose, which fell and which cannot be told apart."""
    from app.cli.run_evaluate import run_comparison

    run_comparison(a, b, page, alpha, seed)


@cli.command(epilog="Example:  shopbench convert ShoppingMMLU/data shopping_mmlu.jsonl")
def convert(
    source: Annotated[Path, typer.Argument(metavar="IN", help="A data set in any format that is read.")],
    target: Annotated[Path, typer.Argument(metavar="OUT", help="Where the kit's JSON lines go.")],
) -> None:
    """Write Shopping MMLU, EC-Guide or plain JSON lines as the kit's JSON lines."""
    from app.cli.output import stderr
    from app.cli.run_evaluate import convert_file

    stderr.print(f"{convert_file(source, target):,} rows -> {target}", markup=False)


@cli.command(epilog="Example:  SHOPBENCH_API_KEYS=alice:a-long-secret shopbench serve --host 0.0.0.0\n\n" + EXIT_CODES)
def serve(
    config: Config = None,
    model: Model = None,
    seed: Seed = None,
    host: Annotated[
        str | None, typer.Option(help="Address to listen on. [default: 127.0.0.1]", show_default=False)
    ] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port. [default: 8000]", show_default=False)
    ] = None,
    insecure: Annotated[bool, typer.Option("--insecure", help="Serve other machines without any key.")] = False,
) -> None:
    """Answer questions over HTTP, with a page for people at /. Keys come from SHOPBENCH_API_KEYS."""
    from app.cli.run_serve import Address
    from app.cli.run_serve import serve as run
    from app.settings import load_settings

    run(load_settings(config, {"model": model, "seed": seed}), Address(host, port, insecure or None))


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
