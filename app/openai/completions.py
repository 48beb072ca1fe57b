"""Completions of OpenAI's interface: plain prompts, as text or tokens, which may be scored as well as continued."""

from collections.abc import Iterator
from functools import cached_property
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, ConfigDict, Field

from app.engines.base import LoadedModel
from app.openai.request import Limits, ModelRequest, adapter_of
from app.openai.wire import FieldError, are_tokens, check_text
from app.types import Completion, GenerationRequest

MOST_PROMPTS = 256
MAX_TOKENS = 16
"""Of an answer, where nothing is said: as with OpenAI and vLLM."""


def _read_prompts(given: object) -> object:
    """The prompts as a list, whatever way they were given."""
    prompts = [given] if isinstance(given, str) or are_tokens(given) else given
    if not isinstance(prompts, list) or not prompts or len(prompts) > MOST_PROMPTS:
        raise ValueError(f"give a text, a list of tokens' numbers, or a list of up to {MOST_PROMPTS} of either")
    for number, prompt in enumerate(prompts):
        where = f" (prompt {number})" if len(prompts) > 1 else ""
        if not prompt or not (isinstance(prompt, str) or are_tokens(prompt)):
            raise ValueError(f"neither a text nor a list of tokens' numbers, or empty{where}")
        if isinstance(prompt, str):
            check_text(prompt)
    return prompts


Prompts = Annotated[
    str | list[int] | list[str | list[int]],
    BeforeValidator(_read_prompts),
    Field(description="A text, or tokens by their numbers, or a list of either. Special tokens are read as such."),
]


class CompletionRequest(ModelRequest):
    """Prompts that the model continues, and scores with `echo` and `logprobs`."""

    kind: ClassVar[str] = "completion"
    prefix: ClassVar[str] = "cmpl-"
    whole: ClassVar[str] = "text_completion"
    piece: ClassVar[str] = "text_completion"
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"model": "mini", "prompt": "An armchair is", "max_tokens": 8, "echo": True, "logprobs": 1}]
        }
    )

    prompt: Prompts
    max_tokens: int | None = Field(None, ge=0, description="16 by default; 0 scores the prompt alone (`echo`).")
    echo: bool | None = Field(None, description="The text, and what `logprobs` asks for, begin with the prompt's.")
    logprobs: int | None = Field(None, ge=0, le=20)

    best_of: int | None = Field(None, ge=1, description="No more than `n`: nothing is thrown away.")
    suffix: Literal[""] | None = None
    add_special_tokens: Literal[True] | None = None

    @cached_property
    def prompts(self) -> list[str | tuple[int, ...]]:
        """Each prompt as engines take it."""
        return [prompt if isinstance(prompt, str) else tuple(prompt) for prompt in self.prompt]  # type: ignore[arg-type]  # a list of them, see `_read_prompts`

    @property
    def parts(self) -> int:
        """How many answers are asked for in all."""
        return self.choices * len(self.prompts)

    @property
    def characters(self) -> int:
        """The length of all prompts together."""
        return sum(map(len, self.prompts))

    @property
    def told_logprobs(self) -> int | None:
        """How many log-probabilities of each token are asked for, beside its own."""
        return self.logprobs

    def _errors(self, limits: Limits) -> list[FieldError]:
        longest = limits.prompt_characters
        found = {
            "best_of": f"no other than n ({self.choices})" if self.best_of not in (None, self.choices) else None,
            "max_tokens": "0 needs echo: true" if self.max_tokens == 0 and not self.echo else None,
        }
        if longest is not None and max(map(len, self.prompts)) > longest:
            found["prompt"] = f"longer than {longest} characters: shorten it"
        return [FieldError(field=field, message=message) for field, message in found.items() if message]

    def request(
        self, model: LoadedModel, name: str, request_id: str, part: int = 0, seed: int = 0
    ) -> GenerationRequest:
        """The call of the model for one of the answers that are asked for, see there."""
        adapter = adapter_of(self.model, name, model.adapters)
        number, choice = divmod(part, self.choices)
        sampling = self.sampling(MAX_TOKENS if self.max_tokens is None else self.max_tokens, seed, choice)
        prompt, echo = self.prompts[number], bool(self.echo)
        return GenerationRequest(request_id, (), sampling, self.constraint, adapter, prompt=prompt, echo=echo)

    def choice(self, index: int, completion: Completion) -> dict[str, Any]:
        """One answer."""
        (piece,) = self.pieces(index, completion.text, completion, first=True)
        return piece

    def pieces(self, index: int, text: str, ended: Completion | None, *, first: bool) -> Iterator[dict[str, Any]]:
        """The pieces of an answer that a stream sends for some more text, and for its end."""
        del first
        if text or ended is not None:
            logprobs = None if ended is None or ended.logprobs is None else _logprobs(ended)
            reason = None if ended is None else ended.finish_reason
            yield {"index": index, "text": text, "logprobs": logprobs, "finish_reason": reason}


def _logprobs(completion: Completion) -> dict[str, Any]:
    """The tokens as this interface shows them: in columns. Nothing comes before a first token, so it has none."""
    tokens = completion.logprobs or ()
    names = [_name(token) for token in tokens]
    offsets, place = [], 0
    for token in tokens:
        offsets.append(place)
        place += len(token["token"])
    return {
        "tokens": names,
        "token_logprobs": [token["logprob"] for token in tokens],
        "top_logprobs": [
            None
            if token["top_logprobs"] is None
            else {_name(one): one["logprob"] for one in (*token["top_logprobs"], token)}
            for token in tokens
        ],
        "text_offset": offsets,
    }


def _name(token: Any) -> str:  # noqa: ANN401  # a mapping of JSON's values
    """The token's text; of one that is a part of a character its bytes, which are told apart so."""
    text: str = token["token"]
    if "\ufffd" not in text:
        return text
    return "bytes:" + "".join(f"\\x{byte:02x}" for byte in token["bytes"])
