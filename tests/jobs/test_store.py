import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.database import Database
from app.errors import InputError
from app.jobs.identity import KEY_BYTES
from app.jobs.job import Origin, Usage
from app.jobs.store import SYNC_ROWS, SYNC_SECONDS, Reply, Store, UnreadableStoreError
from app.rows import Row
from app.settings import ROOT
from app.types import Outcome, Prediction, TaskType
from tests.jobs.scripted_job import keys_in
from tests.jobs.stepped_engine import FakeClock

IDENTITY = {"model": "mini", "model revision": "ab", "prompts": "cd", "engine": "vllm", "engine version": "1"}
CHOICE = Prediction(
    "a", TaskType.MULTIPLE_CHOICE, "1", Outcome.CLEAN, label_probs={"0": 0.1, "1": 0.9}, label_mass=0.7, seconds=3.0
)
USAGE = Usage(20, 1, "stop")


def key(number: int) -> bytes:
    return number.to_bytes(KEY_BYTES, "big")


def fill(path: Path | None, count: int, identity: dict[str, str] = IDENTITY) -> None:
    with Store(path) as store:
        store.begin(identity)
        for number in range(count):
            store.add(key(number), CHOICE, USAGE)


def test_what_was_added_is_found_by_the_next_run(tmp_path: Path) -> None:
    path = tmp_path / "j"
    fill(path, 3)
    with Store(path) as store:
        store.begin(IDENTITY)
        found = store.find(key(1), Row(7, "other"))
        assert store.found == 3
        assert store.find(key(3), Row(0, "")) is None
    assert found is not None
    assert (found.prediction.id, found.prediction.answer, found.prediction.outcome) == ("other", "1", Outcome.CLEAN)
    assert found.prediction.label_probs == {"0": 0.1, "1": 0.9}
    assert (found.usage, found.origin, found.row.number) == (USAGE, Origin.RESUMED, 7)


def test_times_are_not_kept(tmp_path: Path) -> None:
    fill(tmp_path / "j", 1)
    assert b"seconds" not in (tmp_path / "j").read_bytes()


def test_an_answer_of_this_run_counts_as_repeated(tmp_path: Path) -> None:
    with Store(tmp_path / "j") as store:
        store.begin(IDENTITY)
        store.add(key(0), CHOICE, USAGE)
        found = store.find(key(0), Row(1, "b"))
    assert found is not None
    assert found.origin is Origin.REPEATED


def test_long_and_foreign_answers_come_back_whole(tmp_path: Path) -> None:
    answer = "日本語 \u2028 \n\t" * 3000
    with Store(tmp_path / "j") as store:
        store.begin(IDENTITY)
        store.add(key(0), Prediction("", TaskType.GENERATION, answer, Outcome.REPAIRED), USAGE)
        store.add(key(1), CHOICE, USAGE)
    with Store(tmp_path / "j") as store:
        found = store.find(key(0), Row(0, ""))
    assert found is not None
    assert found.prediction.answer == answer


def test_a_reply_is_kept_as_it_was_and_is_no_prediction(tmp_path: Path) -> None:
    reply = Reply(422, {"detail": "no \u2028 such", "errors": [{"field": None, "n": 1.5}]})
    with Store(tmp_path / "j") as store:
        store.begin(IDENTITY)
        store.add_reply(key(0), reply)
        store.add(key(1), CHOICE, USAGE)
    with Store(tmp_path / "j") as store:
        assert store.find_reply(key(0)) == reply
        assert store.find(key(0), Row(0, "")) is None
        assert store.find_reply(key(1)) is None


@pytest.mark.parametrize("raw", ["1,2", "1,2.", ""])
def test_what_the_model_wrote_is_kept_beside_the_answer(tmp_path: Path, raw: str) -> None:
    with Store(tmp_path / "j") as store:
        store.begin(IDENTITY)
        store.add(key(0), Prediction("a", TaskType.RANKING, "1,2", Outcome.CLEAN, raw=raw), USAGE)
        found = store.find(key(0), Row(0, ""))
    assert found is not None
    assert found.prediction.raw == raw


@pytest.fixture(scope="session")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a process leaves that is killed between two answers: the file, and what SQLite keeps beside it."""
    program = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from tests.jobs.test_store import *\n"
        "store = Store(Path(sys.argv[1]))\n"
        "store.begin(IDENTITY)\n"
        "for number in range(5):\n    store.add(key(number), CHOICE, USAGE)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    path = tmp_path_factory.mktemp("killed") / "j"
    done = subprocess.run([sys.executable, "-c", program, str(path)], cwd=ROOT, timeout=60, check=False)
    assert done.returncode == -9
    return path


def copied(killed: Path, folder: Path, cut: int | None, garbage: bytes = b"") -> Path:
    tail = (killed.parent / "j-wal").read_bytes()
    shutil.copyfile(killed, folder / "j")
    (folder / "j-wal").write_bytes(tail[:cut] + garbage)
    return folder / "j"


def test_every_answer_outlives_the_process(killed: Path, tmp_path: Path) -> None:
    with Store(copied(killed, tmp_path, None)) as store:
        assert (store.found, store.identity) == (5, IDENTITY)


@given(cut=st.integers(min_value=0, max_value=70_000), garbage=st.binary(max_size=40))
def test_wherever_the_tail_is_torn_the_answers_before_are_kept(
    killed: Path, tmp_path_factory: pytest.TempPathFactory, cut: int, garbage: bytes
) -> None:
    path = copied(killed, tmp_path_factory.mktemp("torn"), cut, garbage)
    with Store(path) as store:
        kept = store.found
        assert keys_in(store) == [key(number) for number in range(kept)]
        store.begin(IDENTITY)
        store.add(key(99), CHOICE, USAGE)
    with Store(path) as store:
        assert store.found == kept + 1
        found = [store.find(one, Row(0, "")) for one in keys_in(store)]
    assert all(result is not None and result.prediction.answer == "1" for result in found)


def test_a_file_that_is_damaged_in_the_middle_is_one_line_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "j"
    fill(path, 300)
    damaged = path.read_bytes()[:4096] + b"\x5a" * 40_000
    path.write_bytes(damaged)
    with pytest.raises(UnreadableStoreError, match=r"j is damaged, or no store .*: move it away, or add --overwrite"):
        Store(path)
    assert path.read_bytes() == damaged
    Store(path, overwrite=True).close()  # nobody holds it


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"model": "other", "model revision": "zz"}, "model revision was ab (mini) and is now zz (other)"),
        ({"prompts": "zz"}, "prompts was cd and is now zz"),
        ({"engine": "transformers"}, "engine was vllm and is now transformers"),
        ({"engine version": "2"}, "engine version was 1 and is now 2"),
    ],
)
def test_another_run_identity_is_refused_with_the_difference(tmp_path: Path, change: dict[str, str], says: str) -> None:
    fill(tmp_path / "j", 1)
    with Store(tmp_path / "j") as store, pytest.raises(InputError) as refused:
        store.begin(IDENTITY | change)
    assert says in str(refused.value)
    assert "--overwrite" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_checkpoint_that_was_moved_is_the_same(tmp_path: Path) -> None:
    fill(tmp_path / "j", 1)
    with Store(tmp_path / "j") as store:
        store.begin(IDENTITY | {"model": "elsewhere/mini"})


def test_overwrite_starts_afresh(tmp_path: Path) -> None:
    fill(tmp_path / "j", 4)
    with Store(tmp_path / "j", overwrite=True) as store:
        store.claim(IDENTITY | {"prompts": "zz"})
        assert len(keys_in(store)) == 4, "nothing is lost before the engine is ready"
        store.begin(IDENTITY | {"prompts": "zz"})
        assert store.found == 0
        assert store.find(key(1), Row(0, "")) is None
        assert keys_in(store) == []


def test_overwrite_drops_a_finished_run_and_goes_on_with_an_unfinished_one(tmp_path: Path) -> None:
    def found_again() -> int:
        with Store(tmp_path / "j", overwrite=True) as store:
            store.begin(IDENTITY)
            return store.found

    def finish() -> None:
        with Store(tmp_path / "j") as store:
            store.finish()
            store.finish()

    fill(tmp_path / "j", 4)
    assert found_again() == 4
    finish()
    fill(tmp_path / "j", 5)
    assert found_again() == 5
    finish()
    with Store(tmp_path / "j") as store:
        assert (store.found, store.finished) == (5, True)
    assert found_again() == 0


@pytest.mark.parametrize("begin", [False, True])
def test_overwrite_takes_what_is_no_journal_only_when_it_begins(tmp_path: Path, begin: bool) -> None:
    (tmp_path / "j").write_bytes(b"my notes\n")
    with Store(tmp_path / "j", overwrite=True) as store:
        if begin:
            store.begin(IDENTITY)
    assert ((tmp_path / "j").read_bytes() == b"my notes\n") is not begin


def test_a_second_run_is_refused_while_the_first_lives(tmp_path: Path) -> None:
    with Store(tmp_path / "j") as store:
        store.begin(IDENTITY)
        with pytest.raises(InputError, match="another run holds .*: wait for it, or name another output"):
            Store(tmp_path / "j")
    Store(tmp_path / "j").close()


def test_overwrite_does_not_break_into_a_running_job(tmp_path: Path) -> None:
    with Store(tmp_path / "j") as store:
        store.begin(IDENTITY)
        store.add(key(0), CHOICE, USAGE)
        with pytest.raises(InputError, match="another run holds"):
            Store(tmp_path / "j", overwrite=True)
        assert len(keys_in(store)) == 1


@pytest.mark.parametrize("content", [b"my notes\n", b"my notes", b"[1]\n", b"x" * 5000, b"SQLite format 3\0 or so"])
def test_a_file_that_is_no_store_is_left_alone(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "j").write_bytes(content)
    with pytest.raises(InputError, match="no store of answers of this version: move it away, or add --overwrite"):
        Store(tmp_path / "j")
    assert (tmp_path / "j").read_bytes() == content


def test_another_programs_database_is_left_alone(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "j")) as other, other:
        other.execute("CREATE TABLE answers (precious TEXT)")
    with pytest.raises(UnreadableStoreError):
        Store(tmp_path / "j")
    with closing(sqlite3.connect(tmp_path / "j")) as other:
        assert other.execute("SELECT name FROM sqlite_schema").fetchall() == [("answers",)]


def test_a_journal_of_an_earlier_version_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "j").write_bytes(b'{"journal": "shopbench", "version": 1, "run": {"model": "mini"}}\n')
    with pytest.raises(UnreadableStoreError, match="is a journal of an earlier version, in JSON lines: finish"):
        Store(tmp_path / "j")


def test_a_run_that_never_began_leaves_no_file(tmp_path: Path) -> None:
    Store(tmp_path / "j").close()
    assert not (tmp_path / "j").exists()


def test_a_store_without_a_file_forgets_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with Store(None) as store:
        store.begin(IDENTITY)
        store.add(key(0), CHOICE, USAGE)
        assert store.find(key(0), Row(0, "")) is not None
    assert list(tmp_path.iterdir()) == []


def test_answers_are_forced_to_the_disk_in_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FakeClock()
    forced: list[float] = []
    with Store(tmp_path / "j", clock=clock) as store:
        store.begin(IDENTITY)
        monkeypatch.setattr(Database, "force", lambda _: forced.append(clock.now))
        for number in range(SYNC_ROWS):
            store.add(key(number), CHOICE, USAGE)
        assert len(forced) == 1
        store.add(key(100_000), CHOICE, USAGE)
        assert len(forced) == 1
        clock.wait(SYNC_SECONDS)
        store.add(key(100_001), CHOICE, USAGE)
        assert len(forced) == 2
        store.add(key(100_002), CHOICE, USAGE)
        store.sync_if_due()
        assert len(forced) == 2
        clock.wait(SYNC_SECONDS)
        store.sync_if_due()
        store.sync_if_due()
        assert len(forced) == 3


LIMITED = (
    "import resource, signal, sys\n"
    "from pathlib import Path\n"
    "from tests.jobs.test_store import *\n"
    "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
    "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
    "path = Path(sys.argv[1]) if len(sys.argv) > 1 else None\n"
    "try:\n    fill(path, 20_000)\nexcept InputError as error:\n    print(error)\n"
)


def test_a_full_disk_is_one_line_and_the_store_goes_on_later(tmp_path: Path) -> None:
    path = tmp_path / "j"
    result = subprocess.run(
        [sys.executable, "-c", LIMITED, str(path)], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    (said,) = result.stdout.splitlines()
    assert said.startswith(f"cannot write {path}: ")
    assert said.endswith("make room and give the same command again")
    with Store(path) as store:
        assert 0 < store.found < 20_000
        kept = store.found
        store.begin(IDENTITY)
        store.add(key(10**6), CHOICE, USAGE)
    with Store(path) as store:
        assert store.found == kept + 1


def test_a_full_temporary_folder_is_one_line() -> None:
    result = subprocess.run(
        [sys.executable, "-c", LIMITED], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    (said,) = result.stdout.splitlines()
    assert said.startswith("cannot write to the temporary folder (SQLITE_TMPDIR names another): ")
