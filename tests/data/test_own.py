"""Rows as people bring them: each form, each type, and a reason for whatever is not learnt from."""

import gzip
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.data.mixing.checks import Drop, check
from app.data.own import Mend, Skip, read_training_rows, rows_of
from app.data.row import Capability, TrainingRow
from app.errors import InputError
from app.evaluation.scoring import Scorer
from app.tables.raw import RawRow
from app.types import TaskType
from tests.data.rows import make_rows

ASKED, SAID = "Which of these gives light?\n0. rug\n1. lamp\n2. cup", "1"
LETTERS = "Which of these gives light?\nA. rug\nB. lamp\nC. cup"
RANKS = "Rank the products from the most to the least relevant to 'lamp'.\n1. rug\n2. lamp\n3. cup"
PICKS = "Select 2 products of this list that give light.\n1. rug\n2. lamp, red\n3. candle\n4. cup"
MARKS = "Extract the brand from the product title.\nTitle: Acme lamp, red"


def read(**values: object) -> tuple[list[TrainingRow], Counter[str]]:
    faults: Counter[str] = Counter()
    return list(rows_of(RawRow("own.json, line 1", values), "own", faults)), faults


def turn(role: str, text: object, **more: object) -> dict[str, object]:
    return {"role": role, "content": text} | more


def part(text: str) -> dict[str, object]:
    return {"type": "text", "text": text, "image_url": None}


@pytest.mark.parametrize(
    "values",
    [
        {"instruction": ASKED, "output": SAID},
        {"instruction": ASKED, "input": "", "output": SAID},
        {"instruction": ASKED, "input": None, "output": SAID, "messages": None, "text": "the whole of it"},
        {"instruction": ASKED.split("\n", 1)[0], "input": ASKED.split("\n", 1)[1], "output": 1},
        {"input": ASKED, "output": SAID},
        {"prompt": ASKED, "completion": f" {SAID}\n"},
        {"prompt": [turn("user", ASKED)], "completion": [turn("assistant", SAID)]},
        {"prompt": [turn("user", ASKED)], "completion": SAID},
        {"messages": [turn("user", ASKED), turn("assistant", SAID, tool_calls=None, weight=None)]},
        {"messages": [turn("user", [part(line) for line in ASKED.split("\n")]), turn("assistant", [part(SAID)])]},
        {"messages": json.dumps([turn("user", ASKED), turn("assistant", SAID)])},
        {"conversations": [{"from": "human", "value": ASKED}, {"from": "gpt", "value": SAID}]},
        {"conversations": [turn("user", ASKED), turn("assistant", SAID)]},
        {"conversations": {"from": ["human", "gpt"], "value": [ASKED, SAID]}},
        {"instruction": ASKED, "output": "lamp", "is_multiple_choice": "yes"},
        {"instruction": ASKED, "output": "B"},
        {"instruction": ASKED, "output": "The answer is 1."},
        {"instruction": ASKED, "output": "1. lamp"},
        {"instruction": ASKED, "output": "Answer: 1"},
    ],
    ids=str,
)
def test_every_form_is_the_same_question(values: dict[str, Any]) -> None:
    (row,), faults = read(**values)
    assert (row.prompt, row.target, row.gold, row.task_type) == (ASKED, "1", 1, TaskType.MULTIPLE_CHOICE)
    assert (row.task, row.metric, row.source, row.capability) == (
        "own_multiple_choice", "accuracy", "own", Capability.CONCEPT_UNDERSTANDING,
    )  # fmt: skip
    assert not faults


@pytest.mark.parametrize(
    ("prompt", "answer", "kind", "target", "gold"),
    [
        (LETTERS, "B", TaskType.MULTIPLE_CHOICE, "1", 1),
        (LETTERS, "(b)", TaskType.MULTIPLE_CHOICE, "1", 1),
        (LETTERS, "B) lamp", TaskType.MULTIPLE_CHOICE, "1", 1),
        (LETTERS, "Lamp", TaskType.MULTIPLE_CHOICE, "1", 1),
        (LETTERS, "B. lamp, since it glows.", TaskType.MULTIPLE_CHOICE, "1", 1),
        (RANKS, "2, 1, 3", TaskType.RANKING, "2,1,3", None),
        (RANKS, [2, 1, 3], TaskType.RANKING, "2,1,3", None),
        (RANKS, "2 > 1 > 3", TaskType.RANKING, "2,1,3", None),
        # Here the numbers are ranks, and the texts say what is meant.
        (RANKS, "1. lamp\n2. rug\n3. cup", TaskType.RANKING, "2,1,3", None),
        (RANKS, "lamp, rug, cup", TaskType.RANKING, "2,1,3", None),
        (RANKS.replace("1.", "0.").replace("2.", "1.").replace("3.", "2."), "1,0,2", TaskType.RANKING, "2,1,3", None),
        (PICKS, "2,3", TaskType.RETRIEVAL, "2,3", [2, 3]),
        (PICKS, "[2, 3]", TaskType.RETRIEVAL, "2,3", [2, 3]),
        (PICKS, "2 and 3", TaskType.RETRIEVAL, "2,3", [2, 3]),
        (PICKS, "lamp, red\ncandle", TaskType.RETRIEVAL, "2,3", [2, 3]),
        (PICKS, ["lamp, red", "candle"], TaskType.RETRIEVAL, "2,3", [2, 3]),
        ("Which one fits? Answer with the number.\n0. rug\n1. cup", "0", TaskType.MULTIPLE_CHOICE, "0", 0),
        ("Which of these fit? Give their numbers.\n1. rug\n2. cup\n3. pot", "2", TaskType.RETRIEVAL, "2", [2]),
        ("Select the 3 best.\n1. rug\n2. cup\n3. pot\n4. pan", "2", TaskType.RETRIEVAL, "2", [2]),
        (MARKS, "Acme", TaskType.NAMED_ENTITY_RECOGNITION, "Acme", ["Acme"]),
        (MARKS, ["Acme"], TaskType.NAMED_ENTITY_RECOGNITION, "Acme", ["Acme"]),
        ("Describe a lamp.", "Sure, here it is: It gives light.", TaskType.GENERATION, "It gives light.", None),
        ("Describe a lamp.", "灯 gives light.\n\nAnd 暖.", TaskType.GENERATION, "灯 gives light.\n\nAnd 暖.", None),
    ],
)
def test_an_answer_becomes_the_label_of_its_type_and_passes_the_checks(
    prompt: str, answer: object, kind: TaskType, target: str, gold: object
) -> None:
    (row,), _ = read(instruction=prompt, output=answer)
    assert (row.task_type, row.target) == (kind, target)
    assert gold is None or row.gold == gold
    assert check(row, Scorer()).drop is None


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"question_text": "x", "label": "y"}, Skip.UNKNOWN_FORM),
        ({"prompt": "x", "chosen": "y", "rejected": "z"}, Skip.UNKNOWN_FORM),
        ({"text": "### Instruction: x ### Response: y"}, Skip.UNKNOWN_FORM),
        ({"instruction": "x", "output": None}, Skip.NO_ANSWER),
        ({"instruction": "x", "output": " \n"}, Skip.NO_ANSWER),
        ({"instruction": "x", "output": {"a": 1}}, Skip.OTHER_CONTENT),
        ({"instruction": "x", "output": True}, Skip.OTHER_CONTENT),
        ({"instruction": "", "input": "", "output": "y"}, Skip.NO_QUESTION),
        ({"messages": [turn("assistant", "hello")]}, Skip.NO_QUESTION),
        ({"messages": [turn("user", "hello")]}, Skip.NO_ANSWER),
        ({"messages": [turn("user", "x"), turn("assistant", None, tool_calls=[{"id": 1}])]}, Skip.TOOL),
        ({"messages": [turn("user", "x"), turn("tool", "y"), turn("assistant", "z")]}, Skip.TOOL),
        ({"messages": [turn("user", [{"type": "image_url", "image_url": {}}]), turn("assistant", "z")]},
         Skip.OTHER_CONTENT),
        ({"messages": [turn("narrator", "x"), turn("assistant", "z")]}, Skip.UNKNOWN_ROLE),
        ({"messages": [turn("user", "x"), turn("assistant", "z", weight=0)]}, Skip.WEIGHT),
        ({"instruction": ASKED, "output": "chair", "is_multiple_choice": True}, Skip.NOT_OFFERED),
        ({"instruction": ASKED, "output": "It glows, so the second."}, Skip.NOT_OFFERED),
        ({"instruction": ASKED, "output": "1. cup"}, Skip.NOT_OFFERED),
        ({"instruction": "How many legs?\n0. 1\n1. 2\n2. 4", "output": "2"}, Skip.AMBIGUOUS),
        ({"instruction": PICKS, "output": "7"}, Skip.NOT_LISTED),
        ({"instruction": PICKS, "output": "chair"}, Skip.NOT_LISTED),
        ({"instruction": RANKS, "output": "2,1"}, Skip.NO_ORDER),
        ({"instruction": RANKS, "output": "2,1,1"}, Skip.NO_ORDER),
        ({"instruction": "x", "output": "y", "capability": "cooking"}, Skip.UNKNOWN_CAPABILITY),
    ],
    ids=str,
)  # fmt: skip
def test_what_is_not_learnt_from_is_counted_with_its_reason(values: dict[str, Any], reason: Skip) -> None:
    rows, faults = read(**values)
    assert (rows, faults) == ([], {reason: 1})


def test_every_answer_of_a_conversation_is_a_row_with_what_was_said_before() -> None:
    talk = [
        {"from": "system", "value": "You help in a shop."},
        {"from": "human", "value": RANKS},
        {"from": "gpt", "value": "2,1,3"},
        {"from": "human", "value": "Describe the first one."},
        {"from": "human", "value": "In one sentence."},
        {"from": "gpt", "value": "It glows."},
        {"from": "human", "value": "Thanks!"},
    ]
    (first, second), faults = read(conversations=talk)
    assert first.prompt == f"You help in a shop.\n\n{RANKS}"
    assert (first.task_type, second.task_type) == (TaskType.RANKING, TaskType.GENERATION)
    assert second.prompt == (
        f"You help in a shop.\n\nConversation:\nCustomer: {RANKS}\nAssistant: 2,1,3\n\n"
        "Question: Describe the first one.\nIn one sentence."
    )
    assert first.group == second.group == first.prompt
    assert faults == {Skip.NO_ANSWER: 1}


def test_of_a_prompt_in_turns_only_the_completion_is_learnt() -> None:
    prompt = [turn("user", "Describe a rug."), turn("assistant", "Soft."), turn("user", "Describe a lamp.")]
    (row,), faults = read(prompt=prompt, completion=[turn("assistant", "Bright.")])
    assert row.target == "Bright."
    assert row.prompt == "Conversation:\nCustomer: Describe a rug.\nAssistant: Soft.\n\nQuestion: Describe a lamp."
    assert not faults


def test_what_was_mended_is_counted() -> None:
    assert read(instruction=LETTERS, output="C")[1] == {Mend.LETTERS: 1}
    assert read(prompt="Describe a lamp.", completion="Sure, here it is: Bright.")[1] == {Mend.PREFACE: 1}
    assert read(prompt=RANKS.replace("1.", "0.").replace("2.", "1.").replace("3.", "2."), completion="0,1,2")[1] == {
        Mend.FROM_1: 1
    }


def test_a_row_may_say_its_capability_and_another_language_is_one() -> None:
    (told,), _ = read(instruction="Describe a lamp.", output="Bright.", capability="user_behaviour")
    (german,), _ = read(instruction="Describe a lamp in German.", output="Die Lampe ist hell und schön für das Zimmer.")
    assert told.capability is Capability.USER_BEHAVIOUR
    assert (german.capability, german.language, german.metric) == (
        Capability.MULTILINGUAL, "de", "multilingual-sent-transformer",
    )  # fmt: skip


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | st.sampled_from([ASKED, "1"]),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(st.sampled_from(["role", "from", "content", "value", "text", "weight", "a"]), inner, max_size=4),
    max_leaves=8,
)  # fmt: skip
FIELDS = ["instruction", "input", "output", "prompt", "completion", "messages", "conversations", "history", "system"]


@given(st.dictionaries(st.sampled_from([*FIELDS, "capability", "is_multiple_choice"]), JSON, max_size=5))
def test_whatever_a_row_holds_it_is_learnt_from_or_counted(values: dict[str, Any]) -> None:
    rows, faults = read(**values)
    assert rows or faults


MIXED: list[dict[str, Any]] = [
    {"instruction": ASKED, "output": SAID},
    {"messages": [turn("user", MARKS), turn("assistant", "Acme")]},
    {"conversations": [{"from": "human", "value": "Describe a lamp."}, {"from": "gpt", "value": "Bright."}]},
    {"prompt": MARKS, "completion": "Nobody"},
    {"prompt": "Describe a rug.", "completion": ""},
    {"prompt": "Describe a \ud83d cup.", "completion": "Round."},
]


def write(path: Path) -> Path:
    if ".parquet" in path.name:
        plain = [*MIXED[:-1], {"prompt": "Describe a \ufffd cup.", "completion": "Round."}]
        names = dict.fromkeys(name for row in plain for name in row)
        columns = {name: [row.get(name) for row in plain] for name in names}
        pq.write_table(pa.table(columns), path)
        return path
    text = json.dumps(MIXED, indent=1) if ".json." in f"{path.name}." else "\n".join(map(json.dumps, MIXED))
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


@pytest.mark.parametrize("name", ["own.json", "own.jsonl", "own.json.gz", "own.jsonl.gz", "own.parquet"])
def test_forms_may_be_mixed_in_a_file_of_any_kind_and_each_row_passes_the_checks(tmp_path: Path, name: str) -> None:
    faults: Counter[str] = Counter()
    rows = [row for _, row in read_training_rows(write(tmp_path / name), faults)]
    assert [(row.task, row.target) for row in rows] == [
        ("own_multiple_choice", "1"), ("own_named_entity_recognition", "Acme"), ("own_generation", "Bright."),
    ]  # fmt: skip
    assert faults == {Drop.NOT_SERVED: 1, Skip.NO_ANSWER: 1, Drop.LOST_CHARACTERS: 1}


def test_a_file_with_nothing_to_learn_from_is_one_line_with_the_forms(tmp_path: Path) -> None:
    path = tmp_path / "own.jsonl"
    path.write_text('{"a": 1}\n{"a": 2}\n{"instruction": "x", "output": ""}\n')
    with pytest.raises(InputError, match=r"own.jsonl: no row can be learnt from: 2 x in no form that is known, 1 x a "):
        list(read_training_rows(path, Counter()))


def test_rows_of_ours_come_as_they_are(tmp_path: Path) -> None:
    made = make_rows(5)
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row.to_json()) + "\n" for row in [*made, make_rows(1)[0]]))
    faults: Counter[str] = Counter()
    assert [row for _, row in read_training_rows(path, faults)] == [*made, make_rows(1)[0]]
    assert not faults
