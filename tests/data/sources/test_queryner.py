"""QueryNER: phrases from labels, and questions about kinds of words that are told apart."""

import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from app.data.sources.queryner import KINDS, LabelledQuery, read_queryner
from app.data.tasks.declared import TASKS
from app.errors import InputError
from tests.data.sources.files import write_lines
from tests.data.sources.labelled import NO_LABELS, QUERIES, QUOTED


def read(folder: Path) -> tuple[dict[str, LabelledQuery], Counter[str]]:
    faults: Counter[str] = Counter()
    return {record.query: record for record in read_queryner(folder, faults)}, faults


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, LabelledQuery], Counter[str]]:
    folder = tmp_path_factory.mktemp("QueryNER")
    write_lines(folder / "train.jsonl", [*QUERIES, NO_LABELS, QUOTED])
    write_lines(folder / "dev.jsonl", [QUERIES[0]])
    return read(folder)


def test_phrases_are_joined_and_drops_counted(found: tuple[dict[str, LabelledQuery], Counter[str]]) -> None:
    records, faults = found

    assert len(records) == len(QUERIES)
    assert records["red wool scarf for women"].phrases == (
        ("red", "color"),
        ("wool", "material"),
        ("scarf", "core_product_type"),
        ("for women", "department"),
    )
    assert faults == {
        "QueryNER: no phrase is labelled, dropped": 1,
        "QueryNER: commas or quotation marks in a query, dropped": 1,
        "QueryNER: the same query again, dropped": 1,
    }


def test_an_entity_is_asked_by_its_plain_name(found: tuple[dict[str, LabelledQuery], Counter[str]]) -> None:
    def asked(query: str) -> dict[Any, Any]:
        drafts = TASKS["queryner_entities"].draw(found[0][query], random.Random(1))
        return {draft.variables["kind"]: draft.gold for draft in drafts}

    assert asked("norvik steel tea kettle") == {"material": ["steel"], "brand": ["norvik"]}
    assert asked("oak desk 120 cm with drawers") == {"size": ["120 cm"], "product type": ["oak desk"]}
    assert asked("almstad novel") == {"product type": ["novel"]}, "a novel's maker is no brand"
    assert asked("candles") == {}


def test_what_a_phrase_may_be_elsewhere_is_no_wrong_option(
    found: tuple[dict[str, LabelledQuery], Counter[str]],
) -> None:
    record = found[0]["gold ring box"]
    for seed in range(30):
        [draft] = TASKS["queryner_phrase_kind"].draw(record, random.Random(seed))
        offered = [line.lstrip("0123456789.) ") for line in str(draft.variables["options"]).splitlines()]
        assert isinstance(draft.gold, int)
        assert offered[draft.gold] == KINDS["color"]
        assert KINDS["material"] not in offered
        assert KINDS["core_product_type"] in offered, "what the query says of other phrases makes a good wrong option"
        assert not {KINDS["quantity"], KINDS["UoM"]} <= set(offered)


@pytest.mark.parametrize(
    ("row", "told"),
    [
        (QUERIES[0] | {"labels": ["O"]}, "'labels' must be 4 labels, one a token"),
        (QUERIES[0] | {"labels": ["O", "O", "O", "color"]}, "'labels' must be labels such as B-color"),
        ({"tokens": ["a"]}, "no field 'labels'"),
    ],
)
def test_another_form_is_told(row: dict[str, Any], told: str, tmp_path: Path) -> None:
    write_lines(tmp_path / "train.jsonl", [row])

    with pytest.raises(InputError, match=told) as error:
        read(tmp_path)

    assert "train.jsonl, line 1" in str(error.value)
