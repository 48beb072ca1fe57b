from functools import cache

from app.engines.constraints.vocabulary import Vocabulary
from tests.tiny_checkpoint import train_sentencepiece_tokenizer, train_tokenizer


@cache
def byte_level() -> Vocabulary:
    tokenizer = train_tokenizer()
    return Vocabulary.from_tokenizer(tokenizer, [tokenizer.eos_token_id])


@cache
def sentencepiece() -> Vocabulary:
    tokenizer = train_sentencepiece_tokenizer()
    return Vocabulary.from_tokenizer(tokenizer, [tokenizer.eos_token_id])


@cache
def crossing() -> Vocabulary:
    """Tokens that run across the borders of words, commas and numbers, as few real tokenizers have them."""
    pieces = [bytes([byte]) for byte in range(256)]
    pieces += [b"a,", b"a, ", b"a, b", b", ", b", a", b" a", b"b a", b"),", b"1,", b"1,2", b"12", b",1", b"2,12,"]
    pieces += [b"ab, ab", "犬,".encode(), "犬, 猫".encode()[:6], b", 1", b"a, b, a"]
    return Vocabulary(dict(enumerate(pieces, start=1)), [0])


ALL = {"byte-level": byte_level, "sentencepiece": sentencepiece, "crossing": crossing}
