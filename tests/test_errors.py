import pytest

from app.errors import first_line


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
