"""The language that a prompt wants its answer in."""

import re

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
        match = pattern.search(asked)
        if match:
            return _NAMES[match["name"]]
    if not _CONVERTS.search(asked):
        return DEFAULT
    named = _NAMED.search(asked)
    if named:
        return _NAMES[named["name"]]
    code = _CODE.search(asked)
    return _CODES[code["code"]] if code else DEFAULT


def awaited_language(cue: str) -> str | None:
    """The language that a label names ("Title (English)", in lower case); None where it names none."""
    found = _CUE.fullmatch(cue) if cue else None
    if found is None:
        return None
    return _NAMES[found["name"]] if found["name"] else _CODES[found["code"]]
