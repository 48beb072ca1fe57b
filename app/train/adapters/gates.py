"""Gates over adapters, one for each task: what share each adapter has in an answer (MMoE, Ma et al., KDD 2018).

There, task k mixes the experts' outputs by softmax(W_k x). Here the experts are finished adapters, and the mixture is
of their updates in every layer.
"""

from collections.abc import Callable
from typing import Literal

import torch
from peft import PeftModel
from peft.tuners.lora import LoraLayer
from torch import nn

from app.errors import SetupError

Kind = Literal["constant", "request"]


class Gates(nn.Module):
    """Shares by task, and with kind "request" by the question as well. All shares are alike at first."""

    def __init__(self, kind: Kind, tasks: int, experts: int, features: int) -> None:
        """`features` is the width of the vector that stands for a question."""
        super().__init__()
        self.kind = kind
        self.bias = nn.Parameter(torch.zeros(tasks, experts))
        if kind == "request":
            self.weight = nn.Parameter(torch.zeros(tasks, experts, features))

    def forward(self, tasks: torch.Tensor, features: torch.Tensor) -> torch.Tensor:
        """Shares of shape (rows, experts), each row's sum 1, from task numbers (rows) and features (rows, width)."""
        logits: torch.Tensor = self.bias[tasks]
        if self.kind == "request":
            logits = logits + torch.einsum("ref,rf->re", self.weight[tasks], features)
        return logits.softmax(-1)


class MixedAdapters:
    """A base with several adapters, of which each row of a batch uses all, in shares of its own."""

    def __init__(self, network: PeftModel, names: list[str]) -> None:
        """Freeze everything and put the shares into every adapted layer.

        Raises:
            SetupError: an adapter adapts an embedding, whose update cannot be shared out by row.
        """
        network.base_model.set_adapter(names)
        network.requires_grad_(requires_grad=False)
        network.eval()
        self.network = network
        self.experts = len(names)
        self.shares: torch.Tensor | None = None
        """Shape (rows, experts); set it before each forward pass."""
        for module in network.modules():
            if not isinstance(module, LoraLayer):
                continue
            if module.lora_embedding_B:
                raise SetupError("gates cannot mix adapters of embeddings; train with lora.targets: all-linear")
            for number, name in enumerate(names):
                if name in module.lora_B:
                    module.lora_B[name].register_forward_hook(self._share(number))

    @property
    def device(self) -> torch.device:
        """Where the network computes."""
        device: torch.device = next(self.network.parameters()).device
        return device

    def features(self, ids: torch.Tensor, prompt: torch.Tensor) -> torch.Tensor:
        """Questions as vectors (rows, width): the mean of the prompt's input embeddings, scaled to norm sqrt(width)."""
        vectors: torch.Tensor = self.network.get_input_embeddings()(ids).float()
        mean = (vectors * prompt[..., None]).sum(1) / prompt.sum(1, keepdim=True)
        scaled: torch.Tensor = nn.functional.normalize(mean, dim=-1) * mean.shape[-1] ** 0.5
        return scaled

    def _share(self, number: int) -> Callable[[nn.Module, object, torch.Tensor], torch.Tensor]:
        def scale(_module: nn.Module, _inputs: object, output: torch.Tensor) -> torch.Tensor:
            if self.shares is None:
                raise ValueError("no shares were set")
            return output * self.shares[:, number, None, None].to(output.dtype)

        return scale
