import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.errors import InputError
from app.jobs.identity import KEY_BYTES
from app.jobs.job import Origin, Usage
from app.jobs.journal import SYNC_ROWS, SYNC_SECONDS, Journal, keys_of
from app.rows import Row
from app.settings import ROOT
from app.types import Outcome, Prediction, TaskType
from tests.jobs.stepped_engine import FakeClock

IDENTITY = {"model": "mini", "model revision": "ab", "prompts": "cd", "engine": "vllm", "engine version": "1"}
CHOICE = Prediction(
    "a", TaskType.MULTIPLE_CHOICE, "1", Outcome.CLEAN, label_probs={"0": 0.1, "1": 0.9}, label_mass=0.7, seconds=3.0
)
USAGE = Usage(20, 1, "stop")


def key(number: int) -> bytes:
    return number.to_bytes(KEY_BYTES, "big")


def fill(path: Path, count: int, identity: dict[str, str] = IDENTITY) -> None:
    with Journal.open(path) as journal:
        journal.begin(identity)
        for number in range(count):
            journal.add(key(number), CHOICE, USAGE)


def test_what_was_added_is_found_by_the_next_run(tmp_path: Path) -> None:
    path = tmp_path / "j"
    fill(path, 3)
    with Journal.open(path) as journal:
        journal.begin(IDENTITY)
        found = journal.find(key(1), Row(7, "other"))
        assert journal.found == 3
        assert journal.find(key(3), Row(0, "")) is None
    assert found is not None
    assert (found.prediction.id, found.prediction.answer, found.prediction.outcome) == ("other", "1", Outcome.CLEAN)
    assert found.prediction.label_probs == {"0": 0.1, "1": 0.9}
    assert (found.usage, found.origin, found.row.number) == (USAGE, Origin.RESUMED, 7)


def test_times_are_not_kept(tmp_path: Path) -> None:
    fill(tmp_path / "j", 1)
    assert "seconds" not in (tmp_path / "j").read_text()


def test_an_answer_of_this_run_counts_as_repeated(tmp_path: Path) -> None:
    with Journal.open(tmp_path / "j") as journal:
        journal.begin(IDENTITY)
        journal.add(key(0), CHOICE, USAGE)
        found = journal.find(key(0), Row(1, "b"))
    assert found is not None
    assert found.origin is Origin.REPEATED


def test_long_and_foreign_answers_come_back_whole(tmp_path: Path) -> None:
    answer = "日本語 \u2028 \n\t" * 3000
    with Journal.open(tmp_path / "j") as journal:
        journal.begin(IDENTITY)
        journal.add(key(0), Prediction("", TaskType.GENERATION, answer, Outcome.REPAIRED), USAGE)
        journal.add(key(1), CHOICE, USAGE)
    with Journal.open(tmp_path / "j") as journal:
        found = journal.find(key(0), Row(0, ""))
    assert found is not None
    assert found.prediction.answer == answer


@settings(deadline=None)  # real files, on machines that are busy
@given(cut=st.integers(min_value=0, max_value=2000))
def test_wherever_the_file_ends_the_whole_lines_before_are_kept(
    cut: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("torn") / "j"
    fill(path, 5)
    data = path.read_bytes()[:cut]
    path.write_bytes(data)
    whole = max(0, data.count(b"\n") - 1)
    with Journal.open(path) as journal:
        assert journal.found == whole
        journal.begin(IDENTITY)
        journal.add(key(99), CHOICE, USAGE)
    lines = path.read_bytes().splitlines()
    assert len(lines) == whole + 2
    assert all(json.loads(line) for line in lines)


def test_a_damaged_line_in_the_middle_is_dropped_and_counted(tmp_path: Path) -> None:
    path = tmp_path / "j"
    fill(path, 3)
    lines = path.read_bytes().splitlines()
    lines[2] = b"\0" * 40
    path.write_bytes(b"\n".join(lines) + b"\n")
    with Journal.open(path) as journal:
        assert (journal.found, journal.dropped) == (2, 1)
        assert journal.find(key(1), Row(0, "")) is None
        assert journal.find(key(2), Row(0, "")) is not None


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
    with Journal.open(tmp_path / "j") as journal, pytest.raises(InputError) as refused:
        journal.begin(IDENTITY | change)
    assert says in str(refused.value)
    assert "--overwrite" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_checkpoint_that_was_moved_is_the_same(tmp_path: Path) -> None:
    fill(tmp_path / "j", 1)
    with Journal.open(tmp_path / "j") as journal:
        journal.begin(IDENTITY | {"model": "elsewhere/mini"})


def test_overwrite_starts_afresh(tmp_path: Path) -> None:
    fill(tmp_path / "j", 4)
    with Journal.open(tmp_path / "j", overwrite=True) as journal:
        journal.claim(IDENTITY | {"prompts": "zz"})
        assert len(list(keys_of(tmp_path / "j"))) == 4, "nothing is lost before the engine is ready"
        journal.begin(IDENTITY | {"prompts": "zz"})
        assert journal.found == 0
        assert journal.find(key(1), Row(0, "")) is None
    assert list(keys_of(tmp_path / "j")) == []


def test_overwrite_drops_a_finished_run_and_goes_on_with_an_unfinished_one(tmp_path: Path) -> None:
    def found_again() -> int:
        with Journal.open(tmp_path / "j", overwrite=True) as journal:
            journal.begin(IDENTITY)
            return journal.found

    def finish() -> None:
        with Journal.open(tmp_path / "j") as journal:
            journal.finish()
            journal.finish()

    fill(tmp_path / "j", 4)
    assert found_again() == 4
    finish()
    fill(tmp_path / "j", 5)
    assert found_again() == 5
    finish()
    lines = (tmp_path / "j").read_bytes().splitlines()
    assert lines.count(b'{"finished": true}') == 2
    with Journal.open(tmp_path / "j") as journal:
        assert (journal.found, journal.dropped, journal.finished) == (5, 0, True)
    assert found_again() == 0


@pytest.mark.parametrize("begin", [False, True])
def test_overwrite_takes_what_is_no_journal_only_when_it_begins(tmp_path: Path, begin: bool) -> None:
    (tmp_path / "j").write_bytes(b"my notes\n")
    with Journal.open(tmp_path / "j", overwrite=True) as journal:
        if begin:
            journal.begin(IDENTITY)
    assert ((tmp_path / "j").read_bytes() == b"my notes\n") is not begin


def test_a_second_run_is_refused_while_the_first_lives(tmp_path: Path) -> None:
    with Journal.open(tmp_path / "j") as journal:
        journal.begin(IDENTITY)
        with pytest.raises(InputError, match="another run holds .*: wait for it, or name another output"):
            Journal.open(tmp_path / "j")
    Journal.open(tmp_path / "j").close()


def test_overwrite_does_not_break_into_a_running_job(tmp_path: Path) -> None:
    with Journal.open(tmp_path / "j") as journal:
        journal.begin(IDENTITY)
        journal.add(key(0), CHOICE, USAGE)
        with pytest.raises(InputError, match="another run holds"):
            Journal.open(tmp_path / "j", overwrite=True)
    assert len(list(keys_of(tmp_path / "j"))) == 1


@pytest.mark.parametrize(
    "content", [b"my notes\n", b"my notes", b'{"journal": "shopbench", "version": 99}\n', b"[1]\n"]
)
def test_a_file_that_is_no_journal_is_left_alone(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "j").write_bytes(content)
    with pytest.raises(InputError, match="is not a journal of this version: move it away, or add --overwrite"):
        Journal.open(tmp_path / "j")
    assert (tmp_path / "j").read_bytes() == content


def test_a_journal_that_is_cut_while_it_is_used_is_one_line(tmp_path: Path) -> None:
    fill(tmp_path / "j", 3)
    with Journal.open(tmp_path / "j") as journal:
        (tmp_path / "j").open("r+b").truncate(10)
        with pytest.raises(InputError, match="became shorter while it was used"):
            journal.find(key(2), Row(0, ""))


def test_a_run_that_never_began_leaves_no_file(tmp_path: Path) -> None:
    Journal.open(tmp_path / "j").close()
    assert not (tmp_path / "j").exists()


def test_lines_are_forced_to_the_disk_in_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FakeClock()
    forced: list[int] = []
    with Journal.open(tmp_path / "j", clock=clock) as journal:
        journal.begin(IDENTITY)
        monkeypatch.setattr(os, "fsync", forced.append)
        for number in range(SYNC_ROWS):
            journal.add(key(number), CHOICE, USAGE)
        assert len(forced) == 1
        journal.add(key(1000), CHOICE, USAGE)
        assert len(forced) == 1
        clock.wait(SYNC_SECONDS)
        journal.add(key(1001), CHOICE, USAGE)
        assert len(forced) == 2
        journal.add(key(1002), CHOICE, USAGE)
        journal.sync_if_due()
        assert len(forced) == 2
        clock.wait(SYNC_SECONDS)
        journal.sync_if_due()
        journal.sync_if_due()
        assert len(forced) == 3


def test_a_full_disk_is_one_line_and_the_journal_goes_on_later(tmp_path: Path) -> None:
    program = (
        "import resource, signal, sys\n"
        "from pathlib import Path\n"
        "from tests.jobs.test_journal import *\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try:\n    fill(Path(sys.argv[1]), 20)\nexcept InputError as error:\n    print(error)\n"
    )
    path = tmp_path / "j"
    result = subprocess.run(
        [sys.executable, "-c", program, str(path)], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert "File too large; make room and give the same command again" in result.stdout
    kept = len(list(keys_of(path)))
    assert 0 < kept < 20
    assert not path.read_bytes().endswith(b"\n")
    with Journal.open(path) as journal:
        assert journal.found == kept
