import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import InputError
from app.tasks.retrieval import Retrieval, selection_of
from app.types import Outcome, Question, Selection

TASK = Retrieval()
TEN = "\nProduct List:\n" + "\n".join(f"{n}. thing" for n in range(1, 11)) + "\nOutput:"


@pytest.mark.parametrize(
    ("ask", "count"),
    [
        ("Select three products.", 3),
        ("Choose the top 2 queries.", 2),
        ("You are given a numbered list of ten aspects. Choose 4 of them.", 4),
        ("The list contains 10 products. Select any that fit.", 3),
        ("Select products. Output ONLY two comma-separated numbers.", 2),
        ("From these 10 products pick the one that fits.", 1),
        ("List the indices of all that fit.", 3),
        ("Select 20 products.", 10),
        ("A customer bought 2 mugs. Please select 3 products from the list.", 3),
        ("Give a single number.", 1),
    ],
)
def test_how_many(ask: str, count: int) -> None:
    assert TASK.read(Question("q", ask + TEN)).variables["count"] == str(count)


@pytest.mark.parametrize(
    ("ask", "listed", "reason"),
    [
        ("Which of these suit a picnic?", 6, "asks to pick from a list of 6"),
        ("Which of these suit a picnic?", 5, None),
        ("Which two suit a picnic?", 3, "asks for some of a list of 3"),
        ("Which two suit a picnic?", 2, None),
        (
            "Which of these suit a picnic? Output comma separated numbers.",
            2,
            "asks for numbers of a list of 2 ('comma')",
        ),
        ("Which of these suit a picnic? Explain it in one sentence.", 6, None),
        ("Which of these suit a picnic? Let's think step by step.", 6, None),
        ("A picnic it is.", 6, None),
        ("Which of these suit a picnic?", 0, None),
    ],
)
def test_what_speaks_for_numbers_of_a_list(ask: str, listed: int, reason: str | None) -> None:
    entries = "".join(f"\n{n}. thing" for n in range(1, listed + 1))
    assert TASK.evidence(Question("q", f"{ask}{entries}")) == reason


def test_steps_in_a_text_are_picked_from_only_where_the_list_is_named() -> None:
    text = "\nReview: I\n" + "\n".join(f"{n}. went" for n in range(1, 8)) + "\nOutput:"
    assert TASK.evidence(Question("q", f"Which two places were they at?{text}")) is None
    assert TASK.evidence(Question("q", f"Which are the place numbers?{text}")) is None
    assert TASK.evidence(Question("q", f"Which of the list? Write the item numbers.{text}")) is not None
    assert TASK.evidence(Question("q", f"Select the indices.{text}")) is not None


def test_lists_from_nought() -> None:
    reading = TASK.read(Question("q", "Select 3.\nProducts: 0. a\n1. b\n2. c\n3. d\nOutput:"))
    assert reading.constraint == Selection((0, 1, 2, 3), 3)
    assert reading.variables == {"count": "3", "first": "0", "last": "3"}
    assert TASK.read(Question("q", "")).constraint == Selection(tuple(range(1, 11)), 3)


def test_room_for_the_longest_answer() -> None:
    assert selection_of(tuple(range(1, 16)), 3).sampling.max_tokens == len("13,14,15,") + 1


@pytest.mark.parametrize(
    ("text", "answer", "outcome"),
    [
        ("4,1,9", "4,1,9", Outcome.CLEAN),
        ("4, 1, 9", "4,1,9", Outcome.CLEAN),
        ("4", "4,1,2", Outcome.REPAIRED),
        ("4,4,12,9", "4,9,1", Outcome.REPAIRED),
        ("1. four 2, 3", "2,3,1", Outcome.REPAIRED),
        ("", "1,2,3", Outcome.FALLBACK),
    ],
)
def test_answers(text: str, answer: str, outcome: Outcome) -> None:
    found = selection_of(tuple(range(1, 11)), 3).answer(text)
    assert (found.text, found.outcome) == (answer, outcome)


@given(st.text(), st.sets(st.integers(0, 40), min_size=1).map(sorted), st.integers(1, 5))
def test_every_answer_is_distinct_listed_numbers_to_the_kit(text: str, numbers: list[int], count: int) -> None:
    count = min(count, len(numbers))
    answer = selection_of(tuple(numbers), count).answer(text).text
    assert TASK.parse(answer) == [int(part) for part in answer.split(",")][:3]
    assert len(set(answer.split(","))) == count
    assert set(map(int, answer.split(","))) <= set(numbers)


@pytest.mark.parametrize(
    ("target", "text"), [([6, 9, 15], "6,9,15"), ("[0, 2]", "0,2"), (4, "4"), ("4", "4"), ((1, 2), "1,2")]
)
def test_targets(target: object, text: str) -> None:
    assert TASK.format_target(target) == text


@pytest.mark.parametrize("target", ["", [], [1.5], ["1"], [True], None, "a mug"])
def test_targets_that_are_no_numbers(target: object) -> None:
    with pytest.raises(InputError, match="whole numbers"):
        TASK.format_target(target)
