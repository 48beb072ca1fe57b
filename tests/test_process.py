import os
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import pytest

from app.errors import InputError
from app.process import Interruption, ended_by_sigterm, parse_duration

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
