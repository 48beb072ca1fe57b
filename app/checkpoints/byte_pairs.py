"""A llama.cpp file's tokenizer and chat template as transformers has them, and the tokens that end a turn."""

from typing import Any

from app.checkpoints.llama_cpp import GgufFile
from app.errors import InputError

CONTROL, USER_DEFINED, UNUSED = 3, 4, 5
"""Types of tokens (`llama_token_type`): what is never text, what is matched whole, what fills up the vocabulary."""

_WORDS = r"[^\r\n\p{L}\p{N}]?\p{L}+"
_REST = r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_CONTRACTIONS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
PIECES = {
    "gpt-2": [GPT2],
    "smollm": [r"\p{N}", GPT2],
    "qwen2": [rf"{_CONTRACTIONS}|{_WORDS}|\p{{N}}|{_REST}"],
    "llama-bpe": [rf"{_CONTRACTIONS}|{_WORDS}|\p{{N}}{{1,3}}|{_REST}"],
}
"""Where text is cut before pairs are joined, by llama.cpp's names (`tokenizer.ggml.pre`): expressions, one after the
other. They are the ones that the models' own tokenizers were trained with."""


def build_tokenizer(file: GgufFile) -> Any:  # noqa: ANN401  # transformers has no types
    """A `PreTrainedTokenizerFast` with the file's vocabulary, merges, special tokens and chat template.

    Raises:
        InputError: the tokenizer is of a kind that is not known here, or there is no chat template.
    """
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    model = file.value("tokenizer.ggml.model", str)
    pieces = file.value("tokenizer.ggml.pre", str, "unnamed")
    if model != "gpt2" or pieces not in PIECES:
        raise InputError(
            f"{file.path} has a tokenizer of kind {model!r}, cut as {pieces!r}: known here is 'gpt2' (pairs of bytes), "
            f"cut as {', '.join(PIECES)}"
        )
    template = file.value("tokenizer.chat_template", str, "")
    if not template:
        raise InputError(f"{file.path} has no chat template: take the file of a model that was made for chat")
    texts = file.value("tokenizer.ggml.tokens", list)
    types = file.value("tokenizer.ggml.token_type", list, [1] * len(texts))
    vocabulary = {text: number for number, (text, kind) in enumerate(zip(texts, types, strict=True)) if kind != UNUSED}
    merges = [tuple(merge.split(" ", 1)) for merge in file.value("tokenizer.ggml.merges", list)]
    if astray := next((pair for pair in merges if not vocabulary.keys() >= {*pair, "".join(pair)}), None):
        raise InputError(f"{file.path} joins {' and '.join(astray)}, which its vocabulary has not: copy it again")
    tokenizer = Tokenizer(models.BPE(vocabulary, merges))
    if pieces == "qwen2":
        tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            *(pre_tokenizers.Split(Regex(piece), behavior="isolated") for piece in PIECES[pieces]),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_tokens(
        [
            AddedToken(text, normalized=False, special=kind == CONTROL)
            for text, kind in zip(texts, types, strict=True)
            if kind in (CONTROL, USER_DEFINED)
        ]
    )
    named = {
        name: texts[number]
        for name, key in (
            ("bos_token", "bos"),
            ("eos_token", "eos"),
            ("unk_token", "unknown"),
            ("pad_token", "padding"),
        )
        if (number := file.value(f"tokenizer.ggml.{key}_token_id", int, -1)) >= 0
    }
    named.setdefault("pad_token", named.get("eos_token", ""))
    if file.value("tokenizer.ggml.add_bos_token", bool, False) and "bos_token" in named:
        first = named["bos_token"]
        tokenizer.post_processor = processors.Sequence(
            [
                processors.ByteLevel(trim_offsets=False),
                processors.TemplateProcessing(
                    single=f"{first} $A", pair=f"{first} $A {first}:1 $B:1", special_tokens=[(first, vocabulary[first])]
                ),
            ]
        )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        chat_template=template,
        model_max_length=file.config()["max_position_embeddings"],
        clean_up_tokenization_spaces=False,
        **named,
    )


def turn_ends(file: GgufFile, tokenizer: Any) -> list[int]:  # noqa: ANN401  # transformers has no types
    """The tokens that end an answer: what the chat template writes after one, then what the file names.

    Raises:
        InputError: the template puts no special token there, so that an answer would never end.
    """
    said = "Good evening."
    turns = [{"role": "user", "content": "Good morning."}, {"role": "assistant", "content": said}]
    before, _, after = tokenizer.apply_chat_template(turns, tokenize=False).rpartition(said)
    known = tokenizer.added_tokens_decoder
    special = [
        number
        for number in tokenizer(after, add_special_tokens=False)["input_ids"]
        if number in known and known[number].special
    ]
    if not before or not special:
        raise InputError(f"{file.path}: its chat template puts no special token after an answer, which would never end")
    named = [file.value(f"tokenizer.ggml.{key}_token_id", int, -1) for key in ("eos", "eot")]
    return list(dict.fromkeys([special[0], *(number for number in named if number >= 0)]))
