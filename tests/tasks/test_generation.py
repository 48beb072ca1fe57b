import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import InputError
from app.tasks.base import Reading
from app.tasks.generation import Generation, GenerationKind, token_cap
from app.tasks.words import LANGUAGES
from app.types import Copy, Outcome, Question

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
    [("Extract two keyphrases.", 2), ("Extract 4 short phrases from the review.", 4), ("Extract key phrases.", 3)],
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
        ("", "Mug", Outcome.FALLBACK),
        ("``````", "Mug", Outcome.FALLBACK),
    ],
)
def test_translations_are_one_line(text: str, answer: str, outcome: Outcome) -> None:
    found = read("Translate the title 'Mug' into German.").answer(text)
    assert (found.text, found.outcome) == (answer, outcome)


def test_explanations_keep_their_lines() -> None:
    assert read("Explain 'Mug'.").answer("A cup.\nWith a handle.").text == "A cup.\nWith a handle."


def test_a_keyphrase_not_in_the_review_becomes_one_that_is() -> None:
    reading = read("Extract the keyphrase on comfort from the review.\nReview: Soft and warm, nice.\nOutput:")
    assert reading.answer("soft and WARM").text == "Soft and warm"
    assert reading.answer("it is nice").outcome is Outcome.REPAIRED
    assert reading.answer("").outcome is Outcome.FALLBACK


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
