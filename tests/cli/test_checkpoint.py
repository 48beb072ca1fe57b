"""`shopbench checkpoint ...` as a user types it: what is printed, and what bad input gets."""

import resource
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.settings import ROOT
from tests.command import shopbench
from tests.tiny_checkpoint import build_checkpoint

DATA = ROOT / "data" / "sample.jsonl"
LIMIT = 150_000
"""Bytes that a process may write into one file: less than the tiny checkpoint's weights."""


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_checkpoint(tmp_path_factory.mktemp("tuned"), seed=1)


@pytest.fixture
def small_disk() -> Iterator[None]:
    """No file may grow past `LIMIT`."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def run(*words: object) -> tuple[int, str, str]:
    """Exit code, standard output, standard error."""
    done = shopbench("checkpoint", *words)
    return done.returncode, done.stdout, done.stderr


def test_mixing_padding_and_describing(checkpoint: Path, tuned: Path, tmp_path: Path) -> None:
    assert run("interpolate", checkpoint, tuned, tmp_path / "line", "--alpha", 0.5)[0] == 0
    assert run("slerp", checkpoint, tuned, tmp_path / "arc", "--t", 0.5)[0] == 0
    assert run("average", tmp_path / "mean", checkpoint, tuned, tmp_path / "line", "--weights", "1,1,2")[0] == 0
    code, out, _ = run("pad", tmp_path / "mean", tmp_path / "wide", "--tensor-parallel", 1, "--group-size", 64)
    assert (code, out) == (2, "")
    code, out, _ = run("card", tmp_path / "mean", "--title", "Mean", "--licence", "mit")
    assert code == 0
    assert "| average |" in (tmp_path / "mean" / "README.md").read_text()


def test_quantize_measures_what_it_costs(checkpoint: Path, tmp_path: Path) -> None:
    words = ("quantize", checkpoint, tmp_path / "w8", "--scheme", "w8a8", "--data", DATA)
    code, out, err = run(*words)
    assert code == 0, err
    assert "bytes ->" in out
    assert not list(tmp_path.glob(".*"))


def test_verify_tells_two_models_apart(checkpoint: Path, tuned: Path) -> None:
    same = ("--engine", "transformers", "--limit", 6)
    code, out, _ = run("verify", checkpoint, "--against", checkpoint, *same)
    assert code == 0
    assert "same text" in out
    code, _, err = run("verify", tuned, "--against", checkpoint, *same)
    assert code == 1
    assert "log-probability differs" in err


def test_sweep_prints_every_alpha(checkpoint: Path, tuned: Path, tmp_path: Path) -> None:
    words = ("sweep", checkpoint, tuned, tmp_path / "sweep", "--data", DATA, "--alphas", "0,1")
    code, out, err = run(*words, "--engine", "transformers")
    assert code == 0, err
    assert "chosen: alpha" in out
    assert "alpha 0:" in err
    _, _, err = run(*words, "--engine", "transformers")
    assert err.count("(known)") == 2


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("interpolate", "CHECKPOINT", "CHECKPOINT", "OUT", "--alpha", "1.5"), "alpha must be between 0 and 1"),
        (
            ("interpolate", "CHECKPOINT", "/nowhere", "OUT", "--alpha", "0.5"),
            "no checkpoint at /nowhere: put the weights there",
        ),
        (("average", "OUT", "CHECKPOINT", "CHECKPOINT", "--weights", "1,x"), "--weights must be numbers"),
        (("average", "OUT", "CHECKPOINT", "CHECKPOINT", "--weights", "1,2,3"), "3 checkpoints, 2 are given"),
        (("merge", "CHECKPOINT", "/nowhere", "OUT"), "adapter_config.json"),
        (("pad", "CHECKPOINT", "OUT", "--group-size", "48"), "is no multiple of the group size 48"),
        (("sweep", "CHECKPOINT", "CHECKPOINT", "OUT", "--data", "/nowhere"), "/nowhere does not exist"),
        (("quantize", "CHECKPOINT", "OUT", "--scheme", "w4a16", "--data", str(DATA)), "hidden_size 64"),
        (("verify", "CHECKPOINT", "--against", "+x"), "BASE+ADAPTER"),
        (("import", str(DATA), "OUT"), "is no GGUF file"),
        (("slerp", "CHECKPOINT", "CHECKPOINT", "CHECKPOINT", "--t", "0.5"), "--overwrite"),
    ],
)
def test_bad_input_is_one_line(checkpoint: Path, tmp_path: Path, words: tuple[str, ...], says: str) -> None:
    places = {"CHECKPOINT": str(checkpoint), "OUT": str(tmp_path / "out")}
    code, out, err = run(*(places.get(word, word) for word in words))
    assert (code, out) == (2, "")
    assert says in err
    assert len(err.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("small_disk")
@pytest.mark.parametrize(
    "words", [("interpolate", "BASE", "TUNED", "OUT", "--alpha", "0.5"), ("merge", "BASE", "LORA", "OUT")]
)
def test_a_full_disk_is_one_line_and_leaves_nothing(
    checkpoint: Path, tuned: Path, tmp_path: Path, words: tuple[str, ...]
) -> None:
    if words[0] == "merge":
        make_adapter(checkpoint, tmp_path / "lora")
    places = {"BASE": checkpoint, "TUNED": tuned, "LORA": tmp_path / "lora", "OUT": tmp_path / "out"}
    code, _, err = run(*(places.get(word, word) for word in words))
    assert code == 2, err
    assert len(err.strip().splitlines()) == 1, err
    assert "cannot write" in err
    assert "nothing is left of it" in err
    shutil.rmtree(tmp_path / "lora", ignore_errors=True)
    assert not list(tmp_path.iterdir())


def make_adapter(checkpoint: Path, folder: Path) -> None:
    import peft
    from transformers import AutoModelForCausalLM

    network = AutoModelForCausalLM.from_pretrained(checkpoint)
    config = peft.LoraConfig(r=2, target_modules=["q_proj"], task_type="CAUSAL_LM")
    peft.get_peft_model(network, config).save_pretrained(folder)
