import os
import sqlite3
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.data.sources.spill import SpillTable, TitlePool, once_a_file
from app.errors import SetupError

ROWS = st.lists(st.tuples(st.text(max_size=4), st.one_of(st.integers(), st.text(max_size=4), st.none())), max_size=30)


@settings(max_examples=30)
@given(ROWS)
def test_a_table_on_disk_is_a_list_and_a_dictionary(rows: list[tuple[str, object]]) -> None:
    table = SpillTable(rows)
    groups: dict[str, list[object]] = {}
    for key, value in rows:
        groups.setdefault(key, []).append(value)

    assert len(table) == len(rows)
    assert [table.at(place) for place in range(len(rows))] == [value for _, value in rows]
    assert dict(table.groups()) == groups
    assert all(table.first(key) == values[0] for key, values in groups.items())
    assert table.first("not there") is None


def test_a_full_disk_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    connect = sqlite3.connect

    def small(*given: object, **more: object) -> sqlite3.Connection:
        connection = connect(*given, **more)  # type: ignore[call-overload]  # as SQLite takes them
        connection.execute("PRAGMA max_page_count = 8")  # SQLite's own way to meet a full disk
        assert isinstance(connection, sqlite3.Connection)
        return connection

    monkeypatch.setattr(sqlite3, "connect", small)
    with pytest.raises(SetupError, match="full; free space there or set TMPDIR"):
        SpillTable((str(number), "x" * 1000) for number in range(100))


def test_a_pool_draws_its_own_titles_that_are_not_known() -> None:
    table = SpillTable(("", title if place % 2 else {"title": title}) for place, title in enumerate("abcdefgh"))
    pool = TitlePool(table, [0, 1, 2, 3])

    assert pool.draw("seed", {"a"}) == pool.draw("seed", {"a"})
    assert sorted(pool.draw("seed", {"a"})) == ["b", "c", "d"]
    assert len({pool.draw(str(seed), ()) for seed in range(20)}) > 1


def test_a_file_is_opened_again_only_when_it_was_written_anew(tmp_path: Path) -> None:
    opened: list[Path] = []
    read = once_a_file(opened.append)
    path = tmp_path / "table"
    path.write_text("a")

    read(path)
    read(path)
    assert opened == [path]

    os.utime(path, ns=(1, 1))
    read(path)
    assert opened == [path, path]
