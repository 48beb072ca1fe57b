"""Questions about products: passages with what they do, attributes in words."""

import random
from collections import Counter
from pathlib import Path

import pytest

from app.data.sources.attributes import are_related, read_attribute
from app.data.sources.product_qa import ANSWERS, HELPS, NEITHER, AttributeSentence, ProductQuestion, read_product_qa
from app.data.tasks.declared import TASKS
from app.errors import InputError
from tests.data.sources.offer_files import QUESTIONS, write_product_qa, write_tabs


@pytest.mark.parametrize(
    ("notation", "words"),
    [
        ("batteries_required:  { value:false }", "batteries required: no"),
        ("size: { unit:inches, value:9. }; { value:\"M, 'slim'\" }", "size: 9 inches, M, 'slim'"),
        (
            "item_weight: { unit:grams, normalized_value:{ unit:ounces, value:3.50 }, value:100. }",
            "item weight: 3.5 ounces",
        ),
        (
            "language: { type:published, value:dutch }; { type:unknown, value:dutch }",
            "language: dutch (published), dutch",
        ),
        (
            "battery: { cell_composition:[ { value:lithium_ion } ], weight:[ { unit:grams, value:40 } ] }",
            "battery: cell composition lithium ion, weight 40 grams",
        ),
        ("fat: { total:2.0, saturated:1.0, unit:grams }", "fat: total 2, saturated 1 grams"),
        ("from: { value:2020-01-01t00:00:00z }", "from: 2020-01-01t00:00:00z"),
        ('text: { value:"a 3" wide "box"" }', 'text: a 3" wide "box"'),
    ],
)
def test_attributes_are_put_in_words(notation: str, words: str) -> None:
    attribute = read_attribute(notation)

    assert attribute is not None
    assert attribute.text == words
    assert words.startswith(f"{attribute.name}: ")


@pytest.mark.parametrize(
    "text", ["", "size", "size: large", "size: { value }", "size: { value:9 ", "size: { }", "size: { value:9 } or so"]
)
def test_what_is_no_attribute_is_not_read(text: str) -> None:
    assert read_attribute(text) is None


def test_attributes_that_answer_the_same_question_are_related() -> None:
    assert are_related("item weight: 3 pounds", "size: large")
    assert not are_related("item weight: 3 pounds", "brand: size experts")


def test_a_question_comes_with_its_passages(tmp_path: Path) -> None:
    write_product_qa(tmp_path)
    faults: Counter[str] = Counter()
    records = list(read_product_qa(tmp_path, faults))
    questions = [record for record in records if isinstance(record, ProductQuestion)]
    kettle, battery, denied, camping, weight = questions

    assert (kettle.title, kettle.graded, kettle.attributes) == ("Norvik Kettle, 1.7 Litres", True, False)
    assert [passage.use for passage in kettle.passages] == [ANSWERS] * 3 + [HELPS] + [NEITHER] * 4
    assert kettle.passages[2].text == "yes, after 30 seconds. (asked: how long does it go on boiling?)"
    assert kettle.passages[1].answer == "Yes, it shuts off automatically."
    assert kettle.passages[3].answer == ""
    assert battery.passages[0].text == "batteries required: no"
    assert battery.group == kettle.group
    assert [passage.answer for passage in denied.passages] == [""]
    assert [passage.use for passage in camping.passages] == [ANSWERS, NEITHER]
    assert weight.passages[0].text == "item weight: 44 pounds"
    [sentence] = [record for record in records if isinstance(record, AttributeSentence)]
    assert sentence.attribute == "seat: height 18 inches, material oak"
    assert sentence.notation.startswith("seat: { height:[ { unit:inches")
    assert sentence.sentence == "The oak seat is 18 inches high."
    assert faults == {
        "hetPQA: a label for a passage on several products, left out": 1,
        "product questions: an answer that denies a yes or affirms a no, dropped": 1,
        "product questions: an answer with a number that nothing on the page has, dropped": 1,
        "product questions: an attribute that cannot be read, dropped": 1,
        "semiPQA: a sentence with a number that the attribute lacks, dropped": 1,
        "semiPQA: an attribute that cannot be read, dropped": 1,
    }


def test_wrong_options_are_certain_to_be_wrong(tmp_path: Path) -> None:
    write_product_qa(tmp_path)
    records = list(read_product_qa(tmp_path, Counter()))
    [weight] = [one for one in records if isinstance(one, ProductQuestion) and one.question.startswith("how heavy")]
    for seed in range(20):
        [draft] = TASKS["product_qa_answering_attribute"].draw(weight, random.Random(seed))

        options = str(draft.variables["options"]).splitlines()
        assert "44 pounds" in options[int(str(draft.gold))]
        assert "47 pounds" not in str(options)


def test_a_list_holds_three_answers_and_a_ranking_all_uses(tmp_path: Path) -> None:
    write_product_qa(tmp_path)
    kettle = next(iter(read_product_qa(tmp_path, Counter())))
    assert isinstance(kettle, ProductQuestion)
    [draft] = TASKS["product_qa_answering_passages"].draw(kettle, random.Random(0))
    lines = str(draft.variables["list"]).splitlines()

    assert len(lines) == 7
    assert {line[3:] for line in lines if int(line[0]) in draft.gold} == {  # type: ignore[operator]  # numbers here
        passage.text for passage in kettle.of_use(ANSWERS)
    }
    [draft] = TASKS["product_qa_passage_ranking"].draw(kettle, random.Random(0))
    assert set(draft.gold) == {1.0, 0.3, 0.0}  # type: ignore[call-overload]  # numbers here


def test_a_label_of_another_scale_is_told(tmp_path: Path) -> None:
    write_tabs(tmp_path / "ePQA" / "dev.csv", [QUESTIONS[0] | {"label": "3"}], ",")

    with pytest.raises(InputError, match=r"dev\.csv, line 2: 'label' must be 0, 1 or, in ePQA, 2, found '3'"):
        list(read_product_qa(tmp_path, Counter()))
