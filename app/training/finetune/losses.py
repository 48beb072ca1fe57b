"""The mean loss of an answer token, over all rows and by capability."""

import torch
from accelerate import Accelerator

from app.training.finetune.examples import CAPABILITIES


class CapabilityLosses:
    """Sums of losses and tokens since they were last read, on the device where they arise."""

    def __init__(self) -> None:
        self._sums: torch.Tensor | None = None

    def add(self, losses: torch.Tensor, capability: torch.Tensor, learnt: torch.Tensor) -> None:
        """Add a batch: the negative log-likelihood (nats), the capability's number and whether it counts, a token."""
        self.add_sums(token_sums(losses, capability, learnt).sum(0))

    def add_sums(self, sums: torch.Tensor) -> None:
        """Add sums of shape (capabilities, 2): losses and tokens."""
        self._sums = sums if self._sums is None else self._sums + sums

    def read(self, accelerator: Accelerator, prefix: str, *, shared: bool = False) -> dict[str, float]:
        """`<prefix>` and `<prefix>/<capability>` in nats a token, of all processes; then begin again.

        Every process must call this. `shared` says that each has the sums of all already.
        """
        sums = self._sums if self._sums is not None else torch.zeros(len(CAPABILITIES), 2, device=accelerator.device)
        self._sums = None
        if not shared:
            sums = accelerator.reduce(sums, "sum")
        loss, tokens = (column.tolist() for column in sums.double().T)
        values = {prefix: sum(loss) / sum(tokens)} if sum(tokens) else {}
        return values | {
            f"{prefix}/{capability}": loss[number] / tokens[number]
            for number, capability in enumerate(CAPABILITIES)
            if tokens[number]
        }


def token_sums(losses: torch.Tensor, capability: torch.Tensor, learnt: torch.Tensor) -> torch.Tensor:
    """Losses and tokens by row and capability, of shape (rows, capabilities, 2)."""
    members = torch.nn.functional.one_hot(capability, len(CAPABILITIES)) * learnt[..., None]
    values = torch.stack([losses.detach().float(), torch.ones_like(losses, dtype=torch.float32)], dim=-1)
    return torch.einsum("btc,btv->bcv", members.float(), values)
