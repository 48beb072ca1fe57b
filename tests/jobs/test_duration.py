import pytest

from app.errors import InputError
from app.process import parse_duration


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
