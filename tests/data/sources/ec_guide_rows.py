# ruff: noqa: E501 - questions stand in one line each, as they are published
"""EC-Guide in small, in the project's own words."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any


def ec_guide_row(question: str, gold: object, task_type: str, metric: str = "accuracy") -> dict[str, Any]:
    return {"input_field": question, "output_field": gold, "task_type": task_type, "metric": metric}


def numbered(lines: Iterable[str], first: int = 0) -> str:
    return "\n".join(f"{number}. {line}" for number, line in enumerate(lines, start=first))


NER_LEAD = "Extract the phrases of the query that are of the entity type 'product type'. Separate several by a comma."
EC_GUIDE: dict[str, Sequence[Mapping[str, Any]]] = {
    "Generation/CR": [ec_guide_row("Instruction: Name the categories that 'Norvik kettle' belongs to.\nAnswer: ", "Kitchen, Kettles", "generation", "sent-transformer")],
    "Generation/MT": [
        ec_guide_row("Translate the product title 'Norvik Wasserkocher aus Stahl' into English. \nOutput: ", "Question: x Output: Norvik steel kettle with lid", "generation", "bleu"),
        ec_guide_row("Translate the product title 'Norvik kettle' into Japanese. \nOutput: ", "ノルビク の 電気 ケトル です", "generation", "bleu"),
    ],
    "Generation/PKS": [
        ec_guide_row("Write four keywords for the product.\nTitle: Norvik Wasserkocher mit Deckel und Filter\nAnswer:", "kettle, lid", "generation", "bleu"),
        ec_guide_row("Write four keywords for the product.\nTitle: The kettle with a lid\nAnswer:", "kettle, lid", "generation", "bleu"),
    ],
    "MCQ/ACR": [
        ec_guide_row("A box holds 3 pens. How many do 4 boxes hold?\n" + numbered(["7", "12", "1", "34"]) + "\nAnswer: Let's think step by step.", "4 boxes hold 3*4=<<3*4=12>>12 pens. Therefore, the answer is 1.", "generation", "sent-transformer"),
        ec_guide_row("A box holds 3 pens. How many do 5 boxes hold?", "5 boxes hold 3*5=<<3*5=15>>15 pens.\n#### 15", "generation", "sent-transformer"),
        ec_guide_row("Where does one keep bread?\n" + numbered(["bin", "sea"]) + "\nAnswer: ", 0, "multiple-choice"),
    ],
    "MCQ/PRP": [
        ec_guide_row("How do the products relate? Product 1: \"kettle\", Product 2: \"teapot\"\n0. bought together\n1. viewed together\n3. similar\nAnswer: ", 2, "multiple-choice"),
        ec_guide_row("Are they alike? Answer yes or no.\nProduct 1: kettle\nProduct 2: hose\nAnswer: ", "no", "multiple-choice", "bool"),
    ],
    "MCQ/QPRP": [ec_guide_row('What is the relation? query:"kettle" product:"Norvik kettle"\n' + numbered(["substitute", "narrowing", "complement", "irrelevant"]) + "\nAnswer: ", 1, "multiple-choice")],
    "MCQ/SAP": [
        ec_guide_row("What is the lid of 'Norvik kettle' made of?\n" + numbered(["steel", "glass", "wood"]) + "\nAnswer: ", "1", "multiple-choice"),
        ec_guide_row("What is the lid of 'Norvik teapot' made of?\n" + numbered(["steel", "glass", "wood"]) + "\nAnswer: ", "3", "multiple-choice"),
    ],
    "NER/NER": [
        ec_guide_row(f"{NER_LEAD}\nQuery: steel kettle 1 l\nOutput: ", ["kettle "], "named_entity_recognition", "micro f1"),
        ec_guide_row(f"{NER_LEAD}\nQuery: steel teapot\nOutput: ", "['teapot']", "named_entity_recognition", "micro f1"),
        ec_guide_row(f"{NER_LEAD}\nQuery: steel\nOutput: ", [""], "named_entity_recognition", "micro f1"),
    ],
    "Retrieval/PR": [
        ec_guide_row("Select the products of the category 'Kettles' and list their indices, separated by commas.\nProducts: " + numbered(["kettle a", "hose", "kettle b", "kettle c", "rug", "kettle d", "pen"]) + "\nOutput:", [0, 2, 3, 5], "retrieval", "hit rate@3"),
        ec_guide_row("Select the products of the category 'Hoses' and list their indices, separated by commas.\nProducts: " + numbered(["kettle a", "hose", "kettle b", "kettle c"]) + "\nOutput:", [9], "retrieval", "hit rate@3"),
    ],
    "Ranking/QPR": [ec_guide_row("Rank the products by their relevance to the query 'kettle', the most relevant first.\nProduct List:\n" + numbered(["kettle", "teapot", "rug", "hose", "steel kettle"], 1) + "\nOutput:", [1, 0.1, 0.01, 0, 1], "ranking", "ndcg")],
}  # fmt: skip
"""Every fault that the set has, and a row of each type that has none."""
