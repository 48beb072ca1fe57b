"""The lexicon's files."""

from pathlib import Path

import pytest
import yaml

from app.data.catalogue.lexicon import FOLDER, LANGUAGES, Measure, load_lexicon
from app.errors import SetupError

LEXICON = load_lexicon()


def test_the_shop_is_large_enough() -> None:
    assert len(LEXICON.types) >= 60
    assert len(LEXICON.departments) >= 12
    assert (
        sum(len(attribute.values) for attribute in LEXICON.attributes.values())
        + len({feature for one in LEXICON.types for feature in one.features})
        >= 200
    )


def test_names_are_unique_and_complete() -> None:
    for language in LANGUAGES:
        names = [one.name.text(language) for one in LEXICON.types]
        assert all(names)
    english = [one.name.en for one in LEXICON.types]
    assert len(set(english)) == len(english)


def test_what_goes_together_goes_both_ways() -> None:
    for one in LEXICON.types:
        partners = LEXICON.complements[one.key]
        assert partners, one.key
        assert all(one in LEXICON.complements[other.key] for other in partners)
        assert one not in partners


def test_phrases_belong_to_one_aspect_only() -> None:
    phrases = [phrase for entry in LEXICON.aspects.values() for phrase in (*entry.praise, *entry.blame)]
    assert len(set(phrases)) == len(phrases)


def test_definitions_and_purposes_are_sentences_of_their_own() -> None:
    for one in LEXICON.types:
        assert one.definition.endswith("."), one.key
        assert (" are " if one.plural else " is ") in one.definition, one.key
        assert one.purpose[0].islower()


@pytest.mark.parametrize(
    ("amount", "unit", "other", "expected"),
    [
        (1.5, "l", "ml", 1500),
        (500, "g", "kg", 0.5),
        (10, "inch", "cm", 25.4),
        (8, "oz", "g", 226.8),
        (2, "kg", "lb", 4.41),
    ],
)
def test_units_convert(amount: float, unit: str, other: str, expected: float) -> None:
    assert Measure(amount, LEXICON.units[unit]).converted(LEXICON.units[other]).amount == expected


def test_numbers_are_written_as_each_language_does() -> None:
    measure = Measure(1.5, LEXICON.units["inch"])
    assert measure.text() == "1.5 inch"
    assert measure.text("de") == "1,5 Zoll"
    assert measure.text("ja") == "1.5 インチ"


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    for path in FOLDER.rglob("*.yaml"):
        target = tmp_path / path.relative_to(FOLDER)
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(path.read_bytes())
    return tmp_path


def test_a_missing_file_is_named(copied: Path) -> None:
    (copied / "units.yaml").unlink()
    with pytest.raises(SetupError, match=r"units\.yaml"):
        load_lexicon(copied)


def test_a_word_that_no_file_explains_is_named(copied: Path) -> None:
    path = copied / "departments" / "pets.yaml"
    content = yaml.safe_load(path.read_text())
    content["types"][0]["features"].append("flying")
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(SetupError, match="'dog leash' names 'flying'"):
        load_lexicon(copied)


def test_a_missing_translation_is_named(copied: Path) -> None:
    path = copied / "choices.yaml"
    content = yaml.safe_load(path.read_text())
    content["color"]["name"].pop()
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(SetupError, match=r"choices\.color\.name"):
        load_lexicon(copied)
