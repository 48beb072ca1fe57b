"""The reference engine: Hugging Face transformers, one batch at a time, on any machine."""

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import groupby, islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from numpy.typing import NDArray
from safetensors import SafetensorError
from torch import nn
from transformers import (
    AttentionInterface,
    AttentionMaskInterface,
    AutoModelForCausalLM,
    GenerationConfig,
    LogitsProcessor,
    PreTrainedModel,
    StoppingCriteria,
)
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from app.engines.base import never, pull
from app.engines.chat import ChatTokenizer, load_chat_tokenizer
from app.engines.checkpoint_files import format_on_cpu
from app.engines.constraints.automaton import Follower
from app.engines.decoding import Decoding, decide
from app.engines.options import TransformersSettings
from app.engines.prepared import CountsTokens, PreparedRequest, Variants, finish, prepare_all
from app.errors import EngineError, SetupError, first_line
from app.types import Choice, Completion, GenerationRequest, Texts


class Row:
    """One request of the batch and what it has written."""

    def __init__(self, prepared: PreparedRequest, tokenizer: ChatTokenizer) -> None:
        self.prepared = prepared
        self.tokenizer = tokenizer
        self.output_ids: list[int] = []
        self.done = False
        self.finite = True
        """Whether the model has computed numbers for each token so far."""
        self.token_logprobs: list[dict[int, float]] = []
        self._logprobs: torch.Tensor | None = None
        self.text: str | None = None
        self.sampling = prepared.request.sampling
        self.decoding = Decoding(prepared.prompt_ids, self.output_ids, self._allowed(), self.sampling.choosing)
        self.prompt_logprobs: list[dict[int, float] | None] = []

    def _allowed(self) -> Callable[[Sequence[int]], NDArray[np.int64]] | None:
        constraint = self.prepared.request.constraint
        if isinstance(constraint, Choice):
            labels = np.array(self.prepared.label_ids, dtype=np.int64)
            return lambda _: labels
        return (
            None
            if constraint is None or isinstance(constraint, Texts)
            else Follower(constraint, self.tokenizer.vocabulary).allowed
        )

    def see(self, scores: torch.Tensor) -> None:
        """Note what the model itself holds of the next token: (vocabulary)."""
        if self.prepared.labels is not None:
            ids = self.prepared.label_ids
            found = torch.log_softmax(scores.float(), dim=-1)[ids].tolist()
            self.token_logprobs.append(dict(zip(ids, found, strict=True)))
        elif self.sampling.logprobs is not None:
            self._logprobs = torch.log_softmax(scores.float(), dim=-1)

    def take(self, token: int) -> None:
        """Append a token, unless the answer has ended."""
        if self.done:
            return
        self.output_ids.append(token)
        if self._logprobs is not None:
            top = self._logprobs.topk(self.sampling.logprobs or 0).indices.tolist()
            self.token_logprobs.append({index: float(self._logprobs[index]) for index in (token, *top)})
        if token in self.prepared.end_ids:
            self.done = True
        elif self.sampling.stop:
            text = self.tokenizer.decode(self.output_ids)
            places = [place for stop in self.sampling.stop if (place := text.find(stop)) >= 0]
            if places:
                self.text, self.done = text[: min(places)], True
        self.done = self.done or len(self.output_ids) >= self.prepared.max_tokens


class RowEnds(StoppingCriteria):  # type: ignore[misc]  # transformers is untyped
    """Gives every row its new token and says which rows are done. The only stopping criterion."""

    def __init__(self, rows: Sequence[Row], give_up: Callable[[], bool] = never) -> None:
        self.rows = rows
        self._give_up = give_up
        self.gave_up = False
        """Whether the batch was left before all its rows were done."""

    def __call__(self, input_ids: torch.Tensor, scores: object, **_: object) -> torch.Tensor:
        """Whether each row is done: (rows)."""
        del scores
        for row, token in zip(self.rows, input_ids[:, -1].tolist(), strict=True):
            row.take(token)
        done = [row.done for row in self.rows]
        self.gave_up = not all(done) and self._give_up()
        return torch.tensor([self.gave_up or one for one in done], device=input_ids.device)


class RowScores(LogitsProcessor):  # type: ignore[misc]  # transformers is untyped
    """Keeps every row to its own constraint, temperature and seed.

    It is the only logits processor: transformers takes the highest of the scores that it leaves.
    """

    def __init__(self, rows: Sequence[Row]) -> None:
        self._rows = rows

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """The scores to take the highest of: (rows, vocabulary)."""
        del input_ids
        under_way = {place: row for place, row in enumerate(self._rows) if not row.done}
        # One NaN or infinity makes the sum of all one.
        finite = scores.float().logsumexp(-1).isfinite().tolist()
        for place, row in under_way.items():
            if finite[place]:
                row.see(scores[place])
            else:
                row.finite, row.done = False, True
        return decide(scores, {place: row.decoding for place, row in under_way.items() if row.finite})


PACKED = ("llama", "mistral", "qwen2", "qwen3", "smollm3")
"""Architectures whose attention alone joins tokens, and takes a mask of any shape."""
PACKED_TOKENS = 256
"""Most tokens of texts behind one beginning in a row."""
WINDOW = 4
"""Batches' worth of requests that are pulled together, so that prompts of like length share a batch."""


class TransformersEngine(CountsTokens):
    """`Engine` on transformers' `generate`."""

    name = "transformers"

    def __init__(self, model: str, settings: TransformersSettings, network: PreTrainedModel | None = None) -> None:
        """Load the weights, or take the `network` of this model that is loaded; raises what `create_engine` does."""
        self.model = model
        self.version: str = transformers.__version__
        self._settings = settings
        self.adapters = settings.adapters
        self._tokenizer = load_chat_tokenizer(model)
        found = "cuda" if torch.cuda.is_available() else "cpu"
        self._device = torch.device(found if settings.device == "auto" else settings.device)
        self._generating = False
        torch.manual_seed(settings.seed)
        self._network: PreTrainedModel | None = self._load() if network is None else _ready(network, self._device)
        most: int = self._loaded().config.max_position_embeddings
        self.context_length = min(settings.max_model_len or most, most)
        self.dtype = str(self._loaded().dtype).removeprefix("torch.")

    def generate(
        self, requests: Iterable[GenerationRequest | None], give_up: Callable[[], bool] = never
    ) -> Iterator[Completion]:
        """Completions in order of finishing."""
        self._loaded()
        if self._generating:
            raise EngineError("the transformers engine is already generating; finish that stream first")
        self._generating = True
        try:
            source = iter(requests)
            more, gave_up = True, give_up()
            while more and not gave_up:
                window, more = pull(source, WINDOW * self._settings.batch_size)
                gave_up = yield from self._answer(window, give_up)
        finally:
            self._generating = False

    def close(self) -> None:
        """Free the model. Safe to call twice."""
        self._network = None

    def _loaded(self) -> PreTrainedModel:
        if self._network is None:
            raise EngineError("the transformers engine is closed")
        return self._network

    def _answer(
        self, window: list[GenerationRequest], give_up: Callable[[], bool]
    ) -> Generator[Completion, None, bool]:
        """The window's completions; returns whether to give up."""
        variants = Variants()
        prepared, refused = prepare_all(
            variants.spread(window), self._tokenizer, self.context_length, self._settings.adapters
        )
        yield from variants.joined(refused)
        prepared.sort(key=lambda one: (one.request.adapter or "", bool(one.given), one.max_tokens, len(one.prompt_ids)))
        for (adapter, given), group in groupby(prepared, key=lambda one: (one.request.adapter, bool(one.given))):
            if given:
                rows = iter(self._packed(group))
                while texts := list(islice(rows, self._settings.batch_size)):
                    yield from variants.joined(self._score(texts, adapter))
                    if give_up():
                        return True
                continue
            remaining = iter(list(group))
            while batch := list(islice(remaining, self._settings.batch_size)):
                ends = RowEnds([Row(one, self._tokenizer) for one in batch], give_up)
                for row in ends.rows:
                    if row.prepared.request.echo and row.sampling.logprobs is not None:
                        row.prompt_logprobs = self._of_prompt(row.prepared, row.sampling.logprobs, adapter)
                self._run(batch, ends, adapter)
                if ends.gave_up:
                    return True
                yield from variants.joined(map(self._completion, ends.rows))
        return give_up()

    def _completion(self, row: Row) -> Completion:
        return finish(
            row.prepared,
            self._tokenizer,
            row.output_ids,
            dtype=self.dtype,
            finite=row.finite,
            token_logprobs=row.token_logprobs,
            text=row.text,
            prompt_logprobs=row.prompt_logprobs,
        )

    def _of_prompt(self, prepared: PreparedRequest, most: int, adapter: str | None) -> list[dict[int, float] | None]:
        """The log-probability of each token of a prompt, and of the most probable ones in its place."""
        ids = torch.tensor([prepared.prompt_ids], device=self._device)
        found: list[dict[int, float] | None] = [None]
        try:
            with torch.inference_mode(), self._adapted(adapter):
                scores = self._loaded()(input_ids=ids).logits[0]
        except RuntimeError as error:
            raise EngineError(f"transformers failed: {first_line(error)}") from error
        for row, token in zip(scores, prepared.prompt_ids[1:], strict=False):
            logprobs = torch.log_softmax(row.float(), dim=-1)
            told = (token, *logprobs.topk(most).indices.tolist())
            found.append({index: float(logprobs[index]) for index in told})
        return found

    def _packed(self, texts: Iterable[PreparedRequest]) -> list[list[PreparedRequest]]:
        """Texts that are given, those behind one beginning together, the shortest rows first."""
        config = self._loaded().config
        alone = config.model_type not in PACKED or getattr(config, "sliding_window", None)
        behind: dict[tuple[int, ...], list[list[PreparedRequest]]] = {}
        for one in texts:
            rows = behind.setdefault(tuple(one.prompt_ids[: -len(one.given)]), [])
            if alone or not rows or sum(len(other.given) for other in (*rows[-1], one)) > PACKED_TOKENS:
                rows.append([])
            rows[-1].append(one)
        packed = [row for rows in behind.values() for row in rows]
        return sorted(packed, key=lambda row: len(row[0].prompt_ids) + sum(len(one.given) for one in row[1:]))

    def _score(self, batch: list[list[PreparedRequest]], adapter: str | None) -> Iterator[Completion]:
        """The completions of texts that are given, from one pass over rows of a beginning and the texts behind it.

        A text sees the beginning and itself, and counts its positions from the beginning's end. Its last token is
        predicted and never read.
        """
        beginnings = [row[0].prompt_ids[: -len(row[0].given)] for row in batch]
        input_ids, mask = self._pad(
            [
                [*beginning, *(index for one in row for index in one.given[:-1])]
                for beginning, row in zip(beginnings, batch, strict=True)
            ]
        )
        # Of each token: 0 in the beginning, 1 in the first text, and so on, -1 ahead of the row; and its position.
        part, width = mask - 1, input_ids.shape[1]
        positions = (mask.cumsum(1) - 1).clamp(min=0)
        kept = 1
        for place, (beginning, row) in enumerate(zip(beginnings, batch, strict=True)):
            start = width - sum(len(one.given) - 1 for one in row)
            kept = max(kept, width - start + 1)
            for number, one in enumerate(row, 1):
                end = start + len(one.given) - 1
                part[place, start:end] = number
                positions[place, start:end] = torch.arange(len(beginning), len(beginning) + end - start)
                start = end
        packed: dict[str, torch.Tensor] = {"attention_mask": mask}
        if any(len(row) > 1 for row in batch):
            seen = (part[:, None, :] == 0) | (part[:, None, :] == part[:, :, None])
            seen &= torch.ones(width, width, dtype=torch.bool, device=seen.device).tril()
            lowest = torch.finfo(self._loaded().dtype).min
            hidden = torch.zeros(seen.shape, dtype=self._loaded().dtype, device=seen.device).masked_fill(~seen, lowest)
            packed = {"attention_mask": hidden[:, None], "position_ids": positions}
        try:
            with torch.inference_mode(), self._adapted(adapter):
                # The last positions alone meet the vocabulary; each predicts the token after it.
                scores = self._loaded()(input_ids=input_ids, logits_to_keep=kept, **packed).logits
        except RuntimeError as error:
            raise EngineError(f"transformers failed: {first_line(error)}") from error
        for logits, row in zip(scores, batch, strict=True):
            start = kept - sum(len(one.given) - 1 for one in row)
            first = start - 1
            for one in row:
                end = start + len(one.given) - 1
                of_text = torch.cat((logits[first : first + 1], logits[start:end]))
                logprobs = torch.log_softmax(of_text.float(), dim=-1)
                found = logprobs[torch.arange(len(one.given)), torch.tensor(one.given)].tolist()
                start = end
                yield finish(one, self._tokenizer, [], dtype=self.dtype, given_logprobs=found)

    def _run(self, batch: list[PreparedRequest], ends: RowEnds, adapter: str | None) -> None:
        input_ids, attention_mask = self._pad([prepared.prompt_ids for prepared in batch])
        # Nothing but the length: the rows' own rules decide everything else.
        longest, end = max(one.max_tokens for one in batch), self._tokenizer.end_ids[0]
        config = GenerationConfig(max_new_tokens=longest, do_sample=False, pad_token_id=end)
        try:
            with torch.inference_mode(), self._adapted(adapter):
                self._loaded().generate(
                    input_ids=input_ids,
                    attention_mask=attention_mask,
                    generation_config=config,
                    logits_processor=[RowScores(ends.rows)],
                    stopping_criteria=[ends],
                )
        except RuntimeError as error:
            raise EngineError(f"transformers failed: {first_line(error)}") from error

    def _pad(self, prompts: list[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
        """Prompts padded on the left, and which places hold tokens: both (rows, longest prompt)."""
        longest = max(len(ids) for ids in prompts)
        input_ids = torch.full((len(prompts), longest), self._tokenizer.end_ids[0])
        mask = torch.zeros_like(input_ids)
        for row, ids in enumerate(prompts):
            input_ids[row, longest - len(ids) :] = torch.tensor(ids)
            mask[row, longest - len(ids) :] = 1
        return input_ids.to(self._device), mask.to(self._device)

    def _adapted(self, adapter: str | None) -> AbstractContextManager[None]:
        if not self._settings.adapters:
            return nullcontext()
        if adapter is None:
            without: AbstractContextManager[None] = self._loaded().disable_adapter()
            return without
        self._loaded().set_adapter(adapter)
        return nullcontext()

    def _load(self) -> PreTrainedModel:
        network = load_network(self.model, dtype=_dtype(self._settings.dtype, self._device, self.model))
        for name, path in self._settings.adapters.items():
            network = with_adapter(network, name, path)
        return _ready(network, self._device)


def one_query_attention(
    module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    **named: Any,  # noqa: ANN401 - the library's
) -> tuple[torch.Tensor, None]:
    """Attention of one new token a row, for CPUs: heads that share keys are computed together, and nothing is copied.

    PyTorch's own copies the keys for every head and, in bfloat16, took twelve times as long for 64 rows of 200 tokens.
    All else is left to it. Shapes are the library's: (rows, heads, tokens, width).
    """
    rows, heads, tokens, width = query.shape
    special = named.get("dropout") or named.get("position_bias") is not None or named.get("cache") is not None
    if tokens > 1 or special:
        output: tuple[torch.Tensor, None] = sdpa_attention_forward(module, query, key, value, attention_mask, **named)
        return output
    scale = named.get("scaling") or width**-0.5
    scores = (query.view(rows, key.shape[1], -1, width) @ key.transpose(2, 3)).float() * scale
    if attention_mask is not None:
        hidden = attention_mask.logical_not() if attention_mask.dtype is torch.bool else None
        scores = scores + attention_mask if hidden is None else scores.masked_fill(hidden, -torch.inf)
    found = scores.softmax(-1).to(value.dtype) @ value
    return found.reshape(rows, 1, heads, width), None


ONE_QUERY = "one_query"
AttentionInterface.register(ONE_QUERY, one_query_attention)
AttentionMaskInterface.register(ONE_QUERY, sdpa_mask)


def _ready(network: PreTrainedModel, device: torch.device) -> PreTrainedModel:
    if device.type == "cpu" and network.config._attn_implementation == "sdpa":
        network.set_attn_implementation(ONE_QUERY)
    # A checkpoint's own decoding defaults (penalties, top-k) must not leak into requests.
    network.generation_config = GenerationConfig()
    return network.to(device).eval()


def load_network(model: str | Path, **arguments: object) -> PreTrainedModel:
    """A checkpoint's network, loaded with these arguments of the library's.

    Raises:
        SetupError: the library cannot load it.
    """
    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()
    try:
        return AutoModelForCausalLM.from_pretrained(model, trust_remote_code=False, **arguments)
    except (OSError, ValueError, RuntimeError, ImportError) as error:
        raise SetupError(f"{model}: cannot load the model: {first_line(error)}") from error


def with_adapter(network: PreTrainedModel, name: str, path: str | Path, **arguments: object) -> PreTrainedModel:
    """The network with a LoRA adapter under a name, beside those that it has.

    Raises:
        SetupError: the library cannot load it, or warns where a caller has made its warnings errors.
    """
    from peft import PeftModel

    try:
        if not isinstance(network, PeftModel):
            return PeftModel.from_pretrained(network, str(path), adapter_name=name, **arguments)
        network.load_adapter(str(path), adapter_name=name, **arguments)
    except (OSError, ValueError, RuntimeError, SafetensorError, UserWarning) as error:
        raise SetupError(f"{path}: cannot load the adapter: {first_line(error)}") from error
    return network


def _dtype(wanted: str, device: torch.device, model: str) -> torch.dtype:
    if wanted == "auto" and device.type == "cpu":
        wanted = format_on_cpu(model)
    if wanted != "auto":
        chosen: torch.dtype = getattr(torch, wanted)
        return chosen
    return torch.bfloat16 if torch.cuda.get_device_capability(device) >= (8, 0) else torch.float16
