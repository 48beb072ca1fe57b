from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.data.mixing.checks import Drop, Repair, check, decoded_again, is_whole, repair, without_control_characters
from app.data.row import Capability, TrainingRow
from app.evaluation.scoring import Scorer
from app.types import TaskType
from tests.data.mixing.rows import choice, free_text

SCORER = Scorer()


def entity(title: str, gold: list[str], target: str) -> TrainingRow:
    return replace(
        choice("x"),
        prompt=f"Extract the phrase of the entity type 'colour' from the title.\nTitle: {title}\nOutput:",
        target=target,
        gold=gold,
        task="entities",
        task_type=TaskType.NAMED_ENTITY_RECOGNITION,
        metric="micro f1",
        capability=Capability.MULTILINGUAL,
    )


def ranking(gold: list[float], target: str) -> TrainingRow:
    prompt = (
        "Rank these products by how well they fit the query 'blue kettle', best first.\nProduct List:\n"
        "1. blue kettle\n2. red kettle\n3. garden hose\n4. blue pan\n5. kettle stand\n"
        "Output a permutation of the numbers 1 to 5, separated by commas.\nOutput:"
    )
    return replace(choice("x"), prompt=prompt, target=target, gold=gold, task_type=TaskType.RANKING, metric="ndcg")


def retrieval(gold: list[int], target: str) -> TrainingRow:
    listed = "\n".join(f"{n}. model {n} lamp" for n in range(1, 11))
    lead = "Which three products of the list would the shopper view next? Select by number."
    prompt = f"{lead}\nProduct List:\n{listed}\nOutput:"
    return replace(
        choice("x"), prompt=prompt, target=target, gold=gold, task_type=TaskType.RETRIEVAL, metric="hit rate@3"
    )


@pytest.mark.parametrize(
    "row",
    [
        choice("kettle"),
        free_text("kettle", "Because it boils water for tea quickly."),
        free_text("kettle", "It boils.", metric="sent-transformer"),
        entity("Sky Blue Kettle 1 l", ["Sky Blue"], "Sky Blue"),
        ranking([1.0, 0.5, 0.0, 0.2, 0.1], "1,2,4,5,3"),
        retrieval([2, 5, 9], "2,5,9"),
    ],
    ids=lambda row: row.task_type.value,
)
def test_a_sound_row_of_each_type_passes_as_it_is(row: TrainingRow) -> None:
    checked = check(row, SCORER)

    assert checked.drop is None
    assert checked.row == row
    assert checked.repairs == ()


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (replace(choice("x"), prompt=" \n"), Drop.NO_PROMPT),
        (replace(choice("x"), target=" "), Drop.NO_TARGET),
        (replace(choice("x"), metric="bool"), Drop.UNKNOWN_METRIC),
        (replace(choice("x"), metric="ndcg"), Drop.UNKNOWN_METRIC),
        (replace(choice("x"), gold="yes"), Drop.BAD_GOLD),
        (replace(choice("x"), prompt="Say something about kettles.\ufffd"), Drop.LOST_CHARACTERS),
        (replace(choice("x"), task="half \ud83d"), Drop.LOST_CHARACTERS),
        (replace(free_text("x", "1,2,3"), prompt=retrieval([1], "1").prompt), Drop.OTHER_TYPE),
        (replace(choice("x"), target="0"), Drop.NOT_FULL_MARKS),
        (free_text("x", "青いやかんです。"), Drop.NOT_FULL_MARKS),
        (replace(free_text("x", "blue kettle", metric="sent-transformer"), target="kettle"), Drop.NOT_FULL_MARKS),
        (ranking([0.0] * 5, "1,2,3,4,5"), Drop.NOT_FULL_MARKS),
        (choice("x", gold=7), Drop.NOT_SERVED),
        (entity("Sky Blue Kettle", ["turquoise"], "turquoise"), Drop.NOT_SERVED),
    ],
)
def test_each_fault_has_its_reason(row: TrainingRow, reason: Drop) -> None:
    assert check(row, SCORER).drop is reason


def test_of_more_gold_numbers_than_are_looked_at_the_best_three_are_full_marks() -> None:
    assert check(retrieval([2, 5, 9, 10], "2,5,9"), SCORER).drop is None
    assert check(retrieval([2, 5, 9, 10], "2,5,8"), SCORER).drop is Drop.NOT_FULL_MARKS


def test_a_label_is_kept_in_its_metrics_form() -> None:
    assert check(choice("x", gold="1"), SCORER).row.gold == 1
    assert check(replace(retrieval([2], "2"), gold="[2]"), SCORER).row.gold == [2]


def test_repairs_reach_prompt_target_and_gold_alike() -> None:
    mended, repairs = repair(entity("CafÃ© crÃ¨me Kettle\r\n1 l\x00", ["CafÃ© crÃ¨me"], "CafÃ© crÃ¨me"))

    assert "Café crème Kettle\n1 l\n" in mended.prompt
    assert mended.gold == ["Café crème"]
    assert mended.target == "Café crème"
    assert repairs == (Repair.ENCODING, Repair.CONTROL_CHARACTERS)


@given(st.text())
def test_no_control_character_is_left(text: str) -> None:
    once, _ = repair(replace(choice("x"), prompt=text))
    assert not set(map(chr, [*range(9), *range(11, 32), *range(127, 160)])) & set(once.prompt)


@pytest.mark.parametrize(
    ("damaged", "mended"),
    [
        ("cafÃ©", "café"),
        ("10â€³ pan â€“ black", "10″ pan – black"),
        ("KÃ¼hlschrank", "Kühlschrank"),
        ("æ\x97¥æ\x9c¬", "日本"),
        ("\ud83d\ude00 face", "😀 face"),
        ("plain", "plain"),
        ("São Paulo, Ã la carte", "São Paulo, Ã la carte"),
        ("half \ud83d", "half \ud83d"),
    ],
)
def test_utf_8_that_was_read_as_something_else_is_read_again(damaged: str, mended: str) -> None:
    assert decoded_again(damaged) == mended


@given(st.text(st.characters(codec="utf-8", min_codepoint=0xC0, max_codepoint=0xFFFD, categories=["L"]), min_size=1))
def test_every_text_of_letters_comes_back_from_latin_1(text: str) -> None:
    assert decoded_again(text.encode().decode("latin-1")) == text


def test_control_characters_go_and_line_ends_become_line_feeds() -> None:
    assert without_control_characters("a\r\nb\rc\x00\x07\td\x9f\ufeff\n") == "a\nb\nc\td\n"


def test_lost_characters_are_seen() -> None:
    assert is_whole("café 😀")
    assert not is_whole("caf\ufffd")
    assert not is_whole("half \udc00")


def test_a_target_that_is_nearly_right_is_not_learnt_from() -> None:
    assert check(ranking([1.0, 0.5, 0.0, 0.2, 0.1], "1,4,2,5,3"), SCORER).drop is Drop.NOT_FULL_MARKS
