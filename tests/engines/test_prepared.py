"""The pure way of a request: what is refused before it, and what is read after it."""

import math
from dataclasses import replace
from pathlib import Path

import pytest

from app.engines.base import RefusedRequestError
from app.engines.chat import ChatTokenizer, load_chat_tokenizer
from app.engines.prepared import PreparedRequest, finish, loop_at_end, prepare, prepare_all, text_so_far
from app.types import Choice, Copy, GenerationRequest, Message, OutputConstraint, SamplingParams, Selection, Texts
from tests.tiny_checkpoint import train_sentencepiece_tokenizer


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


def test_an_adapter_that_is_not_there_is_refused_with_those_that_are(tokenizer: ChatTokenizer) -> None:
    request = replace(ask(SamplingParams(3)), adapter="coral")
    assert prepare(request, tokenizer, 1024, ("amber", "coral")).request.adapter == "coral"
    for adapters, said in ((("jade", "amber"), "there are: amber, jade"), ((), "none was given to the engine")):
        with pytest.raises(RefusedRequestError, match=f"unknown adapter 'coral'; {said}"):
            prepare(request, tokenizer, 1024, adapters)


def test_many_are_prepared_as_one_is(tokenizer: ChatTokenizer) -> None:
    good = [
        replace(ask(SamplingParams(4), constraint), id=f"good {number}")
        for number, constraint in enumerate([None, Choice(("0", "1")), Selection((1, 2), 2)])
    ]
    special = replace(good[0], id="special", messages=(Message("user", "<|im_end|> is text"),))
    bad = replace(ask(SamplingParams(0)), id="bad")
    long = replace(ask(SamplingParams(1024)), id="long")
    prepared, refused = prepare_all([good[0], bad, special, long, *good[1:]], tokenizer, 1024, ())
    assert prepared == [prepare(request, tokenizer, 1024, ()) for request in (good[0], special, *good[1:])]
    assert [(one.id, one.finish_reason, one.error and one.error.code) for one in refused] == [
        ("bad", "error", "unusable_sampling"),
        ("long", "error", "prompt_too_long"),
    ]
    assert prepare_all([], tokenizer, 1024, ()) == ([], [])


def test_a_constrained_answer_is_its_bytes(tokenizer: ChatTokenizer) -> None:
    """Without the end, without half a character, and without the blank that some vocabularies open a text with."""
    spaced = train_sentencepiece_tokenizer()
    for chat in (tokenizer, ChatTokenizer(spaced, (spaced.eos_token_id,))):
        prepared = prepare(ask(SamplingParams(9), Copy("Größe 12")), tokenizer, 1024, ())
        single = {piece[0]: index for index, piece in chat.vocabulary.token_bytes.items() if len(piece) == 1}
        ids = [single[byte] for byte in "Größe".encode()]
        assert text_so_far(prepared, chat, [*ids, chat.end_ids[0]]) == "Größe"
        assert text_so_far(prepared, chat, ids[:3]) == "Gr"
        blank = single[ord(" ")]
        assert text_so_far(prepared, chat, [blank, *ids]) == ("Größe" if chat is not tokenizer else " Größe")
        assert text_so_far(prepared, chat, []) == ""


def test_an_answer_that_can_only_end_has_ended(tokenizer: ChatTokenizer) -> None:
    prepared = prepare(ask(SamplingParams(9), Selection((1, 2), 2)), tokenizer, 1024, ())
    one, comma, two = (tokenizer.vocabulary.label_ids(text)[0] for text in "1,2")
    assert finish(prepared, tokenizer, [two, comma, one], dtype="float32").finish_reason == "stop"
    cut = finish(prepared, tokenizer, [two, comma], dtype="float32")
    assert (cut.text, cut.finish_reason, cut.output_tokens) == ("2,", "length", 2)


def test_an_answer_ends_by_its_end_token_its_stop_string_or_its_length(tokenizer: ChatTokenizer) -> None:
    prepared = prepare(ask(SamplingParams(3)), tokenizer, 1024, ())
    ids = tokenizer.tokenizer("red chair", add_special_tokens=False)["input_ids"]
    ended = finish(prepared, tokenizer, [*ids, tokenizer.end_ids[0]], dtype="float32")
    assert (ended.text, ended.finish_reason, ended.output_tokens) == ("red chair", "stop", len(ids) + 1)
    cut = finish(prepared, tokenizer, ids, dtype="float32")
    assert (cut.text, cut.finish_reason) == ("red chair", "length")
    stopped = finish(prepared, tokenizer, ids, text="red", dtype="float32")
    assert (stopped.text, stopped.finish_reason) == ("red", "stop")
    assert finish(prepared, tokenizer, [], dtype="float32").finish_reason == "length"


def test_a_labels_probability_is_that_of_all_its_tokens(tokenizer: ChatTokenizer) -> None:
    labels = {"0": (10, 11), "1": (12, 13)}
    greedy = PreparedRequest(ask(SamplingParams(1), Choice(("0", "1"))), [1], labels, 1)
    # No single token of the second label is as probable as the first one's.
    told = {10: math.log(0.3), 11: -math.inf, 12: math.log(0.2), 13: math.log(0.2)}
    found = finish(greedy, tokenizer, [10], token_logprobs=[told], dtype="float32")
    assert found.label_logprobs == pytest.approx({"0": math.log(0.3), "1": math.log(0.4)})
    assert (found.text, found.finish_reason) == ("1", "stop")
    sampled = replace(greedy, request=ask(SamplingParams(1, temperature=1.0), Choice(("0", "1"))))
    assert finish(sampled, tokenizer, [11], token_logprobs=[told], dtype="float32").text == "0"


@pytest.mark.parametrize(
    "found",
    [{10: math.nan}, {13: math.nan}, {10: math.inf}, dict.fromkeys((10, 11, 12, 13), -math.inf)],
)
def test_a_choice_between_what_are_no_numbers_is_refused(tokenizer: ChatTokenizer, found: dict[int, float]) -> None:
    labels = {"0": (10, 11), "1": (12, 13)}
    greedy = PreparedRequest(ask(SamplingParams(1), Choice(("0", "1"))), [1], labels, 1)
    told = {10: -1.0, 11: -2.0, 12: -3.0, 13: -4.0} | found
    completion = finish(greedy, tokenizer, [10], dtype="float16", token_logprobs=[told])
    assert (completion.text, completion.finish_reason, completion.label_logprobs) == ("", "error", None)
    assert completion.error is not None
    assert completion.error.code == "not_finite"
    assert "(NaN) in float16; set the engine's dtype to float32" in completion.error.message


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_a_text_that_is_worth_no_number_is_refused(tokenizer: ChatTokenizer, number: float) -> None:
    prepared = prepare(ask(SamplingParams(1), Texts(("oak",))), tokenizer, 1024, ())
    completion = finish(prepared, tokenizer, [], dtype="float32", given_logprobs=[-1.0, number])
    assert completion.error is not None
    assert "in float32; the weights hold such values themselves" in completion.error.message


def test_log_probabilities_are_told_as_openai_does(tokenizer: ChatTokenizer) -> None:
    prepared = prepare(ask(SamplingParams(2, logprobs=2)), tokenizer, 1024, ())
    (first,) = tokenizer.vocabulary.label_ids("1")[:1]
    second, third = sorted(tokenizer.vocabulary.label_ids(label)[0] for label in "23")
    told = {first: -math.inf, second: -1.23456, third: -1.23456}
    completion = finish(prepared, tokenizer, [first], token_logprobs=[told], dtype="float32")
    assert completion.logprobs is not None
    (one,) = completion.logprobs
    assert (one["token"], one["logprob"], one["bytes"]) == ("1", -9999.0, [ord("1")])
    assert [(top["token"], top["logprob"]) for top in one["top_logprobs"]] == [("2", -1.2346), ("3", -1.2346)]


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        ([], (0, 0)),
        ([1, 2, 3] * 3, (0, 0)),
        ([9, *[1, 2, 3] * 4], (12, 3)),
        ([9, *[7] * 11], (0, 0)),
        ([9, *[7] * 12], (12, 1)),
        ([1, 2] * 6, (0, 0)),
        ([1, 2] * 8, (16, 2)),
        ([9, *[1, 2, 3] * 4, 9], (0, 0)),
        (list(range(32)) * 4, (128, 32)),
        (list(range(33)) * 4, (0, 0)),
    ],
)
def test_a_loop_is_what_closes_a_text_four_times(ids: list[int], expected: tuple[int, int]) -> None:
    assert loop_at_end(ids) == expected


def test_what_a_text_repeats_stands_once(tokenizer: ChatTokenizer) -> None:
    ids = [*tokenizer.encode_answer("A lamp")[:-1], *tokenizer.encode_answer(" and so on")[:-1] * 4]
    for end_loops, text, reason in ((True, "A lamp and so on", "stop"), (False, "A lamp" + " and so on" * 4, "length")):
        asked = GenerationRequest("q", (Message("user", "?"),), SamplingParams(max_tokens=99, end_loops=end_loops))
        completion = finish(prepare(asked, tokenizer, 4096, ()), tokenizer, ids, dtype="float32")
        assert (completion.text, completion.finish_reason, completion.output_tokens) == (text, reason, len(ids))
