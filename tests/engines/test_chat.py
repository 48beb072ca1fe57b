import json
import shutil
from pathlib import Path

import pytest

from app.engines.base import RefusedRequestError
from app.engines.chat import load_chat_tokenizer
from app.errors import SetupError
from app.types import Message


def changed_copy(checkpoint: Path, folder: Path, **config: object) -> str:
    shutil.copytree(checkpoint, folder, dirs_exist_ok=True)
    path = folder / "tokenizer_config.json"
    values = json.loads(path.read_text()) | config
    path.write_text(json.dumps(values))
    return str(folder)


def with_template(checkpoint: Path, folder: Path, template: str) -> str:
    changed_copy(checkpoint, folder)
    (folder / "chat_template.jinja").write_text(template)
    return str(folder)


def test_a_conversation_ends_with_the_assistants_opening(checkpoint: Path) -> None:
    tokenizer = load_chat_tokenizer(str(checkpoint))
    ids = tokenizer.encode((Message("system", "Be brief."), Message("user", "Which chair?")))
    assert tokenizer.tokenizer.decode(ids) == (
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nWhich chair?<|im_end|>\n<|im_start|>assistant\n"
    )
    assert tokenizer.encode_answer("No. 2")[-1] == tokenizer.tokenizer.eos_token_id


def test_the_beginning_of_text_is_written_once(checkpoint: Path, tmp_path: Path) -> None:
    tokens = {"bos_token": "<|im_start|>", "add_bos_token": True}
    changed_copy(checkpoint, tmp_path / "with_bos", **tokens)
    template = "{{ bos_token }}{% for m in messages %}{{ m['content'] }}{% endfor %}"
    model = with_template(tmp_path / "with_bos", tmp_path / "model", template)
    tokenizer = load_chat_tokenizer(model)
    ids = tokenizer.encode((Message("user", "chair"),))
    assert ids.count(tokenizer.tokenizer.bos_token_id) == 1


def test_thinking_is_switched_off(checkpoint: Path, tmp_path: Path) -> None:
    template = "{% if enable_thinking %}think{% else %}answer{% endif %}"
    tokenizer = load_chat_tokenizer(with_template(checkpoint, tmp_path, template))
    assert tokenizer.tokenizer.decode(tokenizer.encode((Message("user", ""),))) == "answer"


def test_a_refusing_template_refuses_the_request_only(checkpoint: Path, tmp_path: Path) -> None:
    template = "{{ raise_exception('no system role') }}"
    tokenizer = load_chat_tokenizer(with_template(checkpoint, tmp_path, template))
    with pytest.raises(RefusedRequestError, match=r"refuses this conversation \(system, user\): no system role"):
        tokenizer.encode((Message("system", "a"), Message("user", "b")))


def test_a_checkpoint_without_template_is_told(checkpoint: Path, tmp_path: Path) -> None:
    model = changed_copy(checkpoint, tmp_path)
    (tmp_path / "chat_template.jinja").unlink()
    with pytest.raises(SetupError, match="no chat template; add chat_template.jinja"):
        load_chat_tokenizer(model)


def test_end_tokens_are_the_tokenizers_and_the_generation_settings(checkpoint: Path, tmp_path: Path) -> None:
    model = changed_copy(checkpoint, tmp_path)
    (tmp_path / "generation_config.json").write_text(json.dumps({"eos_token_id": [2, 0]}))
    assert load_chat_tokenizer(model).end_ids == (0, 2)


@pytest.mark.parametrize("generation", [{"eos_token_id": 0}, {}, None])
def test_generation_settings_may_name_one_end_or_none(
    checkpoint: Path, tmp_path: Path, generation: dict[str, int] | None
) -> None:
    model = changed_copy(checkpoint, tmp_path)
    (tmp_path / "generation_config.json").unlink(missing_ok=True)
    if generation is not None:
        (tmp_path / "generation_config.json").write_text(json.dumps(generation))
    tokenizer = load_chat_tokenizer(model)
    assert tokenizer.end_ids == tuple(sorted({tokenizer.tokenizer.eos_token_id, *(generation or {}).values()}))


def test_a_tokenizer_without_an_end_is_told(checkpoint: Path, tmp_path: Path) -> None:
    model = changed_copy(checkpoint, tmp_path, eos_token=None)
    with pytest.raises(SetupError, match="names no eos_token; set it in tokenizer_config.json"):
        load_chat_tokenizer(model)


def test_a_tokenizer_that_cannot_be_read_is_one_line(checkpoint: Path, tmp_path: Path) -> None:
    model = changed_copy(checkpoint, tmp_path)
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(SetupError, match="cannot load its tokenizer: ") as error:
        load_chat_tokenizer(model)
    assert "\n" not in str(error.value)


def test_a_speakers_name_reaches_the_template(checkpoint: Path, tmp_path: Path) -> None:
    template = "{% for m in messages %}{{ m['name'] if 'name' in m else 'nobody' }};{% endfor %}"
    tokenizer = load_chat_tokenizer(with_template(checkpoint, tmp_path, template))
    ids = tokenizer.encode((Message("user", "a", "Ada"), Message("user", "b")))
    assert tokenizer.tokenizer.decode(ids) == "Ada;nobody;"


def test_what_a_token_adds_to_the_text_is_its_bytes_or_its_name(checkpoint: Path) -> None:
    tokenizer = load_chat_tokenizer(str(checkpoint))
    (end,) = tokenizer.end_ids
    assert tokenizer.token_bytes(end) == b"<|im_end|>"
    assert [tokenizer.token_bytes(index) for index in tokenizer.vocabulary.label_ids("?")[:1]] == [b"?"]


def test_a_lone_surrogate_does_not_stop_a_prompt(checkpoint: Path) -> None:
    tokenizer = load_chat_tokenizer(str(checkpoint))
    assert "\ufffd" in tokenizer.tokenizer.decode(tokenizer.encode((Message("user", "a\ud800b"),)))
