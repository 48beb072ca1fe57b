"""`shopbench train`: a run with its progress, its signals and its last words."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.markup import escape

from app.batch.interruption import Interruption
from app.commands.output import stderr, waiting
from app.commands.train_progress import TrainingProgress
from app.errors import SetupError
from app.training.finetune.settings import FinetuneConfig

if TYPE_CHECKING:
    from app.training.finetune.finetune import Ending

LIBRARIES = frozenset({"accelerate", "datasets", "peft", "safetensors", "tensorboard", "torch", "transformers", "trl"})


def train_model(config: FinetuneConfig, *, overwrite: bool = False, quiet: bool = False) -> int:
    """Train as `app.training.finetune.finetune.finetune` does; the exit code.

    Raises:
        SetupError: a library, a setting or a file is missing or wrong.
        InputError: a data file or a row cannot be used.
    """
    with waiting("Loading the training libraries"), needing_train_extra():
        from transformers.utils import logging

        from app.training.finetune.finetune import finetune

        logging.set_verbosity_error()
        logging.disable_progress_bar()
    with TrainingProgress(quiet=quiet) as progress, Interruption(stderr.print) as interruption:
        ending = finetune(config, progress, interruption, overwrite=overwrite)
    if not quiet:
        stderr.print(_last_words(config, ending), soft_wrap=True)
    return 0 if ending.finished else interruption.exit_code


@contextmanager
def needing_train_extra() -> Iterator[None]:
    """Imports of the training libraries: a missing one is told with the command that installs it.

    Raises:
        SetupError: one is missing.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] not in LIBRARIES:
            raise
        raise SetupError(
            f"training needs {error.name}, which is not installed: pip install 'shopbench[train]'"
        ) from error


def _last_words(config: FinetuneConfig, ending: "Ending") -> str:
    output = escape(str(config.output))
    if not ending.finished:
        return f"stopped after step {ending.step:,} of {ending.steps:,}: give the same command again to go on"
    if ending.already:
        return f"{output} was finished before, in {ending.steps:,} steps; --overwrite trains it afresh"
    if config.method == "full":
        return f"{output}: serve it with --model {output}"
    return (
        f"{output}: serve it with engine_settings: {{adapters: {{a-name: {output}}}}} and model: {escape(config.model)}"
    )
