"""The way of a request through any engine: checked and in tokens before, read into a completion after."""

import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from app.engines.base import RefusedRequestError
from app.engines.chat import ChatTokenizer, Templated, turns_of
from app.engines.constraints.automaton import label_tokens, longest_answer, start_automaton
from app.types import Choice, Completion, GenerationRequest, Message, Texts

LOGPROB_DIGITS = 4
"""Further ones differ with the batch that a request shares, without meaning anything."""


SHORTEST_LOOP, LONGEST_LOOP, LOOPS = 3, 32, 4
"""A text that ends with so many copies of a stretch, of so many tokens, repeats itself. A single token counts too, as a
stretch of three: "10000" is none yet."""


def loop_at_end(ids: Sequence[int]) -> tuple[int, int]:
    """Tokens of the loop that closes a text, and of what it repeats; (0, 0) where there is none."""
    for size in range(SHORTEST_LOOP, min(LONGEST_LOOP, len(ids) // LOOPS) + 1):
        tail = list(ids[-size * LOOPS :])
        if tail[size:] == tail[:-size]:
            once = next(part for part in range(1, size + 1) if tail[part:] == tail[:-part])
            return len(tail), once
    return 0, 0


@dataclass(frozen=True, slots=True)
class PreparedRequest:
    """A request that the engine can serve.

    `labels` holds, for a `Choice`, the tokens that count as each label. `longest` is how many tokens the longest
    legal answer may have, its end left out, where the constraint tells. `given` are the tokens of the one text of a
    `Texts`, its end included; they close the prompt, and one token is generated after them that nobody reads. `fresh`:
    nothing of the prompt may be taken from what was computed before.
    """

    request: GenerationRequest
    prompt_ids: list[int]
    labels: Mapping[str, tuple[int, ...]] | None = None
    longest: int | None = None
    given: tuple[int, ...] = ()
    fresh: bool = False
    end_ids: tuple[int, ...] = ()
    """The tokens that end this answer."""
    opening: str = ""
    """What the answer's text begins with: the prompt that it echoes."""

    @property
    def max_tokens(self) -> int:
        """The longest output: what the request allows, and no token to end an answer that can only end.

        Where the prompt alone is scored, one token that nobody reads.
        """
        allowed = max(1, self.request.sampling.max_tokens)
        return allowed if self.longest is None else min(self.longest, allowed)

    @property
    def label_ids(self) -> list[int]:
        """All tokens that count as a label, label by label."""
        return [index for ids in (self.labels or {}).values() for index in ids]


class Variants:
    """Requests with variants, or between texts, as a request for each conversation and text, and joined again.

    One to a stream of requests: it knows what is under way.
    """

    _MARK = "\0"

    def __init__(self) -> None:
        self._open: dict[str, tuple[GenerationRequest, list[Completion | None]]] = {}

    def spread(self, requests: Iterable[GenerationRequest]) -> list[GenerationRequest]:
        """The requests, some of them as several, whose ids only `joined` understands."""
        parts = []
        for request in requests:
            constraint = request.constraint
            # Variants of other constraints are refused in `_check`.
            if not (isinstance(constraint, Texts) or (request.variants and isinstance(constraint, Choice))):
                parts.append(request)
                continue
            each = [Texts((text,)) for text in constraint.texts] if isinstance(constraint, Texts) else [constraint]
            asked = [(messages, one) for messages in (request.messages, *request.variants) for one in each]
            self._open[request.id] = request, [None] * len(asked)
            for number, (messages, one) in enumerate(asked):
                part_id = f"{request.id}{self._MARK}{number}"
                parts.append(replace(request, id=part_id, messages=messages, constraint=one, variants=()))
        return parts

    def joined(self, completions: Iterable[Completion]) -> Iterator[Completion]:
        """A completion for each request whose last part is there; one refused part refuses the whole."""
        for completion in completions:
            request_id, mark, number = completion.id.rpartition(self._MARK)
            if not mark:
                yield completion
                continue
            request, parts = self._open[request_id]
            parts[int(number)] = completion
            if all(parts):
                del self._open[request_id]
                yield _join(request, [part for part in parts if part is not None])


def _join(request: GenerationRequest, parts: list[Completion]) -> Completion:
    for part in parts:
        if part.error is not None:
            return replace(part, id=request.id)
    found: list[Mapping[str, float]] = [part.label_logprobs or {} for part in parts]
    text = parts[0].text
    if isinstance(request.constraint, Texts):
        size = len(request.constraint.texts)
        found = [
            {text: logprob for one in found[start : start + size] for text, logprob in one.items()}
            for start in range(0, len(found), size)
        ]
        text = max(found[0], key=found[0].__getitem__)
    return replace(
        parts[0],
        id=request.id,
        text=text,
        prompt_tokens=sum(part.prompt_tokens for part in parts),
        output_tokens=sum(part.output_tokens for part in parts),
        label_logprobs=found[0],
        variants=tuple(found[1:]),
    )


class CountsTokens:
    """The half of `LoadedModel` that every engine with a tokenizer of its own shares."""

    _tokenizer: ChatTokenizer

    def count_tokens(self, messages: Sequence[Message], tools: str = "") -> int:
        """Tokens of the conversation after the chat template, `tools` (JSON) and the assistant's opening included."""
        return len(self._tokenizer.encode(messages, tools))


def prepare(
    request: GenerationRequest, tokenizer: ChatTokenizer, context_length: int, adapters: Collection[str]
) -> PreparedRequest:
    """Check a request and turn it into tokens.

    Raises:
        RefusedRequestError: the request cannot be served as it stands.
    """
    checked, templated = _check(request, tokenizer, adapters)
    ids = checked.prompt_ids if templated is None else tokenizer.encode_templated([templated])[0]
    return _in_tokens(checked, ids, context_length)


def prepare_all(
    requests: Iterable[GenerationRequest], tokenizer: ChatTokenizer, context_length: int, adapters: Collection[str]
) -> tuple[list[PreparedRequest], list[Completion]]:
    """As `prepare` for each request, their prompts tokenized together; and the completions of those refused."""
    checked: list[tuple[PreparedRequest, Templated | None]] = []
    prepared: list[PreparedRequest] = []
    refused: list[Completion] = []
    for request in requests:
        try:
            checked.append(_check(request, tokenizer, adapters))
        except RefusedRequestError as refusal:
            refused.append(refusal.completion(request.id))
    encoded = iter(tokenizer.encode_templated([templated for _, templated in checked if templated is not None]))
    for one, templated in checked:
        ids = one.prompt_ids if templated is None else next(encoded)
        try:
            prepared.append(_in_tokens(one, ids, context_length))
        except RefusedRequestError as refusal:
            refused.append(refusal.completion(one.request.id))
    return prepared, refused


def _check(
    request: GenerationRequest, tokenizer: ChatTokenizer, adapters: Collection[str]
) -> tuple[PreparedRequest, Templated | None]:
    """The request, and its conversation, not yet in tokens; a prompt that is none is in tokens at once."""
    sampling = request.sampling
    if (
        sampling.max_tokens < (0 if request.echo else 1)
        or not 0 <= sampling.temperature < math.inf
        or not 0 < sampling.top_p <= 1
    ):
        raise RefusedRequestError(
            "unusable_sampling",
            f"max_tokens {sampling.max_tokens}, temperature {sampling.temperature} and top_p {sampling.top_p}: "
            "at least 1, at least 0, and more than 0 and at most 1 are needed",
        )
    if "" in sampling.stop:
        raise RefusedRequestError("unusable_sampling", "an empty stop string would end every answer at once")
    named = {index for index, _ in sampling.logit_bias} | set(sampling.stop_token_ids)
    if named and not 0 <= min(named) <= max(named) < tokenizer.size:
        message = f"stop_token_ids and logit_bias name tokens by their numbers, from 0 to {tokenizer.size - 1}"
        raise RefusedRequestError("unusable_sampling", message)
    if request.adapter is not None and request.adapter not in adapters:
        known = f"there are: {', '.join(sorted(adapters))}" if adapters else "none was given to the engine"
        raise RefusedRequestError("unknown_adapter", f"unknown adapter {request.adapter!r}; {known}")
    if request.variants and not isinstance(request.constraint, Choice):
        raise RefusedRequestError("unusable_constraint", "only a choice can have variants: they are compared by labels")
    labels, longest, given = None, None, tuple[int, ...]()
    if isinstance(request.constraint, Choice):
        labels, longest = label_tokens(request.constraint, tokenizer.vocabulary), 1
    elif isinstance(request.constraint, Texts):
        (text,) = request.constraint.texts
        longest, given = 1, tuple(tokenizer.encode_answer(text))
    elif request.constraint is not None:
        start_automaton(request.constraint, tokenizer.vocabulary)
        longest = longest_answer(request.constraint, tokenizer.vocabulary)
    end_ids = (*(() if sampling.ignore_eos else tokenizer.end_ids), *sampling.stop_token_ids)
    prepared = PreparedRequest(request, [], labels, longest, given, end_ids=end_ids)
    if request.prompt is None:
        return prepared, tokenizer.template(turns_of(request.messages), request.tools)
    ids, opening = tokenizer.encode_prompt(request.prompt), ""
    if request.echo:
        opening = request.prompt if isinstance(request.prompt, str) else tokenizer.tokenizer.decode(ids)
    return replace(prepared, prompt_ids=ids, opening=opening), None


def _in_tokens(prepared: PreparedRequest, prompt_ids: list[int], context_length: int) -> PreparedRequest:
    prompt_ids = [*prompt_ids, *prepared.given]
    if len(prompt_ids) + prepared.max_tokens > context_length:
        fix = "shorten the prompt"
        if len(prompt_ids) < prepared.max_tokens:
            fix = f"lower max_tokens or {fix}"
        raise RefusedRequestError(
            "prompt_too_long",
            f"prompt of {len(prompt_ids)} tokens and output of up to {prepared.max_tokens} do not fit "
            f"the context of {context_length}; {fix}",
        )
    return replace(prepared, prompt_ids=prompt_ids)


def finish(
    prepared: PreparedRequest,
    tokenizer: ChatTokenizer,
    output_ids: Sequence[int],
    *,
    dtype: str,
    finite: bool = True,
    token_logprobs: Sequence[Mapping[int, float]] = (),
    text: str | None = None,
    given_logprobs: Sequence[float] = (),
    prompt_logprobs: Sequence[Mapping[int, float] | None] = (),
) -> Completion:
    """The completion of a served request; a refusal where the model, in the number format `dtype`, computed no numbers.

    `finite` is False where the engine saw that in the scores of a token. NaN has no order, so that the highest of such
    scores is some token, and a constraint makes a legal answer of it.

    `output_ids` hold the token that ends the answer, unless it is as long as a legal one can be. `token_logprobs` are
    the unmasked log-probabilities at each of them: for a choice those of `label_ids`, otherwise those that the
    sampling asks for, the token's own included. `text` is given where the engine had to cut it at a stop string.
    `given_logprobs` are those of the tokens of `prepared.given`; `prompt_logprobs` those that the sampling asks for at
    each token of a prompt that is echoed, none at the first.
    """
    label_logprobs, logprobs = None, None
    if prepared.labels is not None and token_logprobs:
        label_logprobs = {
            label: _log_of_sum([token_logprobs[0][index] for index in ids]) for label, ids in prepared.labels.items()
        }
        # Some labels may be out of reach; that none is within it is no choice.
        finite = (
            finite
            and math.isfinite(sum(map(math.exp, label_logprobs.values())))
            and any(map(math.isfinite, label_logprobs.values()))
        )
    of_prompt = zip(prepared.prompt_ids, prompt_logprobs, strict=False)
    if any(math.isnan(found[index]) for index, found in of_prompt if found):
        finite = False
    if not finite or not all(map(math.isfinite, given_logprobs)):
        return RefusedRequestError("not_finite", _no_numbers(dtype)).completion(prepared.request.id)
    if prepared.given:
        (text,) = prepared.request.constraint.texts  # type: ignore[union-attr]  # only `Texts` are given
        told = {text: math.fsum(given_logprobs)}
        return Completion(prepared.request.id, text, "stop", len(prepared.prompt_ids), 0, label_logprobs=told)
    if prepared.request.sampling.max_tokens == 0:
        output_ids, token_logprobs, text = (), (), None
    ended = bool(output_ids) and output_ids[-1] in prepared.end_ids
    length = len(output_ids)
    looped, once = loop_at_end(output_ids) if prepared.request.sampling.end_loops else (0, 0)
    if looped:
        output_ids = output_ids[: length - looped + once]
        token_logprobs = token_logprobs[: len(output_ids)]
    finish_reason = "stop" if ended or looped or length == prepared.longest or text is not None else "length"
    if label_logprobs is not None:
        text = _chosen_label(prepared, output_ids[0], label_logprobs)
    elif (most := prepared.request.sampling.logprobs) is not None:
        known = zip((*prepared.prompt_ids, *output_ids), (*prompt_logprobs, *token_logprobs), strict=True)
        if not prepared.request.echo:
            known = zip(output_ids, token_logprobs, strict=True)
        logprobs = [
            _told(tokenizer, index, found or {})
            | {"top_logprobs": found and [_told(tokenizer, one, found) for one in _top(found, most)]}
            for index, found in known
        ]
    if text is None:
        text = text_so_far(prepared, tokenizer, output_ids)
    text = prepared.opening + text
    prompt_tokens = len(prepared.prompt_ids)
    request_id = prepared.request.id
    return Completion(request_id, text, finish_reason, prompt_tokens, length, label_logprobs, logprobs=logprobs)


def _no_numbers(dtype: str) -> str:
    fix = "the weights hold such values themselves: make or fetch them again"
    if dtype != "float32":
        fix = "set the engine's dtype to float32, or to bfloat16 where the device has it; if that fails too, " + fix
    return f"the model's scores are no finite numbers (NaN) in {dtype}; {fix}"


def text_so_far(prepared: PreparedRequest, tokenizer: ChatTokenizer, output_ids: Sequence[int]) -> str:
    """The text of an answer, or of its beginning, without the token that ends it."""
    if output_ids and output_ids[-1] in prepared.end_ids:
        output_ids = output_ids[:-1]
    if prepared.request.constraint is None:
        return tokenizer.decode(output_ids)
    vocabulary = tokenizer.vocabulary
    # A token limit may fall inside a character; its first bytes are dropped.
    text = b"".join(vocabulary.token_bytes[index] for index in output_ids).decode(errors="ignore")
    return text.removeprefix(" ") if vocabulary.leading_space else text


def _top(logprobs: Mapping[int, float], most: int) -> list[int]:
    return sorted(logprobs, key=lambda index: (-logprobs[index], index))[:most]


def _told(tokenizer: ChatTokenizer, index: int, logprobs: Mapping[int, float]) -> dict[str, Any]:
    """One token as OpenAI's interface shows it."""
    piece = tokenizer.token_bytes(index)
    # JSON has no minus infinity; OpenAI writes the same number for what is out of reach.
    logprob = max(round(logprobs[index], LOGPROB_DIGITS), -9999.0) if logprobs else None
    return {"token": piece.decode(errors="replace"), "logprob": logprob, "bytes": list(piece)}


def _chosen_label(prepared: PreparedRequest, token: int, logprobs: Mapping[str, float]) -> str:
    """Greedily the most probable label, over all its tokens; otherwise the sampled one."""
    if prepared.request.sampling.temperature == 0:
        return max(logprobs, key=lambda label: logprobs[label])
    return next(label for label, ids in (prepared.labels or {}).items() if token in ids)


def _log_of_sum(logprobs: Sequence[float]) -> float:
    """log(sum(exp(x))) without leaving the range of floating point."""
    highest = max(logprobs)
    if highest == -math.inf:
        return -math.inf
    return highest + math.log(math.fsum(math.exp(value - highest) for value in logprobs))
