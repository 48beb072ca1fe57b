import random
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.engines.base import RefusedRequestError
from app.engines.constraints.automaton import start_automaton
from app.engines.constraints.copy import is_boundary
from app.engines.constraints.vocabulary import Vocabulary
from app.errors import EngineError
from app.types import Copy
from tests.engines import vocabularies
from tests.engines.walks import spell, takes, walk

PIECES = ["a", "b", "ab", "12", "3", ",", ", ", " ", "  ", "\n", ".", "(", ")", "犬", "猫が", "é", "👩‍🔧", "🇯🇵", "Ωa"]
sources = st.lists(st.sampled_from(PIECES), min_size=1, max_size=14).map("".join)
any_text = st.text(min_size=1, max_size=30)
some_vocabulary = st.sampled_from(sorted(vocabularies.ALL)).map(lambda name: vocabularies.ALL[name]())


@cache
def legal_spans(source: str, most: int) -> frozenset[str]:
    """All spans by trying every pair of places: the rule of app/engines/constraints/copy.py, said once more."""
    found = set()
    for begin in range(len(source)):
        for end in range(begin + 1, len(source) + 1):
            span = source[begin:end]
            if len(span.splitlines()) > 1 or span.splitlines() != [span]:
                break
            margins = span[0] in ", " or span[-1] in ", " or span[0].isspace() or span[-1].isspace()
            if most > 1 and ", " in span:
                break
            if not margins and is_boundary(source, begin) and is_boundary(source, end):
                found.add(span)
    return frozenset(found)


def is_legal(answer: str, source: str, most: int, used: frozenset[str] = frozenset()) -> bool:
    if len(used) == most:
        return False
    spans = legal_spans(source, most) - used
    if answer in spans:
        return True
    return any(
        answer.startswith(span + ", ") and is_legal(answer[len(span) + 2 :], source, most, used | {span})
        for span in spans
    )


@given(sources | any_text, st.integers(1, 4), some_vocabulary, st.randoms(use_true_random=False))
def test_any_walk_ends_in_a_legal_answer(source: str, most: int, vocabulary: Vocabulary, rng: random.Random) -> None:
    copy = Copy(source, most)
    if not legal_spans(source, most):
        with pytest.raises(RefusedRequestError, match="no words"):
            start_automaton(copy, vocabulary)
        return
    text = walk(start_automaton(copy, vocabulary), vocabulary, rng, rng.random() ** 2).decode()
    if vocabulary.leading_space:
        text = text.removeprefix(" ")
    assert is_legal(text, source, most)


@given(sources, st.integers(1, 4), some_vocabulary, st.randoms(use_true_random=False))
def test_any_legal_answer_can_be_written(source: str, most: int, vocabulary: Vocabulary, rng: random.Random) -> None:
    spans = sorted(legal_spans(source, most))
    if not spans:
        return
    chosen = rng.sample(spans, min(len(spans), rng.randint(1, most)))
    text = ", ".join(chosen)
    if vocabulary.leading_space and rng.random() < 0.5:
        text = " " + text
    assert takes(start_automaton(Copy(source, most), vocabulary), spell(text.encode(), vocabulary, rng)), chosen


@given(
    sources, st.integers(1, 3), st.text("ab12, .犬猫", max_size=8), some_vocabulary, st.randoms(use_true_random=False)
)
def test_nothing_else_can_be_written(
    source: str, most: int, text: str, vocabulary: Vocabulary, rng: random.Random
) -> None:
    if not legal_spans(source, most):
        return
    plain = text.removeprefix(" ") if vocabulary.leading_space else text
    written = takes(start_automaton(Copy(source, most), vocabulary), spell(text.encode(), vocabulary, rng))
    assert written == is_legal(plain, source, most)


@pytest.mark.parametrize(
    ("text", "inside", "free"),
    [
        ("running shoes", ["runn", "ning", "unning sh"], ["running", "shoes"]),
        ("iPhone14 case", ["iPh", "4"], ["iPhone", "14"]),
        ("size 7.5, brown", ["rown"], ["7.5", "5", "7"]),
        ("綿のシャツ", [], ["綿", "のシ", "シャツ"]),
        ("cafe\u0301 au lait", ["cafe"], ["cafe\u0301"]),
        ("👩\u200d🔧 tools", ["👩", "🔧"], ["👩\u200d🔧"]),
        ("fits 🇯🇵 plugs", ["🇯"], ["🇯🇵"]),
        ("flags 🇯🇵🇫🇷", ["🇯🇵"], ["🇯🇵🇫🇷"]),
        ("👍🏽 print", ["👍", "🏽"], ["👍🏽"]),
        ("ﾊﾞｯｸﾞ", ["ﾊ", "ﾞ"], ["ﾊﾞ", "ｯ", "ｸﾞ"]),
        ("가방을 a", [], ["가방", "을"]),
        ("กระเป๋า", ["กระเป", "๋า"], ["กระ", "เป๋า"]),
        ("ກະເປົາ", ["ເປ"], ["ກະ"]),
        ("བོད་ཡིག", ["བ"], ["བོད"]),
        ("ကလေး", ["ေး"], ["က", "လေး"]),
        ("កាបូប", ["ក"], ["កា", "បូប"]),
        ("ㄅㄆ ㇰㇱ", [], ["ㄅ", "ㇱ"]),
        ("㐀㐁 𠀀𠀁 豈更", [], ["㐁", "𠀀", "更"]),
        ("人々の", [], ["人", "々の"]),
        ("देश", ["श"], ["देश"]),
    ],
)
def test_spans_begin_and_end_at_words(text: str, inside: list[str], free: list[str]) -> None:
    vocabulary = vocabularies.byte_level()
    rng = random.Random(0)
    for span in inside:
        assert not takes(start_automaton(Copy(text), vocabulary), spell(span.encode(), vocabulary, rng))
    for span in free:
        assert takes(start_automaton(Copy(text), vocabulary), spell(span.encode(), vocabulary, rng))


def test_a_source_that_is_a_long_list_stays_followable() -> None:
    words = [f"w{number}" for number in range(40)]
    source, vocabulary = ", ".join(words), vocabularies.byte_level()
    answer = ", ".join([*words[:30], *reversed(words[30:])])
    automaton = start_automaton(Copy(source, 40), vocabulary)
    assert takes(automaton, spell(answer.encode(), vocabulary, random.Random(1)))


def test_a_token_that_was_not_allowed_is_refused() -> None:
    vocabulary = vocabularies.byte_level()
    automaton = start_automaton(Copy("red shoes"), vocabulary)
    with pytest.raises(EngineError, match="broke its constraint"):
        automaton.advance(vocabulary.label_ids("Q")[0])


def test_max_spans_of_zero_is_refused() -> None:
    with pytest.raises(RefusedRequestError, match="max_spans"):
        start_automaton(Copy("red shoes", 0), vocabularies.byte_level())
