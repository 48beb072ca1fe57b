"""Product attributes as Amazon's question sets write them, such as `size: { unit:inches, value:9. }; { value:"M" }`.

A name, then objects between semicolons. A value is an object, a list in brackets, a text in quotation marks, or a bare
word, which may hold colons (times). Read off the published files of contextual-product-qa.
"""

import re
from dataclasses import dataclass

_NAME = re.compile(r"([\w.]+):\s*(?=\{)")
_KEY = re.compile(r"\s*([\w.]+):\s*")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.|"(?!\s*[,;}\]]))*)"')
_BARE = re.compile(r"[^,;{}\[\]\"]+")
_NUMBER = re.compile(r"-?\d*\.?\d*")
_MEASURED = ("value", "string_value", "decimal_value")
_HIDDEN = frozenset({"normalized_value", "standardized_values", "unit", "language_tag", *_MEASURED})
"""Said by the value itself, or for machines."""
_FLAGS = {"true": True, "false": False}

Value = str | list["Value"] | dict[str, "Value"]


@dataclass(frozen=True, slots=True)
class Attribute:
    """A product's attribute."""

    name: str
    """In words, such as "item weight"."""
    text: str
    """Name and value in words, such as "item weight: 9 pounds"."""
    flag: bool | None
    """The value, where it is yes or no."""


_KINDS = tuple(
    re.compile(rf"[\w ]*\b(?:{names})\b[\w ]*:")
    for names in (
        "size|dimensions|width|length|height|depth|diameter|weight|volume|capacity|shape|fit",
        "age|audience|gender|department|size|adult",
        "battery|batteries|power|voltage|wattage|electric|adapter|rechargable|cable",
        "material|fabric|outer|lining|composition|ingredients|finish|coating|shade",
        "components|count|eaches|boxes|quantity|pieces|remote|adapter",
        "compatible|platform|system|models?|interface|connectivity|uses|mounting|installation|form",
        "color|pattern|style|theme|character|finish|shade",
    )
)


def are_related(one: str, other: str) -> bool:
    """Whether two attributes in words may answer the same question: both are sizes, both tell the material, ..."""
    return any(kind.match(one) and kind.match(other) for kind in _KINDS)


def read_attribute(text: str) -> Attribute | None:
    """The attribute that a text is; None where it is of another form."""
    opened = _NAME.match(text)
    if opened is None:
        return None
    name = _words(opened[1])
    try:
        values, end = _series(text, opened.end(), ";", "")
    except ValueError:
        return None
    if text[end:].strip():
        return None
    worded = list(dict.fromkeys(words for value in values if (words := _said(value))))
    if not worded:
        return None
    flag = values[0].get("value") if len(values) == 1 and isinstance(values[0], dict) else None
    return Attribute(name, f"{name}: {', '.join(worded)}", _FLAGS.get(flag) if isinstance(flag, str) else None)


def _series(text: str, place: int, separator: str, end: str) -> tuple[list[Value], int]:
    """Values from a place on to the `end` mark, and the place behind it. Raises ValueError where it is none."""
    values = []
    while True:
        value, place = _value(text, place)
        values.append(value)
        place = _blanks(text, place)
        if end and text.startswith(end, place):
            return values, place + len(end)
        if not text.startswith(separator, place):
            if end:
                raise ValueError("not closed")
            return values, place
        place += len(separator)


def _value(text: str, place: int) -> tuple[Value, int]:
    place = _blanks(text, place)
    if text.startswith("{", place):
        return _fields(text, place + 1)
    if text.startswith("[", place):
        return _series(text, place + 1, ",", "]")
    quoted = _QUOTED.match(text, place)
    if quoted:
        return quoted[1].replace('\\"', '"'), quoted.end()
    bare = _BARE.match(text, place)
    if bare is None or not bare[0].strip():
        raise ValueError("no value")
    return bare[0].strip(), bare.end()


def _fields(text: str, place: int) -> tuple[dict[str, Value], int]:
    fields: dict[str, Value] = {}
    while True:
        key = _KEY.match(text, place)
        if key is None:
            raise ValueError("no name")
        fields[key[1]], place = _value(text, key.end())
        place = _blanks(text, place)
        if text.startswith("}", place):
            return fields, place + 1
        if not text.startswith(",", place):
            raise ValueError("not closed")
        place += 1


def _blanks(text: str, place: int) -> int:
    while place < len(text) and text[place].isspace():
        place += 1
    return place


def _said(value: Value) -> str:
    """A value in words. A measure that is given in two units is said in the normalized one."""
    if isinstance(value, str):
        return _word(value)
    if isinstance(value, list):
        return ", ".join(dict.fromkeys(words for one in value if (words := _said(one))))
    normalized = value.get("normalized_value")
    measured = normalized if isinstance(normalized, dict) else value
    amount = next((_said(measured[key]) for key in _MEASURED if key in measured), "")
    if amount and "unit" in measured:
        amount = f"{amount} {_said(measured['unit'])}"
    said = ((key, _said(part)) for key, part in value.items() if key not in _HIDDEN and not key.endswith("_seq_id"))
    rest = [(key, words) for key, words in said if words and not words.startswith("unknown")]
    if amount:
        return f"{amount} ({', '.join(words for _, words in rest)})" if rest else amount
    unit = f" {_said(value['unit'])}" if "unit" in value and rest else ""
    return ", ".join(f"{_words(key)} {words}" for key, words in rest) + unit


def _word(text: str) -> str:
    """A bare word or a text: "9." is 9, "300.0" 300, "lithium_ion" lithium ion."""
    if text in _FLAGS:
        return "yes" if _FLAGS[text] else "no"
    if _NUMBER.fullmatch(text) and any(char.isdigit() for char in text):
        return f"{float(text):.10g}" if "." in text else text
    return " ".join((text if " " in text else text.replace("_", " ")).split())


def _words(name: str) -> str:
    return name.replace("_", " ").strip()
