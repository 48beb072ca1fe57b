import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from app.errors import SetupError
from app.serve.batches.state import Entry, Kind, State

ENTRY = Entry(Kind.FILE, "file-1", "alice", {"bytes": 3, "purpose": "batch", "expires_at": 100})


def test_what_the_disk_refuses_is_an_os_error(tmp_path: Path) -> None:
    state = State(tmp_path, now=lambda: 50)
    state.put(ENTRY)
    state._database._connection.execute("PRAGMA query_only = ON")
    with pytest.raises(OSError, match="readonly database"):
        state.put(ENTRY)
    with pytest.raises(OSError, match="readonly database"):
        state.remove("file-1")
    state._database._connection.execute("PRAGMA query_only = OFF")
    assert state.find(Kind.FILE, "file-1", "alice") == ENTRY
    state.remove("file-1")
    assert state.find(Kind.FILE, "file-1", "alice") is None
    state.close()


def test_one_server_at_a_time(tmp_path: Path) -> None:
    state = State(tmp_path)
    with pytest.raises(SetupError, match="data_dir"):
        State(tmp_path)
    state.close()
    State(tmp_path).close()
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(SetupError, match="data_dir"):
        State(blocked / "below")


def damage_beyond_the_first_page(path: Path) -> None:
    """Write over the pages that hold the entries."""
    state = State(path.parent)
    state.put(*(Entry(Kind.FILE, f"file-{number}", "alice", {"bytes": 3, "of": "x" * 900}) for number in range(50)))
    state.close()
    pages = path.read_bytes()
    path.write_bytes(pages[:8192] + b"garbage" * ((len(pages) - 8192) // 7))


@pytest.mark.parametrize(
    "spoil", [lambda path: path.write_bytes(b"garbage" * 999), Path.mkdir, damage_beyond_the_first_page]
)
def test_a_database_that_cannot_be_used_is_named_with_the_way_out(
    tmp_path: Path, spoil: Callable[[Path], object]
) -> None:
    path = tmp_path / "state.sqlite3"
    spoil(path)
    with pytest.raises(SetupError, match=r"state\.sqlite3.* folder away .*data_dir") as caught:
        State(tmp_path)
    assert "\n" not in str(caught.value)
    path.rename(tmp_path / "away")
    State(tmp_path).close()


def test_damage_that_shows_later_is_an_os_error_and_a_fault_of_the_program_is_not(tmp_path: Path) -> None:
    state = State(tmp_path)
    for error, shown in ((sqlite3.DatabaseError, OSError), (sqlite3.IntegrityError, sqlite3.IntegrityError)):
        with pytest.raises(shown), state._database.transaction():
            raise error("as SQLite says it")
    state.close()
