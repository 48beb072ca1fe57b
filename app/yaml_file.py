"""Settings files: YAML, read or refused in one line."""

from pathlib import Path

import yaml

from app.errors import SetupError


def read_yaml(path: Path, what: str) -> object:
    """What the file holds; `what` names it in errors, such as "the mixture".

    Raises:
        SetupError: the file cannot be read, or is not YAML.
    """
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SetupError(f"cannot read {what} {path}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SetupError(f"{what} {path} is not YAML: {' '.join(str(error).split())}") from error
