import json
import logging
from pathlib import Path

import pytest

from app.cli.serve import bind
from app.errors import SetupError
from app.serve.operations import JsonFormatter
from app.serve.server_settings import ServerSettings
from app.settings import ROOT, load_settings


def test_the_file_in_the_repository_is_valid() -> None:
    settings = load_settings(ROOT / "configs" / "server.yaml")
    assert ServerSettings.parse(settings.server_settings).host == "127.0.0.1"


def test_settings_come_from_the_environment_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SHOPBENCH_SERVER_SETTINGS", '{"max_pending": 7}')
    assert ServerSettings.parse(load_settings().server_settings).max_pending == 7


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"max_pendign": 1}, "unknown setting 'max_pendign'; did you mean 'max_pending'"),
        ({"max_pending": 0}, "setting 'max_pending'"),
        ({"log_level": "loud"}, "setting 'log_level'"),
    ],
)
def test_what_is_wrong_is_named(values: dict[str, object], says: str) -> None:
    with pytest.raises(SetupError, match=says):
        ServerSettings.parse(values)


def test_an_address_that_is_taken_is_told_before_anything_is_loaded() -> None:
    with bind("127.0.0.1", 0) as first:
        first.listen()
        with pytest.raises(SetupError, match="choose with --host and --port"):
            bind("127.0.0.1", first.getsockname()[1])
    with pytest.raises(SetupError, match="cannot listen on 203.0.113.1"):
        bind("203.0.113.1", 8000)


def test_a_log_line_is_one_line_of_json_whatever_it_holds() -> None:
    record = logging.makeLogRecord(
        {"msg": 'two\nlines "%s"', "args": ("é",), "name": "a", "path": Path("x"), "levelname": "INFO"}
    )
    line = JsonFormatter().format(record)
    assert "\n" not in line
    assert json.loads(line)["message"] == 'two\nlines "é"'
    assert json.loads(line)["path"] == "x"
