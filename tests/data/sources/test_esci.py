"""ESCI as judgments: labels that can be trusted, groups that share nothing, and what is asked about its products."""

import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from app.data.sources.esci import QueryResults, read_esci
from app.data.tasks.declared import TASKS
from app.errors import InputError
from tests.data.sources.judgments import QUERIES, write_judgments


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[QueryResults], Counter[str]]:
    folder = tmp_path_factory.mktemp("ESCI")
    write_judgments(folder)
    faults: Counter[str] = Counter()
    return list(read_esci(folder, faults)), faults


def drafts(task: str, record: QueryResults) -> list[tuple[dict[str, Any], Any]]:
    return [(dict(draft.variables), draft.gold) for draft in TASKS[task].draw(record, random.Random(1))]


def options(text: object) -> list[str]:
    return [line.split(None, 1)[1] if ". " in line else line.lstrip("0123456789.) ") for line in str(text).splitlines()]


def test_ratings_are_labels_and_titles_are_read_as_shown(found: tuple[list[QueryResults], Counter[str]]) -> None:
    kettles = found[0][0]

    assert (kettles.query, kettles.locale, kettles.language) == (QUERIES[0], "us", "en")
    assert [product.label for product in kettles.products[:4]] == ["E", "S", "C", "I"]
    first = kettles.products[0]
    assert (first.title, first.brand, first.color) == ("Norvik Kettle & Lid 0, Black", "Norvik", "Black")
    assert first.category[-1] == "Kettles"


def test_what_is_dropped_is_counted(found: tuple[list[QueryResults], Counter[str]]) -> None:
    records, faults = found

    assert faults == {
        "ESCI: exact although it has what the query is to be without, dropped": 1,
        "ESCI: characters of a title were lost, dropped": 1,
        "ESCI: no title for a product, dropped": 1,
        "ESCI: a product that no query has, left out": 5,
    }
    exact = records[1].with_label("E")
    assert "Norvik Scarf, no Fringes, White" in exact
    assert "Norvik Scarf with Fringes, White" not in exact


def test_queries_that_share_a_product_are_of_one_group(found: tuple[list[QueryResults], Counter[str]]) -> None:
    kettles, scarves, trays = found[0]

    assert kettles.group == trays.group
    assert scarves.group != kettles.group


def test_lists_hold_what_their_labels_say(found: tuple[list[QueryResults], Counter[str]]) -> None:
    for record in found[0]:
        exact = {product.title for product in record.products if product.label == "E"}
        for variables, numbers in drafts("esci_exact", record):
            listed = options(variables["list"])
            assert len(listed) == 10
            assert {listed[number - 1] for number in numbers} == exact & set(listed)
            assert len(numbers) == 3
        rankings = drafts("esci_ranking", record)
        assert len(rankings) == len(record.products) // 2
        assert all(set(gold) == {1.0, 0.1, 0.01, 0.0} for _, gold in rankings)


def test_wrong_options_are_certainly_wrong(found: tuple[list[QueryResults], Counter[str]]) -> None:
    for record in found[0]:
        products = {product.title: product for product in record.products}
        for task, of in (("esci_brand", "brand"), ("esci_color", "color")):
            for variables, number in drafts(task, record):
                title = variables["product"]
                offered = options(variables["options"])
                assert offered[number].lower() == getattr(products[title], of).lower()
                assert [one for one in offered if one.lower() in title.lower()] == [offered[number]]
        for variables, number in drafts("esci_category", record):
            category = products[variables["product"]].category
            offered = options(variables["options"])
            assert offered[number] == " > ".join(category[-2:])
            assert len(set(offered)) == 4


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ({"name": "nothing"}, "no 'judgmentRatings'"),
        ({"judgmentRatings": [{"query": "a"}]}, "query 1: 'ratings' must be a list of docId and rating"),
        (
            {"judgmentRatings": [{"query": "a", "ratings": [{"docId": "A00", "rating": "7"}]}]},
            "must be 100, 10, 1 or 0",
        ),
        ({"judgmentRatings": [{"query": "a", "ratings": [{"docId": "A00"}]}]}, "rating 1: no field 'rating'"),
        ("{", "is not JSON"),
    ],
)
def test_another_form_is_told(document: object, told: str, tmp_path: Path) -> None:
    write_judgments(tmp_path)
    text = document if isinstance(document, str) else json.dumps(document)
    (tmp_path / "our_judgments.json").write_text(text, encoding="utf-8")

    with pytest.raises(InputError, match=told) as error:
        list(read_esci(tmp_path, Counter()))

    assert "our_judgments.json" in str(error.value)
