import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import InputError
from app.tasks.base import Reading
from app.tasks.generation import Generation, GenerationKind, token_cap
from app.tasks.words import LANGUAGES
from app.types import Answer, Copy, Outcome, Question

TASK = Generation()


def read(prompt: str) -> Reading:
    return TASK.read(Question("q", prompt))


@pytest.mark.parametrize(
    ("prompt", "kind"),
    [
        ("Translate the title 'Mug' into German.", "translation"),
        ("Write a title for the product 'Mug' on a French online shop.", "translation"),
        ("Write a title for the product 'Mug'.", "title"),
        ("Explain the product type Trivet", "explanation"),
        ("Which categories does the product 'Mug' belong to?", "categories"),
        ("Extract four keywords from the title.\nTitle: Mug", "keywords"),
        ("Answer the question below.\nQuestion: Is it big?", "answer"),
        ("Summarise the review.\nReview: Fine.", "summary"),
        ("How much is it? Let's think step by step.", "reasoning"),
        ("Extract the keyphrase on comfort from the review.\nReview: Soft.", "keyphrase"),
        ("Titolo (Italian): Lampada\nTitle (English):", "translation"),
        ("Japanese:\n", "translation"),
        ("Hello", "text"),
        ("Question: big or small\nOutput:", "answer"),
        ("Is it big?", "answer"),
        ("Write an English title for the product 'Tasse'.", "translation"),
        ("Generate the phrase of the review.\nReview: Soft.", "text"),
        ("Which phrase of the review? Let's think step by step.\nReview: Soft.", "reasoning"),
    ],
)
def test_kinds(prompt: str, kind: str) -> None:
    assert read(prompt).variables["kind"] == kind


def test_a_keyphrase_is_copied_from_the_review() -> None:
    reading = read("Extract ONLY ONE keyphrase, not new keyphrases.\nReview: Soft, and warm.\nAspect: touch\nOutput:")
    assert reading.constraint == Copy("Soft, and warm.", 1)
    assert read("Explain 'Mug'.").constraint is None


@pytest.mark.parametrize(
    ("asked", "most"),
    [
        ("Extract two keyphrases.", 2),
        ("Extract 4 short phrases from the review.", 4),
        ("Extract key phrases.", 3),
        ("Extract only one of the key phrases, a short phrase.", 1),
    ],
)
def test_several_keyphrases_have_as_much_more_room(asked: str, most: int) -> None:
    one = read("Extract the keyphrase.\nReview: Soft. Warm.")
    several = read(f"{asked}\nReview: Soft. Warm.")
    assert several.constraint == Copy("Soft. Warm.", most)
    assert several.sampling.max_tokens == most * one.sampling.max_tokens == most * 32


def test_every_language_and_kind_has_a_cap() -> None:
    caps = {(kind, language): token_cap(kind, language) for kind in GenerationKind for language in LANGUAGES}
    assert min(caps.values()) >= 16
    for (kind, _), cap in caps.items():
        assert 1 <= cap / caps[kind, "English"] <= 2.5
    assert caps[GenerationKind.TRANSLATION, "Japanese"] > caps[GenerationKind.TRANSLATION, "English"]
    assert read("Translate 'Mug' into Japanese.").sampling.max_tokens == caps[GenerationKind.TRANSLATION, "Japanese"]


@pytest.mark.parametrize(
    ("text", "answer", "outcome"),
    [
        ("Tasse", "Tasse", Outcome.CLEAN),
        (" Tasse\n", "Tasse", Outcome.CLEAN),
        ("Sure, here it is:\nTasse", "Tasse", Outcome.REPAIRED),
        ("The German title:\n\nTasse\nEnjoy!", "Tasse", Outcome.REPAIRED),
        ('"Tasse"', "Tasse", Outcome.REPAIRED),
        ("Translation: Tasse", "Tasse", Outcome.REPAIRED),
        ("“Tasse“", "“Tasse“", Outcome.CLEAN),
        ("„Tasse“", "Tasse", Outcome.REPAIRED),
        ('"Tasse', '"Tasse', Outcome.CLEAN),
        ('Tasse"', 'Tasse"', Outcome.CLEAN),
        ('""', '""', Outcome.CLEAN),
        ("Die Tasse:", "Die Tasse:", Outcome.CLEAN),
        ("Tasse\nKanne:", "Tasse", Outcome.REPAIRED),
        ("", "Mug", Outcome.FALLBACK),
        ("``````", "Mug", Outcome.FALLBACK),
    ],
)
def test_translations_are_one_line(text: str, answer: str, outcome: Outcome) -> None:
    found = read("Translate the title 'Mug' into German.").answer(text)
    assert (found.text, found.outcome) == (answer, outcome)


def test_a_title_keeps_quotation_marks_that_were_its_own() -> None:
    found = read("Translate the title into German.\nTitle: 'Mug' blue\nOutput:").answer("'Tasse'")
    assert (found.text, found.outcome) == ("'Tasse'", Outcome.CLEAN)


def test_without_an_answer_the_text_itself_is_given_in_one_line_and_not_all_of_it() -> None:
    found = read("Sum it up in one sentence.\nReview: " + "soft \n warm " * 200 + "\nOutput:").answer(" ")
    assert found.outcome is Outcome.FALLBACK
    assert found.text.startswith("soft warm soft")
    assert 490 < len(found.text) <= 500
    assert read("").answer("").text == "unknown"


def test_explanations_keep_their_lines() -> None:
    assert read("Explain 'Mug'.").answer("A cup.\nWith a handle.").text == "A cup.\nWith a handle."


def test_a_keyphrase_not_in_the_review_becomes_one_that_is() -> None:
    reading = read("Extract the keyphrase on comfort from the review.\nReview: Soft and warm, nice.\nOutput:")
    assert reading.answer("soft and WARM").text == "Soft and warm"
    assert reading.answer("it is nice").outcome is Outcome.REPAIRED
    fallback = reading.answer("")
    assert (fallback.text, fallback.outcome) == ("Soft and warm, nice.", Outcome.FALLBACK)


def test_a_keyphrase_is_text_whatever_commas_it_holds() -> None:
    """The evaluator compares it as it stands, so brackets and quotation marks would be part of it."""
    one = read("Extract the keyphrase.\nReview: It is soft, and warm. Nice.\nOutput:")
    assert one.answer("soft, and warm") == Answer("soft, and warm", Outcome.CLEAN)
    assert one.answer("['soft, and warm']") == Answer("soft, and warm", Outcome.REPAIRED)
    two = read("Extract two keyphrases.\nReview: It holds 1,000 ants and is warm.\nOutput:")
    assert two.answer("1,000 ants, warm") == Answer("1,000 ants, warm", Outcome.CLEAN)


def test_a_keyphrase_is_copied_from_the_longest_review() -> None:
    reading = read(
        "Extract the keyphrase.\nDescription: A long and winding description.\nReview 1: Soft.\nReview 2: Very warm.\n"
        "Aspect: touch\nOutput:"
    )
    assert reading.constraint == Copy("Very warm.", 1)


@given(
    st.text(), st.sampled_from(["Translate 'Mug' into German.", "Explain", "", "Extract the keyphrase.\nReview: a b"])
)
def test_no_answer_is_empty(text: str, prompt: str) -> None:
    assert TASK.parse(read(prompt).answer(text).text)


def test_the_kits_rule() -> None:
    assert TASK.parse("  a\nb " + " " * 5_000 + "c") == "a\nb"


def test_targets() -> None:
    assert TASK.format_target(" A cup.\n") == "A cup."
    assert TASK.format_target(["A cup.", "A mug."]) == "A cup."


@pytest.mark.parametrize("target", ["", " ", [], [3], None, 7])
def test_targets_that_are_no_text(target: object) -> None:
    with pytest.raises(InputError, match="generation label"):
        TASK.format_target(target)
