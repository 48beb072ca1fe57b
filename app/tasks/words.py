"""Wordings that several task types look for in instructions (lower case)."""

import re

NUMBER_WORDS = {
    "one": 1, "single": 1, "two": 2, "couple": 2, "three": 3, "four": 4, "five": 5,
    "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10,
}  # fmt: skip
NUMBER = rf"(?P<n>[1-9][0-9]?|{'|'.join(NUMBER_WORDS)})"
"""A whole number from 1 to 99 in digits, or to ten in words, as the group `n`."""

WORKED_SOLUTION = re.compile(r"\bstep[ -]by[ -]step\b|\bshow your (?:work|reasoning)\b|\bchain of thought\b")
_BEFORE_IMPERATIVE = ("^", "[.:;,!?…'\"”’»」] ", "please ", "and ", "then ", "to ")


def either(*alternatives: str) -> str:
    """A regular expression for any of the given ones."""
    return f"(?:{'|'.join(alternatives)})"


def imperative(*verbs: str) -> str:
    """A regular expression for verbs where they tell what to do ("Describe ..."), not where they narrate."""
    behind = {verb: either(*(rf"(?<={before}{verb})" for before in _BEFORE_IMPERATIVE)) for verb in verbs}
    return either(*(rf"\b{verb}\b{place}" for verb, place in behind.items()))


def number(text: str) -> int:
    """The value of what `NUMBER` matched."""
    return NUMBER_WORDS.get(text) or int(text)


LANGUAGES = (
    "English", "German", "Spanish", "French", "Italian", "Portuguese", "Dutch", "Polish", "Swedish", "Turkish",
    "Arabic", "Hindi", "Indonesian", "Vietnamese", "Thai", "Korean", "Japanese", "Chinese", "Russian",
)  # fmt: skip
DEFAULT = "English"
_ALIASES = {
    "mandarin": "Chinese", "bahasa": "Indonesian", "castilian": "Spanish", "deutsch": "German", "español": "Spanish",
    "français": "French", "italiano": "Italian", "日本語": "Japanese", "中文": "Chinese",
}  # fmt: skip
_CODES = {
    "en": "English", "de": "German", "es": "Spanish", "fr": "French", "it": "Italian", "pt": "Portuguese",
    "ja": "Japanese", "jp": "Japanese", "zh": "Chinese", "id": "Indonesian",
}  # fmt: skip
_NAMES = {language.lower(): language for language in LANGUAGES} | _ALIASES
_NAME = rf"(?P<name>{'|'.join(sorted(_NAMES, key=len, reverse=True))})"
_ARTICLES = r"(?:(?:the|an?|a\(n\)|its?|fluent|natural|native|plain|simplified|traditional|brazilian)\s+)*"
_TARGETS = tuple(
    re.compile(pattern)
    for pattern in (
        rf"(?:->|→|=>) ?{_NAME}",
        rf"\bthe {_NAME} (?:for|of)\b",
        rf"\b(?:in)?to {_ARTICLES}{_NAME}",
        rf"{_NAME}[- ](?:language )?(?:version|title|translation|equivalent|counterpart|name|wording)",
        rf"{_NAME}[- ](?:language )?(?:online|e-?commerce|shopping|web ?site|web ?shop|shop|store|market|site"
        r"|customers?|shoppers?|buyers?|users?|audience|speaking|speakers?|listing)",
        rf"\b(?:in|for|auf|en)\s+{_ARTICLES}{_NAME}",
    )
)
_NAMED = re.compile(rf"(?<!from )(?<!from the )(?<!original )(?:\b|(?=[^\x00-\x7f])){_NAME}")
_CUE = re.compile(
    rf"(?:.* )?(?:\(?{_NAME}\)?(?: (?:version|title|translation|text|query|name|equivalent))?"
    rf"|\((?P<code>{'|'.join(_CODES)})\))"
)
_CONVERTS = re.compile(r"翻訳|翻译|\b(?:translat|convert|locali[sz]|language|version|marketplace)")
_CODE = re.compile(rf"(?:\b(?:in)?to|->|→|=>|-)\s*\(?(?P<code>{'|'.join(_CODES)})\b\)?(?=\s*(?:$|[:.\n…)]))")


def target_language(asked: str, cue: str = "") -> str:
    """The English name of the language that instructions ask for; English where none.

    `cue` is the label that waits for the answer ("Portuguese:"). Both in lower case.
    """
    if awaited := awaited_language(cue):
        return awaited
    for pattern in _TARGETS:
        if match := pattern.search(asked):
            return _NAMES[match["name"]]
    if not _CONVERTS.search(asked):
        return DEFAULT
    if named := _NAMED.search(asked):
        return _NAMES[named["name"]]
    code = _CODE.search(asked)
    return _CODES[code["code"]] if code else DEFAULT


def awaited_language(cue: str) -> str | None:
    """The language that a label names ("Title (English)", in lower case); None where it names none."""
    found = _CUE.fullmatch(cue) if cue else None
    if found is None:
        return None
    return _NAMES[found["name"]] if found["name"] else _CODES[found["code"]]


VERB = either(
    "extract", "find", "locat", "identif", "pinpoint", "highlight", "select", "choos", "spot", "detect",
    "recogni[sz]", "pull", "pick", "underlin", "mark", "tag", "isolat", "retriev", "copy", "copies", "determin",
    "point out", "single out", "name", "list", "give", "show", "return", "output", "get", "tell", "what", "which",
    "label",
)  # fmt: skip
EXTRACTS = either(
    "extract", "find", "locat", "identif", "pinpoint", "highlight", "spot", "detect", "recogni[sz]", "pull", "underlin",
    "mark", "tag", "annotat", "isolat", "copy", "copies", "point out", "single out", "label", "lift", "take",
    "extrah", "extrae", "extrai", "ekstrak",
)  # fmt: skip
SOURCE = either(
    "titles?", "quer(?:y|ies)", "search(?: (?:terms?|strings?|phrases?|texts?))?", "listings?", "product names?",
    "headlines?", "keywords?",
)  # fmt: skip
TEXT = either(SOURCE, "text", "sentence", "string", "descriptions?", "utterance")
ATTRIBUTE = either(
    "brands?", "colou?rs?", "materials?", "sizes?", "genders?", "product types?", "quantit(?:y|ies)",
    "dimensions?", "weights?", "flavou?rs?", "scents?", "patterns?", "styles?", "audiences?", "compositions?",
    "model(?: name| number)?s?", "manufacturers?", "departments?", "age(?: group| range)?s?", "volumes?",
    "capacit(?:y|ies)", "count", "variety", "ingredients?", "shapes?", "finish", "theme", "type",
    "attribute(?: values?)?", "slots?", "spans?", "phrases?", "words?", "parts?", "components?", "sections?",
    "tokens?", "values?", "substrings?", "terms?", "occasions?", "seasons?", "location", "unit", "fabrics?",
    "features?", "dosages?", "devices?", "connectivity", "compatib\\w+", "recipients?", "characters?", "franchises?",
)  # fmt: skip
VERB_WORD = rf"\b{VERB}[a-z]*\b"
