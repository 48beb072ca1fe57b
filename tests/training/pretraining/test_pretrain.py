import hashlib
import json
from pathlib import Path

import pytest
import torch
import yaml
from transformers import AutoModelForCausalLM, AutoTokenizer

from app.errors import SetupError
from app.training.checkpoints.lineage import read_lineage
from app.training.pretraining.network import Learner, build_model, learning_rate
from app.training.pretraining.pretrain import main, pretrain
from app.training.pretraining.settings import OptimizerSettings, PretrainConfig, load_pretrain_config
from app.training.pretraining.state import FILE, save_state
from app.training.pretraining.stream import Batch, split
from tests.training.pretraining.rows import write_rows

PROMPTS = Path(__file__).parents[3] / "prompts"


def write_config(folder: Path, name: str, steps: int = 6, **changes: object) -> Path:
    values: dict[str, object] = {
        "data": {"rows": str(folder / "train.jsonl")},
        "output": str(folder / name / "model"),
        "run": str(folder / name / "run"),
        "prompts": str(PROMPTS),
        "tokenizer": {"vocab_size": 400},
        "model": {
            "hidden_size": 128, "layers": 3, "heads": 8, "intermediate_size": 48, "context_length": 512,
        },
        "optimizer": {
            "steps": steps, "tokens_per_batch": 1024, "sequence_length": 256, "chunk_examples": 12, "warmup_steps": 2,
        },
    }  # fmt: skip
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(values | changes), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pretrain")
    write_rows(folder / "train.jsonl")
    return folder


@pytest.fixture(scope="module")
def finished(folder: Path) -> PretrainConfig:
    config = load_pretrain_config(write_config(folder, "whole"))
    pretrain(config)
    return config


def weights(config: PretrainConfig) -> dict[str, torch.Tensor]:
    values: dict[str, torch.Tensor] = AutoModelForCausalLM.from_pretrained(config.output).state_dict()
    return values


def test_the_checkpoint_is_complete_and_loads(finished: PretrainConfig) -> None:
    names = {path.name for path in finished.output.iterdir()}
    assert names == {
        "chat_template.jinja", "config.json", "generation_config.json", "lineage.json", "model.safetensors",
        "pretraining.json",
        "tokenizer.json", "tokenizer_config.json",
    }  # fmt: skip
    model = AutoModelForCausalLM.from_pretrained(finished.output)
    tokenizer = AutoTokenizer.from_pretrained(finished.output)
    assert model.config.architectures == ["Qwen2ForCausalLM"]
    assert not model.config.tie_word_embeddings
    assert model.dtype == torch.float16
    assert model.generation_config.eos_token_id == tokenizer.convert_tokens_to_ids("<|im_end|>")
    assert len(tokenizer) == model.config.vocab_size


def test_the_record_says_what_was_learnt_from_and_for_how_long(finished: PretrainConfig, folder: Path) -> None:
    record = json.loads((finished.output / "pretraining.json").read_text(encoding="utf-8"))
    assert record["steps"] == 6
    assert record["tokens"] > 0
    assert record["data"]["rows"] == 200
    assert record["data"]["sha256"] == hashlib.sha256((folder / "train.jsonl").read_bytes()).hexdigest()
    assert record["settings"]["optimizer"]["steps"] == 6
    (step,) = read_lineage(finished.output).steps
    assert (step.step, step.checks["steps"]) == ("pretrain", 6)


def test_the_loss_falls(folder: Path) -> None:
    config = load_pretrain_config(write_config(folder, "longer", steps=40))
    pretrain(config)
    log = (config.run / "log.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(log[-1])["loss"] < 5.9  # log(400) = 5.99 before the first step


def test_a_killed_run_ends_with_the_same_weights(
    folder: Path, finished: PretrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = load_pretrain_config(write_config(folder, "killed", checkpoint_seconds=1e-9))
    saves = 0

    def save_and_die(*arguments: object) -> None:
        nonlocal saves
        save_state(*arguments)  # type: ignore[arg-type]  # handed through as they came
        saves += 1
        if saves == 3:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("app.training.pretraining.pretrain.save_state", save_and_die)
        with pytest.raises(KeyboardInterrupt):
            pretrain(config)
    assert not config.output.exists()
    pretrain(config)
    expected = weights(finished)
    assert all(torch.equal(tensor, expected[name]) for name, tensor in weights(config).items())


def test_a_run_folder_with_other_settings_is_refused(folder: Path, finished: PretrainConfig) -> None:
    assert (finished.run / FILE).is_file()
    other = load_pretrain_config(write_config(folder, "other", run=str(finished.run), seed=5))
    with pytest.raises(SetupError, match="other settings"):
        pretrain(other)


@pytest.mark.parametrize("arguments", [[], ["a", "b"], ["/nowhere/pretrain.yaml"]])
def test_bad_use_is_one_line_and_code_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1


def test_missing_data_is_one_line_and_code_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(write_config(tmp_path, "empty"))]) == 2
    assert "shopbench data build" in capsys.readouterr().err


def test_the_rate_rises_holds_and_falls_to_almost_zero() -> None:
    settings = OptimizerSettings(steps=100, warmup_steps=10, decay_fraction=0.2, learning_rate=1.0)
    rates = [learning_rate(step, settings) for step in range(100)]
    assert rates[:10] == sorted(rates[:10])
    assert set(rates[10:80]) == {1.0}
    assert rates[80:] == sorted(rates[80:], reverse=True)
    assert rates[-1] == pytest.approx(0.05)
    longer = OptimizerSettings(steps=200, warmup_steps=10, decay_fraction=0.2, learning_rate=1.0)
    assert [learning_rate(step, longer) for step in range(80)] == rates[:80]


def test_threads_share_a_batch_and_agree_on_its_gradient(finished: PretrainConfig) -> None:
    tokenizer = AutoTokenizer.from_pretrained(finished.output)
    torch.manual_seed(0)
    model = build_model(finished.model, tokenizer)
    ids = torch.randint(0, len(tokenizer), (5, 32))
    places = torch.arange(0, 5 * 32, 3)
    batch = Batch(ids, places, ids.flatten()[places], torch.linspace(0.1, 1.0, len(places)))
    assert sum(len(part.places) for part in split(batch, 3)) == len(places)
    found = []
    for threads in (1, 3):
        learner = Learner(model, threads, bfloat16=False)
        loss = learner.backward(batch)
        learner.close()
        found.append((loss, [parameter.grad.clone() for parameter in model.parameters() if parameter.grad is not None]))
    assert found[0][0] == pytest.approx(found[1][0], rel=1e-5)
    for one, other in zip(found[0][1], found[1][1], strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-6)
