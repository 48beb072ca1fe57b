"""Text that was damaged on its way here: control characters and UTF-8 that was read as something else."""

import re
import unicodedata

_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ufeff\ufffe\uffff]")
_LINE_END = re.compile("\r\n?")
_SURROGATE = re.compile("[\ud800-\udfff]")
LOST = "\ufffd"
"""Stands where a decoder met bytes that it could not read."""


def _misread_bytes() -> dict[str, int]:
    """Characters that the bytes 0x80 to 0xff become when they are read as Latin-1 or as Windows-1252."""
    read_as = {chr(byte): byte for byte in range(0x80, 0x100)}
    for byte in range(0x80, 0xA0):
        char = bytes([byte]).decode("cp1252", "ignore")
        if char:
            read_as[char] = byte
    return read_as


_BYTES = _misread_bytes()
_CONTINUATION = "".join(re.escape(char) for char, byte in _BYTES.items() if byte < 0xC0)
_MISREAD = re.compile(
    f"[\u00c2-\u00df][{_CONTINUATION}]|[\u00e0-\u00ef][{_CONTINUATION}]{{2}}|[\u00f0-\u00f4][{_CONTINUATION}]{{3}}"
)


def without_control_characters(text: str) -> str:
    """Line ends as line feeds; other control characters, byte order marks and non-characters gone; tabs stay."""
    return _CONTROL.sub("", _LINE_END.sub("\n", text))


def decoded_again(text: str) -> str:
    """The text with UTF-8 sequences that were read as Latin-1 or Windows-1252 read as UTF-8 ("cafÃ©" -> "café").

    Pairs of surrogates become the character that they stand for. What is no valid sequence stays as it is.
    """
    if _SURROGATE.search(text):
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
    return _MISREAD.sub(_read, text)


def is_whole(text: str) -> bool:
    """Whether no character was lost: no half of a surrogate pair, no replacement character."""
    return LOST not in text and _SURROGATE.search(text) is None


def _read(match: re.Match[str]) -> str:
    try:
        read = bytes(_BYTES[char] for char in match[0]).decode()
    except UnicodeDecodeError:  # an overlong form, say
        return match[0]
    return match[0] if unicodedata.category(read)[0] == "C" else read
