"""Small files in the published schemas, in the project's own words."""

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.data.sources import labelled
from tests.data.sources.ec_guide_rows import EC_GUIDE, NER_LEAD
from tests.data.sources.judgments import write_judgments
from tests.data.sources.offer_files import write_offers
from tests.data.sources.taxonomy import write_taxonomy

Rows = Sequence[Mapping[str, Any]]


def write_lines(path: Path, rows: Rows) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def write_array(path: Path, rows: Rows) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(list(rows), ensure_ascii=False, indent=1), encoding="utf-8")
    return path


def write_csv(path: Path, rows: Rows) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def write_parquet(path: Path, rows: Rows) -> Path:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist([dict(row) for row in rows]), path)
    return path


def without(row: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in names}


INTENTION = {
    "id": "T1",
    "item_a_name": "Oak desk with two drawers",
    "item_b_name": "Swivel chair, grey",
    "relation": "all",
    "assertion": "PersonX bought a product of Item A and a product of Item B because PersonX works at home.",
    "distractors_product": ["Garden hose 20 m", "Cat litter 5 kg", "Phone case, clear"],
    "typicality": 0.8,
    "gold_ind": "B",
}
INTENTION_2 = INTENTION | {
    "id": "T2",
    "item_b_name": "Desk lamp with clamp",
    "assertion": "PersonX bought a product of Item A and a product of Item B as a result, the desk is well lit.",
}
INTENTION_OTHER = INTENTION | {"id": "T3", "item_a_name": "Camping tent", "item_b_name": "Sleeping bag"}

TITLE = {
    "input": "Norvik Wool Scarf, Blue, 180 cm",
    "category": "Scarf",
    "target_scores": {"Brand": {"Norvik": 1}, "Material": {"wool": 1}, "Size": {"180 cm": 1}, "Gender": {"n/a": 1}},
}
OA_MINE = {
    "asin": "X1",
    "title": "Norvik Green Tea, 20 Bags",
    "entities": [
        {"startOffset": 0, "endOffset": 6, "label": "Brand", "value": "Norvik"},
        {"startOffset": 7, "endOffset": 16, "label": "Tea", "value": "Green Tea"},
        {"startOffset": 18, "endOffset": 25, "label": "Count", "value": "20 Bags"},
    ],
}

SUM = {
    "question": "A crate holds 6 jars. How many jars do 4 crates hold?",
    "answer": "Each crate holds 6 jars.\n4 crates hold 4*6=<<4*6=24>>24 jars.\n#### 24",
}

QUERIES = {"1": ("us", "led desk lamp"), "2": ("es", "mochila escolar"), "3": ("jp", "水筒 500ml")}
ESCI_PRODUCTS: list[dict[str, Any]] = [
    {
        "product_id": f"{locale}{number}",
        "product_title": f"{query} no. {number}",
        "product_description": None,
        "product_brand": "Norvik",
        "product_locale": locale,
    }
    for locale, query in QUERIES.values()
    for number in range(12)
]
ESCI_EXAMPLES: list[dict[str, Any]] = [
    {
        "example_id": 100 * int(query_id) + number,
        "query": query,
        "query_id": int(query_id),
        "product_id": f"{locale}{number}",
        "product_locale": locale,
        "esci_label": "ESCIIEISEIIS"[number],
        "small_version": 1,
        "large_version": 1,
        "split": "train",
    }
    for query_id, (locale, query) in QUERIES.items()
    for number in range(12)
]

M2_PRODUCTS = [
    {"id": f"B{number}", "locale": locale, "title": f"{word} {number}", "price": "9.99", "desc": 'a, "b"\nc'}
    for locale, word in (("UK", "kettle"), ("DE", "Wasserkocher"), ("JP", "やかん"))
    for number in range(30)
]
M2_SESSIONS = [
    {"prev_items": "['B1' 'B2'\n 'B3']", "next_item": "B4", "locale": "UK"},
    {"prev_items": "['B7']", "next_item": "B8", "locale": "DE"},
    {"prev_items": "['B7' 'gone']", "next_item": "B9", "locale": "JP"},
    {"prev_items": "['gone']", "next_item": "B9", "locale": "JP"},
]

REVIEW = {
    "rating": 5.0,
    "title": "Boils fast",
    "text": "It boils a litre in three minutes.<br />The lid is easy to open.",
    "images": [],
    "asin": "K1",
    "parent_asin": "P1",
    "user_id": "U1",
    "timestamp": 1588687728923,
    "helpful_vote": 7,
    "verified_purchase": True,
}
META = {
    "main_category": "Kitchen",
    "title": "Norvik kettle, 1.7 litres",
    "average_rating": 4.4,
    "rating_number": 12,
    "features": ["Boils fast", "Switches itself off"],
    "description": ["A kettle of brushed steel."],
    "price": None,
    "store": "Norvik",
    "categories": ["Kitchen", "Kettles"],
    "details": {"Brand": "Norvik"},
    "parent_asin": "P1",
    "bought_together": None,
}
REVIEWS = [
    REVIEW | {"helpful_vote": votes, "rating": rating, "text": f"{words}, that is what I say.", "title": words}
    for votes, rating, words in (
        (9, 5.0, "Very quick"), (4, 4.0, "Good value"), (0, 1.0, "Broke at once"), (2, 3.0, "Neither good nor bad"),
        (1, 2.0, "Too loud"), (30, 5.0, "The best one so far"),
    )
]  # fmt: skip
METAS = [META | {"bought_together": ["P2", "P3", "P99"]}] + [
    META | {"parent_asin": f"P{number}", "title": f"Norvik teapot no. {number}"} for number in range(2, 30)
]


def exercise(task: str, given: object, output: str, options: object = None) -> dict[str, Any]:
    return {
        "split": "train",
        "task": task,
        "setting": "IND_Diverse_Instruction",
        "instruction": "Do what is asked.",
        "input": given if isinstance(given, str) else json.dumps(given),
        "options": options if options is None or isinstance(options, str) else json.dumps(options),
        "output": output,
    }


EXERCISES = [
    exercise(
        "Attribute_Value_Extraction",
        {"product title": "Norvik Steel Kettle 1.7 L", "product feature": "quiet", "target attributes": "Capacity"},
        json.dumps([
            {"attribute": "capacity", "value": "1.7 l", "source": "product title"},
            {"attribute": "color", "value": "None", "source": "None"},
        ]),
    ),
    exercise(
        "Product_Relation_Prediction",
        {"Product 1:": "Norvik kettle", "Product 2:": "Norvik teapot"},
        "B",
        ["A: Users who buy product 1 may also buy product 2.", "B: Users who view product 1 may also view product 2.",
         "C: The product 1 is similar with the product 2."],
    ),
    exercise(
        "Product_Matching",
        {
            "product 1": {"title": "Norvik kettle", "description": None, "manufacturer": "nan", "price": "19.99"},
            "product 2": {"title": "Norvik steel kettle", "description": "1.7 litres", "manufacturer": "Norvik"},
        },
        "yes",
    ),
    exercise(
        "Sentiment_Analysis",
        "The handle came off in the first week.",
        "E",
        ["A: very positive", "B: positive", "C: neutral", "D: negative", "E: very negative"],
    ),
    exercise(
        "Sequential_Recommendation",
        str([f"{number}th: {name}" for number, name in enumerate(["tea tin", "teapot", "tea strainer"], start=4)]),
        "C",
        str([f"{chr(65 + number)}: product no. {number}" for number in range(20)]),
    ),
    exercise(
        "Multiclass_Product_Classification",
        {"query": "kettle", "product title": "Norvik tea towel"},
        "C: The product does not fulfill the query, but goes with one that does.",
        ["A: exact", "B: substitute", "C: complement", "D: irrelevant"],
    ),
    exercise("Product_Substitute_Identification", {"query": "kettle", "product": "Norvik saucepan"}, "yes"),
    exercise(
        "Query_Product_Rank",
        {"query": "kettle", "product list": ["A: Norvik tea towel", "B: Norvik kettle", "C: Norvik garden hose"]},
        "B,A,C",
    ),
    exercise(
        "Answerability_Prediction", {"question": "Is it loud?", "document": ["It boils fast.", "Nice colour."]}, "no"
    ),
    exercise(
        "Answer_Generation", {"question": "Is it loud?", "document": ["You hardly hear it."]}, "No, it is very quiet."
    ),
]  # fmt: skip


REASONS = without(INTENTION, "distractors_product") | {
    "distractors_asserstion": ["because both are red.", "because both can be eaten.", "because both float."]
}


def write_published(data: Path) -> Path:
    """A data folder with every published source in small."""
    for name, rows in EC_GUIDE.items():
        write_array(data / "EC-Guide" / f"{name}.json", rows)
    write_lines(data / "IntentionQA" / "task2.jsonl", [INTENTION, INTENTION_2, INTENTION_OTHER, *INTENTION_MORE])
    write_lines(data / "IntentionQA" / "task1.jsonl", [REASONS])
    write_lines(data / "ExtractGPT" / "oa-mine" / "train.jsonl", [TITLE])
    write_lines(data / "OA-Mine" / "annotations" / "green_tea.jsonl", [OA_MINE])
    (data / "AE-110k").mkdir(parents=True, exist_ok=True)
    lines = ("Norvik Rod 2.1 m Carbon\u0001Length\u00012.1 m\n", "Norvik Rod 2.1 m Carbon\u0001Material\u0001Carbon\n")
    more = ("Norvik Rod 2.1 m Carbon\u0001Brand Name\u0001NORVIK\n", "Norvik Reel\u0001Color\u0001NULL\n", "broken\n")
    (data / "AE-110k" / "publish_data.txt").write_text("".join([*lines, *more]), encoding="utf-8")
    write_lines(data / "GSM8K" / "train.jsonl", [SUM, SUM | {"answer": "no end"}])
    write_parquet(data / "ESCI" / "shopping_queries_dataset_examples.parquet", ESCI_EXAMPLES)
    write_parquet(data / "ESCI" / "shopping_queries_dataset_products.parquet", ESCI_PRODUCTS)
    write_judgments(data / "ESCI")
    write_lines(data / "QueryNER" / "train.jsonl", labelled.QUERIES)
    write_taxonomy(data / "Shopify-taxonomy")
    reviews = data / "DMASTE" / "dataset" / "home" / "train.txt"
    reviews.parent.mkdir(parents=True, exist_ok=True)
    reviews.write_text("".join(f"{line}\n" for line in labelled.REVIEWS), encoding="utf-8")
    write_csv(data / "Amazon-M2" / "sessions_train.csv", M2_SESSIONS)
    write_csv(data / "Amazon-M2" / "products_train.csv", M2_PRODUCTS)
    write_lines(data / "AmazonReviews2023" / "Kitchen.jsonl", REVIEWS)
    write_lines(data / "AmazonReviews2023" / "meta_Kitchen.jsonl", METAS)
    write_array(data / "ECInstruct" / "dataset.json", EXERCISES)
    write_array(data / "EshopInstruct" / "multiple-choice.json", ESHOP_CHOICE)
    write_array(data / "EshopInstruct" / "Mix" / "mix.json", ESHOP_MIX)
    write_offers(data)
    return data


INTENTION_MORE = [
    INTENTION | {"id": f"M{number}", "item_a_name": f"Tool no. {number}", "item_b_name": f"Case no. {number}"}
    for number in range(14)
]
ESHOP_CHOICE = [
    {
        "instruction": "Which category does the product belong to?",
        "input": "Product: Norvik kettle\n0. kitchen\n1. garden\n2. office\nAnswer:",
        "output": "0",
    }
]
ESHOP_MIX = [
    {"input_field": EC_GUIDE["Ranking/QPR"][0]["input_field"], "output_field": "1,5,2,3,4"},
    {"input_field": EC_GUIDE["Retrieval/PR"][0]["input_field"], "output_field": "[0, 2, 3]"},
    {"input_field": f"{NER_LEAD}\nQuery: steel kettle\nOutput: ", "output_field": "kettle"},
    {
        "input_field": "Write a title for a kettle of steel with a lid of glass.\nOutput: ",
        "output_field": "Steel kettle",
    },
    {"input_field": "", "output_field": "nothing"},
]
