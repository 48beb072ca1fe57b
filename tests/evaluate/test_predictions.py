import json
from pathlib import Path

import pytest

from app.errors import InputError
from app.evaluate.predictions import Answered, join, read_predictions, with_prompts
from app.prompting import PromptLibrary
from app.rows import prediction_row
from app.types import Failure, Outcome, Prediction, Question, Sample, TaskType

PROMPTS = Path(__file__).parents[2] / "prompts"


def samples(*ids: str) -> list[Sample]:
    return [
        Sample(
            Question(one, f"Is {one} a lamp?\n0. no\n1. yes\nAnswer: ", True),
            "t",
            TaskType.MULTIPLE_CHOICE,
            "accuracy",
            1,
        )
        for one in ids
    ]


def written(path: Path, *rows: object) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_reads_what_predict_writes(tmp_path: Path) -> None:
    good = Prediction("a", TaskType.MULTIPLE_CHOICE, "1", Outcome.CLEAN, "1", {"0": 0.25, "1": 0.75}, 0.5)
    bad = Prediction("b", None, None, Outcome.ERROR, error=Failure("no_text", "row 1 has no text"))
    path = written(tmp_path / "out.jsonl", prediction_row(good, "f00"), prediction_row(bad, "f00"))
    first, second = read_predictions(path)
    assert (first.id, first.answer, first.outcome, first.raw) == ("a", "1", Outcome.CLEAN, "1")
    assert (first.label_probs, first.label_mass, first.fingerprint) == ({"0": 0.25, "1": 0.75}, 0.5, "f00")
    assert (second.answer, second.outcome, second.error) == ("", Outcome.ERROR, "row 1 has no text")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({}, "field 'answer': is missing"),
        ({"answer": 3}, "field 'answer'"),
        ({"answer": None}, "null only beside"),
        ({"answer": "1", "outcome": "fine"}, "field 'outcome': unknown value 'fine'"),
        ({"answer": "1", "task_type": []}, "field 'task_type'"),
        ({"answer": "1", "label_probs": {"0": 2}}, "field 'label_probs'"),
        ({"answer": "1", "label_probs": {"0": "x"}}, "field 'label_probs'"),
        ({"answer": "1", "seconds": "1"}, "field 'seconds'"),
        ({"answer": "1", "id": 1.5}, "field 'id'"),
        ({"answer": "1", "raw": 1}, "field 'raw'"),
    ],
)
def test_malformed_predictions_name_line_and_field(tmp_path: Path, row: object, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        read_predictions(written(tmp_path / "p.jsonl", {"answer": "1"}, row))
    assert "p.jsonl, line 2" in str(caught.value)


def test_joins_on_ids_whatever_the_order() -> None:
    joined = join(samples("a", "b", "c"), [Answered("c", "C"), Answered("x", "X"), Answered("a", "A")])
    assert [one.answer if one else None for one in joined.answers] == ["A", None, "C"]
    assert (joined.by, joined.missing, joined.extra) == ("id", ["b"], ["x"])


def test_joins_by_order_where_no_row_has_an_id() -> None:
    joined = join(samples("a", "b"), [Answered(None, "A"), Answered(None, "B"), Answered(None, "C")])
    assert [one.answer for one in joined.answers if one] == ["A", "B"]
    assert (joined.by, joined.missing, joined.extra) == ("order", [], ["row 2"])
    short = join(samples("a", "b"), [Answered(None, "A")])
    assert short.answers[1] is None
    assert short.missing == ["b"]


def test_refuses_what_cannot_be_joined() -> None:
    with pytest.raises(InputError, match="all or none"):
        join(samples("a", "b"), [Answered("a", "A"), Answered(None, "B")])
    with pytest.raises(InputError, match="'a' stands 2 times"):
        join(samples("a"), [Answered("a", "A"), Answered("a", "B")])
    with pytest.raises(InputError, match="answers to this file"):
        join(samples("a"), [Answered("z", "A")])


def test_prompts_are_rendered_again_only_where_they_are_the_same() -> None:
    library = PromptLibrary(PROMPTS)
    same = Answered("a", "1", Outcome.CLEAN, TaskType.MULTIPLE_CHOICE, fingerprint=library.fingerprint)
    other = Answered("b", "1", Outcome.CLEAN, TaskType.MULTIPLE_CHOICE, fingerprint="0123")
    cut = Answered("c", "1", Outcome.TRUNCATED, TaskType.MULTIPLE_CHOICE, fingerprint=library.fingerprint)
    asked = samples("a", "b", "c", "d")
    first, *rest = with_prompts(join(asked, [same, other, cut]), asked, library).answers
    assert first is not None
    assert first.rendered is not None
    assert "Is a a lamp?" in first.rendered[-1].content
    assert [one.rendered if one else "missing" for one in rest] == [None, None, "missing"]
