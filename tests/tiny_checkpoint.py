"""A tiny Qwen2 checkpoint with random weights, so that the real engines run in seconds."""

import json
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
END, START, PAD = "<|im_end|>", "<|im_start|>", "<|endoftext|>"
LLAMA_TOKENS = {"unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>"}

SENTENCES = [
    "Which of these garden chairs suits a small balcony? Answer with the number of the option.",
    "The query is: waterproof hiking boots for women, size 7.5, brown leather.",
    "Rank the products from most to least relevant: 1, 2, 3, 4, 5.",
    "Extract the brand, the colour and the material from the product title.",
    "Stainless steel water bottle, 750 ml, keeps drinks cold for 24 hours.",
    "Translate the product description into Japanese, please: a cotton shirt.",
    "次の商品名を英語に訳してください。綿のシャツ、青、Lサイズ。",
    "Étui en cuir pour téléphone, noir, fermeture magnétique. Größe: 12 cm.",
    "The buyer liked the lamp, but the cable was too short, so four stars 🙂.",
]


def train_tokenizer(vocab_size: int = 640) -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[PAD, START, END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(SENTENCES, trainer)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=END, pad_token=PAD)
    fast.chat_template = CHAT_TEMPLATE
    return fast


def train_sentencepiece_tokenizer(vocab_size: int = 900) -> PreTrainedTokenizerFast:
    """A Llama-style tokenizer: a space is written ▁, and unknown characters fall back to bytes."""
    tokenizer = Tokenizer(models.BPE(byte_fallback=True, unk_token=LLAMA_TOKENS["unk_token"]))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    tokenizer.decoder = decoders.Sequence(
        [
            decoders.Replace("▁", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[*LLAMA_TOKENS.values(), *(f"<0x{byte:02X}>" for byte in range(256))],
        show_progress=False,
    )
    tokenizer.train_from_iterator(SENTENCES, trainer)
    # The trainer knows no other way to put the bytes into the vocabulary than as special tokens.
    state = json.loads(tokenizer.to_str())
    state["added_tokens"] = [token for token in state["added_tokens"] if not token["content"].startswith("<0x")]
    return PreTrainedTokenizerFast(tokenizer_object=Tokenizer.from_str(json.dumps(state)), **LLAMA_TOKENS)


def build_checkpoint(folder: Path, *, seed: int = 0) -> Path:
    """Write config, random weights and tokenizer in the Hugging Face layout."""
    tokenizer = train_tokenizer()
    config = Qwen2Config(
        vocab_size=704,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=1024,
        tie_word_embeddings=True,
        # Wide enough that the next-token distributions are far from uniform.
        initializer_range=0.2,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=None,
    )
    torch.manual_seed(seed)
    Qwen2ForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
