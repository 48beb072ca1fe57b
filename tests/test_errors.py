import sys

import pytest

from app.errors import SetupError, first_line, library


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("no such thing"), "no such thing"),
        (OSError("\n  no such thing \nand a long story"), "no such thing"),
        (RuntimeError(), "RuntimeError"),
        (MemoryError(" \n"), "MemoryError"),
    ],
)
def test_what_a_library_says_is_one_line_and_its_kind_where_it_says_nothing(error: Exception, line: str) -> None:
    assert first_line(error) == line


def test_a_library_that_is_missing_is_one_line_with_the_extra_that_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert library("json.decoder", "a test", "dev").JSONDecoder
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(SetupError, match=r"^--executor ray needs ray, .* pip install 'shopbench\[ray\]'$"):
        library("ray", "--executor ray", "ray")
    with pytest.raises(SetupError, match=r"^Parquet needs pyarrowed, which is not installed: "):
        library("pyarrowed.parquet", "Parquet", "parquet")
