import os
import shutil
import signal
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from app.database import DamagedError, Database, remove_database

SCHEMA = ("CREATE TABLE IF NOT EXISTS words (word TEXT UNIQUE)",)
KIND = 7


def opened(path: Path | None, kind: int = KIND, *, checked: bool = False) -> Database:
    return Database(path, SCHEMA, forced=False, kind=kind, checked=checked)


def put(database: Database, *words: str) -> None:
    with database.transaction() as connection:
        connection.executemany("INSERT INTO words VALUES (?)", [(word,) for word in words])


def words_of(database: Database) -> list[str]:
    with database.transaction() as connection:
        return [word for (word,) in connection.execute("SELECT word FROM words ORDER BY rowid")]


def test_what_was_put_is_there_when_it_is_opened_again(tmp_path: Path) -> None:
    for word in ("a", "b"):
        with closing(opened(tmp_path / "d")) as database:
            put(database, word)
    with closing(opened(tmp_path / "d")) as database:
        assert words_of(database) == ["a", "b"]
    assert [path.name for path in tmp_path.iterdir()] == ["d"], "nothing is left beside it"


def test_a_transaction_is_whole_or_not_at_all(tmp_path: Path) -> None:
    with closing(opened(tmp_path / "d")) as database:
        with pytest.raises(sqlite3.IntegrityError):  # a fault of the program keeps its name
            put(database, "a", "a")
        assert words_of(database) == []


def test_what_was_forced_stands_in_the_file_itself(tmp_path: Path) -> None:
    def alone() -> list[str]:
        shutil.copyfile(tmp_path / "d", tmp_path / "copy")
        with closing(opened(tmp_path / "copy")) as copy:
            return words_of(copy)

    with closing(opened(tmp_path / "d")) as database:
        put(database, "a")
        database.force()
        put(database, "b")
        assert alone() == ["a"]
        database.force()
        assert alone() == ["a", "b"]


@pytest.mark.parametrize(("forced", "level"), [(True, 2), (False, 1)])
def test_each_transaction_is_forced_where_it_is_asked_for(tmp_path: Path, forced: bool, level: int) -> None:
    with closing(Database(tmp_path / "d", SCHEMA, forced=forced)) as database, database.transaction() as connection:
        assert connection.execute("PRAGMA synchronous").fetchone() == (level,)


def test_a_second_one_is_refused_until_the_first_is_closed(tmp_path: Path) -> None:
    first = opened(tmp_path / "d")
    with pytest.raises(BlockingIOError):
        opened(tmp_path / "d")
    first.close()
    opened(tmp_path / "d").close()


def test_a_forked_child_does_not_keep_the_lock(tmp_path: Path) -> None:
    database = opened(tmp_path / "d")
    ready, tell = os.pipe()
    child = os.fork()
    if not child:
        os.write(tell, b"x")
        signal.pause()
        os._exit(0)
    try:
        os.read(ready, 1)
        with pytest.raises(BlockingIOError):
            opened(tmp_path / "d")
        database.close()
        opened(tmp_path / "d").close()
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(ready)
        os.close(tell)


def test_no_shared_memory_is_used_since_network_file_systems_have_none(tmp_path: Path) -> None:
    for _ in range(2):
        with closing(opened(tmp_path / "d")) as database:
            put(database)
            assert sorted(path.name for path in tmp_path.iterdir()) == ["d", "d-wal"]


def test_a_file_that_is_removed_while_it_is_opened_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect = sqlite3.connect

    def too_late(path: Path, **words: object) -> sqlite3.Connection:
        connection = connect(path, **words)  # type: ignore[call-overload]  # passes all through
        path.unlink()
        return connection  # type: ignore[no-any-return]  # as sqlite3 has it

    monkeypatch.setattr(sqlite3, "connect", too_late)
    with pytest.raises(OSError, match="disk I/O error"):
        opened(tmp_path / "d")


@pytest.mark.parametrize("content", [b"my notes", b"SQLite format 3\0" + bytes(2000)])
def test_what_is_no_database_of_this_kind_is_left_alone(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "d").write_bytes(content)
    with pytest.raises(DamagedError):
        opened(tmp_path / "d")
    assert (tmp_path / "d").read_bytes() == content
    opened(tmp_path / "other", kind=KIND + 1).close()
    with pytest.raises(DamagedError, match="another kind"):
        opened(tmp_path / "other")


def test_damage_in_the_middle_is_found_when_it_is_looked_for(tmp_path: Path) -> None:
    path = tmp_path / "d"
    with closing(opened(path)) as database:
        put(database, *(f"{number:0200}" for number in range(500)))
    opened(path, checked=True).close()
    pages = path.read_bytes()
    path.write_bytes(pages[:20_480] + b"\x5a" * 8192 + pages[28_672:])
    opened(path).close()
    with pytest.raises(DamagedError):
        opened(path, checked=True)


def test_removing_takes_what_lies_beside_it(tmp_path: Path) -> None:
    database = opened(tmp_path / "d")
    put(database, "a")
    remove_database(tmp_path / "d")
    assert list(tmp_path.iterdir()) == []
    database.close()
    remove_database(tmp_path / "d")
