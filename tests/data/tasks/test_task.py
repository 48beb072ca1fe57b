"""Tasks as declarations: rows in order, lazily, the same for the same seed."""

import random
from collections.abc import Iterator
from dataclasses import replace

import pytest

from app.data.row import Capability
from app.data.tasks.task import AS_PUBLISHED, Draft, TrainingTask
from app.errors import InputError, SetupError
from app.types import TaskType


def words_of(text: str, rng: random.Random) -> Iterator[Draft]:
    for word in text.split():
        yield Draft({"question": f"Spell {word} {rng.randrange(100)}."}, word)


SPELLING: TrainingTask[str] = TrainingTask(
    name="spelling",
    capability=Capability.MULTILINGUAL,
    sub_skill="spelling",
    task_type=TaskType.GENERATION,
    metric="rougel",
    source="made up",
    wordings=AS_PUBLISHED,
    draw=words_of,
)


def test_rows_come_in_order_and_stop_at_the_limit() -> None:
    rows = list(SPELLING.rows(["kettle pan", "whisk"], seed=1, limit=2))
    assert [row.gold for row in rows] == ["kettle", "pan"]
    assert [row.target for row in rows] == ["kettle", "pan"]
    assert rows[0].prompt.startswith("Spell kettle ")


def test_records_are_read_only_as_far_as_they_are_needed() -> None:
    def records() -> Iterator[str]:
        yield "kettle"
        raise AssertionError("read too far")

    assert [row.gold for row in SPELLING.rows(records(), limit=1)] == ["kettle"]


def test_the_rows_of_a_record_depend_on_its_place_and_the_seed_alone() -> None:
    alone = list(SPELLING.draw_rows("whisk", 7, 3))
    among = list(SPELLING.rows(["a", "b", "c", "whisk"], seed=7))
    assert among[3:] == alone
    assert list(SPELLING.draw_rows("whisk", 8, 3)) != alone


def test_a_wording_with_an_unknown_variable_is_named() -> None:
    with pytest.raises(SetupError, match=r"'spelling'.*'nothing' is undefined"):
        list(replace(SPELLING, wordings=("{{ nothing }}",)).rows(["a"]))


def test_a_label_of_another_form_is_refused() -> None:
    ranking = replace(SPELLING, task_type=TaskType.RANKING, metric="ndcg")
    with pytest.raises(InputError, match=r"'spelling'.*list of numbers"):
        list(ranking.rows(["a"]))
