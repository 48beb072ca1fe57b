"""Where a run came from: revision, data, engine."""

import hashlib
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

from app.evaluate.predictions import Answered
from app.evaluate.schema import JsonValue, Provenance
from app.predictor import Predictor
from app.settings import INSTALLED, ROOT


def from_predictor(predictor: Predictor, settings: Mapping[str, JsonValue]) -> Provenance:
    """Of answers that a predictor in this process gave."""
    return Provenance(
        engine=predictor.engine.name,
        engine_version=predictor.engine.version,
        model=_shown(predictor.engine.model),
        prompt_fingerprint=predictor.prompts.fingerprint,
        git_revision=git_revision(),
        settings=dict(settings),
    )


def from_answers(answers: Iterable[Answered], settings: Mapping[str, JsonValue]) -> Provenance:
    """Of answers read from a file: their prompts' fingerprint is known if all of them share one."""
    fingerprints = {answered.fingerprint for answered in answers}
    shared = fingerprints.pop() if len(fingerprints) == 1 else None
    return Provenance(prompt_fingerprint=shared, git_revision=git_revision(), settings=dict(settings))


def _shown(model: str) -> str:
    """A checkpoint of the project by its place in it: reports leave the machine that made them."""
    path = Path(model)
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else model


def git_revision(folder: Path = ROOT) -> str | None:
    """`git describe --always --dirty` of the checkout, or None where there is no repository or no git."""
    if INSTALLED:
        return None  # a repository around the environment would be another project's
    try:
        done = subprocess.run(  # noqa: S603 - a fixed command
            ["git", "-C", str(folder), "describe", "--always", "--dirty"],  # noqa: S607 - git is found on the path
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None


def sha256(path: Path) -> str | None:
    """Hexadecimal digest of a file; None for a folder."""
    if not path.is_file():
        return None
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
