import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.data.sources.spill import SpillTable
from app.errors import SetupError

ROWS = st.lists(st.tuples(st.text(max_size=4), st.one_of(st.integers(), st.text(max_size=4), st.none())), max_size=30)


@settings(max_examples=30, deadline=None)
@given(ROWS)
def test_a_table_on_disk_is_a_list_and_a_dictionary(rows: list[tuple[str, object]]) -> None:
    table = SpillTable().fill(rows)
    groups: dict[str, list[object]] = {}
    for key, value in rows:
        groups.setdefault(key, []).append(value)

    assert len(table) == len(rows)
    assert [table.at(place) for place in range(len(rows))] == [value for _, value in rows]
    assert dict(table.groups()) == groups
    assert all(table.first(key) == values[0] for key, values in groups.items())
    assert table.first("not there") is None


def test_the_file_goes_with_the_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    table = SpillTable().fill([("a", 1)])
    assert len(list(tmp_path.iterdir())) == 1

    del table

    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_told() -> None:
    table = SpillTable()
    table._connection.execute("PRAGMA max_page_count = 8")  # SQLite's own way to meet a full disk

    with pytest.raises(SetupError, match="full; free space there or set TMPDIR"):
        table.fill((str(number), "x" * 1000) for number in range(100))


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))

    with pytest.raises(SetupError, match="set TMPDIR"):
        SpillTable()
