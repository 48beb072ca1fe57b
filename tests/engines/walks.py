"""Random walks through an automaton, and random ways of writing a text in tokens."""

import random

from app.engines.constraints.automaton import Automaton
from app.engines.constraints.vocabulary import ROOT, Vocabulary


def walk(automaton: Automaton, vocabulary: Vocabulary, rng: random.Random, stop: float) -> bytes:
    """Choose allowed tokens at random until an end token is taken; tokens that go on are preferred."""
    text = b""
    for _ in range(2000):
        allowed = set(automaton.allowed().tolist())
        assert allowed, f"dead end after {text!r}"
        ends = allowed & set(vocabulary.end_ids)
        assert bool(ends) == automaton.complete
        others = sorted(allowed - ends)
        if ends and (not others or rng.random() < stop):
            automaton.advance(min(ends))
            assert set(automaton.allowed().tolist()) == set(vocabulary.end_ids)
            return text
        token = rng.choice(others)
        text += vocabulary.token_bytes[token]
        automaton.advance(token)
    raise AssertionError("the walk does not end")


def spell(text: bytes, vocabulary: Vocabulary, rng: random.Random) -> list[int]:
    """A random sequence of tokens whose bytes are the text."""
    tokens: list[int] = []
    place = 0
    while place < len(text):
        found: list[int] = []
        node = ROOT
        for byte in text[place:]:
            child = vocabulary.step(node, byte)
            if child is None:
                break
            node = child
            found.extend(vocabulary.ids_at.get(node, ()))
        token = rng.choice(found)
        tokens.append(token)
        place += len(vocabulary.token_bytes[token])
    return tokens


def takes(automaton: Automaton, tokens: list[int]) -> bool:
    """Whether every token is allowed in its turn and the answer may end after the last."""
    for token in tokens:
        if token not in automaton.allowed().tolist():
            return False
        automaton.advance(token)
    return automaton.complete
