"""`shopbench evaluate`, `compare` and `convert`: how good the answers are, and which of two is better."""

from pathlib import Path
from typing import Annotated

import typer

from app.cli.options import Config
from app.cli.output import stderr

cli = typer.Typer()


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
    from app.cli.run_evaluate import convert_file

    stderr.print(f"{convert_file(source, target):,} rows -> {target}", markup=False)
