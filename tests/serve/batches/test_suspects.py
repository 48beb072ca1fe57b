import json
from pathlib import Path

import pytest

from app.errors import SetupError
from app.serve.batches.asking import MOST_DEATHS, Suspects


def test_deaths_are_counted_over_restarts(tmp_path: Path) -> None:
    path = tmp_path / "batch.suspects"
    for deaths in range(1, MOST_DEATHS + 1):
        suspects = Suspects(path)
        assert not suspects.convicted("a")
        suspects.add(["a"] if deaths > 1 else ["a", "b"])
        assert json.loads(path.read_text())["a"] == deaths
    suspects = Suspects(path)
    assert suspects.convicted("a")
    assert "b" in suspects
    assert not suspects.convicted("b")
    assert "c" not in suspects
    assert not suspects.convicted("c")


def test_a_place_that_takes_no_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    suspects = Suspects(tmp_path / "file" / "batch.suspects")
    with pytest.raises(SetupError, match=r"batch\.suspects"):
        suspects.add(["a"])


@pytest.mark.parametrize("left", [b"", b'{"a": ', b"\xff\xfe\x00"])
def test_what_a_power_failure_left_is_counted_afresh(tmp_path: Path, left: bytes) -> None:
    path = tmp_path / "batch.suspects"
    path.write_bytes(left)
    suspects = Suspects(path)
    assert "a" not in suspects
    suspects.add(["a"])
    assert "a" in Suspects(path)
