"""What is merged, mixed or quantized answers in the engines as what it was made of."""

from pathlib import Path

import pytest

from app.checkpoints.answering import DATA, ask, read_samples
from app.checkpoints.combine import combine, interpolation
from app.checkpoints.folder import Output, read_lineage
from app.checkpoints.int8 import Int8
from app.checkpoints.merge import merge_adapter
from app.checkpoints.quantize import measure_loss, quantize
from app.checkpoints.verify import Limits, Reference, compare_answers, verify
from app.evaluation.scoring import Scorer
from app.settings import Settings

SAMPLES = read_samples(DATA, 19)
TRANSFORMERS = Settings(engine="transformers", engine_settings={"dtype": "float32"})
VLLM = Settings(engine="vllm", engine_settings={"dtype": "float32", "max_num_seqs": 16})


@pytest.fixture(scope="module")
def merged(checkpoint: Path, lora: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("merged") / "merged"
    merge_adapter(checkpoint, lora, Output(out), SAMPLES[:2], dtype="float32")
    return out


def test_a_merged_checkpoint_answers_as_base_and_adapter(checkpoint: Path, lora: Path, merged: Path) -> None:
    found = verify(merged, Reference(checkpoint, lora), SAMPLES, TRANSFORMERS)
    assert found.prompts == 19
    assert found.choices == 6
    assert Limits(logprob=2e-3).broken_by(found) == []


def test_another_checkpoint_does_not(checkpoint: Path, merged: Path) -> None:
    found = verify(merged, Reference(checkpoint), SAMPLES, TRANSFORMERS)
    assert len(Limits().broken_by(found)) == 2


def test_vllm_serves_merged_and_quantized_checkpoints(merged: Path, tmp_path: Path) -> None:
    """The served model is the one that was made: against the reference engine, in float32."""
    quantize(merged, Output(tmp_path / "w8"), SAMPLES, Int8())
    reference = ask(TRANSFORMERS, merged, SAMPLES)
    served = ask(VLLM, merged, SAMPLES)
    assert Limits(logprob=5e-3).broken_by(compare_answers(reference, served)) == []

    # The engine's own number format: where a processor multiplies whole numbers in hardware, vLLM refuses float32.
    found = measure_loss(merged, tmp_path / "w8", SAMPLES, TRANSFORMERS, Settings(engine="vllm"), Scorer())
    assert found.agreement.mean_kl is not None
    assert 0 < found.agreement.mean_kl < 0.05
    assert found.agreement.same_text > 0.5
    assert abs(found.loss) < 0.2
    (_, step) = read_lineage(tmp_path / "w8").steps
    assert step.checks["loss"] == found.loss
    assert step.checks["engine"] == "vllm"


def test_an_interpolation_of_nothing_is_the_base(checkpoint: Path, tuned: Path, tmp_path: Path) -> None:
    combine([checkpoint, tuned], Output(tmp_path / "out"), interpolation(0.0))
    found = verify(tmp_path / "out", Reference(checkpoint), SAMPLES[:6], TRANSFORMERS)
    assert found.same_text == 1.0
