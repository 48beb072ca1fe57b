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
