"""Shopify's taxonomy: names by language, attributes that do not apply, translations long enough to score."""

import gzip
import random
from collections import Counter
from pathlib import Path

import pytest

from app.data.sources.shopify_taxonomy import LANGUAGES, Entry, read_shopify_taxonomy
from app.data.tasks.declared import TASKS
from app.data.tasks.task import Draft
from app.errors import InputError
from tests.data.sources.taxonomy import COMMON, categories, write_taxonomy

Found = tuple[dict[str, Entry], Counter[str]]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Found:
    folder = tmp_path_factory.mktemp("Shopify-taxonomy")
    write_taxonomy(folder)
    faults: Counter[str] = Counter()
    return {entry.key: entry for entry in read_shopify_taxonomy(folder, faults)}, faults


def drafts(task: str, record: Entry, seed: int = 1) -> list[Draft]:
    return list(TASKS[f"shopify_{task}"].draw(record, random.Random(seed)))


def listed(draft: Draft, name: str = "options") -> list[str]:
    return [line.lstrip("0123456789.) ") for line in str(draft.variables[name]).splitlines()]


def test_names_are_read_by_language_and_what_says_nothing_is_counted(found: Found) -> None:
    records, faults = found

    assert dict(records["ki-1"].names) == {language: f"Kettles{language[:2]}" for language in LANGUAGES}
    assert "de" not in dict(records["ki-1-1"].names)
    assert records["lid_shape__round"].context == "Lid shape"
    assert dict(records["lid_shape__round"].names)["de"] == "Roundde", "the first of two stays"
    assert records["lid_shape__flat"].names == ()
    assert faults == {
        "Shopify-taxonomy categories: a name not translated, not asked in that language": 1,
        "Shopify-taxonomy values: a key twice, the first kept": 1,
        "Shopify-taxonomy values: 'Other' or a mere number, left out": 2,
        "Shopify-taxonomy values: a name the same as in English, not asked in that language": 6,
    }


def test_what_is_wrong_is_of_branches_that_do_not_have_it(found: Found, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.data.sources.shopify_tasks._COMMON", 20)
    by_name = {one["name"]: one for one in categories()}
    for key in ("ki-1-1", "ga-2-3", "mu-3-2"):
        for seed in range(5):
            [draft] = drafts("with_attribute", found[0][key], seed)
            attribute = str(draft.variables["attribute"]).lower().replace(" ", "_")
            offered = listed(draft)
            assert [name for name in offered if attribute in by_name[name]["attributes"]] == [
                offered[int(str(draft.gold))]
            ]
            [draft] = drafts("attributes", found[0][key], seed)
            own = {one.replace("_", " ") for one in by_name[found[0][key].name]["attributes"]}
            entries = [entry.lower() for entry in listed(draft, "list")]
            assert isinstance(draft.gold, list)
            assert [place for place, entry in enumerate(entries, start=1) if entry in own] == draft.gold
            assert len(entries) == 10
            assert COMMON not in entries, "what many have is not asked while there are special ones"


def test_a_parent_is_told_from_other_branches(found: Found) -> None:
    [draft] = drafts("parent", found[0]["ki-1-2"])
    offered = listed(draft)

    assert offered[int(str(draft.gold))] == "Kettles"
    assert not {"Kitchen", "Travel Kettles", "Travel Pans"} & set(offered)
    assert drafts("parent", found[0]["ki-1"]) == []


def test_an_attribute_is_explained_as_described(found: Found) -> None:
    assert [draft.gold for draft in drafts("explanation", found[0]["lid_shape"])] == [
        "Says which lid shape a product has, such as small or large"
    ]
    assert drafts("explanation", found[0]["ki-1"]) == []


def test_names_are_asked_both_ways(found: Found) -> None:
    record = found[0]["ga-2"]
    for seed in range(8):
        [there], [back] = drafts("name_abroad", record, seed), drafts("name_meant", record, seed)
        assert there.language in {"de", "fr", "es", "it", "ja", "zh"}
        assert listed(there)[int(str(there.gold))].startswith("Spades")
        assert listed(back)[int(str(back.gold))] == "Spades"
        assert len(set(listed(there))) == len(set(listed(back))) == 4
        [written] = drafts("name_written", record, seed)
        assert (written.gold == "Spades") == (written.variables["target"] == "English")
    assert drafts("name_abroad", found[0]["lid_shape__flat"]) == []
    assert record.group == "taxonomy/spades"


def test_texts_are_translated_where_the_whole_path_is(found: Found) -> None:
    [draft] = drafts("translated_japanese", found[0]["mu-1-1"])
    assert (draft.variables["text"], draft.gold, draft.language) == (
        "Music > Violins > Steel Violins",
        "Musicja > Violinsja > Steelja Violinsja",
        "ja",
    )
    asked = [draft for seed in range(40) for draft in drafts("translated", found[0]["ki-1-1"], seed)]
    assert asked
    assert "de" not in {draft.language for draft in asked}
    assert drafts("translated", found[0]["ki"]) == [], "one word is too short for BLEU"


@pytest.mark.parametrize(
    ("file", "text", "told"),
    [
        ("categories/ki_kitchen.yml", "- [", "is not YAML"),
        ("categories/ki_kitchen.yml", "a: 1", "want lists of objects"),
        ("categories/ki_kitchen.yml", "- {name: Kitchen}", "entry 1: no field 'id'"),
        ("attributes.yml.gz", "base_attributes: 1", "want lists of objects"),
        ("localizations/values/it.yml.gz", "it: {}", "holds no names"),
        ("localizations/values/it.yml.gz", "it: [", "is not YAML"),
    ],
)
def test_another_form_is_told(file: str, text: str, told: str, tmp_path: Path) -> None:
    write_taxonomy(tmp_path)
    path = tmp_path / "data" / file
    path.write_bytes(gzip.compress(text.encode()) if file.endswith(".gz") else text.encode())

    with pytest.raises(InputError, match=told) as error:
        list(read_shopify_taxonomy(tmp_path, Counter()))

    assert path.name in str(error.value)
    assert "\n" not in str(error.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no \*\.yml in .*categories: put the published files there"):
        list(read_shopify_taxonomy(tmp_path, Counter()))
