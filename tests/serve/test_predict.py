import asyncio
import json

import pytest

from app.errors import EngineError
from app.types import GenerationRequest
from tests.serve.calls import CHOICE, TEXT, app_of, call, happens, predict, problem
from tests.serve.scripted_async_engine import ScriptedAsyncEngine


def test_answers_come_in_the_order_of_the_questions() -> None:
    async def slow_first(request: GenerationRequest) -> str:
        if request.id == "a":
            await happens(lambda: len(engine.asked) == 3)
        return f"answer {request.id}"

    engine = ScriptedAsyncEngine(slow_first)
    response = predict(app_of(engine), {**TEXT, "id": "a"}, {**TEXT, "id": "b"}, TEXT)
    assert response.status_code == 200, response.text
    body = response.json()
    assert [(row["id"], row["answer"]) for row in body["predictions"]] == [
        ("a", "answer a"),
        ("b", "answer b"),
        ("2", "answer 2"),
    ]
    assert body["model"] == "scripted"
    assert len(body["prompts"]) == 12


def test_a_choice_brings_its_probabilities() -> None:
    (row,) = predict(app_of(), CHOICE).json()["predictions"]
    assert row["task_type"] == "multiple-choice"
    assert row["answer"] == "0"
    assert row["outcome"] == "clean"
    assert sum(row["label_probs"].values()) == pytest.approx(1, abs=1e-3)
    assert "reason" not in row


def test_a_stream_is_in_order_of_completion() -> None:
    answered = asyncio.Event()

    async def slow_first(request: GenerationRequest) -> str:
        if request.id == "slow":
            await answered.wait()
        answered.set()
        return "x"

    response = predict(
        app_of(ScriptedAsyncEngine(slow_first)),
        {**TEXT, "id": "slow"},
        {**TEXT, "id": "quick"},
        headers={"accept": "application/x-ndjson"},
    )
    assert response.headers["content-type"].startswith("application/x-ndjson")
    assert [json.loads(line)["id"] for line in response.text.splitlines()] == ["quick", "slow"]


def test_explained_streams_tell_the_way_of_an_answer() -> None:
    response = predict(app_of(), TEXT, explain=True, headers={"accept": "application/x-ndjson"})
    routed, *deltas, last = (json.loads(line) for line in response.text.splitlines())
    assert routed["event"] == "routed"
    assert routed["task_type"] == "generation"
    assert str(TEXT["prompt"]).strip() in routed["messages"][-1]["content"]
    assert [line["text"] for line in deltas] == ["some ", "words"]
    assert last["event"] == "prediction"
    assert (last["answer"], last["raw"]) == ("some words", "some words")


def test_a_named_type_wins_over_routing() -> None:
    (row,) = predict(app_of(), {**CHOICE, "task_type": "generation"}, explain=True).json()["predictions"]
    assert row["task_type"] == "generation"
    assert row["reason"] == "named in the request"


def test_the_models_own_text_is_shown_only_with_explain() -> None:
    async def wordy(_: GenerationRequest) -> str:
        return "some words\n"

    for explain in (False, True):
        (row,) = predict(app_of(ScriptedAsyncEngine(wordy)), TEXT, explain=explain).json()["predictions"]
        assert row["answer"] == "some words"
        assert ("raw" in row) is explain


def test_route_tells_type_and_reason_without_the_engine() -> None:
    engine = ScriptedAsyncEngine()
    response = call(app_of(engine), "POST", "/v1/route", json={"questions": [CHOICE, TEXT]})
    first, second = response.json()["routes"]
    assert (first["task_type"], second["task_type"]) == ("multiple-choice", "generation")
    assert first["reason"]
    assert engine.asked == []


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"questions": []}, "questions"),
        ({"questions": [CHOICE] * 257}, "questions"),
        ({"questions": [{"is_multiple_choice": True}]}, "questions.0.prompt"),
        ({"questions": [{**CHOICE, "prompt": ""}]}, "questions.0.prompt"),
        ({"questions": [{**CHOICE, "prompt": " \n"}]}, "questions.0.prompt"),
        ({"questions": [{**CHOICE, "prompt": "\ud800"}]}, "questions.0.prompt"),
        ({"questions": [{**CHOICE, "id": "\udfff"}]}, "questions.0.id"),
        ({"questions": [{**CHOICE, "is_multiple_choice": "maybe"}]}, "questions.0.is_multiple_choice"),
        ({"questions": [{**CHOICE, "task_type": "poem"}]}, "questions.0.task_type"),
        ({"questions": [{**CHOICE, "guided_choice": ["a"]}]}, "questions.0.guided_choice"),
        ({"questions": [CHOICE], "guided_json": {}}, "guided_json"),
        ({"questions": [CHOICE], "timeout": 0}, "timeout"),
        ({"questions": [CHOICE], "timeout": 1e9}, "timeout"),
        ({}, "questions"),
        ([], "body"),
        ({"questions": [{**CHOICE, "prompt": "x" * 70_000}]}, "questions.0.prompt"),
    ],
)
def test_wrong_fields_are_422_by_name(body: object, field: str) -> None:
    response = call(
        app_of(), "POST", "/v1/predict", content=json.dumps(body), headers={"content-type": "application/json"}
    )
    document = problem(response, 422, "invalid_request")
    assert field in [error["field"] for error in document["errors"]]
    assert "hair dryer" not in response.text, "a problem document must not repeat what was asked"


def test_ids_must_differ() -> None:
    response = predict(app_of(), {**CHOICE, "id": "1"}, CHOICE)
    assert "the id '1' stands twice" in problem(response, 422, "invalid_request")["detail"]


def test_what_is_late_is_aborted_and_504() -> None:
    async def never(_: GenerationRequest) -> str:
        await asyncio.sleep(60)
        return ""

    engine = ScriptedAsyncEngine(never)
    problem(predict(app_of(engine), TEXT, timeout=0.5), 504, "timeout")
    problem(predict(app_of(engine), TEXT, headers={"x-request-timeout": "0.5"}), 504, "timeout")
    assert engine.asked
    assert engine.aborted == engine.asked


@pytest.mark.parametrize("given", ["soon", "-1", "nan", "inf", "0"])
def test_a_timeout_header_that_is_no_time_is_422(given: str) -> None:
    response = predict(app_of(), TEXT, headers={"x-request-timeout": given})
    assert problem(response, 422, "invalid_request")["errors"][0]["field"] == "x-request-timeout"


def test_of_many_questions_only_the_late_ones_fail() -> None:
    async def by_id(request: GenerationRequest) -> str:
        await asyncio.sleep(60 if request.id == "slow" else 0)
        return "x"

    app = app_of(ScriptedAsyncEngine(by_id))
    response = predict(app, {**TEXT, "id": "slow"}, {**TEXT, "id": "quick"}, timeout=1)
    assert response.status_code == 200
    slow, quick = response.json()["predictions"]
    assert (slow["answer"], slow["outcome"], slow["error"]["code"]) == (None, "error", "timeout")
    assert quick["answer"] == "x"


def test_an_engine_fault_is_503_without_its_words() -> None:
    async def broken(_: GenerationRequest) -> str:
        raise EngineError("the secret of the engine")

    app = app_of(ScriptedAsyncEngine(broken))
    response = predict(app, TEXT)
    problem(response, 503, "engine_failed")
    assert "secret" not in response.text
    streamed = predict(app, TEXT, headers={"accept": "application/x-ndjson"})
    assert json.loads(streamed.text)["error"]["code"] == "engine_failed"


def test_an_unexpected_error_is_a_500_document() -> None:
    async def broken(_: GenerationRequest) -> str:
        raise ZeroDivisionError("the secret of the engine")

    response = predict(app_of(ScriptedAsyncEngine(broken)), TEXT)
    problem(response, 500, "internal")
    assert "secret" not in response.text
