"""The resumable state of a run, written whole or not at all."""

import hashlib
from dataclasses import dataclass

import torch
from torch import nn

from app.errors import SetupError
from app.training.pretraining.settings import PretrainConfig

FILE = "state.pt"


@dataclass(slots=True)
class Position:
    """How far a run has come: optimizer steps, and the next batch by chunk and place."""

    step: int = 0
    chunk: int = 0
    batch: int = 0
    tokens: int = 0
    seconds: float = 0.0


def fingerprint(config: PretrainConfig) -> str:
    """What must not change while a run is resumed: all settings but its length, pace and places."""
    kept = config.model_dump_json(
        exclude={"output": True, "run": True, "threads": True, "checkpoint_seconds": True,
                 "optimizer": {"steps", "decay_fraction"}},
    )  # fmt: skip
    return hashlib.sha256(kept.encode()).hexdigest()


def save_state(
    config: PretrainConfig, model: nn.Module, optimizers: list[torch.optim.Optimizer], position: Position
) -> None:
    """Write the state beside the old one and put it in its place."""
    config.run.mkdir(parents=True, exist_ok=True)
    values = {
        "fingerprint": fingerprint(config),
        "model": model.state_dict(),
        "optimizers": [optimizer.state_dict() for optimizer in optimizers],
        "position": [position.step, position.chunk, position.batch, position.tokens, position.seconds],
    }
    part = config.run / f"{FILE}.part"
    torch.save(values, part)
    part.replace(config.run / FILE)


def load_state(config: PretrainConfig, model: nn.Module, optimizers: list[torch.optim.Optimizer]) -> Position:
    """Continue where the run was stopped; the beginning where there is no state.

    Raises:
        SetupError: the state is of a run with other settings.
    """
    path = config.run / FILE
    if not path.is_file():
        return Position()
    values = torch.load(path, weights_only=True)
    if values["fingerprint"] != fingerprint(config):
        raise SetupError(f"{path} belongs to a run with other settings: remove it or set another 'run' folder")
    model.load_state_dict(values["model"])
    for optimizer, state in zip(optimizers, values["optimizers"], strict=True):
        optimizer.load_state_dict(state)
    return Position(*values["position"])
