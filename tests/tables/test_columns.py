from typing import Any

import pytest

from app.errors import InputError
from app.tables.columns import NO_COLUMNS, parse_columns
from app.tables.raw import RawRow

OWN = parse_columns("prompt=question, options=choices,gold=label,id=sku")


def renamed(columns: str, **values: object) -> RawRow:
    return parse_columns(columns).renamed(RawRow("a.csv, line 2", values, where="line 2"))


def values(columns: str, **given: object) -> dict[str, Any]:
    row = renamed(columns, **given)
    assert row.fault is None
    return dict(row.values)


@pytest.mark.parametrize(
    "choices", [["red", "blue"], "['red', 'blue']", '["red", "blue"]', "red|blue", "red | blue", "red\nblue"]
)
def test_options_are_listed_in_the_prompt(choices: object) -> None:
    found = values("prompt=question,options=choices", question="Which?", choices=choices, id="7", shop="x")
    assert found == {"id": "7", "shop": "x", "prompt": "Which?\n0. red\n1. blue\nAnswer: ", "is_multiple_choice": True}


def test_each_option_may_have_a_column() -> None:
    found = values("prompt=q,options=a+b+c", q="Which?", a="red", b="blue", c="")
    assert found["prompt"] == "Which?\n0. red\n1. blue\nAnswer: "


@pytest.mark.parametrize("choices", ["", None, float("nan"), []])
def test_a_row_without_options_is_asked_as_it_is(choices: object) -> None:
    found = values("prompt=q,options=choices,gold=label", q="Explain.", choices=choices, label="A lamp.")
    assert found == {"prompt": "Explain.", "gold": "A lamp."}


@pytest.mark.parametrize("flag", ["", None])
def test_options_make_a_choice_where_the_mark_is_blank(flag: object) -> None:
    columns = "prompt=q,options=o,is_multiple_choice=mc"
    assert values(columns, q="Which?", o="a|b", mc=flag)["is_multiple_choice"] is True
    assert values(columns, q="Which?", o="a|b", mc="false")["is_multiple_choice"] == "false"


@pytest.mark.parametrize("label", [1, 1.0, "1", "1.0", "B", "b", "blue", " blue "])
def test_a_label_is_an_options_number_text_or_letter(label: object) -> None:
    found = values("prompt=q,options=o,gold=label", q="Which?", o=["red", "blue", "green"], label=label)
    assert found["gold"] == 1


@pytest.mark.parametrize(
    ("options", "label", "says"),
    [
        (["red", "blue"], 2, "'label' is none of the options: 2"),
        (["red", "blue"], "C", "none of the options"),
        (["red", "blue"], "", "none of the options"),
        (["red", "red"], "red", "the text of one option and the number of another"),
        (["1", "2", "3"], "2", "the text of one option and the number of another"),
        (["red"], 0, "'o' must be a list of at least two options"),
        ("red, blue", 0, "'o' must be a list of at least two options"),
        ("['red' 'blue']", 0, "'o' must be a list of at least two options"),
    ],
)
def test_what_could_be_scored_wrongly_is_a_fault(options: object, label: object, says: str) -> None:
    row = renamed("prompt=q,options=o,gold=label,id=sku", q="Which?", o=options, label=label, sku="s1")
    assert row.fault is not None
    assert row.fault.message.startswith("line 2: ")
    assert says in row.fault.message
    assert row.values == {"id": "s1"}


def test_labels_count_only_where_they_are_wanted() -> None:
    row = RawRow("a.csv, line 2", {"question": "Which?", "choices": "a|b", "label": "?", "sku": 3}, where="line 2")
    assert OWN.renamed(row, labelled=False).fault is None
    assert OWN.renamed(row).fault is not None


def test_a_column_that_is_not_there_is_named_with_those_that_are() -> None:
    row = renamed("prompt=question", text="Which?")
    assert row.fault is not None
    assert row.fault.message == "line 2: no field 'question'; found 'text'"


def test_published_choices_need_no_columns_named() -> None:
    row = RawRow("a.csv, line 2", {"question": "Which?", "choices": "['a', 'b']", "answer": "1"}, where="line 2")
    found = NO_COLUMNS.renamed(row).values
    assert found == {"prompt": "Which?\n0. a\n1. b\nAnswer: ", "gold": 1, "is_multiple_choice": True}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("question", "takes one column for each of id, prompt"),
        ("prompt=", "not 'prompt='"),
        ("prompt=a,prompt=b", "not 'prompt=b'"),
        ("prompt=a,price=b", "not 'price=b'"),
        ("id=a", "must say which column holds the question"),
    ],
)
def test_an_option_that_says_something_else_is_refused(text: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        parse_columns(text)
