"""What is wrong with a body is told by its place in that body, whatever pydantic calls the way there."""

import re
from typing import Any

import pytest
from pydantic import BaseModel

from app.openai.batches import BatchLine, BatchRequest
from app.openai.chat import ChatRequest, Function
from app.openai.wire import RequestError, read_body
from app.rows import PredictRequest

USER = {"role": "user", "content": "Name a garden chair."}
CHAT = {"model": "mini", "messages": [USER]}
BATCH = {"input_file_id": "file-0", "endpoint": "/v1/predict", "completion_window": "24h"}
LINE = {"custom_id": "a", "method": "POST", "url": "/v1/predict", "body": {}}
QUESTION = {"prompt": "Which chair?", "is_multiple_choice": False}
INTERNALS = re.compile(r"function-|functools|0x[0-9a-f]|\[key\]|constrained|tag|dictionary|instance|<|list\[")


def schema(**more: object) -> dict[str, Any]:
    return {"response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": {}, **more}}}


def faults(model: type[BaseModel], body: object) -> list[tuple[str, str]]:
    with pytest.raises(RequestError) as caught:
        read_body(model, body)
    assert caught.value.errors is not None
    found = [(error.field, error.message) for error in caught.value.errors]
    for field, message in found:
        assert not INTERNALS.search(f"{field}: {message}"), (field, message)
    return found


@pytest.mark.parametrize(
    ("model", "body", "fields"),
    [
        (ChatRequest, CHAT | {"messages": [{"role": "user", "content": 5}]}, ["messages.0.content"]),
        (ChatRequest, CHAT | {"messages": [{"role": "user", "content": []}]}, ["messages.0.content"]),
        (
            ChatRequest,
            CHAT | {"messages": [USER, {**USER, "content": [{"type": "text", "text": "a"}, {"type": "image_url"}]}]},
            ["messages.1.content.1.type", "messages.1.content.1.text"],
        ),
        (
            ChatRequest,
            CHAT | {"messages": [{"role": "user", "content": [{"type": "text", "text": "a", "text2": 1}]}]},
            ["messages.0.content.0.text2"],
        ),
        (ChatRequest, CHAT | {"messages": [5]}, ["messages.0"]),
        (ChatRequest, CHAT | {"messages": {"role": "user"}}, ["messages"]),
        (ChatRequest, CHAT | {"stop": 5}, ["stop"]),
        (ChatRequest, CHAT | {"stop": ["a", "", 5]}, ["stop.1", "stop.2"]),
        (ChatRequest, CHAT | {"stop": {}}, ["stop"]),
        (ChatRequest, CHAT | {"response_format": {"type": "xml"}}, ["response_format.type"]),
        (ChatRequest, CHAT | {"response_format": {}}, ["response_format.type"]),
        (ChatRequest, CHAT | {"response_format": "json"}, ["response_format"]),
        (ChatRequest, CHAT | {"response_format": {"type": "json_schema"}}, ["response_format.json_schema"]),
        (ChatRequest, CHAT | schema(name=5), ["response_format.json_schema.name"]),
        (ChatRequest, CHAT | schema(json_schema=5), ["response_format.json_schema.json_schema"]),
        (ChatRequest, CHAT | schema(strict="yes"), ["response_format.json_schema.strict"]),
        (ChatRequest, CHAT | {"response_format": {"type": "text", "text": 1}}, ["response_format.text"]),
        (ChatRequest, CHAT | {"metadata": {"": "a", "b": 5}}, ["metadata.", "metadata.b"]),
        (ChatRequest, CHAT | {"structured_outputs": {"choice": ["a", 5]}}, ["structured_outputs.choice.1"]),
        (ChatRequest, [], ["body"]),
        (PredictRequest, {"questions": [QUESTION, {**QUESTION, "id": 1.5}]}, ["questions.1.id"]),
        (PredictRequest, {"questions": [QUESTION, QUESTION | {"task_type": "poem", "more": 1}]},
         ["questions.1.task_type", "questions.1.more"]),
        (PredictRequest, {"questions": ["Which chair?"]}, ["questions.0"]),
        (PredictRequest, {"questions": [{}]}, ["questions.0.prompt"]),
        (BatchRequest, BATCH | {"metadata": {"a": 5}}, ["metadata.a"]),
        (BatchRequest, BATCH | {"output_expires_after": {"anchor": "now"}},
         ["output_expires_after.anchor", "output_expires_after.seconds"]),
        (BatchRequest, BATCH | {"completion_window": "1y"}, ["completion_window"]),
        (BatchLine, LINE | {"url": "/v1/embeddings", "body": []}, ["url", "body"]),
    ],
)  # fmt: skip
def test_a_fault_is_named_by_its_place_in_the_body(model: type[BaseModel], body: object, fields: list[str]) -> None:
    assert [field for field, _ in faults(model, body)] == fields


def test_what_each_alternative_has_against_a_value_is_one_fault() -> None:
    (fault,) = faults(ChatRequest, CHAT | {"stop": 5})
    assert fault == ("stop", "input should be a valid string; or input should be a valid list")
    (fault,) = faults(ChatRequest, CHAT | {"response_format": {"type": "xml"}})
    assert fault == ("response_format.type", "input should be 'text' or 'json_object' or 'json_schema'")


def test_of_very_many_faults_the_number_is_told() -> None:
    with pytest.raises(RequestError, match=r"\(and 999 more\)"):
        read_body(ChatRequest, CHAT | {f"field{number}": 1 for number in range(1000)})


@pytest.mark.parametrize(
    ("model", "body"),
    [
        (ChatRequest, CHAT | dict.fromkeys(set(ChatRequest.model_fields) - {"model", "messages"})),
        (ChatRequest, CHAT | {"messages": [{**USER, "name": None, "refusal": None, "tool_calls": None}]}),
        (ChatRequest, CHAT | {"stream": True, "stream_options": {"include_usage": None}}),
        (ChatRequest, CHAT | {"structured_outputs": {"regex": "a", "choice": None}}),
        (ChatRequest, CHAT | schema(strict=None, description=None)),
        (PredictRequest, {"questions": [QUESTION | {"id": None, "task_type": None}], "model": None, "timeout": None,
                          "explain": None}),
        (BatchRequest, BATCH | {"metadata": None, "output_expires_after": None}),
    ],
)  # fmt: skip
def test_null_is_as_good_as_nothing_wherever_it_stands(model: type[BaseModel], body: dict[str, Any]) -> None:
    read_body(model, body)


@pytest.mark.parametrize(
    ("parameters", "schema"),
    [
        ({}, {"type": "object", "properties": {}, "additionalProperties": False}),
        ({"type": "object"}, {"type": "object"}),
        ({"enum": [{"seats": 2}]}, {"type": "object", "enum": [{"seats": 2}]}),
        (
            {"properties": {"of": {"properties": {"seats": {}}}, "any": {"type": "object"}}},
            {
                "type": "object",
                "properties": {
                    "of": {"properties": {"seats": {}}, "additionalProperties": False},
                    "any": {"type": "object"},
                },
                "additionalProperties": False,
            },
        ),
        (
            {"properties": {"seats": {}}, "additionalProperties": True},
            {"type": "object", "properties": {"seats": {}}, "additionalProperties": True},
        ),
        (
            {"properties": {}, "allOf": [{"properties": {"seats": {}}}]},
            {"type": "object", "properties": {}, "allOf": [{"properties": {"seats": {}}}]},
        ),
        (
            {"$defs": {"leg": {"properties": {}}}, "properties": {"legs": {"items": {"$ref": "#/$defs/leg"}}}},
            {
                "type": "object",
                "$defs": {"leg": {"properties": {}, "additionalProperties": False}},
                "properties": {"legs": {"items": {"$ref": "#/$defs/leg"}}},
                "additionalProperties": False,
            },
        ),
    ],
)
def test_a_call_has_the_arguments_that_are_named(parameters: dict[str, Any], schema: dict[str, Any]) -> None:
    assert Function(name="find", parameters=parameters).schema_ == schema
