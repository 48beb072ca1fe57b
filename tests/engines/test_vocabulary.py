import pytest
from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast

from app.engines.base import RefusedRequestError
from app.engines.constraints.automaton import label_tokens
from app.engines.constraints.vocabulary import Vocabulary
from app.errors import SetupError
from app.types import Choice
from tests.engines import vocabularies
from tests.tiny_checkpoint import train_sentencepiece_tokenizer, train_tokenizer

TEXTS = ["Größe 12 cm, noir", "綿のシャツ 🙂", "a  b\n\tc", "naïve — 3½"]


@pytest.mark.parametrize("text", TEXTS)
def test_byte_level_tokens_are_the_bytes_of_the_text(text: str) -> None:
    ids = train_tokenizer().encode(text, add_special_tokens=False)
    pieces = vocabularies.byte_level().token_bytes
    assert b"".join(pieces[index] for index in ids) == text.encode()


@pytest.mark.parametrize("text", TEXTS)
def test_sentencepiece_tokens_are_the_bytes_of_the_text_after_a_space(text: str) -> None:
    ids = train_sentencepiece_tokenizer().encode(text, add_special_tokens=False)
    pieces = vocabularies.sentencepiece().token_bytes
    assert b"".join(pieces[index] for index in ids) == b" " + text.encode()


def test_special_and_end_tokens_have_no_bytes() -> None:
    tokenizer = train_tokenizer()
    vocabulary = Vocabulary.from_tokenizer(tokenizer, [tokenizer.eos_token_id, 300])
    assert not {*tokenizer.all_special_ids, 300} & vocabulary.token_bytes.keys()
    assert vocabulary.end_ids == tuple(sorted({tokenizer.eos_token_id, 300}))


def test_every_byte_is_a_token() -> None:
    assert vocabularies.byte_level().single_bytes == frozenset(range(256))
    assert vocabularies.sentencepiece().single_bytes == frozenset(range(256))


def test_a_label_counts_with_and_without_its_space() -> None:
    vocabulary = Vocabulary({1: b"0", 2: b" 0", 3: b"0.", 4: b"\n0", 5: b"00"}, [9])
    assert vocabulary.label_ids("0") == (1, 2, 4)


def test_a_label_of_several_tokens_is_refused_by_name() -> None:
    with pytest.raises(RefusedRequestError, match="'supercalifragilistic' is not a single token"):
        label_tokens(Choice(("0", "supercalifragilistic")), vocabularies.byte_level())


def test_other_tokenizers_are_refused() -> None:
    words = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.WordLevel({"a": 0, "[UNK]": 1}, "[UNK]")))
    with pytest.raises(SetupError, match="neither byte-level BPE nor sentencepiece"):
        Vocabulary.from_tokenizer(words, [0])
