import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import InputError
from app.tasks.named_entity_recognition import NamedEntityRecognition, _with_labels, entities_of
from app.tasks.prompt import dissect
from app.types import Copy, Outcome, Question

TASK = NamedEntityRecognition()


@pytest.mark.parametrize(
    ("prompt", "source", "entity_type"),
    [
        ("Extract the entity type 'brand' from the query.\nQuery: orlo mug\nOutput:", "orlo mug", "brand"),
        ("Find the 'SIZE' in the product title 'Men's Girls' Tee XL'.", "Men's Girls' Tee XL", "SIZE"),
        ("From 'Six Oak Chairs', extract the QUANTITY entity.", "Six Oak Chairs", "quantity"),
        ('Title: "Oak Bench"\nEntity type: wood\nEntities:', "Oak Bench", "wood"),
        ("Extract the entities of type 'colour'. Title: Red & Blue Kite", "Red & Blue Kite", "colour"),
        ("List all the entities here: red kite", "List all the entities here: red kite", "entity"),
        ('Extract the brand from the query.\nQuery: "orlo mug"\nOutput:', "orlo mug", "brand"),
        ("Extract the brand.\nQuery: ''\nOutput:", "''", "brand"),
        (f"Find it.\nTitle: Oak Bench\nEntity type: {'w' * 60}\nOutput:", "Oak Bench", "w" * 60),
        (f"Find it.\nTitle: Oak Bench\nEntity type: {'w' * 61}\nOutput:", "Oak Bench", "entity"),
        (f"Find the '{'w' * 40}' in the title 'Oak Bench, {'long ' * 9}'.", f"Oak Bench, {'long ' * 9}", "w" * 40),
        (f"Find the '{'w' * 41}' in the title 'Oak Bench'.", "Oak Bench", "entity"),
        ("Of entity type 'colour of all', what is in 'Red Kite'?", "Red Kite", "colour of all"),
        ("Find the brand in the title below.\nOrlo mug 300 ml white\nOutput:", "Orlo mug 300 ml white", "brand"),
    ],
)
def test_source_and_type(prompt: str, source: str, entity_type: str) -> None:
    reading = TASK.read(Question("q", prompt))
    assert reading.variables == {"source": source, "entity_type": entity_type}
    assert reading.constraint == Copy(source, 5)


@pytest.mark.parametrize(
    "prompt",
    [
        "Extract four keywords from the product title and description.\nTitle: Oak Bench\nDescription: Solid.",
        "Extract the keyphrase from the review about the entity 'battery'.\nReview: It lasts.",
        "Write a title for the product 'Oak Bench'.",
        "Which categories does the product 'Oak Bench' belong to?",
        "Translate the title 'Oak Bench', brand included, into German.",
    ],
)
def test_texts_about_titles_are_not_entities(prompt: str) -> None:
    assert TASK.evidence(Question("q", prompt)) is None


@pytest.mark.parametrize(
    ("entity_type", "guess"), [("brand", "Orlo"), ("capacity", "300"), ("product type", "white"), ("entity", "white")]
)
def test_the_fallback_is_a_likely_word(entity_type: str, guess: str) -> None:
    answer = entities_of("Orlo mug 300 ml white", entity_type).answer("")
    assert (answer.text, answer.outcome) == (guess, Outcome.FALLBACK)


def test_answers_keep_commas() -> None:
    answer = entities_of("mug, 1,000 pieces", "quantity").answer("1,000 pieces")
    assert TASK.parse(answer.text) == ["1,000 pieces"]
    assert answer.outcome is Outcome.CLEAN


@given(st.text(), st.text(min_size=1).filter(str.strip))
def test_every_answer_stands_in_the_source(text: str, source: str) -> None:
    spans = TASK.parse(entities_of(source, "brand").answer(text).text)
    assert spans
    assert all(span in source for span in spans)


@pytest.mark.parametrize(
    ("target", "text"),
    [
        (["red", "dark blue"], "red, dark blue"),
        ("red", "red"),
        ("['red', 'blue']", "red, blue"),
        (["red, dark"], "['red, dark']"),
        ("red, dark", "['red, dark']"),
    ],
)
def test_targets(target: object, text: str) -> None:
    assert TASK.format_target(target) == text


@pytest.mark.parametrize("target", ["", [], [""], ["red", 3], None, 4])
def test_targets_that_are_no_spans(target: object) -> None:
    with pytest.raises(InputError, match="list of texts"):
        TASK.format_target(target)


def test_few_of_many_labels_are_read_with_the_instructions() -> None:
    parts = dissect("Query: 'x'\n" + "Get type: b\n" * 4_000)
    assert len(_with_labels(parts)) < 10_000
