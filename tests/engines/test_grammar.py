import random

import pytest

from app.engines.base import RefusedRequestError
from app.engines.constraints.automaton import start_automaton
from app.types import JsonSchema, Regex
from tests.engines import vocabularies
from tests.engines.walks import spell, takes


@pytest.mark.parametrize("name", sorted(vocabularies.ALL))
def test_a_matching_text_can_be_written_in_any_tokens(name: str) -> None:
    vocabulary = vocabularies.ALL[name]()
    for seed, text in enumerate(("zotk 12", "größe", "犬a, b", "ab, ab")):
        tokens = spell(text.encode(), vocabulary, random.Random(seed))
        assert takes(start_automaton(Regex("[a-z0-9, öß犬]*"), vocabulary), tokens)


def test_of_tokens_that_share_their_bytes_all_are_allowed() -> None:
    vocabulary = vocabularies.sentencepiece()
    pieces = vocabulary.token_bytes
    letters = [index for index, piece in pieces.items() if len(piece) == 1 and piece.islower()]
    assert len(letters) > 26
    for letter in letters:
        text = pieces[letter].decode()
        same = {index for index in letters if pieces[index] == pieces[letter]}
        assert same <= set(start_automaton(Regex(f"{text}[xyz]"), vocabulary).allowed().tolist())
        assert takes(start_automaton(Regex(f"{text}[{text}0]"), vocabulary), [letter, letter])


def test_only_texts_of_the_form_can_be_written() -> None:
    vocabulary = vocabularies.byte_level()
    schema, text = JsonSchema('{"enum": [{"seats": 2}]}'), b""
    automaton = start_automaton(schema, vocabulary)
    while not automaton.complete:
        (token,) = automaton.allowed().tolist()
        text += vocabulary.token_bytes[token]
        automaton.advance(token)
    assert text == b'{"seats":2}'
    assert set(automaton.allowed().tolist()) == set(vocabulary.end_ids)


def test_a_token_that_was_not_allowed_ends_the_answer() -> None:
    vocabulary = vocabularies.byte_level()
    automaton = start_automaton(Regex("[a-z]{3}"), vocabulary)
    automaton.advance(vocabulary.label_ids("2")[0])
    assert set(automaton.allowed().tolist()) == set(vocabulary.end_ids)


@pytest.mark.parametrize("constraint", [Regex(r"[^\s\S]"), JsonSchema('{"patternProperties": {"[": {}}}')])
def test_a_form_that_nothing_fits_is_refused_with_the_reason(constraint: Regex | JsonSchema) -> None:
    with pytest.raises(RefusedRequestError, match="cannot be used: n"):
        start_automaton(constraint, vocabularies.byte_level())


@pytest.mark.parametrize("bound", [128, 129, 200])
def test_a_pattern_of_a_schema_may_repeat_as_often_as_an_expression(bound: int) -> None:
    vocabulary = vocabularies.byte_level()
    automaton = start_automaton(JsonSchema(f'{{"type": "string", "pattern": "^[ab]{{{bound}}}$"}}'), vocabulary)
    assert takes(automaton, spell(f'"{"ab" * bound}"'[: bound + 1].encode() + b'"', vocabulary, random.Random(0)))
