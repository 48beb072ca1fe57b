"""A request means the same in a file (`shopbench predict`), in a batch of the server, and online."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.jobs.file_job import FileJob, answer_file
from app.jobs.store import Reply
from app.predictor import AsyncPredictor, Predictor
from app.prompting import PromptLibrary
from app.serve.app import build_app, guard
from app.serve.batches.asking import reply_to
from app.serve.batches.lines import Line
from app.serve.middleware.keys import ApiKeys
from app.serve.server_settings import ServerSettings
from app.settings import ROOT
from app.types import Choice, Completion, GenerationRequest
from tests.scripted_engine import ScriptedEngine
from tests.serve.calls import talk
from tests.serve.scripted_async_engine import ScriptedAsyncEngine

PROMPTS = PromptLibrary(ROOT / "prompts")
CHAT, TEXTS, PREDICT = "/v1/chat/completions", "/v1/completions", "/v1/predict"
Verdict = tuple[str, str] | None
"""Code and words of a refusal; None where there is an answer."""


def text_of(request: GenerationRequest) -> str:
    return request.constraint.labels[0] if isinstance(request.constraint, Choice) else f"seed {request.sampling.seed}"


class ScriptedOffline(ScriptedEngine):
    """Completions as those of `ScriptedAsyncEngine`."""

    def _answer(self, waiting: list[GenerationRequest]) -> Iterator[Completion]:
        for completion, request in zip(super()._answer(waiting), list(waiting), strict=True):
            constraint = request.constraint
            logprobs = dict.fromkeys(constraint.labels, -1.0) if isinstance(constraint, Choice) else None
            yield Completion(request.id, completion.text, "stop", 1, 1, logprobs)


async def async_text_of(request: GenerationRequest) -> str:
    return text_of(request)


def without_ids(requests: list[GenerationRequest]) -> list[GenerationRequest]:
    return [replace(request, id="") for request in requests]


def offline(folder: Path, source: str, **words: str) -> tuple[list[GenerationRequest], list[dict[str, Any]]]:
    """What reaches the engine, and the lines that are written."""
    engine = ScriptedOffline(text_of, room=1)
    (folder / "in.jsonl").write_text(source)
    job = FileJob(folder / "in.jsonl", folder / "out.jsonl", overwrite=True, **words)  # type: ignore[arg-type]  # formats only
    answer_file(job, lambda: Predictor(engine, PROMPTS, model_name="mini"), lambda: {"model": "mini"})
    return without_ids(engine.asked), [json.loads(line) for line in (folder / "out.jsonl").read_text().splitlines()]


def line_offline(folder: Path, url: str, body: object) -> tuple[Verdict, list[GenerationRequest], Any]:
    line = {"custom_id": "a", "method": "POST", "url": url, "body": body}
    asked, (written,) = offline(folder, json.dumps(line) + "\n", input_format="openai")
    error = written["error"]
    if error is not None:
        return (error["code"], error["message"].removeprefix("line 1: ")), asked, None
    return None, asked, written["response"]["body"]


class Served:
    """A server on a scripted engine."""

    def __init__(self) -> None:
        self.engine = ScriptedAsyncEngine(async_text_of)
        predictor = AsyncPredictor(self.engine, PROMPTS, model_name="mini")
        self.service = guard(predictor, ServerSettings.parse({}))

    def online(self, url: str, body: object) -> tuple[Verdict, list[GenerationRequest], Any]:
        async def work(connection: httpx.AsyncClient) -> httpx.Response:
            headers = {"content-type": "application/json"}
            return await connection.post(url, content=json.dumps(body), headers=headers)

        found = talk(build_app(self.service, ApiKeys.parse("")), work)
        return self._told(found.status_code, found.json())

    def in_batch(self, url: str, body: dict[str, Any]) -> tuple[Verdict, list[GenerationRequest], Any]:
        async def main() -> Reply:
            return await reply_to(Line(0, "a", body), url, self.service)

        found = asyncio.run(main())
        return self._told(found.status, found.body)

    def _told(self, status: int, body: dict[str, Any]) -> tuple[Verdict, list[GenerationRequest], Any]:
        asked = without_ids(self.engine.asked)
        if status == 200:
            return None, asked, body
        assert {name: body["error"][name] for name in ("code", "message")} == {
            "code": body["code"],
            "message": body["detail"],
        }
        return (body["code"], body["detail"]), asked, None


@pytest.fixture(autouse=True)
def no_chance(monkeypatch: pytest.MonkeyPatch) -> None:
    """Online, who names no seed gets a new one each time; a file's answers are the same in every run."""
    monkeypatch.setattr("app.serve.chat.secrets.randbits", lambda _: 0)


def shape(body: dict[str, Any]) -> dict[str, Any]:
    """A completion without what is the time's or chance's."""
    return {name: value for name, value in body.items() if name not in ("id", "created")}


USER = {"role": "user", "content": "Name a garden chair."}
SCHEMA = {"type": "object", "properties": {"seats": {"type": "integer"}}, "required": ["seats"]}
TOOL = {
    "type": "function",
    "function": {"name": "find", "description": "Finds.", "parameters": SCHEMA, "strict": False},
}
CALL = {"id": "call_1", "type": "function", "function": {"name": "find", "arguments": '{"seats": 2}'}}
ACCEPTED: list[dict[str, Any]] = [
    {},
    {"model": "coral"},
    {"messages": [{"role": "system", "content": "Be brief."}, USER]},
    {"messages": [{"role": "developer", "content": "Be brief."}, USER]},
    {"messages": [USER, {"role": "assistant", "content": "Adirondack"}, USER]},
    {"messages": [{**USER, "name": "ada"}]},
    {"messages": [{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}]},
    {"messages": [{"role": "user", "content": ""}]},
    {"max_tokens": 7},
    {"max_completion_tokens": 9},
    {"max_tokens": 7, "max_completion_tokens": 9},
    {"temperature": 0},
    {"temperature": 0.7, "seed": 3},
    {"seed": -(1 << 63)},
    {"top_p": 0.5},
    {"frequency_penalty": 1.5, "presence_penalty": -2},
    {"stop": "."},
    {"stop": ["a", "b", "c", "d", "e"]},
    {"stop": []},
    {"n": 3},
    {"n": 2, "seed": 5},
    {"logprobs": True},
    {"logprobs": True, "top_logprobs": 4},
    {"logprobs": False, "top_logprobs": 0},
    {"response_format": {"type": "text"}},
    {"response_format": {"type": "json_object"}},
    {"response_format": {"type": "json_schema", "json_schema": {"name": "chair", "schema": SCHEMA, "strict": True}}},
    {"structured_outputs": {"regex": "[0-9]{3}"}},
    {"structured_outputs": {"choice": ["chair", "a+b"]}},
    {"structured_outputs": {"choice": [str(number) * 80 for number in range(100, 256)]}},
    {"user": "ada", "metadata": {"by": "tests"}},
    {"stream": False},
    {"stop": None, "seed": None, "n": None, "tools": None, "response_format": None},
    {"store": False, "service_tier": "auto", "tools": [], "tool_choice": "none", "logit_bias": {}},
    {"modalities": ["text"], "functions": [], "function_call": "none", "parallel_tool_calls": True, "echo": False},
    {"prompt_cache_key": "a", "safety_identifier": "b", "verbosity": "medium", "chat_template_kwargs": {}},
    {"length_penalty": 1.0, "bad_words": [], "return_token_ids": False, "return_tokens_as_token_ids": False},
    {"min_tokens": 0, "skip_special_tokens": True, "use_beam_search": False, "include_stop_str_in_output": False},
    {"messages": [USER, {"role": "assistant", "content": None}, USER]},
    {"messages": [USER, {"role": "assistant", "content": "Oak.", "refusal": None, "annotations": [], "audio": None,
                         "function_call": None, "tool_calls": None}, USER]},
    {"messages": [USER, {"role": "assistant", "content": None, "tool_calls": [CALL]},
                  {"role": "tool", "content": "two", "tool_call_id": "call_1"}]},
    {"n": 2, "temperature": 0},
    {"logit_bias": {"7": -100, "9": 0}},
    {"top_k": 5, "min_p": 0.1, "repetition_penalty": 1.2, "stop_token_ids": [3], "ignore_eos": True},
    {"top_k": -1, "min_p": 0, "repetition_penalty": 1, "stop_token_ids": [], "ignore_eos": False},
    {"tools": [TOOL], "tool_choice": "none"},
    {"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "find"}}},
]  # fmt: skip
REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"model": "pearl"}, "no_such_model", "mini, coral"),
    ({"model": ""}, "invalid_request", "model: "),
    ({"model": None}, "invalid_request", "model: field required"),
    ({"messages": []}, "invalid_request", "messages: "),
    ({"messages": "hi"}, "invalid_request", "messages: "),
    ({"messages": [{"role": "tool", "content": "x"}]}, "invalid_request", "messages.0.tool_call_id: "),
    ({"messages": [{"role": "critic", "content": "x"}]}, "invalid_request", "messages.0.role: "),
    ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "invalid_request", "messages.0.content"),
    ({"messages": [{"role": "user", "content": "\ud83d"}]}, "invalid_request", "half a surrogate pair"),
    ({"messages": [{**USER, "name": ""}]}, "invalid_request", "messages.0.name: "),
    ({"max_tokens": 0}, "invalid_request", "max_tokens: "),
    ({"max_tokens": "7"}, "invalid_request", "max_tokens: "),
    ({"max_tokens": 7.5}, "invalid_request", "max_tokens: "),
    ({"temperature": 2.5}, "invalid_request", "temperature: "),
    ({"temperature": "hot"}, "invalid_request", "temperature: "),
    ({"top_p": 0}, "invalid_request", "top_p: "),
    ({"presence_penalty": 3}, "invalid_request", "presence_penalty: "),
    ({"seed": 1 << 63}, "invalid_request", "seed: "),
    ({"stop": ""}, "invalid_request", "stop"),
    ({"stop": ["\n", ""]}, "invalid_request", "stop"),
    ({"stop": [str(number) for number in range(17)]}, "invalid_request", "stop"),
    ({"n": 0}, "invalid_request", "n: "),
    ({"n": 9}, "invalid_request", "n: at most 8"),
    ({"n": True}, "invalid_request", "n: "),
    ({"top_logprobs": 3}, "invalid_request", "top_logprobs: needs logprobs: true"),
    ({"logprobs": True, "top_logprobs": 21}, "invalid_request", "top_logprobs: "),
    ({"stream_options": {"include_usage": True}}, "invalid_request", "stream_options: needs stream: true"),
    ({"response_format": {"type": "xml"}}, "invalid_request", "response_format.type: "),
    ({"response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": {"$ref": "x:y"}}}},
     "invalid_request", "response_format.json_schema.schema: "),
    ({"structured_outputs": {}}, "invalid_request", "structured_outputs: give either regex or choice"),
    ({"structured_outputs": {"regex": "("}}, "invalid_request", "structured_outputs.regex: not a regular expression"),
    ({"structured_outputs": {"regex": "a" * 300}}, "invalid_request", "structured_outputs.regex: "),
    ({"structured_outputs": {"regex": "a"}, "response_format": {"type": "json_object"}},
     "invalid_request", "structured_outputs: goes not together with response_format"),
    ({"guided_regex": "a"}, "invalid_request", "guided_regex: there is no such field"),
    ({"best_of": 2, "truncate": True}, "invalid_request", "best_of: there is no such field (and 1 more)"),
    ({"echo": True}, "invalid_request", "echo: input should be false"),
    ({"store": True}, "invalid_request", "store: input should be false"),
    ({"service_tier": "flex"}, "invalid_request", "service_tier: input should be 'auto' or 'default'"),
    ({"min_tokens": 3}, "invalid_request", "min_tokens: input should be 0"),
    ({"logit_bias": {"a": 1}}, "invalid_request", "logit_bias.a: a token is named by its number"),
    ({"logit_bias": {"7": 101}}, "invalid_request", "logit_bias.7: "),
    ({"top_k": -2}, "invalid_request", "top_k: "),
    ({"min_p": 1.5}, "invalid_request", "min_p: "),
    ({"repetition_penalty": 0}, "invalid_request", "repetition_penalty: "),
    ({"stop_token_ids": [-1]}, "invalid_request", "stop_token_ids.0: "),
    ({"ignore_eos": True, "structured_outputs": {"regex": "a"}}, "invalid_request", "ignore_eos: "),
    ({"tools": [TOOL]}, "invalid_request", "tool_choice: auto is not served"),
    ({"tools": [TOOL], "tool_choice": "auto"}, "invalid_request", "tool_choice: auto is not served"),
    ({"tools": [TOOL, TOOL], "tool_choice": "none"}, "invalid_request", "tools: two have the same name"),
    ({"tool_choice": "required"}, "invalid_request", "tool_choice: needs tools"),
    ({"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "other"}}},
     "invalid_request", "tool_choice.function.name: there is no such tool"),
    ({"tools": [TOOL], "tool_choice": "required", "response_format": {"type": "json_object"}},
     "invalid_request", "tool_choice: goes not together"),
    ({"tools": [{"type": "function", "function": {"name": "a b"}}]}, "invalid_request", "tools.0.function.name: "),
    ({"tools": [{"type": "function", "function": {"name": "a", "parameters": {"type": "array"}}}],
      "tool_choice": "none"}, "invalid_request", "tools.0.function.parameters: the type must be object"),
    ({"messages": [{"role": "user", "content": None}]}, "invalid_request", "messages.0.content: field required"),
    ({"messages": [{**USER, "tool_calls": [CALL]}]}, "invalid_request", "messages.0.tool_calls: only the assistant"),
    ({"messages": [USER, {"role": "assistant", "tool_calls": [{**CALL, "function": {"name": "a", "arguments": "["}}]}]},
     "invalid_request", "messages.1.tool_calls.0.function.arguments: not JSON"),
    ({"metadata": {"by": 7}}, "invalid_request", "metadata.by: "),
]  # fmt: skip


PROMPT = "An armchair is"
PROMPTS_ACCEPTED: list[dict[str, Any]] = [
    {},
    {"prompt": [PROMPT, "A stool is"]},
    {"prompt": [4, 5, 6]},
    {"prompt": [[4, 5], [6], PROMPT]},
    {"prompt": [9] * 1500},
    {"prompt": [PROMPT, "A stool is"], "n": 2, "seed": 3},
    {"max_tokens": 0, "echo": True, "logprobs": 1},
    {"max_tokens": 1, "echo": True, "logprobs": 1, "temperature": 0, "seed": 1234},
    {"logprobs": 0},
    {"best_of": 1, "suffix": "", "user": "ada", "logit_bias": {}, "stop": None, "add_special_tokens": True},
    {"suffix": None, "best_of": None, "logprobs": None, "echo": None, "max_tokens": None},
    {"repetition_penalty": 1.0, "ignore_eos": True, "max_tokens": 3, "logprobs": None},
    {"model": "coral", "structured_outputs": {"regex": "[0-9]"}},
]  # fmt: skip
PROMPTS_REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"prompt": None}, "invalid_request", "prompt: field required"),
    ({"prompt": ""}, "invalid_request", "prompt: neither a text nor a list of tokens' numbers, or empty"),
    ({"prompt": []}, "invalid_request", "prompt: give a text"),
    ({"prompt": [[]]}, "invalid_request", "prompt: neither"),
    ({"prompt": [PROMPT, 5]}, "invalid_request", "or empty (prompt 1)"),
    ({"prompt": [1, -1]}, "invalid_request", "prompt: "),
    ({"prompt": [1.5]}, "invalid_request", "prompt: "),
    ({"prompt": {"text": "a"}}, "invalid_request", "prompt: give a text"),
    ({"prompt": ["a"] * 257}, "invalid_request", "prompt: give a text"),
    ({"prompt": "\ud83d"}, "invalid_request", "prompt: half a surrogate pair"),
    ({"max_tokens": 0}, "invalid_request", "max_tokens: 0 needs echo: true"),
    ({"max_tokens": -1}, "invalid_request", "max_tokens: "),
    ({"logprobs": True}, "invalid_request", "logprobs: "),
    ({"logprobs": 21}, "invalid_request", "logprobs: "),
    ({"best_of": 2}, "invalid_request", "best_of: no other than n (1)"),
    ({"suffix": " made of oak"}, "invalid_request", "suffix: input should be ''"),
    ({"messages": []}, "invalid_request", "messages: there is no such field"),
    ({"model": "pearl"}, "no_such_model", "mini, coral"),
    ({"prompt": [[[1]]]}, "invalid_request", "prompt: neither"),
]  # fmt: skip


def prompt_body(more: dict[str, Any]) -> dict[str, Any]:
    return {"model": "mini", "prompt": PROMPT, **more}


def chat_body(more: dict[str, Any]) -> dict[str, Any]:
    return {"model": "mini", "messages": [USER], **more}


WAYS = [*((CHAT, chat_body(more)) for more in ACCEPTED), *((TEXTS, prompt_body(more)) for more in PROMPTS_ACCEPTED)]


@pytest.mark.parametrize(("url", "body"), WAYS, ids=lambda value: str(value)[-90:])
def test_what_one_way_answers_the_others_answer_alike(tmp_path: Path, url: str, body: dict[str, Any]) -> None:
    verdict, asked, reply = line_offline(tmp_path, url, body)
    assert verdict is None
    prompts = [[4]] if url == CHAT or isinstance(body["prompt"], str) else body["prompt"]
    several = len(prompts) if not isinstance(prompts[0], int) else 1
    assert len(asked) == (body.get("n") or 1) * several
    for ask in (Served().online, Served().in_batch):
        other_verdict, other_asked, other_reply = ask(url, body)
        assert other_verdict is None
        assert sorted(other_asked, key=str) == sorted(asked, key=str)
        assert shape(other_reply) == shape(reply)


REFUSALS = [(CHAT, chat_body(more), code, says) for more, code, says in REFUSED]
REFUSALS += [(TEXTS, prompt_body(more), code, says) for more, code, says in PROMPTS_REFUSED]


@pytest.mark.parametrize(("url", "body", "code", "says"), REFUSALS, ids=lambda value: str(value)[-90:])
def test_what_one_way_refuses_the_others_refuse_in_the_same_words(
    tmp_path: Path, url: str, body: dict[str, Any], code: str, says: str
) -> None:
    verdict, asked, _ = line_offline(tmp_path, url, body)
    assert verdict is not None
    assert (verdict[0], says in verdict[1], asked) == (code, True, [])
    for ask in (Served().online, Served().in_batch):
        assert ask(url, body)[:2] == (verdict, [])


def test_a_line_cannot_be_streamed(tmp_path: Path) -> None:
    body = chat_body({"stream": True})
    assert line_offline(tmp_path, CHAT, body)[0] == Served().in_batch(CHAT, body)[0]


CHOICE = {"prompt": "Which is sold by its wattage?\n0. bookmark\n1. hair dryer\nAnswer: ", "is_multiple_choice": True}
TEXT = {"prompt": "Write a short title for a blue cotton shirt.\nOutput: ", "is_multiple_choice": False}
QUESTIONS: list[tuple[object, str | None]] = [
    (CHOICE, None),
    (TEXT, None),
    ({"input_field": TEXT["prompt"], "is_multiple_choice": False}, None),
    ({**TEXT, "input_field": "Another."}, None),
    ({"prompt": None, "input_field": TEXT["prompt"], "is_multiple_choice": False}, None),
    ({**CHOICE, "id": "q7"}, None),
    ({**CHOICE, "id": 17}, None),
    ({**CHOICE, "id": 17.0}, None),
    ({**CHOICE, "id": " 17.0 "}, None),
    ({**CHOICE, "id": None}, None),
    ({**CHOICE, "id": ""}, None),
    ({**CHOICE, "id": "x" * 400}, None),
    ({**CHOICE, "prompt": f"  {CHOICE['prompt']}  "}, None),
    ({**TEXT, "prompt": "Write. " * 2000}, None),
    ({**CHOICE, "id": 1.5}, "id: must be a text or a whole number"),
    ({**CHOICE, "id": True}, "id: must be a text or a whole number"),
    ({**CHOICE, "id": ["a"]}, "id: must be a text or a whole number"),
    ({**CHOICE, "id": "\ud83d"}, "id: must be a text or a whole number"),
    ({**CHOICE, "prompt": ""}, "prompt: there is no text: put the question in 'prompt' (or 'input_field')"),
    ({**CHOICE, "prompt": " \n"}, "prompt: there is no text"),
    ({**CHOICE, "prompt": 5}, "prompt: there is no text"),
    ({"is_multiple_choice": True}, "prompt: there is no text"),
    ({**CHOICE, "prompt": "\ud83d"}, "prompt: half a surrogate pair"),
    ({"prompt": "x"}, None),
    ({"prompt": CHOICE["prompt"]}, None),
    ({**CHOICE, "is_multiple_choice": None}, None),
    ({**CHOICE, "is_multiple_choice": "TRUE"}, None),
    ({**CHOICE, "is_multiple_choice": 1.0}, None),
    ({**CHOICE, "is_multiple_choice": "maybe"}, "is_multiple_choice: must be true or false"),
    ({**CHOICE, "is_multiple_choice": 2}, "is_multiple_choice: must be true or false"),
]  # fmt: skip


@pytest.mark.parametrize(("question", "says"), QUESTIONS, ids=lambda value: str(value)[:60])
def test_a_question_means_the_same_in_a_file_and_in_a_request(
    tmp_path: Path, question: object, says: str | None
) -> None:
    asked, (row,) = offline(tmp_path, json.dumps(question) + "\n")
    verdict, other_asked, reply = Served().online(PREDICT, {"questions": [question]})
    assert other_asked == asked
    if says is not None:
        assert says in row["error"]["message"]
        assert verdict == ("invalid_request", "questions.0." + row["error"]["message"].removeprefix("line 1: "))
    else:
        assert verdict is None
        assert {**reply["predictions"][0], "prompts": reply["prompts"]} == row


LINES: list[dict[str, Any]] = [
    CHOICE,
    {**TEXT, "id": 7, "model": "coral"},
    {**CHOICE, "task_type": "generation"},
    {"input_field": "Explain.", "is_multiple_choice": False},
    {"questions": [CHOICE, {**TEXT, "id": "b"}]},
    {"questions": [TEXT], "model": "mini"},
    {**TEXT, "id": "  "},
    {**CHOICE, "model": "pearl"},
    {**CHOICE, "task_type": "poem"},
    {**CHOICE, "timeout": 3},
    {**CHOICE, "explain": True},
    {**CHOICE, "guided_choice": ["a"]},
    {"prompt": "x"},
    {"questions": []},
    {"questions": [CHOICE, {**CHOICE, "id": 0}]},
    {"questions": [TEXT], "timeout": 3},
    {},
]  # fmt: skip


@pytest.mark.parametrize("body", LINES, ids=lambda value: str(value)[-60:])
def test_a_line_of_questions_means_the_same_offline_and_served(tmp_path: Path, body: dict[str, Any]) -> None:
    verdict, asked, reply = line_offline(tmp_path, PREDICT, body)
    other_verdict, other_asked, other_reply = Served().in_batch(PREDICT, body)
    assert (other_verdict, other_reply) == (verdict, reply)
    # A file's rows are asked in an order of their own.
    assert sorted(other_asked, key=str) == sorted(asked, key=str)
