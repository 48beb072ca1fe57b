"""Durations as people write them: 90s, 70m, 1h30m."""

import re

from app.errors import InputError

_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0}
_WHOLE = re.compile(r"(?:\d+(?:\.\d+)?[hms])+|\d+(?:\.\d+)?")
_PART = re.compile(r"(\d+(?:\.\d+)?)([hms])")


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
