"""What is wrong with a checkpoint's files is one line before anything heavy is loaded, whichever command loads it."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.numpy import load_file, save_file

from app.engines.checkpoint_files import check_checkpoint, format_on_cpu
from app.engines.loading import create_async_engine, create_engine
from app.errors import SetupError
from tests.conftest import MINI

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:0a1b\nsize 134515008\n"


def cut(path: Path, share: float) -> None:
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])


def change(path: Path, **fields: object) -> None:
    values = json.loads(path.read_text()) | fields
    path.write_text(json.dumps({name: value for name, value in values.items() if value is not None}))


def in_shards(folder: Path) -> dict[str, str]:
    """The weights in two files and an index."""
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    names = sorted(weights)
    places = {name: f"model-0000{1 + number % 2}-of-00002.safetensors" for number, name in enumerate(names)}
    for file in set(places.values()):
        save_file({name: weights[name] for name in names if places[name] == file}, folder / file)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": places}))
    return places


def without_a_shard(folder: Path) -> None:
    in_shards(folder)
    (folder / "model-00002-of-00002.safetensors").unlink()


def with_a_cut_shard(folder: Path) -> None:
    in_shards(folder)
    cut(folder / "model-00002-of-00002.safetensors", 0.5)


def with_another_shard(folder: Path) -> None:
    places = in_shards(folder)
    first, second = sorted(set(places.values()))
    (folder / second).write_bytes((folder / first).read_bytes())


def without_an_index(folder: Path) -> None:
    in_shards(folder)
    (folder / "model.safetensors.index.json").unlink()


def with_a_broken_index(folder: Path) -> None:
    in_shards(folder)
    (folder / "model.safetensors.index.json").write_text('{"weight_map": [1]}')


def with_a_cut_archive(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(b"PK\x03\x04" + bytes(100))


def spoilt(name: str, content: bytes) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_bytes(content)


FAULTS: dict[str, tuple[Callable[[Path], object], str]] = {
    "cut weights": (lambda f: cut(f / "model.safetensors", 0.6), r"incomplete \([\d,]+ bytes of [\d,]+\): copy it"),
    "cut in the header": (lambda f: cut(f / "model.safetensors", 0.001), "no safetensors header.*: copy it again"),
    "weights with a tail": (
        lambda f: (f / "model.safetensors").open("ab").write(b"more"), "bytes of .*: copy it again"
    ),
    "empty weights": (spoilt("model.safetensors", b""), "model.safetensors is empty: copy it again"),
    "a page for weights": (spoilt("model.safetensors", b"<!doctype html><p>Sign in"), "incomplete .*: copy it again"),
    "a pointer for weights": (spoilt("model.safetensors", POINTER), "pointer of Git LFS.*run 'git lfs pull' in "),
    "a pointer for a tokenizer": (spoilt("tokenizer.json", POINTER), r"tokenizer.json is a pointer .*git lfs pull"),
    "a pointer for a template": (spoilt("chat_template.jinja", POINTER), "chat_template.jinja is a pointer"),
    "an empty template": (spoilt("chat_template.jinja", b""), "chat_template.jinja is empty"),
    "a cut tokenizer": (lambda f: cut(f / "tokenizer.json", 0.5), "tokenizer.json is not JSON .*: copy it again"),
    "a cut configuration": (lambda f: cut(f / "config.json", 0.5), "config.json is not JSON .*: copy it again"),
    "a list for a configuration": (spoilt("config.json", b"[]"), "config.json must hold one JSON object"),
    "generation settings in Latin-1": (spoilt("generation_config.json", b'{"a": "\xe4"}'), "is not JSON"),
    "a missing shard": (without_a_shard, "has no model-00002-of-00002.safetensors, which .*complete the checkpoint"),
    "a cut shard": (with_a_cut_shard, "model-00002-of-00002.safetensors is damaged or incomplete"),
    "a shard twice": (with_another_shard, "00002.safetensors lacks .*files of two checkpoints are mixed"),
    "shards without index": (without_an_index, r"one of 2 files and the index .* is missing .*copy the checkpoint"),
    "a broken index": (with_a_broken_index, "index.json is damaged: it has no weight_map"),
    "a cut archive": (with_a_cut_archive, r"pytorch_model.bin is damaged or incomplete"),
    "no architectures": (lambda f: change(f / "config.json", architectures=None), "has no architectures: take the"),
    "no model type": (lambda f: change(f / "config.json", model_type=None), "has no model_type: take the"),
    "a classifier": (
        lambda f: change(f / "config.json", architectures=["Qwen2ForSequenceClassification"]), "writes no text"
    ),
    "another configuration": (
        lambda f: change(f / "config.json", vocab_size=800), "vocab_size of 800 and .* has 704 rows: take the"
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_a_file_is_one_line_for_every_engine(copied: Path, fault: str) -> None:
    spoil, message = FAULTS[fault]
    spoil(copied)
    for name, create in (("transformers", create_engine), ("vllm", create_engine), ("vllm", create_async_engine)):
        with pytest.raises(SetupError, match=message) as refused:
            create(name, copied, {})
        assert "\n" not in str(refused.value)
        assert str(copied) in str(refused.value)


def test_whole_checkpoints_of_every_layout_pass(checkpoint: Path, copied: Path) -> None:
    check_checkpoint(str(MINI))
    check_checkpoint(str(checkpoint))
    in_shards(copied)
    check_checkpoint(str(copied))


def test_a_fault_is_found_without_a_heavy_library_and_ends_a_command_with_2(copied: Path) -> None:
    cut(copied / "model.safetensors", 0.6)
    program = (
        "import sys\n"
        "from app.cli.main import main\n"
        "try:\n"
        "    main()\n"
        "finally:\n"
        "    print(sorted({'torch', 'transformers', 'vllm'} & sys.modules.keys()), file=sys.stderr)\n"
    )
    command = [sys.executable, "-c", program, "demo", "--model", str(copied)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    *_, message, imported = done.stderr.splitlines()
    assert message.startswith(f"shopbench: {copied}/model.safetensors is damaged or incomplete")
    assert imported == "[]"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """The hub's answer to any model, an exception, or none; an empty cache, and a working directory of its own."""
    httpx2 = pytest.importorskip("httpx2", reason="another client than the hub's at present")  # which brings it along
    import huggingface_hub
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

    answers: list[str] = []
    response = httpx2.Response(401, request=httpx2.Request("HEAD", "https://hub.example"))
    errors = {
        "unknown": RepositoryNotFoundError("401", response=response),
        "gated": GatedRepoError("403", response=response),
        "away": httpx2.ConnectError("nobody is there\nat all"),
    }

    def ask(url: str, timeout: float) -> None:
        assert url.endswith("/config.json")
        assert timeout <= 10
        answer = answers.pop()
        if answer in errors:
            raise errors[answer]

    monkeypatch.setattr(huggingface_hub, "get_hf_file_metadata", ask)
    monkeypatch.setattr(
        huggingface_hub, "try_to_load_from_cache", lambda name, _: "there" if "cached" in name else None
    )
    monkeypatch.chdir(tmp_path)
    return answers


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ("unknown", "no checkpoint at org/model: the hub has no such model either, .*; mend the name, or"),
        ("gated", "the hub has it for those only who have accepted its terms"),
        ("away", r"the hub cannot be asked \(nobody is there\); mend the name, or download it with 'hf download"),
    ],
)  # fmt: skip
def test_a_name_that_the_hub_does_not_have_is_asked_for_once(hub: list[str], answer: str, message: str) -> None:
    for name, create in (("transformers", create_engine), ("vllm", create_engine), ("vllm", create_async_engine)):
        hub[:] = [answer]
        with pytest.raises(SetupError, match=message) as refused:
            create(name, "org/model", {})
        assert "\n" not in str(refused.value)


def test_models_on_the_hub_and_in_the_cache_pass(hub: list[str]) -> None:
    hub.append("there")
    check_checkpoint("org/model")
    check_checkpoint("org/cached")
    assert hub == []


@pytest.mark.parametrize("slip", ["weights/shop-135", "wieghts/shop-135m", "weights/shop-135n", "./weights/shop_135m"])
def test_a_slip_in_a_folders_name_is_told_without_asking_the_hub(hub: list[str], slip: str, tmp_path: Path) -> None:
    (tmp_path / "weights" / "shop-135m").mkdir(parents=True)
    (tmp_path / "weights" / "shop-135m" / "config.json").write_text("{}")
    with pytest.raises(SetupError, match=f"no checkpoint at {slip}: did you mean weights/shop-135m[?] Or "):
        check_checkpoint(slip)
    with pytest.raises(SetupError, match=f"did you mean {tmp_path}/weights/shop-135m[?]"):
        check_checkpoint(str(tmp_path / slip))
    assert hub == []


@pytest.mark.parametrize(
    ("kept", "able", "expected"),
    [
        ({"dtype": "bfloat16"}, {"amx_bf16": True}, "bfloat16"),
        ({"dtype": None, "torch_dtype": "bfloat16"}, {"avx512_bf16": True}, "bfloat16"),
        ({"dtype": "bfloat16"}, {"avx512_f": True}, "float32"),
        ({"dtype": "float16"}, {"amx_bf16": True, "avx512_bf16": True}, "float32"),
        ({"dtype": None}, {"avx512_bf16": True}, "float32"),
        ({"quantization_config": {"quant_method": "gptq"}}, {}, "bfloat16"),
    ],
)
def test_a_cpu_computes_in_bfloat16_where_it_can_and_the_weights_are_kept_so(
    copied: Path, monkeypatch: pytest.MonkeyPatch, kept: dict[str, object], able: dict[str, bool], expected: str
) -> None:
    change(copied / "config.json", **kept)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: able)
    assert format_on_cpu(str(copied)) == expected
    assert format_on_cpu(str(copied / "nowhere")) == "float32"
