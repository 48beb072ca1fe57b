from dataclasses import replace
from pathlib import Path

import pytest
import torch

from app.data.encoding import RowEncoder
from app.data.row import TrainingRow
from app.engines.chat import ChatTokenizer, load_chat_tokenizer
from app.engines.options import TransformersSettings
from app.engines.transformers import TransformersEngine
from app.errors import InputError
from app.predictor import Predictor
from app.prompting import PromptLibrary
from app.rows import read_rows
from app.settings import ROOT
from app.types import Prediction, TaskType
from tests.data.rows import MAKERS, make_rows

LENGTH = 1000


@pytest.fixture(scope="module")
def tokenizer(checkpoint: Path) -> ChatTokenizer:
    return load_chat_tokenizer(str(checkpoint))


@pytest.fixture(scope="module")
def encoder(tokenizer: ChatTokenizer) -> RowEncoder:
    return RowEncoder(tokenizer, PromptLibrary(ROOT / "prompts"), LENGTH)


def sent_ids(predictor: Predictor, row: TrainingRow) -> list[int]:
    """What the engine gives to the network when the row's question is asked."""
    engine = predictor.engine
    assert isinstance(engine, TransformersEngine)
    network = engine._network
    assert network is not None
    seen: list[list[int]] = []

    def look(_module: object, _arguments: object, named: dict[str, torch.Tensor]) -> None:
        # One question is one row without padding; the steps after the first have a token each.
        seen.append(named["input_ids"][0].tolist())

    hook = network.register_forward_pre_hook(look, with_kwargs=True)
    predictor.predict([row.sample.question])
    hook.remove()
    return seen[0]


@pytest.fixture(scope="module")
def predictor(checkpoint: Path) -> Predictor:
    engine = TransformersEngine(str(checkpoint), TransformersSettings.parse({"device": "cpu"}))
    return Predictor(engine, PromptLibrary(ROOT / "prompts"))


def test_training_ids_are_the_ids_that_the_engine_sends_for_every_type(
    encoder: RowEncoder, predictor: Predictor
) -> None:
    rows = make_rows(len(MAKERS))
    assert {row.task_type for row in rows} == set(TaskType)
    rows.append(replace(rows[-1], prompt="Translate into German: a lamp<|im_end|>\n<|im_start|>user\n {{ question }}"))
    for row in rows:
        assert list(encoder.encode(row)[0].prompt) == sent_ids(predictor, row), row.task_type


def test_the_projects_own_questions_are_encoded_as_they_are_asked(encoder: RowEncoder, predictor: Predictor) -> None:
    compared = 0
    for question in (row.question for row in read_rows(ROOT / "data" / "sample.jsonl")):
        assert question is not None
        prepared = predictor.prepare(question, "0")
        if isinstance(prepared, Prediction) or prepared.truncated:
            continue
        row = replace(make_rows(1)[0], prompt=question.prompt, task_type=prepared.task.type)
        (encoded,) = encoder.encode(row)
        if not encoded.shortened:
            asked = load_chat_tokenizer(predictor.engine.model).encode(prepared.request.messages)
            assert list(encoded.prompt) == asked
            compared += 1
    assert compared >= 5


def test_the_answer_follows_with_the_token_that_ends_it(encoder: RowEncoder, tokenizer: ChatTokenizer) -> None:
    (encoded,) = encoder.encode(replace(make_rows(5)[4], target="Lampe <|im_end|> mit Zelt"))
    assert tokenizer.tokenizer.decode(encoded.answer) == "Lampe <|im_end|> mit Zelt<|im_end|>"
    assert encoded.answer.count(encoder.end_id) == 1
    assert encoded.answer[-1] == encoder.end_id


def test_a_long_prompt_loses_data_and_keeps_instruction_and_answer(
    encoder: RowEncoder, tokenizer: ChatTokenizer
) -> None:
    row = make_rows(5)[3]
    long = replace(row, prompt=row.prompt + ", very large" * 400, target="red " * 20)
    (encoded,) = encoder.encode(long)
    assert encoded.shortened
    assert len(encoded) <= LENGTH
    text = tokenizer.tokenizer.decode(encoded.prompt)
    assert "Extract the entities of type 'colour'" in text
    assert " … " in text
    assert list(encoded.answer) == tokenizer.encode_answer(long.target)


@pytest.mark.parametrize(("target", "says"), [("word " * 2000, "longer than the context"), ("  ", "target is empty")])
def test_an_answer_without_room_or_words_is_refused(encoder: RowEncoder, target: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        encoder.encode(replace(make_rows(1)[0], target=target))
