"""The pure way of a request: what is refused before it, and what is read after it."""

import math
from dataclasses import replace
from pathlib import Path

import pytest

from app.engines.base import RefusedRequestError
from app.engines.chat import ChatTokenizer, load_chat_tokenizer
from app.engines.prepared import PreparedRequest, finish, prepare
from app.types import Choice, GenerationRequest, Message, OutputConstraint, SamplingParams, Selection


@pytest.fixture
def tokenizer(checkpoint: Path) -> ChatTokenizer:
    return load_chat_tokenizer(str(checkpoint))


def ask(sampling: SamplingParams, constraint: OutputConstraint | None = None) -> GenerationRequest:
    return GenerationRequest("a", (Message("user", "Which chair?"),), sampling, constraint)


@pytest.mark.parametrize(
    "sampling",
    [
        SamplingParams(0),
        SamplingParams(4, temperature=-0.1),
        SamplingParams(4, temperature=math.inf),
        SamplingParams(4, temperature=math.nan),
        SamplingParams(4, top_p=0.0),
        SamplingParams(4, top_p=1.1),
        SamplingParams(4, stop=("a", "")),
    ],
)
def test_sampling_that_makes_no_sense_is_refused(tokenizer: ChatTokenizer, sampling: SamplingParams) -> None:
    with pytest.raises(RefusedRequestError) as refused:
        prepare(ask(sampling), tokenizer, 1024, ())
    assert refused.value.code == "unusable_sampling"


def test_sampling_at_its_bounds_is_served(tokenizer: ChatTokenizer) -> None:
    assert prepare(ask(SamplingParams(1, temperature=0.0, top_p=1.0)), tokenizer, 1024, ()).max_tokens == 1


@pytest.mark.parametrize(("most", "fix"), [(4, "; shorten the prompt"), (900, "; lower max_tokens or shorten")])
def test_what_does_not_fit_is_refused_with_what_helps(tokenizer: ChatTokenizer, most: int, fix: str) -> None:
    request = ask(SamplingParams(most))
    length = len(tokenizer.encode(request.messages))
    assert prepare(request, tokenizer, length + most, ()).max_tokens == most
    with pytest.raises(RefusedRequestError, match=fix):
        prepare(request, tokenizer, length + most - 1, ())


def test_room_that_no_legal_answer_needs_is_not_asked_for(tokenizer: ChatTokenizer) -> None:
    assert prepare(ask(SamplingParams(64), Choice(("0", "1"))), tokenizer, 1024, ()).max_tokens == 1
    assert prepare(ask(SamplingParams(64), Selection((1, 2, 12), 2)), tokenizer, 1024, ()).max_tokens == 4
    assert prepare(ask(SamplingParams(3), Selection((1, 2, 12), 2)), tokenizer, 1024, ()).max_tokens == 3


def test_an_answer_ends_by_its_end_token_its_stop_string_or_its_length(tokenizer: ChatTokenizer) -> None:
    prepared = prepare(ask(SamplingParams(3)), tokenizer, 1024, ())
    ids = tokenizer.tokenizer("red chair", add_special_tokens=False)["input_ids"]
    ended = finish(prepared, tokenizer, [*ids, tokenizer.end_ids[0]])
    assert (ended.text, ended.finish_reason, ended.output_tokens) == ("red chair", "stop", len(ids) + 1)
    cut = finish(prepared, tokenizer, ids)
    assert (cut.text, cut.finish_reason) == ("red chair", "length")
    stopped = finish(prepared, tokenizer, ids, text="red")
    assert (stopped.text, stopped.finish_reason) == ("red", "stop")
    assert finish(prepared, tokenizer, []).finish_reason == "length"


def test_a_labels_probability_is_that_of_all_its_tokens(tokenizer: ChatTokenizer) -> None:
    labels = {"0": (10, 11), "1": (12, 13)}
    greedy = PreparedRequest(ask(SamplingParams(1), Choice(("0", "1"))), [1], labels, 1)
    # No single token of the second label is as probable as the first one's.
    told = {10: math.log(0.3), 11: -math.inf, 12: math.log(0.2), 13: math.log(0.2)}
    found = finish(greedy, tokenizer, [10], token_logprobs=[told])
    assert found.label_logprobs == pytest.approx({"0": math.log(0.3), "1": math.log(0.4)})
    assert (found.text, found.finish_reason) == ("1", "stop")
    sampled = replace(greedy, request=ask(SamplingParams(1, temperature=1.0), Choice(("0", "1"))))
    assert finish(sampled, tokenizer, [11], token_logprobs=[told]).text == "0"
    nothing = finish(greedy, tokenizer, [10], token_logprobs=[dict.fromkeys(told, -math.inf)])
    assert nothing.label_logprobs == {"0": -math.inf, "1": -math.inf}


def test_log_probabilities_are_told_as_openai_does(tokenizer: ChatTokenizer) -> None:
    prepared = prepare(ask(SamplingParams(2, logprobs=2)), tokenizer, 1024, ())
    (first,) = tokenizer.vocabulary.label_ids("1")[:1]
    second, third = sorted(tokenizer.vocabulary.label_ids(label)[0] for label in "23")
    told = {first: -math.inf, second: -1.23456, third: -1.23456}
    completion = finish(prepared, tokenizer, [first], token_logprobs=[told])
    assert completion.logprobs is not None
    (one,) = completion.logprobs
    assert (one["token"], one["logprob"], one["bytes"]) == ("1", -9999.0, [ord("1")])
    assert [(top["token"], top["logprob"]) for top in one["top_logprobs"]] == [("2", -1.2346), ("3", -1.2346)]
