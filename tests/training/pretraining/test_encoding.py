import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.prompting import PromptLibrary
from app.training.pretraining.encoding import Encoded, Encoder, choose_targets, cut_middle
from app.training.pretraining.examples import Example
from app.training.pretraining.tokenizer import train_tokenizer
from app.types import TaskType

PROMPTS = Path(__file__).parents[3] / "prompts"
QUESTION = Example("  Which is a kettle?\n0. saddle\n1. kettle\nAnswer: ", "1", TaskType.MULTIPLE_CHOICE, "test")


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return Encoder(train_tokenizer([QUESTION.prompt] * 5, 300, 512), PromptLibrary(PROMPTS), 400)


def test_prompt_is_the_served_one(encoder: Encoder) -> None:
    text = encoder.prompt_text(QUESTION)
    system = PromptLibrary(PROMPTS).render(QUESTION.task_type, {"question": "x"})[0].content
    assert text == (
        f"<|im_start|>system\n{system}<|im_end|>\n<|im_start|>user\n{QUESTION.prompt.strip()}<|im_end|>\n"
        "<|im_start|>assistant\n"
    )
    assert encoder.tokenizer.decode(encoder.encode([QUESTION])[0].prompt) == text


def test_answer_ends_with_the_turn(encoder: Encoder) -> None:
    encoded = encoder.encode([QUESTION])[0]
    assert encoder.tokenizer.decode(encoded.answer) == "1<|im_end|>"


def test_the_question_starts_after_the_fixed_text(encoder: Encoder) -> None:
    encoded = encoder.encode([QUESTION])[0]
    assert encoder.tokenizer.decode(encoded.prompt[encoded.question_start :]).startswith("Which is")


def test_a_long_prompt_loses_its_middle_and_keeps_the_answer(encoder: Encoder) -> None:
    long = Example("Begin " + "middle " * 900 + " end of it", "word " * 5, TaskType.GENERATION, "test")
    encoded = encoder.encode([long])[0]
    assert len(encoded) == 400
    text = encoder.tokenizer.decode(encoded.prompt)
    assert "Begin" in text
    assert "end of it<|im_end|>\n<|im_start|>assistant\n" in text
    assert encoder.tokenizer.decode(encoded.answer) == "word " * 5 + "<|im_end|>"


@given(st.integers(0, 50), st.integers(1, 60), st.integers(0, 20))
def test_cutting_keeps_both_ends(size: int, length: int, start: int) -> None:
    ids = list(range(size))
    kept = cut_middle(ids, length, min(start, length))
    assert len(kept) == min(size, length)
    assert kept == sorted(set(kept))
    assert kept[: min(start, length, size)] == ids[: min(start, length, size)]


def test_every_answer_token_is_learnt_and_shares_its_weight() -> None:
    encoded = Encoded(tuple(range(10)), (7, 7, 7, 7), 4)
    targets = choose_targets(encoded, 0.1, 1.0, random.Random(0))
    assert dict(targets) == {9: 0.5, 10: 0.5, 11: 0.5, 12: 0.5} | dict.fromkeys(range(3, 9), 0.1)
    assert [place for place, _ in choose_targets(encoded, 0.1, 0.0, random.Random(0))] == [9, 10, 11, 12]
