import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors import SafetensorError
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from transformers import AutoModelForCausalLM

from app.engines.options import TransformersSettings
from app.engines.transformers import TransformersEngine
from app.errors import SetupError
from app.settings import ROOT
from app.train.callbacks import Stopwatch
from app.train.trainer import AnswerTrainer
from app.types import Choice, GenerationRequest, Message, SamplingParams
from tests.data.rows import make_rows, write_rows
from tests.train.runs import STEPS, Watching, run, same_adapter, terminate_at, values_for

CAPABILITIES = ("concept_understanding", "knowledge_reasoning", "multilingual", "user_behaviour")


@pytest.fixture(scope="module")
def undisturbed(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that nothing happened to."""
    folder = tmp_path_factory.mktemp("undisturbed")
    ending = run(values_for(folder, checkpoint))
    assert ending.finished
    assert ending.step == STEPS
    return folder


def metrics(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "adapter.run" / "metrics.jsonl").read_text().splitlines()]


def test_what_a_run_leaves(undisturbed: Path, checkpoint: Path) -> None:
    adapter = undisturbed / "adapter"
    assert {path.name for path in adapter.iterdir()} == {
        "adapter_config.json", "adapter_model.safetensors", "training.json",
    }  # fmt: skip
    config = json.loads((adapter / "adapter_config.json").read_text())
    assert (config["r"], config["lora_alpha"], config["base_model_name_or_path"]) == (4, 8, str(checkpoint))
    told = json.loads((adapter / "training.json").read_text())
    assert told["data"]["train"][0]["rows"] == told["data"]["counts"]["train"]["rows"] == 24
    assert len(told["data"]["train"][0]["sha256"]) == 64
    assert told["progress"]["steps"] == STEPS
    assert told["progress"]["epochs"] == pytest.approx(2, abs=0.3)
    assert told["progress"]["trained_parameters"] == sum(
        weight.numel() for weight in load_file(adapter / "adapter_model.safetensors").values()
    )
    assert told["losses"]["last"]["answer_loss"] < told["losses"]["first"]["answer_loss"]
    assert told["versions"]["trl"]
    assert told["machine"]["processes"] == 1


def test_losses_by_capability_are_logged_everywhere(undisturbed: Path) -> None:
    lines = metrics(undisturbed)
    assert [line["step"] for line in lines if "answer_loss" in line] == [2, 4, 6, 8, 10, 12]
    evaluations = [line for line in lines if "eval_loss" in line]
    assert [line["step"] for line in evaluations] == [4, 8, 12]
    assert {name for line in evaluations for name in line if name.startswith("eval_loss/")} == {
        f"eval_loss/{capability}" for capability in CAPABILITIES
    }
    events = EventAccumulator(str(undisturbed / "adapter.run" / "tensorboard")).Reload()
    assert {"train/answer_loss", "eval/loss", "eval/loss/multilingual"} <= set(events.Tags()["scalars"])


def test_the_engine_loads_the_adapter_by_name(undisturbed: Path, checkpoint: Path) -> None:
    settings = TransformersSettings.parse({"device": "cpu", "adapters": {"shop": undisturbed / "adapter"}})
    engine = TransformersEngine(str(checkpoint), settings)
    message = (Message("user", "Which of these products is a lamp?\n0. tent\n1. lamp\nAnswer:"),)
    found = [
        completion.label_logprobs
        for adapter in (None, "shop")
        for completion in engine.generate(
            [GenerationRequest("0", message, SamplingParams(1), Choice(("0", "1")), adapter)]
        )
    ]
    assert found[0] is not None
    assert found[1] is not None
    assert abs(found[0]["1"] - found[1]["1"]) > 0.01


def test_a_killed_run_goes_on_to_the_very_same_weights(undisturbed: Path, checkpoint: Path, tmp_path: Path) -> None:
    values = values_for(tmp_path, checkpoint)
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(values))
    command = [sys.executable, "-m", "app", "train", str(path)]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL, start_new_session=True)
    state = tmp_path / "adapter.run" / "checkpoint-4" / "trainer_state.json"
    deadline = time.monotonic() + 280
    while not state.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)
    os.killpg(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not (tmp_path / "adapter").exists()
    watching = Watching()
    assert run(values, watching).finished
    assert any(line.startswith("began ") for line in watching.lines)
    assert watching.steps[0] > 4
    assert watching.steps[-1] == STEPS
    assert same_adapter(tmp_path / "adapter", undisturbed / "adapter")


def test_sittings_that_run_out_of_time_end_in_the_very_same_weights(
    undisturbed: Path, checkpoint: Path, tmp_path: Path
) -> None:
    values = values_for(tmp_path, checkpoint)
    for sitting in (1, 2):
        ending = run(values | {"time_budget": "0.001s"})
        assert (ending.finished, ending.out_of_time, ending.step) == (False, True, sitting)
    assert run(values | {"time_budget": "10h"}).finished
    assert same_adapter(tmp_path / "adapter", undisturbed / "adapter")


def test_all_sittings_have_the_first_ones_threads(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = values_for(tmp_path, checkpoint, optimizer={"steps": 2, "batch_size": 1}, validation=[])
    before = torch.get_num_threads()
    try:
        run(values | {"threads": 2, "time_budget": "0.001s"})
        torch.set_num_threads(1)
        monkeypatch.setenv("OMP_NUM_THREADS", "1")
        with pytest.raises(SetupError, match="threads was 2 and is now 1"):
            run(values | {"threads": 1})
        assert run(values).finished
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_speed_counts_tokens_without_padding(checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Stopwatch, "on_step_end", lambda watch, *_, **__: setattr(watch, "seconds", 1.0))
    optimizer = {"steps": 3, "batch_size": 5}
    watching = Watching()
    run(values_for(tmp_path, checkpoint, optimizer=optimizer, tokens_at_once=150, log_every=1), watching)
    told = json.loads((tmp_path / "adapter" / "training.json").read_text())["progress"]
    # What was trained on, not what an epoch holds: the rate is of the same tokens, and each step takes a second here.
    assert sum(line.get("tokens_per_second", 0) for line in metrics(tmp_path)) == told["trained_tokens"]
    assert told["epochs"] < 1
    assert told["trained_tokens"] < told["epoch_tokens"]
    assert any(f"{told['tokens_per_second']:,} tokens/s without padding" in line for line in watching.lines)
    assert any(line.startswith("validation: ") and "nats a token at first" in line for line in watching.lines)


@contextmanager
def small_files(size: int) -> Iterator[None]:
    """No file may grow beyond `size` bytes, as on a disk that is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_stopped_run_is_guarded_survives_a_full_disk_and_ends_the_same(
    undisturbed: Path, checkpoint: Path, tmp_path: Path
) -> None:
    values = values_for(tmp_path, checkpoint)
    ending = run(values, terminate_at(5))
    assert (ending.finished, ending.step) == (False, 5)
    states = tmp_path / "adapter.run"

    changed = values | {"optimizer": values["optimizer"] | {"learning_rate": 0.02}}
    with pytest.raises(SetupError, match=r"optimizer.learning_rate was 0.01 and is now 0.02.*--overwrite"):
        run(changed)
    write_rows(tmp_path / "other.jsonl", make_rows(25))
    with pytest.raises(SetupError, match=r"other settings: train was \w+ and is now \w+"):
        run(values | {"train": str(tmp_path / "other.jsonl")})

    before = {path: path.read_bytes() for path in (states / "checkpoint-5").iterdir()}
    with small_files(50_000), pytest.raises(SetupError, match=r"cannot save .*checkpoint-8 .*; nothing of it was kept"):
        run(values)
    assert {path: path.read_bytes() for path in (states / "checkpoint-5").iterdir()} == before
    assert [path.name for path in states.glob("checkpoint-*")] in (
        ["checkpoint-4", "checkpoint-5"],
        ["checkpoint-5", "checkpoint-4"],
    )

    watching = Watching()
    assert run(values, watching).finished
    assert watching.steps == list(range(6, STEPS + 1))
    assert same_adapter(tmp_path / "adapter", undisturbed / "adapter")
    logged = [line["step"] for line in metrics(tmp_path) if "eval_loss" in line]
    assert logged == [4, 8, 12]


def test_a_finished_run_is_left_alone_unless_overwritten(checkpoint: Path, tmp_path: Path) -> None:
    optimizer = {"steps": 1, "batch_size": 1}
    values = values_for(tmp_path, checkpoint, optimizer=optimizer, validation=[], method="lora")
    assert run(values).finished
    again = run(values)
    assert again.already
    other = values | {"lora": {"rank": 2}}
    with pytest.raises(SetupError, match="lora.rank was 4 and is now 2"):
        run(other)
    assert run(other, overwrite=True).finished
    assert json.loads((tmp_path / "adapter" / "adapter_config.json").read_text())["r"] == 2


@pytest.mark.parametrize("folder", ["output", "run"])
def test_folders_that_hold_something_else_are_left_alone(checkpoint: Path, tmp_path: Path, folder: str) -> None:
    other = tmp_path / "precious"
    other.mkdir()
    (other / "thesis.txt").write_text("all of it")
    for overwrite in (False, True):
        with pytest.raises(SetupError, match="precious"):
            run(values_for(tmp_path, checkpoint, **{folder: str(other)}), overwrite=overwrite)
    assert (other / "thesis.txt").read_text() == "all of it"


def test_the_best_state_is_kept_when_the_loss_only_rises(checkpoint: Path, tmp_path: Path) -> None:
    optimizer = {"learning_rate": 0.5, "steps": 20, "batch_size": 2, "scheduler": "constant", "warmup": 0}
    evaluation = {"every": 2, "patience": 1}
    values = values_for(tmp_path, checkpoint, optimizer=optimizer, evaluation=evaluation, save_every=2)
    ending = run(values)
    told = json.loads((tmp_path / "adapter" / "training.json").read_text())
    losses = {line["step"]: line["eval_loss"] for line in metrics(tmp_path) if "eval_loss" in line}
    best = min(losses, key=lambda step: losses[step])
    assert ending.step < 20
    assert told["progress"]["best_step"] == best
    assert told["losses"]["best_evaluation"]["eval_loss"] == pytest.approx(losses[best], abs=1e-4)
    kept = load_file(tmp_path / "adapter" / "adapter_model.safetensors")
    saved = load_file(tmp_path / "adapter.run" / f"checkpoint-{best}" / "adapter_model.safetensors")
    assert all(kept[name].equal(saved[name]) for name in kept)
    # Gone on with from its last state, a run out of patience makes no further step.
    shutil.rmtree(tmp_path / "adapter")
    watching = Watching()
    assert run(values, watching).finished
    assert watching.steps == []
    again = load_file(tmp_path / "adapter" / "adapter_model.safetensors")
    assert all(kept[name].equal(again[name]) for name in kept)


def test_a_loss_that_is_no_number_ends_the_run_in_one_line(checkpoint: Path, tmp_path: Path) -> None:
    optimizer = {"learning_rate": 1e30, "steps": 6, "batch_size": 1, "scheduler": "constant", "warmup": 0}
    values = values_for(tmp_path, checkpoint, optimizer=optimizer, validation=[], method="full", log_every=1)
    with pytest.raises(SetupError, match=r"the loss is \w+ at step \d: .*Lower optimizer.learning_rate"):
        run(values)
    assert not (tmp_path / "adapter").exists()


def test_an_output_that_cannot_be_written_leaves_nothing_and_can_be_written_later(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save = AnswerTrainer.save_model

    def fill_the_disk(trainer: AnswerTrainer, folder: str, _internal_call: bool = False) -> None:
        if _internal_call:  # a state, which there is room for
            save(trainer, folder, _internal_call=True)
            return
        (Path(folder) / "adapter_model.safetensors").write_text("half")
        raise SafetensorError("No space left on device")

    values = values_for(tmp_path, checkpoint, optimizer={"steps": 1, "batch_size": 1}, validation=[])
    place = tmp_path / "full"
    values |= {"output": str(place / "adapter"), "run": str(tmp_path / "run")}
    with monkeypatch.context() as patch:
        patch.setattr(AnswerTrainer, "save_model", fill_the_disk)
        with pytest.raises(SetupError, match=r"cannot save .*adapter .*No space left.*; nothing of it was kept"):
            run(values)
    assert list(place.iterdir()) == []
    watching = Watching()
    assert run(values, watching).finished
    assert watching.steps == []


def test_the_whole_model_can_be_trained_packed(checkpoint: Path, tmp_path: Path) -> None:
    optimizer = {"learning_rate": 0.001, "steps": 4, "batch_size": 1}
    changes = {"method": "full", "packing": True, "validation": [], "gradient_checkpointing": True}
    values = values_for(tmp_path, checkpoint, optimizer=optimizer, **changes)
    assert run(values).finished
    trained = AutoModelForCausalLM.from_pretrained(tmp_path / "adapter")
    base = AutoModelForCausalLM.from_pretrained(checkpoint)
    assert trained.dtype == base.dtype
    assert not trained.get_input_embeddings().weight.equal(base.get_input_embeddings().weight)
    assert (tmp_path / "adapter" / "tokenizer.json").is_file()
    TransformersEngine(str(tmp_path / "adapter"), TransformersSettings.parse({"device": "cpu"}))


def test_a_batch_in_parts_is_the_same_step(checkpoint: Path, tmp_path: Path) -> None:
    adapters = []
    for name, tokens in (("whole", 100_000), ("parts", 100)):
        changes = {"output": str(tmp_path / name), "tokens_at_once": tokens, "validation": [], "lora": {"rank": 4}}
        optimizer = {"learning_rate": 0.01, "steps": 2, "batch_size": 6}
        watching = Watching()
        assert run(values_for(tmp_path, checkpoint, optimizer=optimizer, **changes), watching).finished
        adapters.append(load_file(tmp_path / name / "adapter_model.safetensors"))
        assert any("% of what is computed is padding" in line for line in watching.lines)
    whole, parts = adapters
    assert all(torch.allclose(whole[name], parts[name], atol=1e-4) for name in whole)


def test_bfloat16_learns_on_a_cpu(checkpoint: Path, tmp_path: Path) -> None:
    values = values_for(tmp_path, checkpoint, precision="bfloat16", evaluation={"every": 12}, save_every=12)
    assert run(values).finished
    losses = [line["answer_loss"] for line in metrics(tmp_path) if "answer_loss" in line]
    assert losses[-1] < losses[0]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"method": "qlora"}, "method: qlora needs an NVIDIA GPU"),
        ({"precision": "float16"}, "precision: float16 needs a GPU"),
        ({"lora": {"targets": ["q_projection"]}}, r"lora.targets: .*has: all-linear, .*q_proj"),
        ({"lora": {"targets": ["lm_head"]}}, "lora.targets: lm_head cannot be adapted"),
        ({"attention": "quick"}, "cannot load the model"),
        ({"model": "nowhere/at/all"}, "no checkpoint at nowhere/at/all"),
        ({"prompts": "nowhere"}, "no template for"),
    ],
)
def test_what_cannot_be_done_is_one_line(checkpoint: Path, tmp_path: Path, changes: dict[str, Any], says: str) -> None:
    if torch.cuda.is_available() and "GPU" in says:
        pytest.skip("this machine has a GPU")
    with pytest.raises(SetupError, match=says) as raised:
        run(values_for(tmp_path, checkpoint, **changes))
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "adapter").exists()


def test_two_processes_learn_what_one_learns(checkpoint: Path, tmp_path: Path) -> None:
    for name, batch in (("one", 4), ("two", 2)):
        folder = tmp_path / name
        folder.mkdir()
        optimizer = {"learning_rate": 0.01, "steps": 3, "batch_size": batch}
        values = values_for(folder, checkpoint, optimizer=optimizer, lora={"rank": 4}, evaluation={"every": 3})
        values |= {"save_every": 3, "log_every": 1, "group_by_length": True}
        (folder / "config.yaml").write_text(yaml.safe_dump(values))
        if name == "one":
            assert run(values).finished
    # What `accelerate launch --cpu --num_processes 2` sets for each process.
    environment = os.environ | {
        "WORLD_SIZE": "2",
        "LOCAL_WORLD_SIZE": "2",
        "MASTER_ADDR": "127.0.0.1",
        "ACCELERATE_USE_CPU": "true",
    }
    environment["MASTER_PORT"] = str(20_000 + os.getpid() % 20_000)
    command = [sys.executable, "-m", "app", "train", str(tmp_path / "two" / "config.yaml")]
    processes = [
        subprocess.Popen(
            command, cwd=ROOT, env=environment | {"RANK": rank, "LOCAL_RANK": rank}, stderr=subprocess.PIPE, text=True
        )
        for rank in "01"
    ]
    said = [process.communicate(timeout=280)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], said
    one, two = metrics(tmp_path / "one"), metrics(tmp_path / "two")
    assert [line["step"] for line in two] == [line["step"] for line in one]
    for first, second in zip(one, two, strict=True):
        for name in first:
            if "loss" in name and name != "train_loss":
                assert second[name] == pytest.approx(first[name], rel=2e-3), (first["step"], name)
    assert json.loads((tmp_path / "two" / "adapter" / "training.json").read_text())["machine"]["processes"] == 2
