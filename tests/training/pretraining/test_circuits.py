import pytest
import torch
from transformers import Qwen2Config, Qwen2ForCausalLM

from app.training.pretraining.circuits import frequencies, slow_dimensions, start_looking_back

TOKENS = 64
START = 2999
OPENING = 2998
VOCABULARY = [*"0123456789", ".", "\n", *(f" w{number}x" for number in range(2986)), "assistant", "<start>"]
WORDS = range(1500, 2998)
"""Words that are not among the common ones."""


def model(*, circuits: bool) -> Qwen2ForCausalLM:
    torch.manual_seed(0)
    made = Qwen2ForCausalLM(
        Qwen2Config(
            vocab_size=3000,
            hidden_size=256,
            num_hidden_layers=3,
            num_attention_heads=8,
            num_key_value_heads=8,
            intermediate_size=64,
            max_position_embeddings=512,
            rope_parameters={"rope_type": "default", "rope_theta": 1e7},
            tie_word_embeddings=True,
        )
    )
    if circuits:
        start_looking_back(made, VOCABULARY, START, OPENING)
    return made.eval()


def repeated(rows: int = 8) -> torch.Tensor:
    once = torch.randint(WORDS.start, WORDS.stop, (rows, TOKENS), generator=torch.Generator().manual_seed(1))
    return torch.cat([once, once], dim=1)


@torch.inference_mode()
def accuracy(made: Qwen2ForCausalLM) -> float:
    """Share of the second copy's tokens that are predicted."""
    ids = repeated()
    predicted = made(ids).logits[:, TOKENS:-1].argmax(-1)
    return float((predicted == ids[:, TOKENS + 1 :]).float().mean())


def test_an_untrained_model_copies_and_one_with_usual_weights_does_not() -> None:
    assert accuracy(model(circuits=True)) > 0.6
    assert accuracy(model(circuits=False)) < 0.05


def listed(words: list[int]) -> list[int]:
    """A numbered list of single words, as token ids."""
    line_end, dot = VOCABULARY.index("\n"), VOCABULARY.index(".")
    return [token for number, word in enumerate(words) for token in (number, dot, word, line_end)]


@torch.inference_mode()
def test_an_untrained_model_attends_to_the_entry_that_was_asked_for() -> None:
    made = model(circuits=True)
    made.set_attn_implementation("eager")
    line_end = VOCABULARY.index("\n")
    hits = 0
    for seed in range(20):
        words = torch.randperm(len(WORDS), generator=torch.Generator().manual_seed(seed))[:4] + WORDS.start
        ids = [START, int(words[seed % 4]), line_end, *listed(words.tolist()), OPENING, line_end]
        attention = made(torch.tensor([ids]), output_attentions=True).attentions[2][0, 0, -1]
        hits += VOCABULARY[ids[int(attention.argmax())]] == VOCABULARY[int(words[seed % 4])]
    assert hits > 10  # of 20, where one word in four is right


def test_the_first_heads_look_one_token_back() -> None:
    made = model(circuits=True)
    made.set_attn_implementation("eager")
    with torch.inference_mode():
        attention = made(repeated(1), output_attentions=True).attentions[0][0]
    back = attention[:2].diagonal(offset=-1, dim1=1, dim2=2)
    assert back.min() > 0.9


def test_content_is_matched_where_hardly_anything_rotates() -> None:
    config = model(circuits=False).config
    rates = frequencies(config)
    slow = slow_dimensions(config)
    assert rates[0] == pytest.approx(1.0)
    assert len(slow) == 2 * int((rates < 0.003).sum()) >= 16
