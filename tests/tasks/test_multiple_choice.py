import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import InputError
from app.tasks.multiple_choice import MultipleChoice, choice_of
from app.types import Choice, Outcome, Question

TASK = MultipleChoice()


def labels(prompt: str) -> str:
    return "".join(TASK.read(Question("q", prompt, is_multiple_choice=True)).labels)


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("Which fits?\n0. a\n1. b\n2. c\n3. d\nAnswer:", "0123"),
        ("Which fits?\n1) a\n2) b\nAnswer:", "12"),
        ("Which fits?\n0. a\n1. b\n3. c\nAnswer:", "013"),
        ("Which fits?\nA. a\nB. b\nC. c", "ABC"),
        ("Which fits?\n" + "\n".join(f"{n}. x" for n in range(1, 13)), "123456789"),
        ("Rate the review on a scale of 1 to 5.\nReview: fine\nOutput:", "12345"),
        ("Score it from one (bad) to five (good).", "12345"),
        ("Grade it, 1 being awful and 5 being great.", "12345"),
        ("Use a 7-point scale to rate the sentiment.", "1234567"),
        ("Rate it from 0 to 10.", "0123456789"),
        ("Rate it from 1 to 10.", "123456789"),
        ("Rate it from 1 to 11.", "0123"),
        ("Rate it on a two-point scale.", "12"),
        ("Rate it from 1 to 1.", "0123"),
        ("Give a star rating out of five.", "12345"),
        ("She drove from 1 to 5. Guess.", "0123"),
        ("Rate it from 1 to 5.\n1. bad\n2. poor\n3. fine", "12345"),
        ("Review: I\n1. came\n2. saw\n3. left\nOutput:", "123"),
        ("Which?\n1. a\n2. b\n3. c\nReview: I\n0. came\n1. saw\nOutput:", "123"),
        ("Which?\n1. a\n2. b\n3. c\n\nOr which?\n0. d\n1. e", "01"),
        ("Output 1 if they match.", "0123"),
        ("Rate the review from 1 to 5.\nReview: I\n1. came\n2. saw\n3. left\n4. cried\nOutput:", "12345"),
        ("The reviewer rates it 1 to 5. Which part?\n0. a\n1. b\n2. c\nAnswer:", "012"),
        ("Output 1 if they match and 0 otherwise.", "01"),
        ("Answer yes or no.\nQuery: mug", "01"),
        ("Guess.", "0123"),
        ("", "0123"),
    ],
)
def test_labels(prompt: str, expected: str) -> None:
    assert labels(prompt) == expected


def test_one_token_out_of_the_labels() -> None:
    reading = choice_of(("0", "1"))
    assert reading.constraint == Choice(("0", "1"))
    assert reading.sampling.max_tokens == 1
    assert reading.variables == {"labels": "0, 1"}


@pytest.mark.parametrize(
    ("text", "answer", "outcome"),
    [
        (" 2\n", "2", Outcome.CLEAN),
        ("2. red", "2", Outcome.REPAIRED),
        ("The answer is 1.", "1", Outcome.REPAIRED),
        ("10 of them", "0", Outcome.FALLBACK),
        ("1.5", "0", Outcome.FALLBACK),
        ("7", "0", Outcome.FALLBACK),
        ("", "0", Outcome.FALLBACK),
    ],
)
def test_answers(text: str, answer: str, outcome: Outcome) -> None:
    found = choice_of(("0", "1", "2")).answer(text)
    assert (found.text, found.outcome) == (answer, outcome)


def test_the_article_is_no_label() -> None:
    assert choice_of(("a", "b")).answer("it is a pity").outcome is Outcome.FALLBACK


@given(st.text())
def test_every_answer_is_a_label_and_every_text_is_read(text: str) -> None:
    assert choice_of(("1", "2")).answer(text).text in {"1", "2"}
    assert isinstance(TASK.parse(text), int)


@pytest.mark.parametrize(("answer", "value"), [("3", 3), (" 12", 1), ("-1", -1), ("²", -1), ("", -1), ("A", -1)])
def test_the_kits_rule(answer: str, value: int) -> None:
    assert TASK.parse(answer) == value


def test_targets() -> None:
    assert [TASK.format_target(target) for target in (0, "3", " B ")] == ["0", "3", "B"]


@pytest.mark.parametrize("target", ["yes", 10, True, None, [1], "", "é", "?"])
def test_targets_that_are_no_label(target: object) -> None:
    with pytest.raises(InputError, match="one character"):
        TASK.format_target(target)
