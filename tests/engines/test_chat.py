import json
import shutil
from pathlib import Path

import pytest

from app.engines.base import RefusedRequestError
from app.engines.chat import load_chat_tokenizer, turns_of
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


@pytest.mark.parametrize(
    ("fault", "reason"), [("raise_exception('no assistant first')", "no assistant first"), ("m['content'] + 1", "str")]
)
def test_a_refusing_template_refuses_the_request_only(
    checkpoint: Path, tmp_path: Path, fault: str, reason: str
) -> None:
    template = "{% for m in messages %}{% if m['role'] == 'assistant' %}{{ FAULT }}{% endif %}{% endfor %}"
    tokenizer = load_chat_tokenizer(with_template(checkpoint, tmp_path, template.replace("FAULT", fault)))
    with pytest.raises(RefusedRequestError, match=rf"refuses this conversation \(assistant, user\): .*{reason}"):
        tokenizer.encode((Message("assistant", "a"), Message("user", "b")))


TURNS = (
    "{% for m in messages %}{% if m['role'] == 'system' %}SYSTEM{% endif %}"
    "{{ '<' + m['role'] + '>' + m['content'] }}{% endfor %}"
)
ALTERNATING = (
    "{% for m in messages %}{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('roles must alternate') }}{% endif %}{{ '<' + m['role'] + '>' + m['content'] }}{% endfor %}"
)
DROPPING = TURNS.replace("SYSTEM{% endif %}{{", "{% elif true %}{{").replace("}}{% endfor", "}}{% endif %}{% endfor")


@pytest.mark.parametrize(
    "template", [TURNS.replace("SYSTEM", "{{ raise_exception('no system') }}"), ALTERNATING, DROPPING],
    ids=["refused", "alternating", "dropped"],
)  # fmt: skip
@pytest.mark.parametrize(
    ("turns", "wanted"),
    [
        ("system:Brief. user:Which?", "<user>Brief.\n\nWhich?"),
        ("user:Which?", "<user>Which?"),
        (
            "system:Be system:brief. user:Which? assistant:No. user:Why?",
            "<user>Be\n\nbrief.\n\nWhich?<assistant>No.<user>Why?",
        ),
        ("user:Which? assistant:No. system:Calm. user:Why?", "<user>Which?<assistant>No.<user>Calm.\n\nWhy?"),
        ("user:Which? system:Calm.", "<user>Which?\n\nCalm."),
        ("system: user:Which?", "<user>Which?"),
        ("system:Calm.", "<user>Calm."),
    ],
)  # fmt: skip
def test_a_systems_text_opens_the_users_turn_where_the_template_has_no_place_for_it(
    checkpoint: Path, tmp_path: Path, template: str, turns: str, wanted: str
) -> None:
    tokenizer = load_chat_tokenizer(with_template(checkpoint, tmp_path, template))
    conversation = [dict(zip(("role", "content"), turn.split(":"), strict=True)) for turn in turns.split()]
    assert tokenizer.template(conversation).text == wanted


def test_a_template_that_takes_a_systems_turn_is_given_it(checkpoint: Path, tmp_path: Path) -> None:
    tokenizer = load_chat_tokenizer(with_template(checkpoint, tmp_path, TURNS))
    messages = (Message("system", "Be brief."), Message("user", "Which?"))
    assert tokenizer.template(turns_of(messages)).text == "SYSTEM<system>Be brief.<user>Which?"


def test_special_tokens_in_a_folded_turn_are_text(checkpoint: Path, tmp_path: Path) -> None:
    tokenizer = load_chat_tokenizer(with_template(checkpoint, tmp_path, ALTERNATING))
    ids = tokenizer.encode((Message("system", "<|im_end|>"), Message("user", "Which?")))
    assert not set(ids) & set(tokenizer.end_ids)


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("\n{% for m in messages %}{{ m['content'] }", r"template has an error in line 2: unexpected '}'; mend it"),
        ("{% for m in messages %}", "template has an error in line 1: .*; mend it"),
        ("{{ messages | shout }}", "template has an error in line 1: No filter named 'shout'"),
        ("{{ raise_exception('never') }}", "not even for one question: never; mend it"),
        ("{{ messages[0]['content'] + 1 }}", "not even for one question: .*; mend it"),
        ("{{ messages[7]['content'] }}", "not even for one question: .*; mend it"),
    ],
)
def test_a_template_that_cannot_be_used_is_told_at_load(
    checkpoint: Path, tmp_path: Path, template: str, message: str
) -> None:
    model = with_template(checkpoint, tmp_path, template)
    with pytest.raises(
        SetupError,
        match=f"{model}: its chat {message if 'not even' not in message else 'template cannot be used, ' + message}",
    ) as refused:
        load_chat_tokenizer(model)
    assert "\n" not in str(refused.value)


def test_a_tokenizer_larger_than_the_embedding_is_told_at_load(checkpoint: Path, tmp_path: Path) -> None:
    model = changed_copy(checkpoint, tmp_path)
    state = json.loads((tmp_path / "tokenizer.json").read_text())
    state["added_tokens"] += [
        state["added_tokens"][0] | {"id": index, "content": f"<{index}>"}
        for index in range(len(state["model"]["vocab"]), 705)
    ]
    (tmp_path / "tokenizer.json").write_text(json.dumps(state))
    with pytest.raises(
        SetupError, match=r"up to token 704 \(<704>\) and its embedding has 704 rows: take the tokenizer"
    ):
        load_chat_tokenizer(model)
    state["added_tokens"].pop()
    (tmp_path / "tokenizer.json").write_text(json.dumps(state))
    load_chat_tokenizer.cache_clear()
    load_chat_tokenizer(model)


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
