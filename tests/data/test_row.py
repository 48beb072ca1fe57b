from dataclasses import replace

import pytest

from app.data.row import Capability, TrainingRow, row_from_json
from app.errors import InputError
from app.evaluation.names import Metric
from app.types import TaskType

ROW = TrainingRow(
    prompt="Which colour?\n0. red\n1. blue",
    target="1",
    gold=1,
    task="colour",
    task_type=TaskType.MULTIPLE_CHOICE,
    metric=Metric.ACCURACY,
    capability=Capability.CONCEPT_UNDERSTANDING,
    sub_skill="attributes",
    source="catalogue",
    group="p1",
    language="de",
    wording=2,
)


def test_a_row_survives_json() -> None:
    assert row_from_json(ROW.to_json()) == ROW


def test_group_language_and_wording_may_be_left_out() -> None:
    values = ROW.to_json()
    del values["group"], values["language"], values["wording"]
    assert row_from_json(values) == replace(ROW, group="", language="en", wording=0)


@pytest.mark.parametrize("name", ["input_field", "output_field", "target", "capability", "task_type"])
def test_a_missing_field_is_named(name: str) -> None:
    values = ROW.to_json()
    del values[name]
    with pytest.raises(InputError, match=name):
        row_from_json(values)


@pytest.mark.parametrize("values", [[], "row", {**ROW.to_json(), "task_type": "poem"}, {**ROW.to_json(), "target": 3}])
def test_what_is_no_row_is_said_to_be_none(values: object) -> None:
    with pytest.raises(InputError, match="not a training row"):
        row_from_json(values)


def test_the_sample_is_what_the_router_sees() -> None:
    sample = ROW.sample
    assert sample.question.is_multiple_choice
    assert (sample.gold, sample.track) == (1, "concept_understanding")
