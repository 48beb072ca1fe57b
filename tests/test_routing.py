import json
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.routing import doubted, explain, route
from app.types import Question

WORDINGS = [
    json.loads(line) for line in (Path(__file__).parent / "data" / "wordings.jsonl").read_text("utf-8").splitlines()
]
SHARED = Path(__file__).parents[2] / "shared" / "data"
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason=f"no shared data at {SHARED}")


def question(row: dict[str, object]) -> Question:
    return Question("q", str(row["prompt"]), row["task_type"] == "multiple-choice")


@pytest.mark.parametrize("row", WORDINGS, ids=lambda row: " ".join(row["prompt"].split())[:50])
def test_own_wordings(row: dict[str, object]) -> None:
    task = route(question(row))
    assert task.type == row["task_type"]
    reading = task.read(question(row))
    expected = row.get("expect", {})
    assert isinstance(expected, dict)
    form = asdict(reading.constraint) if reading.constraint else {}
    for name, value in expected.items():
        found = form[name] if name in form else reading.variables[name]
        assert (list(found) if isinstance(found, tuple) else found) == value


@pytest.mark.parametrize("row", WORDINGS, ids=lambda row: " ".join(row["prompt"].split())[:50])
@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("\r\n", "\n").replace("\n", "\r\n"),
        lambda text: f"\n  {text}\n\n",
        lambda text: text.rstrip() + "\nOutput:",
    ],
    ids=["crlf", "blanks", "output"],
)
def test_line_ends_blanks_and_cue_do_not_change_the_type(row: dict[str, object], change: Callable[[str], str]) -> None:
    changed = Question("q", change(str(row["prompt"])), row["task_type"] == "multiple-choice")
    assert route(changed).type == row["task_type"]


LISTED = "1. Steel kettle\n2. Oak desk\n3. Wool scarf\n4. Desk lamp\n5. Tea towel"


@needs_shared
@pytest.mark.parametrize(
    ("kind", "prompt"),
    [
        (
            "ranking",
            f"A user searched for '{{}}'. Rank the five products by relevance.\nProduct List:\n{LISTED}\nOutput:",
        ),
        (
            "retrieval",
            f"Customer: {{}}\nSelect the three products of the list that fit; numbers only.\n{LISTED}\nOutput:",
        ),
        ("named_entity_recognition", "Extract the phrases of the query of entity type 'color'.\nQuery: {}\nOutput:"),
        ("named_entity_recognition", "Which words of the search query '{}' name the material?"),
        ("generation", "Rewrite the request of a customer as a short search query.\nRequest: {}\nOutput:"),
        ("generation", "Explain in one sentence what the shopper is looking for.\nShopper: {}\nExplanation:"),
    ],
)
def test_what_shoppers_ask_for_does_not_change_the_type(kind: str, prompt: str) -> None:
    """Requests in shoppers' own words ("find me ...", "select ..."), which WebShop has without answers."""
    path = SHARED / "WebShop" / "human_goals.json"
    if not path.is_file():
        pytest.skip(f"{path} is not there")
    goals = json.loads(path.read_text("utf-8"))[::50]
    others = [goal for goal in goals if route(Question("q", prompt.format(goal))).type != kind]

    assert len(goals) > 100
    assert others == []


def test_wordings_cover_every_type() -> None:
    assert min(Counter(row["task_type"] for row in WORDINGS).values()) >= 10
    assert len(WORDINGS) >= 100


def test_the_mark_decides_multiple_choice() -> None:
    prompt = "Which one is a fruit?\n0. desk\n1. plum\nAnswer: Let's think step by step."
    assert route(Question("q", prompt, is_multiple_choice=True)).type == "multiple-choice"
    assert route(Question("q", prompt, is_multiple_choice=False)).type == "generation"


def test_options_that_are_not_to_be_asked_for_make_any_answer_a_guess() -> None:
    prompt = "Which one is a fruit?\n0. desk\n1. plum\nAnswer:"
    for marked, doubtful in ((None, False), (True, False), (False, True)):
        asked = Question("q", prompt, marked)
        assert bool(doubted(asked, route(asked))) is doubtful
    assert explain(Question("q", prompt)).reason == "lists options to choose from (0, 1)"
    text = Question("q", "Explain the category.\nInput: mug", is_multiple_choice=False)
    assert not doubted(text, route(text))


@needs_shared
@pytest.mark.parametrize(
    "name",
    ["Generation/CR", "Generation/EBT", "Generation/EPF", "Generation/EPK", "Generation/ERK", "Generation/MT",
     "Generation/PE", "Generation/PKS", "Generation/PQA", "NER/NER", "Retrieval/PR", "Retrieval/RRA", "Retrieval/RRS",
     "MCQ/ACR", "MCQ/MDM", "MCQ/PKS", "MCQ/PRP", "MCQ/QPRP", "MCQ/SA", "MCQ/SAP", "MCQ/SPA"],
)  # fmt: skip
def test_shared_data_choices_are_told_from_the_rest_without_the_mark(name: str) -> None:
    rows = [row for row in _rows(SHARED / "EC-Guide" / f"{name}.json") if row["metric"] != "bool"]
    rows = rows[:: max(1, len(rows) // 200)]
    prompts = [Question("q", str(row["input_field"])) for row in rows]
    right = [
        (route(asked).type == "multiple-choice") == (row["task_type"] == "multiple-choice")
        for asked, row in zip(prompts, rows, strict=True)
    ]
    assert sum(right) >= 0.97 * len(rows)


def test_steps_inside_a_description_do_not_make_a_list_to_pick_from() -> None:
    prompt = (
        "Write one sentence on how the dough is made.\nDescription: Our method:\n1. mix\n2. knead\n3. rest\n4. fold\n"
        "5. shape\n6. bake\n7. cool\nOutput:"
    )
    assert route(Question("q", prompt)).type == "generation"


def test_explanations_name_what_was_found() -> None:
    ranked = explain(Question("q", "Output a permutation of 1 to 5 for 'mug'."))
    assert ranked.reason == "asks for a permutation"
    assert explain(Question("q", "Translate 'mug' into German.")).reason == "asks for text (translation)"
    assert explain(Question("q", "", is_multiple_choice=True)).reason == "marked as multiple choice"


@given(st.text(max_size=400), st.booleans())
def test_every_text_has_a_type_and_a_reading(prompt: str, choice: bool) -> None:
    asked = Question("q", prompt, choice)
    found = explain(asked)
    assert found.task is route(asked)
    assert found.reason
    assert found.task.read(asked).answer("").text


PIECES = st.sampled_from(
    ["1. a\n", "0) b\n", "[2] c ", "Review: ", "Query: 'x'\n", "'", '"', "“", "rank the ", "select 3 ", "Output:\n",
     "entity type ", "title ", "\n\n", "Product List:\n", "3.5 mm ", "keyphrase ", "10:30 ", "\r\n", "step by step "]
)  # fmt: skip


@given(st.lists(PIECES, max_size=40).map("".join), st.booleans())
def test_prompts_made_of_markers_have_a_type_and_a_legal_fallback(prompt: str, choice: bool) -> None:
    asked = Question("q", prompt, choice)
    task = route(asked)
    answer = task.read(asked).answer("")
    assert answer.text
    assert task.parse(answer.text) not in (-1, [], "")


@pytest.mark.parametrize(
    "piece",
    [
        "1. a\n", "1. a 2. b ", "'a' ", "'", "a' ", "\" b\"", "Review: x\n", "Query: 'x' select\n", "extract brand ",
        "find the title ", "how many ? ", " ", "\n", "1,", "key phrase review ", "one keyphrase ", "0. a\n1. b\n",
        "Input: x\n0. a\n1. b\n", "“", "“a” ", "in the ", "from 1 being ", "list of ten ", "Please output\n", "(1) ",
        "list: 0. ", "rank the list: 0. a 1. b ", ":1] a 2] b ", "1. a\nb\n2. c\n",
    ],
)  # fmt: skip
def test_time_grows_with_length_and_no_faster(piece: str) -> None:
    def seconds(characters: int) -> float:
        prompt = piece * (characters // len(piece))
        best = float("inf")
        for attempt in range(2):
            asked = [Question("q", f"{prompt} {characters} {attempt}", choice) for choice in (False, True)]
            start = time.process_time()
            for one in asked:
                route(one).read(one).answer("7")
            best = min(best, time.process_time() - start)
        return best

    small, large = seconds(25_000), seconds(100_000)
    # four times the text: quadratic time would take sixteen times as long
    assert large < 10 * small + 0.1


@needs_shared
def test_shared_data_development_set_is_routed_whole() -> None:
    wrong = [row for row in _rows(SHARED / "development.json") if not _right(row)]
    assert wrong == []


@needs_shared
@pytest.mark.parametrize(
    "name",
    ["Generation/CR", "Generation/EBT", "Generation/EPF", "Generation/EPK", "Generation/ERK", "Generation/MT",
     "Generation/PE", "Generation/PKS", "Generation/PQA", "NER/NER", "Retrieval/PR", "Retrieval/RRA",
     "Retrieval/RRS", "MCQ/ACR"],
)  # fmt: skip
def test_shared_data_ec_guide_is_routed(name: str) -> None:
    rows = [row for row in _rows(SHARED / "EC-Guide" / f"{name}.json") if row["metric"] != "bool"]
    assert sum(map(_right, rows)) >= 0.99 * len(rows)


def _rows(path: Path) -> list[dict[str, object]]:
    text = path.read_text("utf-8")
    return list(json.loads(text)) if text.startswith("[") else [json.loads(line) for line in text.splitlines()]


def _right(row: dict[str, object]) -> bool:
    asked = Question("q", str(row["input_field"]), row["task_type"] == "multiple-choice")
    return route(asked).type == row["task_type"]
