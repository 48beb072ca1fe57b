"""Files that appear whole or not at all."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from tempfile import NamedTemporaryFile

from app.errors import SetupError


def write_whole(path: Path, text: str) -> None:
    """Replace `path` with the text in one step; folders above it are made.

    Raises:
        SetupError: the place cannot be written to.
    """
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, delete=False, prefix=".tmp-") as file:
            temporary = Path(file.name)
            file.write(text)
        temporary.chmod(0o644)
        temporary.replace(path)
    except OSError as error:
        raise SetupError(f"cannot write {path}: {error.strerror}") from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def write_lines(path: Path, rows: Iterable[Mapping[str, object]]) -> int:
    """Write JSON lines as `write_whole` does. The number of rows.

    Raises:
        SetupError: the place cannot be written to.
    """
    lines = [json.dumps(row, ensure_ascii=False) for row in rows]
    # Half a surrogate pair cannot be written as UTF-8; its JSON escape can.
    write_whole(path, "".join(f"{_writable(line)}\n" for line in lines))
    return len(lines)


def _writable(line: str) -> str:
    return "".join(f"\\u{ord(char):04x}" if "\ud800" <= char <= "\udfff" else char for char in line)
