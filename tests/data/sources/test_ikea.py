"""Descriptions in two languages: sentences as one writes them, and pairs that fit."""

import random
from collections import Counter
from pathlib import Path

import pytest

from app.data.sources.ikea import read_ikea, sentences
from app.data.tasks.declared import TASKS
from app.errors import InputError
from tests.data.sources.offer_files import DESCRIPTIONS, write_ikea


@pytest.mark.parametrize(
    ("text", "language", "said"),
    [
        (" It ' s warm.Do not wash .  Max 40 ° C.Lay flat ( never hang )  !", "en",
         ["It's warm.", "Do not wash.", "Max 40 °C.", "Lay flat (never hang)!"]),
        ("For kids ' rooms ; don ’ t iron .", "en", ["For kids' rooms; don't iron."]),
        ("Protège de l ' humidité ; facile d ’ entretien .", "fr", ["Protège de l'humidité ; facile d'entretien."]),
        ("Größe 3 , usw . weiter .Ende .", "de", ["Größe 3, usw. weiter.", "Ende."]),
        ("", "en", []),
        (" . ", "en", []),
    ],
)  # fmt: skip
def test_sentences_are_as_one_writes_them(text: str, language: str, said: list[str]) -> None:
    assert sentences(text, language) == said


def test_passages_are_sentences_that_fit(tmp_path: Path) -> None:
    write_ikea(tmp_path)
    faults: Counter[str] = Counter()
    records = list(read_ikea(tmp_path, faults))

    assert [(record.english, record.other) for record in records] == [
        tuple(" ".join(sentences(text, language)) for text, language in zip(pair, ("en", "de"), strict=True))
        for pair in DESCRIPTIONS
    ]
    assert {record.language for record in records} == {"de"}
    assert len({record.group for record in records}) == len(records)
    assert all(len(record.elsewhere) >= 3 for record in records)
    assert faults == {
        "IKEA: a description again, dropped": 1,
        "IKEA: a description with more sentences in one language, dropped": 1,
        "IKEA: a sentence that says something else in the other language, left out": 2,
    }


def test_care_phrases_and_headings_are_left_out(tmp_path: Path) -> None:
    care = [(f"{english} Do not bleach .", f"{german} Nicht bleichen .") for english, german in DESCRIPTIONS]
    heading = ("CoverMade of oak . " + DESCRIPTIONS[0][0], "BezugAus Eiche . " + DESCRIPTIONS[0][1])
    write_ikea(tmp_path, [*care, heading])
    faults: Counter[str] = Counter()

    assert not any("bleach" in record.english or "Cover" in record.english for record in read_ikea(tmp_path, faults))
    assert faults["IKEA: a sentence of many descriptions or with a heading in it, left out"] >= len(care)


def test_the_right_text_is_the_translation(tmp_path: Path) -> None:
    write_ikea(tmp_path)
    record = next(iter(read_ikea(tmp_path, Counter())))
    for name, given, gold in (
        ("ikea_same_text", record.english, record.other),
        ("ikea_same_text_in_english", record.other, record.english),
    ):
        [draft] = TASKS[name].draw(record, random.Random(1))
        assert draft.variables["text"] == given
        assert str(draft.variables["options"]).splitlines()[int(str(draft.gold))].endswith(gold)
    [draft] = TASKS["ikea_translation"].draw(record, random.Random(1))
    assert (draft.gold, draft.variables["language"], draft.language) == (record.other, "German", "de")


def test_files_that_do_not_go_together_are_told(tmp_path: Path) -> None:
    raw = write_ikea(tmp_path)
    (raw / "train_WMT_2017.de.gz").unlink()
    with pytest.raises(InputError, match=r"no data\.en\.de/data\.raw"):
        list(read_ikea(tmp_path, Counter()))
    (raw / "train_WMT_2017.de").write_text("Eine Zeile .\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"train_WMT_2017\.en\.gz has 14 lines, .*train_WMT_2017\.de 1: fetch both"):
        list(read_ikea(tmp_path, Counter()))


def test_descriptions_that_share_a_sentence_stand_together(tmp_path: Path) -> None:
    shared = tuple(
        " ".join((text, other.split(" . ")[0], "."))
        for text, other in zip(DESCRIPTIONS[0], DESCRIPTIONS[3], strict=True)
    )
    write_ikea(tmp_path, [*DESCRIPTIONS, shared])
    groups = {record.group for record in read_ikea(tmp_path, Counter())}

    assert len(groups) == len(DESCRIPTIONS) - 1
