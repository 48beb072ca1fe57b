from pathlib import Path

import pytest

from app.errors import SetupError
from app.serving.batches.state import Entry, Kind, State

ENTRY = Entry(Kind.FILE, "file-1", "alice", {"bytes": 3, "purpose": "batch", "expires_at": 100})


def test_what_the_disk_refuses_is_an_os_error(tmp_path: Path) -> None:
    state = State(tmp_path, now=lambda: 50)
    state.put(ENTRY)
    state._database.execute("PRAGMA query_only = ON")
    with pytest.raises(OSError, match="database of files"):
        state.put(ENTRY)
    with pytest.raises(OSError, match="database of files"):
        state.remove("file-1")
    state._database.execute("PRAGMA query_only = OFF")
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
