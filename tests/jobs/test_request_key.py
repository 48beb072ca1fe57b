from dataclasses import replace

import pytest

from app.jobs.identity import KEY_BYTES, differences, identity_digest, request_key
from app.types import Choice, GenerationRequest, Message, SamplingParams, Selection

REQUEST = GenerationRequest(
    "1", (Message("system", "s"), Message("user", "ab")), SamplingParams(8), Choice(("0", "1")), None
)
RUN = identity_digest({"model revision": "a"})


def test_the_request_id_does_not_count() -> None:
    assert request_key(RUN, "p", REQUEST) == request_key(RUN, "p", replace(REQUEST, id="2"))
    assert len(request_key(RUN, "p", REQUEST)) == KEY_BYTES


@pytest.mark.parametrize(
    "other",
    [
        replace(REQUEST, messages=(Message("system", "s"), Message("user", "ac"))),
        replace(REQUEST, messages=(Message("system", "sa"), Message("user", "b"))),
        replace(REQUEST, messages=(Message("user", "s"), Message("user", "ab"))),
        replace(REQUEST, sampling=SamplingParams(9)),
        replace(REQUEST, sampling=SamplingParams(8, temperature=0.1)),
        replace(REQUEST, sampling=SamplingParams(8, seed=1)),
        replace(REQUEST, sampling=SamplingParams(8, stop=("x",))),
        replace(REQUEST, constraint=None),
        replace(REQUEST, constraint=Choice(("0", "2"))),
        replace(REQUEST, constraint=Selection((0, 1), 1)),
        replace(REQUEST, adapter="shop"),
    ],
)
def test_everything_else_counts(other: GenerationRequest) -> None:
    assert request_key(RUN, "p", REQUEST) != request_key(RUN, "p", other)


def test_run_and_whole_prompt_count() -> None:
    assert request_key(RUN, "p", REQUEST) != request_key(RUN, "q", REQUEST)
    assert request_key(RUN, "p", REQUEST) != request_key(identity_digest({"model revision": "b"}), "p", REQUEST)


def test_where_a_checkpoint_lies_does_not_count() -> None:
    one, other = {"model": "a", "model revision": "x"}, {"model": "b", "model revision": "x"}
    assert identity_digest(one) == identity_digest(other)
    assert differences(one, other) == []


def test_differences_are_over_what_both_know() -> None:
    assert differences({"engine": "a", "prompts": "p"}, {"engine": "b"}) == ["engine was a and is now b"]
    assert differences({}, {"engine": "b"}) == []
