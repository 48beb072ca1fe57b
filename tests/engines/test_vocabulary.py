import pytest
from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast

from app.engines.base import RefusedRequestError
from app.engines.constraints.automaton import label_tokens
from app.engines.constraints.vocabulary import ROOT, Vocabulary
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


def test_added_tokens_that_are_not_special_have_the_bytes_of_their_text() -> None:
    tokenizer = train_tokenizer()
    tokenizer.add_tokens(["größer ▁"])
    (added,) = tokenizer.convert_tokens_to_ids(["größer ▁"])
    vocabulary = Vocabulary.from_tokenizer(tokenizer, [tokenizer.eos_token_id])
    assert vocabulary.token_bytes[added] == "größer ▁".encode()


def test_tokens_are_found_byte_by_byte() -> None:
    """Every id at the end of its bytes, those that share them together, and no way on where no token goes."""
    vocabulary = Vocabulary({5: b"ab", 3: b"a", 8: b"ab", 9: b"ac"}, [1, 1, 0])
    a = vocabulary.step(ROOT, ord("a"))
    assert a is not None
    b, c = vocabulary.step(a, ord("b")), vocabulary.step(a, ord("c"))
    assert b is not None
    assert c is not None
    assert (vocabulary.ids_at[a], vocabulary.ids_at[b], vocabulary.ids_at[c]) == ((3,), (5, 8), (9,))
    assert vocabulary.step(ROOT, ord("b")) is vocabulary.step(b, ord("a")) is None
    assert vocabulary.end_ids == (0, 1)
    assert vocabulary.single_bytes == {ord("a")}


@pytest.mark.parametrize(("name", "spaced"), [("byte-level", False), ("sentencepiece", True), ("crossing", False)])
def test_only_sentencepiece_opens_a_text_with_a_space(name: str, spaced: bool) -> None:
    assert vocabularies.ALL[name]().leading_space is spaced


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
