"""Offers that are compared: which are the same product, and texts whose tokens are joined again."""

import random
from collections import Counter
from pathlib import Path

import pytest

from app.data.sources.ditto import ComparedOffer, mended, read_ditto
from app.data.tasks.declared import TASKS
from app.errors import InputError
from tests.data.sources.offer_files import KETTLE, SAME_KETTLE, write_ditto


@pytest.fixture
def offers(tmp_path: Path) -> dict[str, ComparedOffer]:
    write_ditto(tmp_path)
    return {record.offer.title: record for record in read_ditto(tmp_path, Counter())}


@pytest.mark.parametrize(
    ("cut", "whole"),
    [
        ("norvik 24 ' screen ( r ) with stand )", 'norvik 24" screen with stand'),
        ("24 '' x 36 '' rug", '24" x 36" rug'),
        ("kids ' games , vol . 2 ( mac [ dvd ]", "kids' games, vol 2 mac [dvd]"),
        ("lens f/4 .5 -5.6 g", "lens f/4.5 -5.6 g"),
        ("cook ! the chef 's book : soups ? .", "cook! the chef's book: soups?"),
        ("plain title '", "plain title"),
    ],
)
def test_titles_are_mended(cut: str, whole: str) -> None:
    assert mended(cut) == whole


def test_an_offer_comes_with_the_same_and_the_alike(tmp_path: Path) -> None:
    write_ditto(tmp_path)
    faults: Counter[str] = Counter()
    records = list(read_ditto(tmp_path, faults))
    kettle = records[0]

    assert kettle.offer.line == "norvik kettle 1.7 l steel (cordless), model nk-1700"
    assert [one.line for one in kettle.same] == ["steel kettle nk-1700 cordless, 1.7 litres"]
    assert [one.price for one in kettle.alike] == [25.0, 35.0, 45.0, 55.0, 65.0]
    assert {one.brand for one in kettle.unrelated} == {"brevaro"}
    assert {record.group for record in records if record.same} == {kettle.group}
    assert not any(record.unrelated for record in records if not record.same)
    assert records[-1].offer.price is None
    assert faults == {
        "ditto: a pair of one title, dropped": 1,
        "ditto: an offer without a title, dropped": 1,
        # "no. 1" has no word that "1.7 l" lacks: seen from the kettle's two offers, and from its own
        "ditto: another product's offer that no word of its own tells apart, left out": 3,
    }


def test_a_pair_that_contradicts_others_is_dropped(tmp_path: Path) -> None:
    path = write_ditto(tmp_path)
    third = SAME_KETTLE.replace("steel", "silver")
    rows = ((KETTLE, SAME_KETTLE, "1"), (third, SAME_KETTLE, "1"), (KETTLE, third, "0"))
    path.write_text("".join("\t".join(row) + "\n" for row in rows), encoding="utf-8")
    faults: Counter[str] = Counter()
    first, *_ = read_ditto(path, faults)

    assert first.alike == ()
    assert faults == {"ditto: a pair that is told apart, though others make it the same product, dropped": 1}


def test_the_product_stands_among_others(offers: dict[str, ComparedOffer]) -> None:
    kettle = offers["norvik kettle 1.7 l steel (cordless)"]
    for seed in range(10):
        [draft] = TASKS["ditto_same_product"].draw(kettle, random.Random(seed))
        lines = str(draft.variables["options"]).splitlines()
        assert [number for number, line in enumerate(lines) if "nk-1700" in line] == [draft.gold]
        [draft] = TASKS["ditto_offer_ranking"].draw(kettle, random.Random(seed))
        assert sorted(draft.gold)[-2:] == [0.1, 1.0]  # type: ignore[call-overload]  # numbers here


def test_a_brand_is_the_beginning_of_a_title_and_a_model_a_word_of_it(offers: dict[str, ComparedOffer]) -> None:
    kettle, same = offers["norvik kettle 1.7 l steel (cordless)"], offers["steel kettle nk-1700 cordless, 1.7 litres"]
    rng = random.Random(0)

    assert [draft.gold for draft in TASKS["ditto_brand"].draw(kettle, rng)] == [["norvik"]]
    assert list(TASKS["ditto_brand"].draw(same, rng)) == []
    assert [draft.gold for draft in TASKS["ditto_model_number"].draw(same, rng)] == [["nk-1700"]]
    assert list(TASKS["ditto_model_number"].draw(kettle, rng)) == []


def test_prices_are_compared(offers: dict[str, ComparedOffer]) -> None:
    kettle = offers["norvik kettle 1.7 l steel (cordless)"]
    for seed in range(10):
        rng = random.Random(seed)
        [draft] = TASKS["ditto_saving"].draw(kettle, rng)
        assert str(draft.variables["options"]).splitlines()[int(str(draft.gold))].endswith("$10.50")
        [draft] = TASKS["ditto_cheapest"].draw(kettle, rng)
        prices = [float(line.rsplit("$")[1]) for line in str(draft.variables["options"]).splitlines()]
        assert prices.index(min(prices)) == draft.gold


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("COL title VAL a COL price VAL 1\tCOL title VAL b COL price VAL 2", "line 1: want two offers"),
        ("COL title VAL a COL price VAL 1\ttitle: b\t0", r"line 1: want two offers .* found 'title: b'"),
        ("", "holds no row"),
    ],
)
def test_another_form_is_told(line: str, told: str, tmp_path: Path) -> None:
    path = write_ditto(tmp_path)
    path.write_text(line and f"{line}\n", encoding="utf-8")

    with pytest.raises(InputError, match=told):
        list(read_ditto(tmp_path, Counter()))
    with pytest.raises(InputError, match=r"no er_magellan/\*/\*/train\.txt in"):
        list(read_ditto(tmp_path / "nowhere", Counter()))
