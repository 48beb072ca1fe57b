"""Each reader on its own schema, and on another."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.data.sources.amazon_m2 import identities
from app.data.sources.reading import RawRow
from app.data.tasks.declared import SOURCES as ALL_SOURCES
from app.data.tasks.task import PublishedSource
from app.errors import InputError
from tests.data.sources.ec_guide_rows import EC_GUIDE
from tests.data.sources.files import (
    ESCI_EXAMPLES,
    ESCI_PRODUCTS,
    EXERCISES,
    INTENTION,
    M2_PRODUCTS,
    M2_SESSIONS,
    METAS,
    OA_MINE,
    REVIEWS,
    SUM,
    TITLE,
    without,
    write_array,
    write_csv,
    write_lines,
    write_parquet,
    write_published,
)

SOURCES = {name: source for name, source in ALL_SOURCES.items() if isinstance(source, PublishedSource)}
WRITERS = {".jsonl": write_lines, ".json": write_array, ".csv": write_csv, ".parquet": write_parquet}
EC_ROW = EC_GUIDE["MCQ/SAP"][0]
WRONG: list[tuple[str, str, Mapping[str, Any], str, str]] = [
    ("EC-Guide", "MCQ/SAP.json", EC_ROW, "output_field", "row 1"),
    ("EC-Guide", "MCQ/SAP.json", EC_ROW, "metric", "row 1"),
    ("ECInstruct", "dataset.json", EXERCISES[0], "setting", "row 1"),
    ("EshopInstruct", "all.json", {"instruction": "a", "output": "b"}, "output", "row 1"),
    ("EshopInstruct", "all.json", {"input_field": "a", "output_field": "b"}, "output_field", "row 1"),
    ("ESCI", "shopping_queries_dataset_examples.parquet", ESCI_EXAMPLES[0], "esci_label", "columns"),
    ("ESCI", "shopping_queries_dataset_products.parquet", ESCI_PRODUCTS[0], "product_title", "columns"),
    ("Amazon-M2", "sessions_train.csv", M2_SESSIONS[0], "prev_items", "columns"),
    ("Amazon-M2", "products_train.csv", M2_PRODUCTS[0], "title", "columns"),
    ("Amazon Reviews 2023", "Kitchen.jsonl", REVIEWS[0], "helpful_vote", "line 1"),
    ("Amazon Reviews 2023", "meta_Kitchen.jsonl", METAS[0], "parent_asin", "line 1"),
    ("IntentionQA", "task2.jsonl", INTENTION, "assertion", "line 1"),
    ("ExtractGPT", "oa-mine/train.jsonl", TITLE, "target_scores", "line 1"),
    ("OA-Mine", "annotations/green_tea.jsonl", OA_MINE, "entities", "line 1"),
    ("GSM8K", "train.jsonl", SUM, "answer", "line 1"),
]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_published(tmp_path_factory.mktemp("data"))


def read(name: str, folder: Path) -> tuple[list[Any], Counter[str]]:
    faults: Counter[str] = Counter()
    return list(SOURCES[name].read(folder, faults)), faults


@pytest.mark.parametrize("name", SOURCES)
def test_every_source_is_read_whole_and_the_same_each_time(name: str, data: Path) -> None:
    source = SOURCES[name]
    assert source.present(data)

    first, second = read(name, data / source.folder), read(name, data / source.folder)

    assert first[0]
    assert first == second
    assert all(times > 0 for times in first[1].values())


@pytest.mark.parametrize("name", SOURCES)
def test_every_source_says_whose_it_is(name: str) -> None:
    source = SOURCES[name]

    assert source.licence
    assert source.home
    assert "://" not in source.home


@pytest.mark.parametrize(("name", "file", "row", "field", "where"), WRONG)
def test_a_field_that_is_not_there_is_named(
    name: str, file: str, row: Mapping[str, Any], field: str, where: str, tmp_path: Path
) -> None:
    folder = write_published(tmp_path) / SOURCES[name].folder
    path = folder / file
    WRITERS[path.suffix](path, [without(row, field)])

    with pytest.raises(InputError) as error:
        read(name, folder)

    message = str(error.value)
    assert file in message
    assert where in message
    assert f"no field '{field}'" in message
    assert "found '" in message
    assert "\n" not in message


def test_a_line_of_ae_110k_has_three_parts(tmp_path: Path) -> None:
    path = tmp_path / "publish_data.txt"
    path.write_text("title,attribute,value\n", encoding="utf-8")

    with pytest.raises(
        InputError, match=r"publish_data\.txt, line 1: want title, attribute and value .* found 1 field"
    ):
        read("AE-110k", tmp_path)


@pytest.mark.parametrize(
    ("name", "file", "row", "told"),
    [
        ("EC-Guide", "MCQ/SAP.json", dict(EC_ROW) | {"task_type": "quiz"}, "'task_type' must be one of"),
        ("EC-Guide", "MCQ/SAP.json", dict(EC_ROW) | {"output_field": "glass"}, "must be the number of an option"),
        ("EC-Guide", "MCQ/SAP.json", dict(EC_ROW) | {"output_field": {"a": 1}}, "must be a text, a number or a list"),
        ("ECInstruct", "dataset.json", EXERCISES[0] | {"task": "Poetry"}, "'task' must be one of"),
        ("ESCI", "shopping_queries_dataset_examples.parquet", ESCI_EXAMPLES[0] | {"esci_label": "X"}, "'esci_label'"),
        ("ESCI", "shopping_queries_dataset_examples.parquet", ESCI_EXAMPLES[0] | {"product_locale": "fr"}, "one of us"),
        ("Amazon-M2", "sessions_train.csv", dict(M2_SESSIONS[0]) | {"prev_items": "B1, B2"}, "'prev_items' must be"),
        ("Amazon-M2", "sessions_train.csv", dict(M2_SESSIONS[0]) | {"locale": "XX"}, "'locale' must be one of UK"),
        ("Amazon Reviews 2023", "Kitchen.jsonl", REVIEWS[0] | {"rating": "high"}, "'rating' must be a number"),
        ("IntentionQA", "task2.jsonl", INTENTION | {"distractors_product": "none"}, "must be a list of texts"),
        ("ExtractGPT", "oa-mine/train.jsonl", TITLE | {"target_scores": ["a"]}, "attributes with their values"),
        (
            "OA-Mine",
            "annotations/green_tea.jsonl",
            OA_MINE | {"entities": [{"label": "a"}]},
            "entity 1: no field 'value'",
        ),
    ],
)
def test_a_value_of_another_form_is_told(
    name: str, file: str, row: Mapping[str, Any], told: str, tmp_path: Path
) -> None:
    folder = write_published(tmp_path) / SOURCES[name].folder
    path = folder / file
    WRITERS[path.suffix](path, [row])

    with pytest.raises(InputError, match=told) as error:
        read(name, folder)

    assert file in str(error.value)


def test_tables_that_belong_together_are_asked_for_by_name(tmp_path: Path) -> None:
    write_csv(tmp_path / "sessions_train.csv", M2_SESSIONS)
    write_parquet(tmp_path / "shopping_queries_dataset_examples.parquet", ESCI_EXAMPLES)

    with pytest.raises(InputError, match=r"no products_train\.\* in"):
        read("Amazon-M2", tmp_path)
    with pytest.raises(InputError, match=r"no \*products\*\.\* in"):
        read("ESCI", tmp_path)


def test_ec_guide_is_mended(data: Path) -> None:
    rows, faults = read("EC-Guide", data / "EC-Guide")
    by_task: dict[tuple[str, str], list[Any]] = {}
    for row in rows:
        by_task.setdefault((row.sub_task, row.task_type.value), []).append(row)

    [relation] = by_task["PRP", "multiple-choice"]
    assert relation.question.splitlines()[1:4] == ["0. bought together", "1. viewed together", "2. similar"]
    assert relation.gold == 2
    [search] = by_task["QPRP", "multiple-choice"]
    assert "1. exact match\n" in search.question
    assert [row.gold for row in by_task["SAP", "multiple-choice"]] == [1]
    assert [row.gold for row in by_task["NER", "named_entity_recognition"]] == [["kettle"], ["teapot"]]
    [category] = by_task["PR", "retrieval"]
    assert category.gold == [0, 2, 3]
    assert "5. pen" in category.question
    assert "kettle d" not in category.question
    worked, plain = by_task["ACR", "generation"]
    assert worked.gold == "4 boxes hold 3*4=12 pens. Therefore, the answer is 1."
    assert plain.gold == "5 boxes hold 3*5=15 pens.\nTherefore, the answer is 15."
    choice, _ = by_task["ACR", "multiple-choice"]
    assert (choice.gold, choice.question.rstrip()[-7:]) == (1, "Answer:")
    assert choice.group == worked.group
    english, japanese = by_task["MT", "generation"]
    assert (english.gold, english.language) == ("Norvik steel kettle with lid", "en")
    assert japanese.language == "ja"
    assert faults["EC-Guide PRP: yes or no, dropped"] == 1
    assert faults["EC-Guide NER: no entity, dropped"] == 1
    assert faults["EC-Guide NER: a list in text, read"] == 1
    assert faults["EC-Guide PR: the gold numbers are not listed, dropped"] == 1


def test_numpy_lists_are_read_without_their_commas(data: Path) -> None:
    rows, faults = read("Amazon-M2", data / "Amazon-M2")

    assert rows[0].previous == ("kettle 1", "kettle 2", "kettle 3")
    assert (rows[0].next, rows[0].language) == ("kettle 4", "en")
    assert len(rows[0].others()) == 20
    assert not {*rows[0].previous, rows[0].next} & set(rows[0].others())
    assert all(title.startswith("Wasserkocher") for title in rows[1].others())
    assert rows[2].previous == ("やかん 7",)
    assert faults == {
        "Amazon-M2: a session without titles, dropped": 1,
        "Amazon-M2: a product without a title, left out": 1,
    }


@settings(max_examples=30)
@given(st.lists(st.text("B07XKZ", min_size=10, max_size=10), min_size=1, max_size=60))
def test_whatever_numpy_prints_is_read(names: list[str]) -> None:
    row = RawRow("sessions_train.csv, line 2", {"prev_items": str(np.array(names, dtype=object))})

    assert identities(row) == names


def test_queries_come_with_the_titles_of_their_products(tmp_path: Path) -> None:
    write_parquet(tmp_path / "tables" / "shopping_queries_dataset_examples.parquet", ESCI_EXAMPLES)
    write_parquet(tmp_path / "tables" / "shopping_queries_dataset_products.parquet", ESCI_PRODUCTS)
    rows, _ = read("ESCI", tmp_path / "tables")
    titles = {(row["product_locale"], row["product_id"]): row["product_title"] for row in ESCI_PRODUCTS}
    joined = [
        row
        | {
            "product_title": titles[row["product_locale"], row["product_id"]],
            "esci_label": words,
            "product_brand": "Norvik",
        }
        for row in ESCI_EXAMPLES
        for words in [
            {"E": "Exact", "S": "Substitute", "C": "Complement", "I": "Irrelevant"}[row["esci_label"]].lower()
        ]
    ]
    as_one, _ = read("ESCI", write_parquet(tmp_path / "train_examples.parquet", joined))

    assert [(row.query, row.language, len(row.products)) for row in rows] == [
        ("led desk lamp", "en", 12),
        ("mochila escolar", "es", 12),
        ("水筒 500ml", "ja", 12),
    ]
    assert rows[0].with_label("E") == ["led desk lamp no. 0", "led desk lamp no. 5", "led desk lamp no. 8"]
    assert as_one == rows


def test_other_splits_and_settings_are_left_out_and_counted(tmp_path: Path) -> None:
    write_parquet(tmp_path / "examples.parquet", [*ESCI_EXAMPLES, ESCI_EXAMPLES[0] | {"split": "test"}])
    write_parquet(tmp_path / "products.parquet", ESCI_PRODUCTS)
    write_array(
        tmp_path / "dataset.json", [EXERCISES[0], EXERCISES[0] | {"split": "test"}, EXERCISES[0] | {"setting": "OOD"}]
    )

    assert read("ESCI", tmp_path)[1] == {"ESCI: not of the training split, left out": 1}
    rows, faults = read("ECInstruct", tmp_path)
    assert len(rows) == 1
    assert sum(faults.values()) == 2


def test_reviews_stand_by_their_product(data: Path) -> None:
    [kettle], faults = read("Amazon Reviews 2023", data / "AmazonReviews2023")

    assert kettle.title == "Norvik kettle, 1.7 litres"
    assert [review.helpful_votes for review in kettle.reviews] == [30, 9, 4, 2, 1, 0]
    assert kettle.bought_together == ("Norvik teapot no. 2", "Norvik teapot no. 3")
    assert not set(kettle.bought_together) & set(kettle.others())
    assert faults == {"Amazon Reviews: a product bought together without a title, left out": 1}


def test_ec_instruct_parts_are_read(data: Path) -> None:
    rows, _ = read("ECInstruct", data / "ECInstruct")
    by_task = {row.task: row for row in rows}

    relation = by_task["Product_Relation_Prediction"]
    assert relation.fields == {"Product 1": "Norvik kettle", "Product 2": "Norvik teapot"}
    assert (relation.letter, len(relation.options)) == (1, 3)
    assert by_task["Sequential_Recommendation"].listed == ("tea tin", "teapot", "tea strainer")
    assert by_task["Sequential_Recommendation"].options[2] == "product no. 2"
    assert by_task["Sentiment_Analysis"].text.startswith("The handle")


def test_values_are_spans_of_their_title(data: Path) -> None:
    [scarf], faults = read("ExtractGPT", data / "ExtractGPT")
    [rod], _ = read("AE-110k", data / "AE-110k")
    [tea], _ = read("OA-Mine", data / "OA-Mine")

    assert scarf.values == (("Brand", ("Norvik",)), ("Material", ("Wool",)), ("Size", ("180 cm",)))
    assert rod.values == (("Brand Name", ("Norvik",)), ("Length", ("2.1 m",)), ("Material", ("Carbon",)))
    assert (tea.category, tea.values) == (
        "green tea",
        (("Brand", ("Norvik",)), ("Count", ("20 Bags",)), ("Tea", ("Green Tea",))),
    )
    assert faults == {"ExtractGPT: value absent, dropped": 1, "ExtractGPT: letters of a value taken from the title": 1}


def test_sums_end_in_their_answer(data: Path) -> None:
    [found], faults = read("GSM8K", data / "GSM8K")

    assert found.solution.endswith("4 crates hold 4*6=24 jars.")
    assert (found.answer, found.other_numbers) == ("24", ("6", "4"))
    assert faults == {"GSM8K: calculator's notes taken off": 1, "GSM8K: no '#### n' at the end, dropped": 1}


def test_a_source_on_the_hub_is_read_alike(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    write_lines(tmp_path / "set" / "train.jsonl", [SUM])

    rows, _ = read("GSM8K", Path(f"hf:{tmp_path / 'set'}"))

    assert rows == read("GSM8K", data / "GSM8K")[0]
