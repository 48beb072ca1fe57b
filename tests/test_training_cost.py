"""The cost of training: shapes against what was published, terms against what defines them, the guide against both."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from peft import LoraConfig, get_peft_model
from transformers import Qwen2Config, Qwen2ForCausalLM

from app.settings import ROOT
from app.train.recipe import FinetuneConfig
from benchmarks.training_cost import MODELS, PEAK, Run, Shape, hours, kept_by_a_layer, memory, operations, table

GUIDE = ROOT / "docs" / "training.md"


def run_of(config: FinetuneConfig, devices: int) -> Run:
    return Run(
        config.method,
        config.lora.rank,
        config.optimizer.batch_size,
        config.max_length,
        config.gradient_checkpointing,
        "8bit" in config.optimizer.name,
        devices,
    )


SEVEN = run_of(FinetuneConfig.read(ROOT / "configs" / "qwen2.5-7b-lora.yaml"), 1)
SEVENTY_TWO = run_of(FinetuneConfig.read(ROOT / "configs" / "72b-qlora.yaml"), 8)


def test_shapes_have_the_parameters_of_the_published_models() -> None:
    # Summed over the weight files of the hub's Qwen2.5 models.
    assert {name: shape.parameters for name, shape in MODELS.items()} == {
        "qwen2.5-0.5b": 494_032_768,
        "qwen2.5-7b": 7_615_616_512,
        "qwen2.5-72b": 72_706_203_648,
    }


@pytest.mark.parametrize("tied", [True, False])
def test_parameters_and_adapters_are_those_that_the_libraries_make(tied: bool) -> None:
    shape = Shape(hidden=64, layers=3, vocabulary=256, mlp=96, queries=64, keys=32, tied=tied)
    network = Qwen2ForCausalLM(
        Qwen2Config(
            hidden_size=shape.hidden,
            num_hidden_layers=shape.layers,
            vocab_size=shape.vocabulary,
            intermediate_size=shape.mlp,
            num_attention_heads=4,
            num_key_value_heads=2,
            tie_word_embeddings=tied,
        )
    )
    assert sum(one.numel() for one in network.parameters()) == shape.parameters
    adapted = get_peft_model(network, LoraConfig(r=5, target_modules="all-linear", task_type="CAUSAL_LM"))
    assert sum(one.numel() for one in adapted.parameters() if one.requires_grad) == shape.adapter(5)


@given(sequences=st.integers(1, 64), length=st.integers(64, 8192), rank=st.integers(1, 256))
def test_checkpointing_saves_memory_for_time(sequences: int, length: int, rank: int) -> None:
    shape = MODELS["qwen2.5-7b"]
    kept, again = (Run("lora", rank, sequences, length, checkpointing=one) for one in (False, True))
    assert memory(shape, again)["activations"] < memory(shape, kept)["activations"]
    assert operations(shape, again) == pytest.approx(operations(shape, kept) * 3 / 2)


def test_operations_are_four_or_six_a_parameter() -> None:
    shape = MODELS["qwen2.5-72b"]
    for run, factor in ((Run("lora", checkpointing=False), 4), (Run("full", checkpointing=False), 6)):
        # Within a few percent: attention adds, and looking up an embedding costs nothing.
        assert operations(shape, run) == pytest.approx(factor * shape.parameters, rel=0.04)


def test_twice_the_devices_take_half_the_hours() -> None:
    shape = MODELS["qwen2.5-7b"]
    one, two = (hours(shape, Run(devices=count), 1e9, PEAK["h100"], 0.4) for count in (1, 2))
    assert one == pytest.approx(2 * two)


@pytest.mark.parametrize(
    ("name", "run"),
    [
        ("qwen2.5-7b", SEVEN),
        ("qwen2.5-72b", SEVENTY_TWO),
    ],
)
def test_the_recipes_fit_80_gb_and_the_guide_shows_their_tables(name: str, run: Run) -> None:
    shape = MODELS[name]
    assert sum(memory(shape, run).values()) < 72e9, "room for the library's own, and for fragments"
    assert table(shape, run) in GUIDE.read_text(encoding="utf-8")


def test_without_checkpointing_the_72b_model_does_not_fit() -> None:
    kept = Run("qlora", 64, 1, 2048, checkpointing=False, eight_bit=True, devices=8)
    assert sum(memory(MODELS["qwen2.5-72b"], kept).values()) > 80e9
    assert kept_by_a_layer(MODELS["qwen2.5-72b"], kept) > 0
