"""The model, its optimizers and one step of learning."""

from concurrent.futures import ThreadPoolExecutor

import torch
from torch import nn
from torch.nn import functional
from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

from app.training.pretraining.circuits import CIRCUIT_LAYERS, start_looking_back
from app.training.pretraining.settings import ModelSettings, OptimizerSettings
from app.training.pretraining.stream import Batch, split
from app.training.pretraining.tokenizer import TURN_START

INITIAL_RANGE = 0.02
VOCABULARY = ("model.embed_tokens.", "lm_head.")
"""Weights with a row for each token."""


def build_model(settings: ModelSettings, tokenizer: PreTrainedTokenizerFast) -> Qwen2ForCausalLM:
    """A Qwen2 model whose random weights already look back, see `circuits.py`.

    The output layer begins as the embeddings and is not tied to them: Adam takes the small gradient that every
    unlikely token gets at every position for a large one, and would push all embeddings the same way.
    """
    end = tokenizer.convert_tokens_to_ids(tokenizer.eos_token)
    config = Qwen2Config(
        vocab_size=len(tokenizer),
        hidden_size=settings.hidden_size,
        num_hidden_layers=settings.layers,
        num_attention_heads=settings.heads,
        num_key_value_heads=settings.heads,
        intermediate_size=settings.intermediate_size,
        max_position_embeddings=settings.context_length,
        rope_parameters={"rope_type": "default", "rope_theta": settings.rope_theta},
        tie_word_embeddings=False,
        initializer_range=INITIAL_RANGE,
        bos_token_id=None,
        eos_token_id=end,
        pad_token_id=tokenizer.convert_tokens_to_ids(tokenizer.pad_token),
        attn_implementation="sdpa",
    )
    model = Qwen2ForCausalLM(config)
    vocabulary = [tokenizer.decode([token]) for token in range(len(tokenizer))]
    opening = tokenizer(f"{TURN_START}assistant\n", add_special_tokens=False)["input_ids"]
    start_looking_back(model, vocabulary, opening[0], opening[-2])
    return model


def build_optimizers(model: nn.Module, settings: OptimizerSettings) -> list[torch.optim.Optimizer]:
    """AdamW for everything, or Muon for the matrices between the embeddings and AdamW for the rest.

    Each group has a `share` of the learning rate: the attention that begins with circuits moves more slowly.
    """
    kinds: dict[tuple[str, bool], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        kind = "vectors" if parameter.ndim < 2 else "embeddings" if name.startswith(VOCABULARY) else "matrices"
        kinds.setdefault((kind, _in_circuit(name)), []).append(parameter)
    groups = {
        (kind, circuit): {
            "params": parameters,
            "share": settings.circuit_rate if circuit else settings.embedding_rate if kind == "embeddings" else 1.0,
        }
        for (kind, circuit), parameters in kinds.items()
    }
    matrices = [group for (kind, _), group in groups.items() if kind == "matrices"]
    others = [group | {"weight_decay": 0.0} for (kind, _), group in groups.items() if kind != "matrices"]
    rate, decay, betas = settings.learning_rate, settings.weight_decay, (0.9, 0.95)
    if settings.optimizer == "muon":
        muon = torch.optim.Muon(matrices, lr=rate, weight_decay=decay, adjust_lr_fn="match_rms_adamw")
        return [muon, torch.optim.AdamW(others, lr=rate, betas=betas)]
    return [torch.optim.AdamW(matrices + others, lr=rate, betas=betas, weight_decay=decay)]


def _in_circuit(name: str) -> bool:
    return any(f"layers.{number}.self_attn" in name for number in range(CIRCUIT_LAYERS))


def learning_rate(step: int, settings: OptimizerSettings) -> float:
    """The rate of a step, counted from 0: linear rise, plateau, linear fall to zero.

    Before the fall it does not depend on the number of steps, so that a run can be made longer or shorter.
    """
    rise = min(1.0, (step + 1) / max(1, settings.warmup_steps))
    decay_steps = max(1, round(settings.decay_fraction * settings.steps))
    fall = min(1.0, (settings.steps - step) / decay_steps)
    return settings.learning_rate * min(rise, fall)


class Learner:
    """Gradients of a batch, shared out to threads.

    Each thread takes some rows through the whole network with single-threaded operations: they meet once a step,
    not once an operation, which is what a small model on a busy machine needs. The sum of the parts is taken in
    order, so the result does not depend on which thread ends first.
    """

    def __init__(self, model: Qwen2ForCausalLM, threads: int, *, bfloat16: bool) -> None:
        """Start the threads."""
        self._model = model
        self._parameters = list(model.parameters())
        self._threads = threads
        self._bfloat16 = bfloat16
        self._pool = ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,))

    def backward(self, batch: Batch) -> float:
        """Set every parameter's gradient; return the weighted mean cross-entropy over the chosen places."""
        total = float(batch.weights.sum())
        results = list(self._pool.map(lambda part: self._part(part, total), split(batch, self._threads)))
        for parameter, *gradients in zip(self._parameters, *(gradients for _, gradients in results), strict=True):
            parameter.grad = torch.stack(gradients).sum(0) if len(gradients) > 1 else gradients[0]
        return sum(loss for loss, _ in results)

    def close(self) -> None:
        """Stop the threads."""
        self._pool.shutdown()

    def _part(self, batch: Batch, total: float) -> tuple[float, tuple[torch.Tensor, ...]]:
        # The cache of casts is shared between threads and would tie their graphs together.
        with torch.autocast("cpu", torch.bfloat16, enabled=self._bfloat16, cache_enabled=False):
            hidden = self._model.model(batch.ids, use_cache=False).last_hidden_state
            logits = self._model.lm_head(hidden.flatten(0, 1)[batch.places]).float()
        losses = functional.cross_entropy(logits, batch.labels, reduction="none")
        loss = (losses * batch.weights).sum() / total
        return loss.item(), torch.autograd.grad(loss, self._parameters)
