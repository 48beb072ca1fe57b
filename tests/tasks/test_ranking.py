import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import InputError
from app.tasks.ranking import Ranking, order_of
from app.types import Outcome, Question, Selection

TASK = Ranking()
FIVE = order_of((1, 2, 3, 4, 5))


def test_a_permutation_of_what_is_listed() -> None:
    reading = TASK.read(Question("q", "Rank them.\nProduct List:\n1. a\n2. b\n3. c\nOutput:"))
    assert reading.constraint == Selection((1, 2, 3), 3)
    assert reading.sampling.max_tokens == len("1,2,3") + 1
    assert TASK.read(Question("q", "Rank them.")).constraint == Selection((1, 2, 3, 4, 5), 5)


@pytest.mark.parametrize(
    ("prompt", "matches"),
    [
        ("Select the top 3 and rank them.\n" + "\n".join(f"{n}. x" for n in range(1, 11)), False),
        ("Rank all of them and output 5 numbers.\n" + "\n".join(f"{n}. x" for n in range(1, 6)), True),
        ("Rank the products. Give one number for each of them, best first.\n1. a\n2. b\n3. c\n4. d", True),
        ("Rank them and return the top 3.\n" + "\n".join(f"{n}. x" for n in range(1, 6)), False),
        ("Rank them and return the top 4.\n" + "\n".join(f"{n}. x" for n in range(1, 6)), True),
        ("Put the closest match at the top.\n1. a\n2. b\n3. c", True),
        ("Identify the best one first.\n1. a\n2. b\n3. c", False),
        ("Query: 'mug'\n1. a\n2. b\n3. c\nProduct ranking:", True),
        ("Output a permutation of the numbers.", True),
        ("She orders a pizza with cheese.\n0. a\n1. b\n2. c", False),
        ("How do I rank higher?", False),
        ("Rank them.\n1. a\n2. b\nLet's think step by step.", False),
    ],
)
def test_whole_lists_only(prompt: str, matches: bool) -> None:
    assert (TASK.evidence(Question("q", prompt)) is not None) is matches


@pytest.mark.parametrize(
    ("text", "answer", "outcome"),
    [
        ("2,1,3,5,4", "2,1,3,5,4", Outcome.CLEAN),
        ("2, 1, 3, 5, 4\n", "2,1,3,5,4", Outcome.CLEAN),
        ("2 1 3 5 4", "2,1,3,5,4", Outcome.REPAIRED),
        ("3,3,9", "3,1,2,4,5", Outcome.REPAIRED),
        ("[5, 4, 3, 2, 1] since 1 is poor", "5,4,3,2,1", Outcome.REPAIRED),
        ("none", "1,2,3,4,5", Outcome.FALLBACK),
    ],
)
def test_answers(text: str, answer: str, outcome: Outcome) -> None:
    found = FIVE.answer(text)
    assert (found.text, found.outcome) == (answer, outcome)


@given(st.text())
def test_every_answer_is_a_permutation_to_the_kit(text: str) -> None:
    assert sorted(TASK.parse(FIVE.answer(text).text)) == [1, 2, 3, 4, 5]
    assert len(TASK.parse(text)) <= 5


@pytest.mark.parametrize(
    ("answer", "ranked"),
    [
        ("2,1,3,5,4", [2, 1, 3, 5, 4]),
        ("2 1 3 5 4", []),
        ("7,1,2", [1, 2]),
        ("1,1", []),
        ("0,1", [0, 1]),
        ("1,2,3,4,5,1", [1, 2, 3, 4, 5]),
    ],
)
def test_the_kits_rule(answer: str, ranked: list[int]) -> None:
    assert TASK.parse(answer) == ranked


@pytest.mark.parametrize(
    ("target", "text"),
    [
        ([1, 0.01, 0.1, 1, 0], "1,4,3,2,5"),
        ("[0.0, 1.0]", "2,1"),
        ([3, 1, 2], "3,1,2"),
        ([1, 0, 2], "1,0,2"),
        ([0, 0, 1], "3,1,2"),
    ],
)
def test_targets(target: object, text: str) -> None:
    assert TASK.format_target(target) == text


@pytest.mark.parametrize("target", ["", "abc", [], ["1"], [True, False], 3, None])
def test_targets_that_are_no_ranking(target: object) -> None:
    with pytest.raises(InputError, match="list of numbers"):
        TASK.format_target(target)
