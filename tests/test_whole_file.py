from pathlib import Path

import pytest

from app.errors import SetupError
from app.files import write_lines, write_whole


def test_files_appear_whole_and_alone(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.txt"
    write_whole(path, "one")
    write_whole(path, "zwei ß")
    assert path.read_text(encoding="utf-8") == "zwei ß"
    assert list(path.parent.iterdir()) == [path]


def test_a_failing_write_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_whole(path, "old")
    with pytest.raises(UnicodeEncodeError):
        write_whole(path, "half \ud800")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SetupError, match=r"cannot write .*out\.txt"):
        write_whole(tmp_path / "file" / "out.txt", "x")


def test_lines_hold_any_text(tmp_path: Path) -> None:
    assert write_lines(tmp_path / "a.jsonl", [{"t": "日本\n\ud800"}, {"t": "b"}]) == 2
    assert (tmp_path / "a.jsonl").read_text(encoding="utf-8") == '{"t": "日本\\n\\ud800"}\n{"t": "b"}\n'


@pytest.mark.parametrize("name", ["/dev/null", "."])
def test_a_name_that_is_no_plain_file_is_left_alone(tmp_path: Path, name: str) -> None:
    with pytest.raises(SetupError, match="no plain file"):
        write_whole(tmp_path / name, "x")
    assert (tmp_path / name).exists()


def test_rows_that_cannot_be_drawn_leave_nothing(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        write_lines(tmp_path / "a.jsonl", ({"t": 1 // number} for number in (1, 0)))
    assert not list(tmp_path.iterdir())
