import json
import random
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM

from app.errors import SetupError
from app.forms import own_forms, write_forms
from app.settings import ROOT, Form
from app.train.adapters import adapter_names, load_adapters
from app.train.gates import Gates, GateSettings, MixedAdapters, TaskGate, learn_gates
from app.types import TaskType
from tests.data.rows import choice, generation, make_rows, write_rows
from tests.train.runs import run, values_for
from tests.train.test_adapters import IDS, make_adapter


@pytest.fixture(scope="module")
def experts(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """One adapter that learnt to translate, and one that learnt to choose."""
    folder = tmp_path_factory.mktemp("experts")
    made = []
    for capability in ("multilingual", "concept_understanding"):
        values = values_for(
            folder,
            checkpoint,
            capabilities=[capability],
            validation=[],
            output=str(folder / capability),
            optimizer={"learning_rate": 0.02, "steps": 12, "batch_size": 4},
        )
        assert run(values).finished
        made.append(folder / capability)
    return made


def settings(experts: list[Path], folder: Path, **changes: object) -> GateSettings:
    data = write_rows(folder / "validation.jsonl", make_rows(40, seed=5))
    given = GateSettings(tuple(experts), (data,), folder / "mixed", prompts=ROOT / "prompts", steps=25)
    return replace(given, **changes)  # type: ignore[arg-type]  # the fields by name


def test_gates_find_the_adapter_that_knows_the_task(experts: list[Path], checkpoint: Path, tmp_path: Path) -> None:
    steps: list[int] = []
    gates = learn_gates(settings(experts, tmp_path), lambda step, _: steps.append(step))
    assert steps == list(range(1, 26))
    assert set(gates) == {task_type.value for task_type in TaskType}
    for gate in gates.values():
        assert sum(gate.shares) == pytest.approx(1, abs=1e-3)
        assert gate.learnt_on + gate.measured_on == 8
        assert gate.losses["gate"] == pytest.approx(gate.losses["exported"], abs=1e-3)
    assert gates["generation"].shares[0] > 0.6
    assert gates["multiple-choice"].shares[1] > 0.6
    assert gates["generation"].losses["gate"] < gates["generation"].losses["all alike"]
    told = json.loads((tmp_path / "mixed" / "gates.json").read_text())
    assert TaskGate(**told["gates"]["generation"] | {"shares": gates["generation"].shares}) == gates["generation"]
    for task in gates:
        PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(checkpoint), tmp_path / "mixed" / task)


def test_gates_that_look_at_the_request_export_their_mean(experts: list[Path], tmp_path: Path) -> None:
    rows = [maker(random.Random(seed)) for seed in range(8) for maker in (choice, generation)]
    data = write_rows(tmp_path / "rows.jsonl", rows)
    given = settings(experts, tmp_path, kind="request", by="capability", data=(data,), steps=10)
    gates = learn_gates(given, lambda _step, _loss: None)
    assert set(gates) == {"multilingual", "concept_understanding"}
    assert gates["multilingual"].losses["gate"] < gates["multilingual"].losses["all alike"]


def test_the_mixture_is_what_the_exported_adapter_computes(
    experts: list[Path], checkpoint: Path, tmp_path: Path
) -> None:
    gates = learn_gates(settings(experts, tmp_path, steps=5), lambda _step, _loss: None)
    shares = gates["ranking"].shares
    network = load_adapters(AutoModelForCausalLM.from_pretrained(checkpoint), experts)
    mixed = MixedAdapters(network, adapter_names(2))
    mixed.shares = torch.tensor([shares])
    with torch.no_grad():
        wanted = mixed.network(IDS).logits
        exported = PeftModel.from_pretrained(
            AutoModelForCausalLM.from_pretrained(checkpoint), tmp_path / "mixed" / "ranking"
        )
        assert torch.allclose(exported.eval()(IDS).logits, wanted, atol=2e-2)


def test_each_row_has_shares_of_its_own(checkpoint: Path, tmp_path: Path) -> None:
    adapters = [make_adapter(checkpoint, tmp_path / str(seed), seed) for seed in range(2)]
    network = load_adapters(AutoModelForCausalLM.from_pretrained(checkpoint), adapters)
    mixed = MixedAdapters(network, adapter_names(2))
    with torch.no_grad():
        mixed.shares = torch.eye(2)
        both = mixed.network(IDS.expand(2, -1)).logits
        for number, adapter in enumerate(adapters):
            alone = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(checkpoint), adapter).eval()
            assert torch.allclose(both[number], alone(IDS).logits[0], atol=1e-4)


TEXTS = {TaskType.RETRIEVAL: Form(ask="texts"), TaskType.RANKING: Form(ask="texts", prior=0.8)}


def test_gates_are_learnt_in_the_form_of_their_adapters(experts: list[Path], tmp_path: Path) -> None:
    """A row of several right options is several texts, and still one row."""
    copies = [Path(shutil.copytree(path, tmp_path / path.name)) for path in experts]
    for path in copies:
        write_forms(path, TEXTS)
    gates = learn_gates(settings(copies, tmp_path, steps=2), lambda _step, _loss: None)
    assert {gate.learnt_on + gate.measured_on for gate in gates.values()} == {8}
    assert own_forms(tmp_path / "mixed" / "ranking") == TEXTS
    with pytest.raises(SetupError, match=r"was trained in the form .*ranking: texts.*, and .* in labels"):
        learn_gates(settings([copies[0], experts[1]], tmp_path, output=tmp_path / "b"), lambda _step, _loss: None)


def test_gates_begin_alike_and_sum_to_one() -> None:
    gates = Gates("request", tasks=3, experts=4, features=5)
    shares = gates(torch.tensor([0, 2]), torch.randn(2, 5))
    assert torch.allclose(shares, torch.full((2, 4), 0.25))


def test_a_task_with_one_row_is_refused(experts: list[Path], tmp_path: Path) -> None:
    data = write_rows(tmp_path / "few.jsonl", make_rows(1))
    with pytest.raises(SetupError, match="multiple-choice has one row only"):
        learn_gates(settings(experts, tmp_path, data=(data,)), lambda _step, _loss: None)
    assert not (tmp_path / "mixed").exists()
