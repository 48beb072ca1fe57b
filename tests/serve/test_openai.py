"""The OpenAI-compatible routes, asked by OpenAI's own client."""

import json
from typing import Any

import openai
import pytest
from pydantic import BaseModel

from tests.serve.live_server import KEY, LiveServer

pytestmark = pytest.mark.timeout(600, func_only=True)
MESSAGES: list[openai.types.chat.ChatCompletionMessageParam] = [{"role": "user", "content": "Name a garden chair."}]


@pytest.fixture
def client(server: LiveServer) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{server.url}/v1", api_key=KEY, max_retries=0, timeout=120)


def test_models(client: openai.OpenAI) -> None:
    assert client.models.list().data[0].id == "mini"
    assert client.models.retrieve("mini").id == "mini"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("other")


def test_a_completion_with_usage_and_logprobs(client: openai.OpenAI) -> None:
    made = client.chat.completions.create(
        model="mini", messages=MESSAGES, max_completion_tokens=5, temperature=0, logprobs=True, top_logprobs=3
    )
    assert made.usage is not None
    assert made.usage.completion_tokens <= 5
    assert made.usage.total_tokens == made.usage.prompt_tokens + made.usage.completion_tokens
    (choice,) = made.choices
    assert choice.finish_reason in ("stop", "length")
    assert choice.logprobs is not None
    assert choice.logprobs.content is not None
    assert [len(token.top_logprobs) for token in choice.logprobs.content] == [3] * made.usage.completion_tokens


def test_a_stream_says_the_same_as_the_whole(client: openai.OpenAI) -> None:
    whole = client.chat.completions.create(model="mini", messages=MESSAGES, max_completion_tokens=20, temperature=0)
    pieces = list(
        client.chat.completions.create(
            model="mini",
            messages=MESSAGES,
            max_completion_tokens=20,
            temperature=0,
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    text = "".join(piece.choices[0].delta.content or "" for piece in pieces if piece.choices)
    assert text == whole.choices[0].message.content
    assert pieces[-1].usage == whole.usage


def test_several_answers(client: openai.OpenAI) -> None:
    made = client.chat.completions.create(model="mini", messages=MESSAGES, max_completion_tokens=3, n=3, seed=1)
    assert [choice.index for choice in made.choices] == [0, 1, 2]
    with pytest.raises(openai.UnprocessableEntityError) as caught:
        client.chat.completions.create(model="mini", messages=MESSAGES, n=9)
    assert caught.value.response.json()["detail"] == "n: at most 8"


def test_a_json_schema_binds_the_answer(client: openai.OpenAI) -> None:
    schema = {
        "type": "object",
        "properties": {"colour": {"enum": ["blue", "green"]}, "seats": {"enum": [1, 2]}},
        "required": ["colour", "seats"],
        "additionalProperties": False,
    }
    made = client.chat.completions.create(
        model="mini",
        messages=MESSAGES,
        max_completion_tokens=200,
        temperature=0,
        response_format={"type": "json_schema", "json_schema": {"name": "chair", "schema": schema}},
        extra_headers={"x-request-timeout": "100"},
    )
    value = json.loads(made.choices[0].message.content or "")
    assert value["colour"] in ("blue", "green")
    assert value["seats"] in (1, 2)


def test_a_regular_expression_and_a_choice_bind_the_answer(client: openai.OpenAI) -> None:
    def ask(constraint: dict[str, object]) -> str:
        made = client.chat.completions.create(
            model="mini", messages=MESSAGES, max_completion_tokens=20, extra_body={"structured_outputs": constraint}
        )
        return made.choices[0].message.content or ""

    assert ask({"regex": "[0-9]{3}-[0-9]{2}"}).replace("-", "").isdigit()
    assert ask({"choice": ["chair", "table"]}) in ("chair", "table")


@pytest.mark.parametrize(
    ("extra", "field"),
    [
        ({"guided_json": {}}, "guided_json"),
        ({"guided_regex": "a"}, "guided_regex"),
        ({"structured_outputs": {"regex": "((a{100}){100}){100}"}}, "structured_outputs.regex"),
        ({"structured_outputs": {"regex": "a" * 300}}, "structured_outputs.regex"),
        ({"structured_outputs": {"regex": "("}}, "structured_outputs.regex"),
        ({"structured_outputs": {"regex": "a", "choice": ["b"]}}, "structured_outputs"),
        ({"chat_template": "{{ 7 }}"}, "chat_template"),
        ({"prompt_logprobs": 1}, "prompt_logprobs"),
        ({"top_logprobs": 3}, "top_logprobs"),
        ({"best_of": 2}, "best_of"),
    ],
)
def test_what_is_not_known_is_refused_by_name(client: openai.OpenAI, extra: dict[str, object], field: str) -> None:
    with pytest.raises(openai.UnprocessableEntityError) as caught:
        client.chat.completions.create(model="mini", messages=MESSAGES, max_completion_tokens=3, extra_body=extra)
    assert field in [error["field"] for error in caught.value.response.json()["errors"]]


@pytest.mark.parametrize("stream", [False, True])
def test_what_the_engine_refuses_is_a_status_also_in_a_stream(client: openai.OpenAI, stream: bool) -> None:
    with pytest.raises(openai.NotFoundError):
        client.chat.completions.create(model="other", messages=MESSAGES, stream=stream)
    with pytest.raises(openai.UnprocessableEntityError):
        client.chat.completions.create(model="mini", messages=MESSAGES, max_completion_tokens=5000, stream=stream)
    schema = {"type": "object", "properties": {"a": {"type": "nothing-known"}}}
    with pytest.raises(openai.UnprocessableEntityError):
        client.chat.completions.create(
            model="mini",
            messages=MESSAGES,
            stream=stream,
            extra_body={"response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": schema}}},
        )


def test_a_wrong_key_is_refused(server: LiveServer) -> None:
    with pytest.raises(openai.AuthenticationError):
        openai.OpenAI(base_url=f"{server.url}/v1", api_key="wrong", max_retries=0).models.list()


def test_the_client_parses_into_a_type(client: openai.OpenAI) -> None:
    class Chair(BaseModel):
        foldable: bool

    made = client.chat.completions.parse(
        model="mini", messages=MESSAGES, response_format=Chair, max_completion_tokens=200, temperature=0
    )
    assert isinstance(made.choices[0].message.parsed, Chair)


def test_prompts_are_scored_and_continued(client: openai.OpenAI) -> None:
    prompts: Any = ["An armchair is for one", [5, 6, 7, 8, 9]]
    made = client.completions.create(
        model="mini", prompt=prompts, max_tokens=1, temperature=0, echo=True, logprobs=1, seed=1234
    )
    alone = client.completions.create(model="mini", prompt=prompts, max_tokens=0, temperature=0, echo=True, logprobs=1)
    assert made.usage is not None
    assert alone.usage is not None
    assert (made.usage.completion_tokens, alone.usage.completion_tokens) == (2, 0)
    assert made.choices[0].text.startswith("An armchair is for one")
    assert alone.choices[0].text == "An armchair is for one"
    for choice, scored in zip(made.choices, alone.choices, strict=True):
        told, prompt = choice.logprobs, scored.logprobs
        assert told is not None
        assert prompt is not None
        columns = (told.tokens, told.token_logprobs, told.top_logprobs, told.text_offset)
        size = len(told.tokens or ())
        assert [len(column or ()) for column in columns] == [size] * 4
        assert len(prompt.tokens or ()) == size - 1
        # As lm-evaluation-harness reads it: nothing precedes the first token, and the likeliest is among the top.
        logprobs: list[Any] = [*(told.token_logprobs or ())]
        tops: list[Any] = [*(told.top_logprobs or ())]
        assert (logprobs.pop(0), tops.pop(0)) == (None, None)
        for logprob, top in zip(logprobs, tops, strict=True):
            assert logprob <= max(top.values()) <= 0
        assert [*(prompt.token_logprobs or ())][1:] == pytest.approx(logprobs[:-1], abs=1e-3)


def test_a_prompt_is_streamed_as_it_is_answered(client: openai.OpenAI) -> None:
    asked = {
        "model": "mini",
        "prompt": ["An armchair is", "A stool is"],
        "max_tokens": 12,
        "temperature": 0,
        "echo": True,
    }
    whole = client.completions.create(**asked)  # type: ignore[call-overload]  # of many kinds
    pieces = list(client.completions.create(**asked, stream=True, stream_options={"include_usage": True}))  # type: ignore[call-overload]  # as above
    texts = ["", ""]
    for piece in pieces:
        for choice in piece.choices:
            texts[choice.index] += choice.text
    assert texts == [choice.text for choice in whole.choices]
    assert texts[1].startswith("A stool is")
    assert pieces[-1].usage == whole.usage


def test_vllms_sampling_reaches_the_engine(client: openai.OpenAI) -> None:
    extra = {"ignore_eos": True, "top_k": 1, "min_p": 0.05, "repetition_penalty": 1.1, "stop_token_ids": []}
    answers = [
        client.chat.completions.create(
            model="mini", messages=MESSAGES, max_completion_tokens=40, temperature=2, seed=seed, extra_body=extra
        )
        for seed in (1, 2)
    ]
    assert [answer.usage and answer.usage.completion_tokens for answer in answers] == [40, 40]
    assert answers[0].choices[0].message.content == answers[1].choices[0].message.content, "only the likeliest is kept"


def test_a_tool_is_called_as_its_schema_says(client: openai.OpenAI) -> None:
    class Find(BaseModel):
        foldable: bool

    tools = [openai.pydantic_function_tool(Find)]
    for choice in ("required", {"type": "function", "function": {"name": "Find"}}):
        with client.chat.completions.stream(
            model="mini",
            messages=MESSAGES,
            tools=tools,
            tool_choice=choice,  # type: ignore[arg-type]  # one of two kinds
            parallel_tool_calls=False,
            max_completion_tokens=200,
            temperature=0,
        ) as stream:
            calls = stream.get_final_completion().choices[0].message.tool_calls
        assert calls is not None
        (call,) = calls
        assert isinstance(call.function.parsed_arguments, Find)
