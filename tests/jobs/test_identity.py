import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.jobs import identity
from app.jobs.identity import (
    KEY_BYTES,
    _named,
    answer_key,
    differences,
    identity_digest,
    known_identity,
    loaded_identity,
    request_key,
    served_identity,
)
from app.settings import Settings
from app.types import Choice, Copy, GenerationRequest, Message, SamplingParams, Selection
from tests.jobs.stepped_engine import SteppedEngine

REQUEST = GenerationRequest(
    "1", (Message("system", "s"), Message("user", "ab")), SamplingParams(8), Choice(("0", "1")), None
)
RUN = identity_digest({"model revision": "a"})


def test_the_identity_follows_checkpoint_prompts_and_engine(checkpoint: Path, tmp_path: Path) -> None:
    adapted = tmp_path / "adapter"
    adapted.mkdir()
    (adapted / "adapter_config.json").write_text("{}")
    (adapted / "adapter_model.safetensors").write_bytes(b"1")

    def known(**settings: object) -> dict[str, str]:
        return dict(known_identity(Settings(model=str(checkpoint), **settings)))  # type: ignore[arg-type]  # plain values

    plain = known()
    assert known() == plain
    assert known(seed=5) == plain
    assert known(engine_settings={"max_num_seqs": 3}) == plain
    assert known(engine_settings={"dtype": "float16"}) == plain, "the engine says which number format it has"
    assert known(engine_settings={"quantization": "gptq"}) != plain
    assert known(engine="transformers") != plain
    adapters = {"b": str(adapted), "a": str(adapted)}
    with_adapters = known(engine_settings={"adapters": adapters})
    assert with_adapters["adapters"].startswith("a@")
    assert known(engine_settings={"adapters": dict(reversed(adapters.items()))}) == with_adapters
    assert known(engine_settings={"adapters": {"a": str(adapted)}})["adapters"] != with_adapters["adapters"]
    (adapted / "adapter_model.safetensors").write_bytes(b"12")
    assert differences(with_adapters, known(engine_settings={"adapters": adapters})) != []
    assert loaded_identity(plain, SteppedEngine(version="9")) == plain | {"engine version": "9", "dtype": "float32"}


@pytest.mark.parametrize("version", ["ROUTING", "READING", "DECODING", "TEMPLATE"])
def test_the_versions_of_the_code_are_part_of_it(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    settings = Settings(model=str(checkpoint))
    before = known_identity(settings)
    now = str(int(before[version.lower()]) + 1)
    monkeypatch.setattr(identity, version, int(now))
    assert differences(before, known_identity(settings)) == [
        f"{version.lower()} was {before[version.lower()]} and is now {now}"
    ]


def test_a_servers_answers_depend_on_all_that_no_line_says(checkpoint: Path) -> None:
    def served(*, questions: bool = True, **settings: object) -> dict[str, str]:
        given = Settings(model=str(checkpoint), **settings)  # type: ignore[arg-type]  # plain values
        return dict(served_identity(given, SteppedEngine(), questions=questions))

    plain = served()
    assert (plain["task adapters"], plain["engine version"]) == ("none", "1")
    coral = {"adapters": {"coral": str(checkpoint)}}
    for changed, names in (
        ({"engine_settings": {"max_model_len": 512}}, ["context"]),
        ({"engine_settings": {"dtype": "float16"}}, ["dtype"]),
        ({"engine_settings": {"quantization": "gptq"}}, ["quantization"]),
        ({"engine": "transformers"}, ["engine"]),
        ({"engine_settings": coral}, ["adapters"]),
        ({"task_adapters": {"ranking": "coral"}, "engine_settings": coral}, ["adapters", "task adapters"]),
    ):
        now = served(**changed)
        assert [name for name in plain if now[name] != plain[name]] == names
    of_questions = plain.keys() - served(questions=False).keys()
    assert of_questions == {"prompts", "template", "routing", "reading", "forms", "task adapters"}


def test_where_a_checkpoint_lies_does_not_count() -> None:
    one, other = {"model": "a", "model revision": "x"}, {"model": "b", "model revision": "x"}
    assert identity_digest(one) == identity_digest(other)
    assert differences(one, other) == []


def test_differences_are_over_what_both_know() -> None:
    assert differences({"engine": "a", "prompts": "p"}, {"engine": "b"}) == ["engine was a and is now b"]
    assert differences({}, {"engine": "b"}) == []


def test_the_request_id_does_not_count() -> None:
    assert request_key(RUN, "p", REQUEST) == request_key(RUN, "p", replace(REQUEST, id="2"))
    assert len(request_key(RUN, "p", REQUEST)) == KEY_BYTES


@pytest.mark.parametrize(
    "other",
    [
        replace(REQUEST, messages=(Message("system", "s"), Message("user", "ac"))),
        replace(REQUEST, messages=(Message("system", "sa"), Message("user", "b"))),
        replace(REQUEST, messages=(Message("user", "s"), Message("user", "ab"))),
        replace(REQUEST, messages=(Message("system", "sab"),)),
        replace(REQUEST, messages=(Message("system", "s"), Message("user", "ab", "ada"))),
        replace(REQUEST, sampling=SamplingParams(9)),
        replace(REQUEST, sampling=SamplingParams(8, temperature=0.1)),
        replace(REQUEST, sampling=SamplingParams(8, seed=1)),
        replace(REQUEST, sampling=SamplingParams(8, stop=("x",))),
        replace(REQUEST, sampling=SamplingParams(8, top_p=0.5)),
        replace(REQUEST, sampling=SamplingParams(8, logprobs=0)),
        replace(REQUEST, constraint=None),
        replace(REQUEST, constraint=Choice(("0", "2"))),
        replace(REQUEST, constraint=Choice(("01",))),
        replace(REQUEST, constraint=Selection((0, 1), 1)),
        replace(REQUEST, constraint=Copy("0 1")),
        replace(REQUEST, constraint=Copy("0 1", 2)),
        replace(REQUEST, adapter="shop"),
        replace(REQUEST, adapter=""),
    ],
)
def test_everything_else_counts(other: GenerationRequest) -> None:
    assert request_key(RUN, "p", REQUEST) != request_key(RUN, "p", other)


def test_a_field_at_its_default_does_not_count() -> None:
    """So a field may be added, and answers that were kept before are found."""
    assert _named(SamplingParams(8)) == {"max_tokens": 8}
    assert _named(Copy("a", 1)) == {"source": "a"}


def test_run_and_whole_prompt_count() -> None:
    assert request_key(RUN, "p", REQUEST) != request_key(RUN, "q", REQUEST)
    assert request_key(RUN, "p", REQUEST) != request_key(identity_digest({"model revision": "b"}), "p", REQUEST)


def test_text_that_moves_from_one_field_to_the_next_makes_another_key() -> None:
    """What no field's end is marked in would collide: `pq` + `r` and `p` + `qr`."""

    def key(prompt: str, first: str, second: str) -> bytes:
        return request_key(RUN, prompt, replace(REQUEST, messages=(Message("system", first), Message("user", second))))

    assert (
        len({key("pq", "r", ""), key("p", "qr", ""), key("", "pqr", ""), key("", "", "pqr"), key("p", "q", "r")}) == 5
    )
    # Nor does a text that looks like the marks between two fields.
    assert key('p", "q', "r", "") != key("p", 'q", "r', "")


_texts = st.text(st.characters(), max_size=4)  # half surrogate pairs too


@given(st.lists(_texts, max_size=3), st.lists(_texts, max_size=3), st.none() | _texts, st.none() | _texts)
def test_only_equal_requests_have_equal_keys(
    one: list[str], other: list[str], adapter: str | None, another: str | None
) -> None:
    def request(texts: Iterable[str], name: str | None) -> GenerationRequest:
        return replace(REQUEST, messages=tuple(Message("user", text) for text in texts), adapter=name)

    equal = (one, adapter) == (other, another)
    assert (request_key(RUN, "", request(one, adapter)) == request_key(RUN, "", request(other, another))) == equal


def test_a_key_does_not_depend_on_the_order_of_names() -> None:
    assert answer_key(RUN, [1, {"a": 1, "b": 2}]) == answer_key(RUN, json.loads('[1, {"b": 2, "a": 1}]'))
