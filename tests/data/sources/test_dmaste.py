"""DMASTE: reviews as people write them, and lists of what one speaks of and the others do not."""

import random
from collections import Counter
from pathlib import Path

import pytest

from app.data.sources.dmaste import JudgedReview, read_dmaste
from app.data.tasks.declared import TASKS
from app.data.tasks.task import Draft
from app.errors import InputError
from tests.data.sources.labelled import QUOTING, REVIEWS, review


def read(folder: Path, *lines: str) -> tuple[list[JudgedReview], Counter[str]]:
    path = folder / "dataset" / "home" / "train.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    faults: Counter[str] = Counter()
    return list(read_dmaste(folder, faults)), faults


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> list[JudgedReview]:
    return read(tmp_path_factory.mktemp("DMASTE"), *REVIEWS)[0]


def drafts(task: str, record: JudgedReview) -> list[Draft]:
    return list(TASKS[f"dmaste_{task}"].draw(record, random.Random(3)))


def listed(draft: Draft, name: str = "list") -> list[str]:
    return [line.split(" ", 1)[1].strip() for line in str(draft.variables[name]).splitlines()]


def test_blanks_are_where_people_put_them_and_words_are_found_there(tmp_path: Path) -> None:
    [found], _ = read(tmp_path, QUOTING)

    assert found.text == 'A 9" pan (as "wide" as told), I like it!'
    assert [(one.aspect, one.words) for one in found.opinions] == [("pan", "like"), ("", "wide")]


def test_a_snippet_is_a_sentence_that_judges_in_one_way(records: list[JudgedReview]) -> None:
    snippets = {one.polarity: one.snippet for one in records[0].opinions}

    assert snippets == {
        "POS": "The lid works very well so far",
        "NEG": "Sadly its tripod came off at once",
        "NEU": "the knob didn't",
    }


def test_wrong_aspects_are_those_of_other_reviews(records: list[JudgedReview]) -> None:
    for record in records:
        [draft] = drafts("covered", record)
        entries = listed(draft)
        assert isinstance(draft.gold, list)
        assert {entries[number - 1] for number in draft.gold} == set(record.aspects())
        assert len(entries) == 10
        assert all(entry not in record.text for place, entry in enumerate(entries, start=1) if place not in draft.gold)


def test_what_many_reviews_judge_is_no_wrong_aspect(tmp_path: Path) -> None:
    priced = [review(f"A fair price , really no. {number}", ("price", "fair", "POS")) for number in range(3)]
    records, _ = read(tmp_path, *REVIEWS, *priced)

    assert all("price" not in record.other_aspects for record in records)
    assert "zipper" in records[0].other_aspects


def test_complaints_are_picked_out_of_a_block_of_reviews(records: list[JudgedReview]) -> None:
    asked = [draft for record in records for draft in drafts("complaints", record)]

    assert len(asked) == 3
    for draft in asked:
        entries = listed(draft)
        assert isinstance(draft.gold, list)
        assert [place for place, entry in enumerate(entries, start=1) if "came off" in entry] == draft.gold
    assert len({draft.group for record in records for draft in drafts("opinion", record)} | {asked[0].group}) == 1


def test_one_aspect_has_one_sentiment(tmp_path: Path) -> None:
    torn = review("The lid is good . My lid is bad .", ("", "good", "POS"), ("", "bad", "NEG"))
    torn = torn.replace("[-1], [3], 'POS'", "[1], [3], 'POS'").replace("[-1], [8], 'NEG'", "[6], [8], 'NEG'")
    [record], _ = read(tmp_path, torn)

    assert record.aspects() == ["lid"]
    assert drafts("sentiment", record) == []
    assert drafts("opinion", record) == []


def test_a_span_beyond_the_text_is_left_out_and_counted(tmp_path: Path) -> None:
    records, faults = read(
        tmp_path, "Good lid .####[([1], [0], 'POS'), ([9], [0], 'POS')]####Books", "No .####[]####Books"
    )

    assert [len(record.opinions) for record in records] == [1]
    assert faults == {
        "DMASTE: an opinion beyond the end of its review, left out": 1,
        "DMASTE: a review without an opinion, dropped": 1,
    }


@pytest.mark.parametrize(
    "line", ["Good lid .", "Good .####[(0, 1, 'POS')]####Books", "Good .####[([0], [0], 'BAD')]####Books"]
)
def test_another_form_is_told(line: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"train\.txt, line 1: want text, a list of \(aspect, opinion, polarity\)"):
        read(tmp_path, line)


def test_a_folder_without_files_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no dataset/\*/train\.txt or dev\.txt"):
        list(read_dmaste(tmp_path, Counter()))
