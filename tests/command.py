"""The command line as a user types it, in this process: Python and its libraries, for each command, take seconds."""

import io
import subprocess
import sys
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout

import pytest

from app.cli import main, output
from app.settings import ROOT


def shopbench(*words: object, environment: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    given = ["shopbench", *map(str, words)]
    code: object = None
    with (
        pytest.MonkeyPatch.context() as patch,
        redirect_stdout(io.StringIO()) as out,
        redirect_stderr(io.StringIO()) as err,
    ):
        patch.chdir(ROOT)
        patch.setattr(sys, "argv", given)
        for name, value in {"COLUMNS": "160", **(environment or {})}.items():
            patch.setenv(name, value)
        for console in (output.stdout, output.stderr):
            patch.setattr(console, "_width", 160)
        try:
            main.main()
        except SystemExit as ended:
            code = ended.code
    return subprocess.CompletedProcess(given, int(str(code or 0)), out.getvalue(), err.getvalue())


def one_line(result: subprocess.CompletedProcess[str]) -> str:
    """What a command that could not begin says."""
    assert result.returncode == 2
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1, result.stderr
    return lines[0]
