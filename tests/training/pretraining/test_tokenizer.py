import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer, PreTrainedTokenizerFast, Qwen2Tokenizer

from app.training.pretraining.tokenizer import SPECIAL_TOKENS, TURN_END, load_tokenizer, train_tokenizer

TEXTS = [f"A red kettle of {number} litres, and a brown saddle for the lantern." for number in range(60)]


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> PreTrainedTokenizerFast:
    folder: Path = tmp_path_factory.mktemp("tokenizer")
    train_tokenizer(TEXTS, 400, 512).save_pretrained(folder)
    return load_tokenizer(folder)


@settings(max_examples=100, deadline=None)
@given(text=st.text(max_size=60))
def test_any_text_comes_back(tokenizer: PreTrainedTokenizerFast, text: str) -> None:
    ids = tokenizer.encode(text, add_special_tokens=False)
    if not any(marker in text for marker in SPECIAL_TOKENS):
        assert tokenizer.decode(ids) == unicodedata.normalize("NFC", text)


@pytest.mark.parametrize("text", ["静かなやかん", "红色水壶 2 升", "☕🫖 größer", "\n\n  \t x"])
def test_other_scripts_come_back(tokenizer: PreTrainedTokenizerFast, text: str) -> None:
    assert tokenizer.decode(tokenizer.encode(text, add_special_tokens=False)) == text


@given(number=st.integers(0, 10**9))
@settings(deadline=None)
def test_every_digit_is_one_token(tokenizer: PreTrainedTokenizerFast, number: int) -> None:
    assert tokenizer.tokenize(str(number)) == list(str(number))


def test_frequent_words_are_merged(tokenizer: PreTrainedTokenizerFast) -> None:
    assert len(tokenizer.tokenize(" kettle")) == 1


def test_the_chat_template_marks_every_turn(tokenizer: PreTrainedTokenizerFast) -> None:
    turns = [{"role": "system", "content": "Be short."}, {"role": "user", "content": "Hello"}]
    text = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
    assert text == (
        "<|im_start|>system\nBe short.<|im_end|>\n<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n"
    )
    assert tokenizer.eos_token == TURN_END


def test_other_tools_load_it(tokenizer: PreTrainedTokenizerFast, tmp_path: Path) -> None:
    tokenizer.save_pretrained(tmp_path)
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    assert loaded.encode("A kettle, 12") == tokenizer.encode("A kettle, 12")
    assert loaded.convert_tokens_to_ids(SPECIAL_TOKENS) == [0, 1, 2]


@settings(max_examples=100, deadline=None)
@given(text=st.text(max_size=60))
def test_the_tokenizer_class_of_the_model_type_agrees(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    folder: Path = tmp_path_factory.getbasetemp() / "agree"
    if not folder.is_dir():
        train_tokenizer(TEXTS, 400, 512).save_pretrained(folder)
    assert Qwen2Tokenizer.from_pretrained(folder).encode(text) == load_tokenizer(folder).encode(text)


def test_training_it_twice_gives_the_same() -> None:
    first, second = (train_tokenizer(TEXTS, 400, 512).backend_tokenizer.to_str() for _ in range(2))
    assert first == second
