"""The model, its optimizers and one step of learning."""

import torch
from torch import nn
from torch.nn import functional
from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

from app.training.settings import ModelSettings, OptimizerSettings
from app.training.stream import Batch

INITIAL_RANGE = 0.02


def build_model(settings: ModelSettings, tokenizer: PreTrainedTokenizerFast) -> Qwen2ForCausalLM:
    """A Qwen2 model with tied embeddings and random weights."""
    end = tokenizer.convert_tokens_to_ids(tokenizer.eos_token)
    config = Qwen2Config(
        vocab_size=len(tokenizer),
        hidden_size=settings.hidden_size,
        num_hidden_layers=settings.layers,
        num_attention_heads=settings.heads,
        num_key_value_heads=settings.kv_heads,
        intermediate_size=settings.intermediate_size,
        max_position_embeddings=settings.context_length,
        rope_parameters={"rope_type": "default", "rope_theta": 10_000.0},
        tie_word_embeddings=True,
        initializer_range=INITIAL_RANGE,
        bos_token_id=None,
        eos_token_id=end,
        pad_token_id=tokenizer.convert_tokens_to_ids(tokenizer.pad_token),
        attn_implementation="sdpa",
    )
    return Qwen2ForCausalLM(config)


def build_optimizers(model: nn.Module, settings: OptimizerSettings) -> list[torch.optim.Optimizer]:
    """AdamW for everything, or Muon for the matrices between the embeddings and AdamW for the rest."""
    matrices: list[nn.Parameter] = []
    vectors: list[nn.Parameter] = []
    embeddings: list[nn.Parameter] = []
    for name, parameter in model.named_parameters():
        group = vectors if parameter.ndim < 2 else embeddings if "embed" in name else matrices
        group.append(parameter)
    rate, decay, betas = settings.learning_rate, settings.weight_decay, (0.9, 0.95)
    if settings.optimizer == "muon":
        muon = torch.optim.Muon(matrices, lr=rate, weight_decay=decay, adjust_lr_fn="match_rms_adamw")
        groups = [{"params": embeddings, "weight_decay": 0.0}, {"params": vectors, "weight_decay": 0.0}]
        return [muon, torch.optim.AdamW(groups, lr=rate, betas=betas)]
    groups = [{"params": matrices + embeddings}, {"params": vectors, "weight_decay": 0.0}]
    return [torch.optim.AdamW(groups, lr=rate, betas=betas, weight_decay=decay)]


def learning_rate(step: int, settings: OptimizerSettings) -> float:
    """The rate of a step, counted from 0: linear rise, plateau, linear fall to zero.

    Before the fall it does not depend on the number of steps, so that a run can be made longer or shorter.
    """
    rise = min(1.0, (step + 1) / max(1, settings.warmup_steps))
    decay_steps = max(1, round(settings.decay_fraction * settings.steps))
    fall = min(1.0, (settings.steps - step) / decay_steps)
    return settings.learning_rate * min(rise, fall)


def batch_loss(model: Qwen2ForCausalLM, body: nn.Module, batch: Batch, *, bfloat16: bool) -> torch.Tensor:
    """Weighted mean cross-entropy over the chosen places; `body` is the model without its output layer."""
    with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
        hidden = body(batch.ids, use_cache=False).last_hidden_state
        logits = model.lm_head(hidden.flatten(0, 1)[batch.places]).float()
    losses = functional.cross_entropy(logits, batch.labels, reduction="none")
    return (losses * batch.weights).sum() / batch.weights.sum()
