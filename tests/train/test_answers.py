"""The losses of answers are those of the whole output layer, and nothing else meets it."""

from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model
from torch.nn.functional import cross_entropy
from transformers import AutoModelForCausalLM

from app.train.answers import GRAIN, AnswerLosses
from app.train.batches import AnswerCollator
from app.train.examples import IGNORED


def row(prompt: int, answer: int) -> dict[str, list[float]]:
    ids = torch.randint(5, 600, (prompt + answer,), generator=torch.Generator().manual_seed(prompt)).tolist()
    labels = [*[IGNORED] * prompt, *ids[prompt:]]
    return {"input_ids": ids, "labels": labels, "weights": [0.0] * len(ids), "capability": [0] * len(ids)}


def test_losses_and_gradients_are_those_of_all_logits(checkpoint: Path) -> None:
    base = AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32)
    network = get_peft_model(base, LoraConfig(r=2, target_modules="all-linear", init_lora_weights=False))
    batch = AnswerCollator(0, (40,))([row(20, 1), row(11, 9), row(30, 4)])
    labels = batch["labels"][:, 1:]
    logits = network(input_ids=batch["input_ids"]).logits[:, :-1]
    plain = cross_entropy(logits.transpose(1, 2), labels, ignore_index=IGNORED, reduction="none")
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    wanted = torch.autograd.grad(plain.sum(), trained)

    answers = AnswerLosses(base)
    met: list[tuple[int, ...]] = []
    base.base_model.register_forward_hook(lambda _, __, output: met.append(tuple(output.last_hidden_state.shape)))
    losses = answers(network, batch)
    assert met == [(1, GRAIN, base.config.hidden_size)]
    assert losses.shape == labels.shape
    assert torch.allclose(losses, plain, atol=1e-4)
    for found, expected in zip(torch.autograd.grad(losses.sum(), trained), wanted, strict=True):
        assert torch.allclose(found, expected, atol=1e-4)
    # What does not ask for losses is as it was.
    assert torch.allclose(network(input_ids=batch["input_ids"]).logits[:, :-1], logits, atol=1e-5)
