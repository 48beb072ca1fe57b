"""How bodies are read: bounded first, and large ones beside the event loop."""

import asyncio
import json
import threading
from pathlib import Path
from typing import Any

import pytest

from app.engines.constraints import limits
from app.openai.wire import ERRORS_NAMED, LONGEST_NAMED, MOST_FIELDS, MOST_VALUES, RequestError, check_size
from app.serve import service
from app.serve.batches import asking
from app.serve.batches.lines import Line
from tests.serve.calls import CHOICE, app_of, call, problem, service_of
from tests.serve.scripted_async_engine import ScriptedAsyncEngine

CHAT = {"model": "scripted", "messages": [{"role": "user", "content": "Name a garden chair."}]}
BATCH = {"input_file_id": "file-0", "endpoint": "/v1/predict", "completion_window": "24h"}
BODIES: dict[str, dict[str, Any]] = {
    "/v1/predict": {"questions": [CHOICE]},
    "/v1/route": {"questions": [CHOICE]},
    "/v1/chat/completions": CHAT,
    "/v1/batches": BATCH,
}
SCHEMA = {"type": "json_schema", "json_schema": {"name": "a", "schema": {"enum": [[]] * (MOST_FIELDS + 1)}}}
WIDE = {f"k{number}": 1 for number in range(MOST_FIELDS + 1)}
HEAVY: dict[str, dict[str, Any]] = {
    "fields": WIDE,
    "fields of a field": {"metadata": WIDE},
    "items": {"questions": [1] * (MOST_FIELDS + 1)},
    "items of a schema": {"response_format": SCHEMA},
    "values in all": {"questions": [{f"k{number}": 1 for number in range(200)}] * (MOST_VALUES // 200 + 1)},
}


@pytest.mark.parametrize("path", BODIES)
@pytest.mark.parametrize("kind", HEAVY)
def test_what_takes_long_to_check_never_reaches_its_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, kind: str
) -> None:
    def read(*_: object) -> object:
        raise AssertionError("it reached its model")

    monkeypatch.setattr("app.serve.service.read_body", read)
    response = call(app_of(folder=tmp_path), "POST", path, json={**BODIES[path], **HEAVY[kind]})
    problem(response, 422, "too_many_values")
    assert len(response.content) < 1000


@pytest.mark.parametrize("path", BODIES)
def test_a_large_body_is_checked_in_another_thread_and_a_small_one_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    app, threads = app_of(folder=tmp_path), list[bool]()
    for name in ("check_size", "read_body"):
        real = getattr(service, name)

        def noting(*words: object, real: Any = real) -> object:  # noqa: ANN401  # any function
            threads.append(threading.current_thread() is threading.main_thread())
            return real(*words)

        monkeypatch.setattr(f"app.serve.service.{name}", noting)
    call(app, "POST", path, json=BODIES[path])
    assert threads == [True, True]
    threads.clear()
    call(app, "POST", path, json={**BODIES[path], "unknown": "a" * 5000})
    assert threads == [False, False]


def test_few_of_many_wrong_fields_are_named_and_the_rest_counted() -> None:
    response = call(
        app_of(), "POST", "/v1/predict", json={"questions": [CHOICE], **dict.fromkeys(map(str, range(900)), 1)}
    )
    document = problem(response, 422, "invalid_request")
    assert document["detail"].endswith("(and 899 more)")
    assert len(document["errors"]) == ERRORS_NAMED


def test_too_many_long_prompts_are_named_in_part_too() -> None:
    app = app_of(max_prompt_characters=4)
    document = problem(call(app, "POST", "/v1/predict", json={"questions": [CHOICE] * 200}), 422, "invalid_request")
    assert document["detail"].endswith("(and 199 more)")
    assert len(document["errors"]) == ERRORS_NAMED


@pytest.mark.parametrize("body", [{"k" * 100_000: 1}, {"questions": [{**CHOICE, "id": "k" * 100_000}] * 2}])
def test_a_refusal_does_not_repeat_what_is_long(body: dict[str, Any]) -> None:
    response = call(app_of(), "POST", "/v1/predict", json={"questions": [CHOICE], **body})
    for error in problem(response, 422, "invalid_request")["errors"]:
        assert max(len(error["field"]), len(error["message"])) <= LONGEST_NAMED


def test_all_that_the_interfaces_allow_is_within_the_bounds() -> None:
    check_size({"questions": [{**CHOICE, "id": "a", "task_type": None}] * 256})
    turn = {"role": "user", "name": "a", "content": [{"type": "text", "text": "a"}] * 12}
    check_size(json.loads(json.dumps({**CHAT, "messages": [turn] * 256})))
    check_size({"a": [0] * MOST_FIELDS})


def test_the_bounds_themselves_are_allowed_and_one_more_is_not() -> None:
    rows = [[0] * 1023 for _ in range(15)]
    full = [*rows, [0] * (MOST_VALUES - 15 * 1023 - 16)]
    check_size(full)
    full[-1].append(0)
    with pytest.raises(RequestError) as refusal:
        check_size(full)
    assert refusal.value.code == "too_many_values"


@pytest.mark.parametrize("path", ["/v1/predict", "/v1/chat/completions"])
def test_a_line_of_a_batch_is_checked_in_another_thread(monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    threads: list[bool] = []
    for name in ("read_predict_line", "read_body"):
        real = getattr(asking, name)

        def noting(*words: object, real: Any = real) -> object:  # noqa: ANN401  # any function
            threads.append(threading.current_thread() is threading.main_thread())
            return real(*words)

        monkeypatch.setattr(asking, name, noting)
    line = Line(0, "a", BODIES[path])
    reply = asyncio.run(asking.reply_to(line, path, service_of(ScriptedAsyncEngine())))
    assert (reply.status, threads) == (200, [False])


def test_a_grammar_is_checked_in_another_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[bool] = []
    real = limits.check_regex

    def noting(pattern: str, longest: int) -> int:
        threads.append(threading.current_thread() is threading.main_thread())
        return real(pattern, longest)

    monkeypatch.setattr("app.openai.request.check_regex", noting)
    body = {**CHAT, "structured_outputs": {"regex": "[ab]{4}"}}
    assert call(app_of(), "POST", "/v1/chat/completions", json=body).status_code == 200
    assert threads == [False]
