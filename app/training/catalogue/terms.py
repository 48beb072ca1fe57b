"""A word in six languages."""

from typing import NamedTuple

LANGUAGES = ("en", "de", "es", "fr", "it", "ja")
LANGUAGE_NAMES = {"en": "English", "de": "German", "es": "Spanish", "fr": "French", "it": "Italian", "ja": "Japanese"}
FOREIGN = LANGUAGES[1:]


class Term(NamedTuple):
    """One meaning, written in each language of the catalogue."""

    en: str
    de: str
    es: str
    fr: str
    it: str
    ja: str

    def text(self, language: str) -> str:
        """As it is written in a language of `LANGUAGES`."""
        return self[LANGUAGES.index(language)]
