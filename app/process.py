"""Ctrl-C and SIGTERM: finish what is in flight, then stop."""

import multiprocessing
import multiprocessing.connection
import os
import re
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Self

from app.errors import InputError


class Interruption:
    """While this is entered, a first SIGINT or SIGTERM only asks to stop; a second one stops at once."""

    def __init__(self, announce: Callable[[str], None]) -> None:
        """`announce` gets the one line that says so."""
        self._announce = announce
        self._before: dict[signal.Signals, object] = {}
        self.signal: signal.Signals | None = None
        """What asked to stop, if anything did."""

    @property
    def requested(self) -> bool:
        """Whether to stop."""
        return self.signal is not None

    @property
    def exit_code(self) -> int:
        """128 plus the signal's number, as shells have it."""
        return 128 + (self.signal or 0)

    def __enter__(self) -> Self:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._ask)
        return self

    def __exit__(self, *_: object) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)  # type: ignore[arg-type]  # what `signal.signal` gave

    def _ask(self, number: int, _: FrameType | None) -> None:
        if self.requested:
            # Ctrl-C has an exception and an exit code of its own.
            raise KeyboardInterrupt if number == signal.SIGINT else SystemExit(128 + number)
        self.signal = signal.Signals(number)
        self._announce(f"{self.signal.name}: finishing what is in flight; once more stops at once")


@contextmanager
def ended_by_sigterm() -> Iterator[None]:
    """Leave in order on SIGTERM, by `SystemExit`, so that what was begun is cleared away."""

    def leave(number: int, _: FrameType | None) -> None:
        sys.exit(128 + number)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0}
_WHOLE = re.compile(r"(?:\d+(?:\.\d+)?[hms])+|\d+(?:\.\d+)?")
_PART = re.compile(r"(\d+(?:\.\d+)?)([hms])")


def end_with_parent() -> None:
    """Let this process, one of `multiprocessing`, end when its parent is gone, by whatever means.

    Not by the kernel's PR_SET_PDEATHSIG: that is sent when the thread ends that started the process.
    """
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, name="parent", daemon=True).start()


def parse_duration(text: str) -> float:
    """Seconds; a bare number counts as seconds.

    Raises:
        InputError: the text is no duration, or one of nothing.
    """
    plain = text.strip().lower()
    if not _WHOLE.fullmatch(plain):
        raise InputError(f"{text!r} is not a duration: write 90s, 70m or 1h30m")
    parts = _PART.findall(plain)
    seconds = sum(float(number) * _UNITS[unit] for number, unit in parts) if parts else float(plain)
    if seconds <= 0:
        raise InputError(f"{text!r} leaves no time: write 90s, 70m or 1h30m")
    return seconds
