from pathlib import Path

import pytest
import torch
from datasets import Dataset
from transformers import AttentionInterface, AutoModelForCausalLM, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from trl.trainer.utils import add_fused_lm_head

from app.data.encoding import RowEncoder
from app.engines.chat import load_chat_tokenizer
from app.errors import SetupError
from app.prompting import PromptLibrary
from app.settings import ROOT
from app.train.batches import AnswerCollator, pack, refuse_leaks
from app.train.examples import CAPABILITIES, PlacedRow, encode_rows
from app.train.trainer import CapabilityLosses, token_sums
from tests.data.rows import make_rows

LENGTH = 1024


def load(checkpoint: Path, attention: str) -> PreTrainedModel:
    network = AutoModelForCausalLM.from_pretrained(checkpoint, attn_implementation=attention, dtype=torch.float32)
    add_fused_lm_head(network)
    return network.eval()


@pytest.fixture(scope="module")
def data(checkpoint: Path) -> Dataset:
    encoder = RowEncoder(load_chat_tokenizer(str(checkpoint)), PromptLibrary(ROOT / "prompts"), LENGTH)
    rows = [PlacedRow(str(number), row) for number, row in enumerate(make_rows(10))]
    return encode_rows(rows, encoder, "sqrt", "shorten").data


@torch.no_grad()
def sums(network: PreTrainedModel, examples: list[dict[str, object]]) -> torch.Tensor:
    batch = AnswerCollator(0)(examples)
    capability = batch.pop("capability")[:, 1:]
    weights = batch.pop("weights")[:, 1:]
    outputs = network(**batch, use_cache=False, fused_lm_head=True)
    assert (weights > 0).equal(outputs.label_mask)
    return token_sums(-outputs.log_probs, capability, outputs.label_mask).sum(0)


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_packed_rows_have_the_losses_that_they_have_alone(checkpoint: Path, data: Dataset, attention: str) -> None:
    network = load(checkpoint, attention)
    packs = pack(data, LENGTH, seed=0)
    assert len(packs) < len(data)
    assert sorted(length for row in packs for length in row["seq_lengths"]) == sorted(map(len, data["input_ids"]))
    packed = torch.stack([sums(network, [row]) for row in packs]).sum(0)
    several = sums(network, list(packs))
    alone = torch.stack([sums(network, [row]) for row in data]).sum(0)
    padded = sums(network, list(data))
    assert torch.allclose(packed, alone, rtol=1e-4)
    assert torch.allclose(several, alone, rtol=1e-4)
    assert torch.allclose(padded, alone, rtol=1e-4)
    refuse_leaks(network, 640, attention)


def test_an_attention_that_lets_packed_rows_see_each_other_is_refused(checkpoint: Path) -> None:
    # Without a mask of its own registered, an implementation attends to all that came before.
    AttentionInterface.register("leaky", sdpa_attention_forward)
    with pytest.raises(SetupError, match="packing: with attention 'leaky', packed rows see each other"):
        refuse_leaks(load(checkpoint, "leaky"), 640, "leaky")


def test_losses_by_capability_are_means_over_tokens() -> None:
    from accelerate import Accelerator

    losses = CapabilityLosses()
    values = torch.tensor([[1.0, 2.0, 9.0], [4.0, 9.0, 9.0]])
    learnt = torch.tensor([[True, True, False], [True, False, False]])
    losses.add(values, torch.tensor([[0, 0, 0], [3, 3, 3]]), learnt)
    losses.add(torch.tensor([[5.0]]), torch.tensor([[0]]), torch.tensor([[True]]))
    found = losses.read(Accelerator(cpu=True), "loss")
    assert found == pytest.approx({"loss": 3.0, f"loss/{CAPABILITIES[0]}": 8 / 3, f"loss/{CAPABILITIES[3]}": 4.0})
    assert losses.read(Accelerator(cpu=True), "loss") == {}
