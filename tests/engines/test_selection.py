import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.engines.base import RefusedRequestError
from app.engines.constraints.automaton import longest_answer, start_automaton
from app.engines.constraints.vocabulary import Vocabulary
from app.errors import EngineError
from app.types import Selection
from tests.engines import vocabularies
from tests.engines.walks import spell, takes, walk

numbers = st.lists(st.integers(-3, 130), min_size=1, max_size=12, unique=True)
some_vocabulary = st.sampled_from(sorted(vocabularies.ALL)).map(lambda name: vocabularies.ALL[name]())


@given(numbers, st.data(), some_vocabulary, st.randoms(use_true_random=False))
def test_any_walk_ends_in_a_legal_answer(
    listed: list[int], data: st.DataObject, vocabulary: Vocabulary, rng: random.Random
) -> None:
    count = data.draw(st.integers(1, len(listed)))
    automaton = start_automaton(Selection(tuple(listed), count), vocabulary)
    text = walk(automaton, vocabulary, rng, 0.5).decode()
    if vocabulary.leading_space:
        text = text.removeprefix(" ")
    chosen = [int(number) for number in text.split(",")]
    assert text == ",".join(map(str, chosen))
    assert len(chosen) == len(set(chosen)) == count
    assert set(chosen) <= set(listed)


@given(numbers, st.data(), some_vocabulary, st.randoms(use_true_random=False))
def test_any_legal_answer_can_be_written(
    listed: list[int], data: st.DataObject, vocabulary: Vocabulary, rng: random.Random
) -> None:
    chosen = rng.sample(listed, data.draw(st.integers(1, len(listed))))
    text = ",".join(map(str, chosen))
    if vocabulary.leading_space and rng.random() < 0.5:
        text = " " + text
    automaton = start_automaton(Selection(tuple(listed), len(chosen)), vocabulary)
    assert takes(automaton, spell(text.encode(), vocabulary, rng))


@pytest.mark.parametrize("text", ["1,1", "1", "1,2,12", "12,1 ", "1, 2", "01,2", ",1,2", "3,1", "1,2,"])
def test_nothing_else_can_be_written(text: str) -> None:
    for build in vocabularies.ALL.values():
        vocabulary = build()
        automaton = start_automaton(Selection((1, 2, 12), 2), vocabulary)
        assert not takes(automaton, spell(text.encode(), vocabulary, random.Random(0)))


def test_a_number_that_was_used_does_not_open_its_prefix_again() -> None:
    vocabulary = vocabularies.byte_level()
    automaton = start_automaton(Selection((1, 12), 2), vocabulary)
    assert takes(automaton, spell(b"1,12", vocabulary, random.Random(0)))
    assert set(automaton.allowed().tolist()) == set(vocabulary.end_ids)


@pytest.mark.parametrize(("listed", "count"), [((1, 2), 3), ((1, 2), 0), ((), 1), ((4, 4), 2)])
def test_an_impossible_selection_is_refused(listed: tuple[int, ...], count: int) -> None:
    with pytest.raises(RefusedRequestError, match="impossible"):
        start_automaton(Selection(listed, count), vocabularies.byte_level())


@pytest.mark.parametrize("written", ["", "1", "1,", "1,2$", "1,2"])
def test_a_token_that_was_not_allowed_is_refused(written: str) -> None:
    """Another number, an end that comes too early, and whatever follows the end."""
    vocabulary = vocabularies.byte_level()
    automaton = start_automaton(Selection((1, 2), 2), vocabulary)
    (end,) = vocabulary.end_ids
    tokens = {"$": end} | {text: vocabulary.label_ids(text)[0] for text in "12,3"}
    for text in written:
        automaton.advance(tokens[text])
    for wrong in {"3", "$"} - ({"$"} if automaton.complete else set()):
        with pytest.raises(EngineError, match="broke its constraint"):
            automaton.advance(tokens[wrong])


@given(numbers, st.data(), some_vocabulary)
def test_no_legal_answer_has_more_bytes_than_the_longest(
    listed: list[int], data: st.DataObject, vocabulary: Vocabulary
) -> None:
    count = data.draw(st.integers(1, len(listed)))
    longest = sorted(map(str, listed), key=len)[-count:]
    room = len(",".join(longest)) + vocabulary.leading_space
    assert longest_answer(Selection(tuple(listed), count), vocabulary) == room
