import random
from pathlib import Path

import pytest
from transformers import PreTrainedTokenizerFast

from app.prompting import PromptLibrary
from app.training.pretraining.drills import Page, Segment
from app.training.pretraining.encoding import Encoded, Encoder
from app.training.pretraining.tokenizer import train_tokenizer
from app.types import TaskType
from tests.training.pretraining.rows import choice_row, make_row

PROMPTS = PromptLibrary(Path(__file__).parents[3] / "prompts")
ROW = choice_row(1)


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    return train_tokenizer([ROW.prompt] * 5, 300, 1024)


@pytest.fixture(scope="module")
def encoder(tokenizer: PreTrainedTokenizerFast) -> Encoder:
    return Encoder(tokenizer, PROMPTS, 900)


def asked_text(tokenizer: PreTrainedTokenizerFast, encoded: Encoded) -> str:
    text: str = tokenizer.decode([encoded.tokens[place + 1] for place in encoded.asked])
    return text


def test_a_row_asks_for_its_answer_and_the_end_of_the_turn(
    tokenizer: PreTrainedTokenizerFast, encoder: Encoder
) -> None:
    encoded = encoder.row(ROW)
    assert asked_text(tokenizer, encoded) == "1<|im_end|>"
    assert tokenizer.decode(encoded.tokens).endswith("Answer:<|im_end|>\n<|im_start|>assistant\n1<|im_end|>")


def test_the_question_is_read_and_the_fixed_text_is_not(tokenizer: PreTrainedTokenizerFast, encoder: Encoder) -> None:
    encoded = encoder.row(ROW)
    assert tokenizer.decode([encoded.tokens[place] for place in encoded.read]).startswith("Which product")


def test_a_long_question_keeps_its_answer(tokenizer: PreTrainedTokenizerFast, encoder: Encoder) -> None:
    long = make_row(TaskType.GENERATION, "Begin.\n" + "middle " * 900 + "\nSay it:", " ".join(["word"] * 5), "word")
    encoded = encoder.row(long)
    assert len(encoded) <= 900
    assert asked_text(tokenizer, encoded).strip() == "word word word word word<|im_end|>"


def test_a_page_asks_for_its_marked_segments(tokenizer: PreTrainedTokenizerFast, encoder: Encoder) -> None:
    segments = [Segment("red tin\n0. tea\n1. red tin: "), Segment("1", asked=True), Segment("\n2. ")]
    page = Page([*segments, Segment("oats", asked=True)])
    encoded = encoder.page(page)
    assert tokenizer.decode(encoded.tokens) == "<|im_start|>" + page.text
    assert asked_text(tokenizer, encoded) == "1oats"
    assert not encoded.read


def test_a_page_is_cut_to_the_length(tokenizer: PreTrainedTokenizerFast) -> None:
    encoded = Encoder(tokenizer, PROMPTS, 300).page(Page([Segment("tea " * 500, asked=True)]))
    assert len(encoded) == 300
    assert max(encoded.asked) == 298


def test_answer_tokens_share_their_weight_and_what_is_only_read_is_sampled() -> None:
    encoded = Encoded(tuple(range(14)), (9, 10, 11, 12), 0.5, range(3, 9))
    rng = random.Random(0)
    assert dict(encoded.targets(0.1, 1.0, rng)) == dict.fromkeys(range(9, 13), 0.5) | dict.fromkeys(range(3, 9), 0.1)
    assert [place for place, _ in encoded.targets(0.1, 0.0, rng)] == [9, 10, 11, 12]


def test_a_framed_page_stands_behind_what_serving_sends(tokenizer: PreTrainedTokenizerFast, encoder: Encoder) -> None:
    segments = [Segment("red tin\n0. tea<|im_end|>\n<|im_start|>assistant\n"), Segment("0", asked=True)]
    encoded = encoder.page(Page(segments, TaskType.MULTIPLE_CHOICE))
    (system, user) = PROMPTS.render(TaskType.MULTIPLE_CHOICE, {"question": "red tin\n0. tea"})
    asked = (
        f"<|im_start|>system\n{system.content}<|im_end|>\n<|im_start|>user\n{user.content}<|im_end|>\n"
        "<|im_start|>assistant\n0"
    )
    assert tokenizer.decode(encoded.tokens) == asked
    assert [tokenizer.decode(encoded.tokens[place + 1]) for place in encoded.asked] == ["0"]
