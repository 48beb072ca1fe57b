import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, suppress
from pathlib import Path

import pytest

from app.errors import InputError
from app.process import Interruption, end_with_parent, ended_by_sigterm, parse_duration
from app.settings import ROOT

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@pytest.mark.parametrize("first", SIGNALS)
@pytest.mark.parametrize(("second", "ends"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)])
def test_a_second_signal_stops_at_once_with_its_own_code(
    first: signal.Signals, second: signal.Signals, ends: type[BaseException]
) -> None:
    said: list[str] = []
    with Interruption(said.append) as interruption:
        before = interruption.requested
        os.kill(os.getpid(), first)
        assert (before, interruption.requested) == (False, True)
        assert interruption.exit_code == 128 + first
        with pytest.raises(ends) as stopped:
            os.kill(os.getpid(), second)
    assert said == [f"{first.name}: finishing what is in flight; once more stops at once"]
    if isinstance(stopped.value, SystemExit):
        assert stopped.value.code == 143


@pytest.fixture
def handlers() -> Iterator[dict[signal.Signals, Callable[..., None]]]:
    """Handlers of the test's own, each known by its signal; what was there before comes back."""
    mine = {number: lambda *_: None for number in SIGNALS}
    before = {number: signal.signal(number, mine[number]) for number in SIGNALS}
    yield mine
    for number, one in before.items():
        signal.signal(number, one)


@pytest.mark.parametrize("within", [lambda: Interruption(lambda _: None), ended_by_sigterm])
@pytest.mark.parametrize("fault", [None, KeyboardInterrupt, ValueError])
def test_each_signal_has_its_own_handler_again_afterwards(
    handlers: dict[signal.Signals, Callable[..., None]],
    within: Callable[[], AbstractContextManager[object]],
    fault: type[BaseException] | None,
) -> None:
    def enter() -> None:
        with within():
            assert signal.getsignal(signal.SIGTERM) != handlers[signal.SIGTERM]
            if fault is not None:
                raise fault

    if fault is None:
        enter()
    else:
        with pytest.raises(fault):
            enter()
    assert {number: signal.getsignal(number) for number in SIGNALS} == handlers


def test_sigterm_ends_the_block_in_order() -> None:
    left = []

    def end() -> None:
        with ended_by_sigterm():
            try:
                os.kill(os.getpid(), signal.SIGTERM)
            finally:
                left.append("cleared away")

    with pytest.raises(SystemExit) as ended:
        end()
    assert ended.value.code == 143
    assert left == ["cleared away"]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("90s", 90), ("70m", 4200), ("1h30m", 5400), ("1.5h", 5400), (" 2M ", 120), ("0.5", 0.5)],
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "m", "70 minutes", "-5s", "1h 30", "1m30", "0", "0s", "1e3"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="write 90s, 70m or 1h30m"):
        parse_duration(text)


PARENT = """
import multiprocessing, signal, sys
from app.process import end_with_parent

def child():
    end_with_parent()
    print("up", flush=True)
    signal.pause()

if __name__ == "__main__":
    multiprocessing.get_context(sys.argv[1]).Process(target=child).start()
    signal.pause()
"""


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_process_ends_with_its_parent_however_that_ends(tmp_path: Path, method: str) -> None:
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    path = {**os.environ, "PYTHONPATH": str(ROOT)}
    words = [sys.executable, str(script), method]
    with subprocess.Popen(words, stdout=subprocess.PIPE, env=path, start_new_session=True) as parent:
        try:
            assert parent.stdout is not None
            assert parent.stdout.readline() == b"up\n"
            parent.kill()
            # The child holds the other end of the pipe.
            assert parent.communicate(timeout=30)[0] == b""
        finally:
            with suppress(ProcessLookupError):
                os.killpg(parent.pid, signal.SIGKILL)


def test_a_process_without_a_parent_of_its_kind_watches_none() -> None:
    before = threading.active_count()
    end_with_parent()
    assert threading.active_count() == before
