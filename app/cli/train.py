"""The command line for training: an adapter or a checkpoint from training rows."""

from pathlib import Path
from typing import Annotated

import typer

cli = typer.Typer()

EXIT_CODES = (
    "Exit codes: 0 done; 2 a setting, a file or the disk must be mended; 130 interrupted, 143 terminated: the state "
    "is saved, and the same command goes on."
)


@cli.command(
    epilog="Examples:\n\n  shopbench train configs/lora.yaml\n\n"
    "  accelerate launch --num_processes 8 -m app train configs/72b-qlora.yaml\n\n" + EXIT_CODES
)
def train(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="YAML file of settings, see configs/lora.yaml.")],
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Start afresh: drop the run's states and its output.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
) -> None:
    """Fine-tune a model with LoRA, QLoRA or whole. Given again after a stop, it goes on."""
    from app.cli.run_train import train_model
    from app.train.recipe import load_finetune_config

    if code := train_model(load_finetune_config(config), overwrite=overwrite, quiet=quiet):
        raise typer.Exit(code)
