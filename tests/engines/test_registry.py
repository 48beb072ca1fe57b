import subprocess
import sys
from pathlib import Path

import pytest

from app.engines.loading import ENGINES, create_engine
from app.errors import SetupError


@pytest.mark.parametrize("name", sorted(ENGINES))
def test_a_missing_checkpoint_is_told_before_a_heavy_library_is_imported(name: str, tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "from app.engines.loading import create_engine\n"
        "from app.errors import SetupError\n"
        "try:\n"
        "    create_engine(sys.argv[1], sys.argv[2], {})\n"
        "except SetupError as error:\n"
        "    print(error)\n"
        "print(sorted({'torch', 'transformers', 'vllm'} & sys.modules.keys()))\n"
    )
    missing = str(tmp_path / "nothing")
    done = subprocess.run([sys.executable, "-c", program, name, missing], capture_output=True, text=True, check=True)
    message, imported = done.stdout.splitlines()
    assert message == f"no checkpoint at {missing}: put the weights there, or name another with --model FOLDER"
    assert imported == "[]"


def test_an_unknown_engine_is_told_with_what_there_is() -> None:
    with pytest.raises(SetupError, match="unknown engine 'vlm'; there are: transformers, vllm; did you mean 'vllm'"):
        create_engine("vlm", "anywhere", {})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"max_num_seq": 3}, "unknown setting 'max_num_seq'; did you mean 'max_num_seqs'"),
        ({"colour": "red"}, "unknown setting 'colour'; known settings: .*tensor_parallel_size"),
        ({"max_num_seqs": 0}, "setting 'max_num_seqs': .* greater than or equal to 1"),
        ({"dtype": "int3"}, "setting 'dtype'"),
    ],
)
def test_bad_settings_are_told_by_name(settings: dict[str, object], message: str) -> None:
    with pytest.raises(SetupError, match=message):
        create_engine("vllm", "anywhere", settings)


@pytest.mark.parametrize("missing", ["config.json", "model.safetensors", "tokenizer.json"])
def test_an_incomplete_checkpoint_is_told(checkpoint: Path, tmp_path: Path, missing: str) -> None:
    for path in checkpoint.iterdir():
        if path.name != missing:
            (tmp_path / path.name).symlink_to(path)
    with pytest.raises(SetupError, match=f"holds no .*{missing.split('.')[1]}"):
        create_engine("transformers", tmp_path, {})


def test_a_missing_adapter_is_told_by_name(checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="adapter 'loud'.*no adapter_config.json"):
        create_engine("transformers", checkpoint, {"adapters": {"loud": tmp_path}})


def test_a_missing_library_is_told_with_what_to_install(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, "app.engines.transformers", raising=False)
    with pytest.raises(SetupError, match=r"needs torch.*pip install 'shopbench\[cpu\]'"):
        create_engine("transformers", checkpoint, {})
