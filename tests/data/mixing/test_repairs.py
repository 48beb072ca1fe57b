import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.data.mixing.checks import decoded_again, is_whole, without_control_characters


@pytest.mark.parametrize(
    ("damaged", "mended"),
    [
        ("cafÃ©", "café"),
        ("10â€³ pan â€“ black", "10″ pan – black"),
        ("KÃ¼hlschrank", "Kühlschrank"),
        ("æ\x97¥æ\x9c¬", "日本"),
        ("\ud83d\ude00 face", "😀 face"),
        ("plain", "plain"),
        ("São Paulo, Ã la carte", "São Paulo, Ã la carte"),
        ("half \ud83d", "half \ud83d"),
    ],
)
def test_utf_8_that_was_read_as_something_else_is_read_again(damaged: str, mended: str) -> None:
    assert decoded_again(damaged) == mended


@given(st.text(st.characters(codec="utf-8", min_codepoint=0xC0, max_codepoint=0xFFFD, categories=["L"]), min_size=1))
def test_every_text_of_letters_comes_back_from_latin_1(text: str) -> None:
    assert decoded_again(text.encode().decode("latin-1")) == text


def test_control_characters_go_and_line_ends_become_line_feeds() -> None:
    assert without_control_characters("a\r\nb\rc\x00\x07\td\x9f\ufeff\n") == "a\nb\nc\td\n"


def test_lost_characters_are_seen() -> None:
    assert is_whole("café 😀")
    assert not is_whole("caf\ufffd")
    assert not is_whole("half \udc00")
