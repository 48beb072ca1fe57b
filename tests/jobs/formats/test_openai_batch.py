import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.jobs.file_job import FileJob
from app.jobs.formats.openai_batch import OPENAI_BATCH
from app.rows import Row
from app.types import GenerationRequest, Message, Question, SamplingParams
from tests.jobs.scripted_job import answer
from tests.jobs.stepped_engine import SteppedEngine

BODY = {"model": "stepped", "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]}


PLAIN = {"prompt": "x", "is_multiple_choice": False}


def request(custom_id: str = "a", url: str = "/v1/chat/completions", **body: object) -> dict[str, Any]:
    return {"custom_id": custom_id, "method": "POST", "url": url, "body": BODY | body}


def read(tmp_path: Path, *lines: object) -> list[Row]:
    path = tmp_path / "batch.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return list(OPENAI_BATCH.read(path))


def asked(*lines: object, tmp_path: Path) -> list[GenerationRequest]:
    """What reaches the engine."""
    read(tmp_path, *lines)
    engine = SteppedEngine()
    answer(FileJob(tmp_path / "batch.jsonl", tmp_path / "out.jsonl"), engine)
    return [replace(request, id="") for request in engine.asked]


def test_a_conversation_is_asked_with_its_sampling(tmp_path: Path) -> None:
    line = request(max_tokens=7, temperature=0.5, seed=3, stop=["\n", "."], user="me", top_p=0.5, frequency_penalty=1)
    (found,) = asked(line, tmp_path=tmp_path)
    assert found.messages == (Message("system", "Be brief."), Message("user", "Hi"))
    assert found.sampling == SamplingParams(7, 0.5, 3, ("\n", "."), 0.5, 1.0)
    assert found.constraint is None


def test_limits_have_two_names_and_by_default_the_context_is_the_limit(tmp_path: Path) -> None:
    lines = [request(seed=1), request(max_completion_tokens=9), request(stop="x", max_tokens=8)]
    found = asked(*lines, tmp_path=tmp_path)
    assert sorted(one.sampling.max_tokens for one in found) == [
        8,
        9,
        SteppedEngine.context_length - len("Be brief.Hi") // 4,
    ]


def test_many_answers_come_in_one_line(tmp_path: Path) -> None:
    lines = [request("a", n=3, seed=5, max_tokens=30), request("b", max_tokens=4)]
    found = asked(*lines, tmp_path=tmp_path)
    assert sorted(one.sampling.seed for one in found) == [0, 5, 6, 7]
    assert OPENAI_BATCH.count(tmp_path / "batch.jsonl") == 4
    first, second = (json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines())
    assert [choice["index"] for choice in first["response"]["body"]["choices"]] == [0, 1, 2]
    assert [choice["index"] for choice in second["response"]["body"]["choices"]] == [0]


def test_a_line_of_questions_is_answered_in_one(tmp_path: Path) -> None:
    questions = [{"prompt": "Which one?\n0. pen\n1. cup\nAnswer:", "is_multiple_choice": True, "id": 7}]
    questions += [{"input_field": "Write a title.", "is_multiple_choice": False, "task_type": "generation"}]
    line = {
        "custom_id": "q",
        "method": "POST",
        "url": "/v1/predict",
        "body": {"questions": questions, "model": "coral"},
    }
    found = asked(line, tmp_path=tmp_path)
    assert [one.adapter for one in found] == ["coral", "coral"]
    (row,) = (json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines())
    reply = row["response"]["body"]
    assert [one["id"] for one in reply["predictions"]] == ["7", "1"]
    assert (reply["model"], set(reply)) == ("coral", {"model", "prompts", "predictions"})


def test_a_model_that_is_not_there_is_refused(tmp_path: Path) -> None:
    assert asked(request("a", model="other"), tmp_path=tmp_path) == []
    (row,) = (json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines())
    assert row["error"]["code"] == "no_such_model"
    assert "stepped, coral" in row["error"]["message"]


def test_a_question_is_read_as_in_json_lines(tmp_path: Path) -> None:
    line = {"custom_id": "q", "method": "POST", "url": "/v1/predict"}
    (row,) = read(tmp_path, line | {"body": {"id": "inner", "prompt": "x", "is_multiple_choice": True}})
    assert (row.id, row.question) == ("q", Question("inner", "x", True))


@pytest.mark.parametrize(
    "default",
    [
        {"top_p": 1}, {"top_p": 1.0}, {"presence_penalty": 0}, {"frequency_penalty": 0.0}, {"logprobs": False},
        {"seed": None}, {"temperature": None}, {"stop": None}, {"n": 1}, {"response_format": {"type": "text"}},
        {"messages": [BODY["messages"][0], {"role": "user", "content": [{"type": "text", "text": "Hi"}]}]},
        {"temperature": 1}, {"stop": []}, {"tools": None},
    ],
)  # fmt: skip
def test_defaults_may_be_written_out(tmp_path: Path, default: dict[str, Any]) -> None:
    assert len(asked(request(), request(**default), tmp_path=tmp_path)) == 1


def test_text_parts_are_lines(tmp_path: Path) -> None:
    parts = [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]
    (found,) = asked(request(messages=[{"role": "user", "content": parts}]), tmp_path=tmp_path)
    assert found.messages == (Message("user", "one\ntwo"),)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (request(top_p=0), "top_p: "),
        (request(guided_regex="x"), "guided_regex: there is no such field"),
        (request(n=9), "n: at most 8"),
        (request(stream=True), "stream: a batch has no streams: leave it out"),
        (request(max_tokens=0), "max_tokens: "),
        (request(temperature="hot"), "temperature: "),
        (request(max_tokens="7"), "max_tokens: "),
        (request(messages=[]), "messages: "),
        (request(messages=[{"role": "tool", "content": "x"}]), "messages.0.tool_call_id: "),
        (request(messages=[{"role": "user", "content": [{"type": "image_url"}]}]), "messages.0.content"),
        (request(stop=""), "stop"),
        (request(stop=["\n", ""]), "stop"),
        (request(stop="\ud83d"), "half a surrogate pair"),
        (request(seed=1 << 63), "seed: "),
        (request(presence_penalty=3), "presence_penalty: "),
        (request(structured_outputs={"regex": "("}), "structured_outputs.regex: not a regular expression"),
        (
            {"custom_id": "a", "method": "POST", "url": "/v1/predict", "body": PLAIN | {"explain": True}},
            "explain: a batch has none: leave it out",
        ),
        (request(url="/v1/embeddings"), "url: "),
        ({"custom_id": "a", "method": "GET", "url": "/v1/predict", "body": {}}, "method: "),
        ({"custom_id": "a", "url": "/v1/predict", "body": {}}, "method: field required"),
        ({"method": "POST", "url": "/v1/predict", "body": {}}, "custom_id: field required"),
        (7, "line 2 is not a JSON object"),
        (request(messages=[{"role": "user", "content": "\ud83d"}]), "half a surrogate pair"),
    ],
)
def test_a_bad_request_is_named_and_stops_nothing(tmp_path: Path, line: object, says: str) -> None:
    good, bad, last = read(tmp_path, request("first"), line, request("last"))
    assert bad.failure is not None
    assert says in bad.failure.message
    assert "\n" not in bad.failure.message
    assert good.chat is not None
    assert last.chat is not None


def test_the_output_is_what_the_openai_library_reads(tmp_path: Path) -> None:
    from openai.types.chat import ChatCompletion

    read(tmp_path, request("a", max_tokens=30), request("b", top_p=0), request("c", max_tokens=200))
    answer(FileJob(tmp_path / "batch.jsonl", tmp_path / "out.jsonl"), SteppedEngine())
    first, refused, last = (json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines())
    assert [first["custom_id"], refused["custom_id"], last["custom_id"]] == ["a", "b", "c"]
    assert len({first["id"], refused["id"], last["id"]}) == 3
    assert (first["response"]["status_code"], first["error"]) == (200, None)
    completion = ChatCompletion.model_validate(first["response"]["body"], strict=True)
    assert completion.choices[0].message.content
    assert completion.model == "stepped"
    assert (usage := completion.usage) is not None
    assert usage.completion_tokens <= 30
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
    assert refused["response"] is None
    assert refused["error"]["code"] == "invalid_request"
    assert "top_p" in refused["error"]["message"]


def test_a_question_is_answered_with_its_prediction(tmp_path: Path) -> None:
    prompt = "Which one?\n0. pen\n1. cup\nAnswer:"
    line = {"custom_id": "q", "method": "POST", "url": "/v1/predict"}
    read(tmp_path, line | {"body": {"prompt": prompt, "is_multiple_choice": True}})
    answer(FileJob(tmp_path / "batch.jsonl", tmp_path / "out.jsonl"), SteppedEngine())
    (row,) = (json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines())
    assert row["response"]["body"]["task_type"] == "multiple-choice"
    assert row["response"]["body"]["answer"] in {"0", "1"}


def test_a_model_is_not_asked_twice_for_the_same_conversation(tmp_path: Path) -> None:
    read(tmp_path, request("a"), request("b"), request("c", seed=1))
    engine = SteppedEngine()
    answer(FileJob(tmp_path / "batch.jsonl", tmp_path / "out.jsonl"), engine)
    assert len(engine.asked) == 2
