from string import ascii_uppercase

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
        ("1. It is red.\n2. It is blue.\nWhich is so?\n(a) only 1\n(b) only 2\n(c) both", "abc"),
        ("Which fits?\nA. 1. mug 2. pot 3. lid\nB. 1. rug 2. mat 3. rag", "AB"),
        ("Which fits?\n0. (a) and (b)\n1. (b) and (c)", "01"),
        ("How many stars, on a scale of 1 to 5?\nA. one\nB. three\nC. five", "ABC"),
        ("Which fits?\n" + "\n".join(f"{letter}) x" for letter in ascii_uppercase), ascii_uppercase),
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


def test_letters_stand_for_the_texts_of_their_options() -> None:
    options = TASK.read(Question("q", "Which fits?\n(a) red mug\n(b) tea pot\nAnswer:", True)).options
    assert options is not None
    assert (options.labels, options.texts) == (("a", "b"), ("red mug", "tea pot"))
    assert options.stem == "Which fits?\nAnswer:"
    assert options.rotated(1) == "Which fits?\n(a) tea pot\n(b) red mug\nAnswer:"


@pytest.mark.parametrize(
    ("prompt", "guess"),
    [
        ("Which of these fits?", True),
        ("Guess.", True),
        ("", True),
        ("Is it a mug? Answer yes or no.", True),
        ("Output 1 if it fits and 0 otherwise.", False),
        ("Rate it on a scale of 1 to 5.", False),
        ("Which fits?\nA. mug\nB. pot", False),
        ("Which fits?\n0. mug\n1. pot", False),
    ],
)
def test_labels_that_the_prompt_does_not_name_are_a_guess(prompt: str, guess: bool) -> None:
    assert bool(TASK.read(Question("q", prompt, True)).doubt) is guess


LISTS = [
    "0. mug\n1. pot\n2. tray\n3. lid",
    "1) mug\n2) pot",
    "A. mug\nB. pot\nC. lid",
    "(a) mug\n(b) pot",
    "a) mug\nb) pot",
]
ASKED = [
    "Which of the following is used for tea?\n{}\nAnswer: ",
    "What is best for tea?\n\n{}",
    "Given the query 'tea', choose the product that fits.\n{}\nAnswer:",
    "Select the best option.\nQuery: tea\n\n{}\n\nYour choice:",
    "Review: I drink tea.\nIt is hot.\n\nWhich one would the buyer want?\n{}\nAnswer with the label only.",
    "Which product suits the description?\nDescription: for tea.\nHolds a pint.\n\n{}\nAnswer:",
    "Welches Produkt passt zu 'Tee'?\n{}\nAntwort:",
    "¿Qué producto sirve para el té?\n{}\nRespuesta:",
    "Quel produit sert au thé ?\n{}\nRéponse :",
    "Quale prodotto serve per il tè?\n{}\nRisposta:",
    "「お茶」に合う商品はどれですか。\n{}\n答え:",
    "哪个商品适合喝茶？\n{}\n答案：",
]


@pytest.mark.parametrize("asked", ASKED)
@pytest.mark.parametrize("listed", LISTS)
def test_listed_options_make_a_choice_where_nobody_says(asked: str, listed: str) -> None:
    assert TASK.evidence(Question("q", asked.format(listed)))
    assert TASK.evidence(Question("q", asked.format(listed), is_multiple_choice=False)) is None


@pytest.mark.parametrize(
    "prompt",
    [
        "Rate the review on a scale of 1 to 5.\nReview: fine\nOutput:",
        "How satisfied is the buyer, from 1 star to 5 stars?\nReview: fine",
        "Output 1 if they match and 0 otherwise.\nA: mug\nB: pot",
    ],
)
def test_labels_without_a_list_make_a_choice_where_nobody_says(prompt: str) -> None:
    assert TASK.evidence(Question("q", prompt))


NUMBERED = "1. mug\n2. pot\n3. tray\n4. lid\n5. rug"


@pytest.mark.parametrize(
    "prompt",
    [
        f"Rank the products for the query 'tea'.\n{NUMBERED}\nOutput:",
        f"Put these in the order of their relevance.\n{NUMBERED}",
        f"Select two products that fit.\n{NUMBERED}\nAnswer:",
        f"Which of these fit? Output only the numbers, separated by commas.\n{NUMBERED}",
        f"Choose all that apply.\n{NUMBERED}\nAnswer:",
        f"Which three products would you buy?\n{NUMBERED}\n6. cup\n7. jar\nAnswer:",
        f"Explain which of these products fits best.\n{NUMBERED}",
        "Summarize the reviews in one sentence.\nReviews:\n1. good\n2. bad\nSummary:",
        "Which is dearer?\n0. mug\n1. pot\nLet's think step by step.",
        "Write a reply to the customer.\nA: Which mug do you mean?\nB: The red one.\nReply:",
        "Why are these bought together?\nProduct A: mug\nProduct B: pot\nOutput:",
        "What is this category about?\nCategory: mugs\nOutput:",
        "Translate the title into German.\n1. mug\n2. pot",
        "What does the buyer complain about?\nReview: 1. no lid 2. no handle 3. no box\nAnswer:",
    ],
)
def test_what_asks_for_something_else_is_no_choice(prompt: str) -> None:
    assert TASK.evidence(Question("q", prompt)) is None


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
