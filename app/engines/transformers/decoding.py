"""Per-request decoding rules inside one transformers batch."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import LogitsProcessor, StoppingCriteria

from app.engines.base import never
from app.engines.chat import ChatTokenizer
from app.engines.constraints.automaton import Follower
from app.engines.prepared import PreparedRequest
from app.engines.sampling import add_noise, keep_only
from app.types import Choice


class Row:
    """One request of the batch and what it has written."""

    def __init__(self, prepared: PreparedRequest, tokenizer: ChatTokenizer) -> None:
        self.prepared = prepared
        self.tokenizer = tokenizer
        self.output_ids: list[int] = []
        self.done = False
        self.token_logprobs: dict[int, float] | None = None
        self.text: str | None = None
        self.sampling = prepared.request.sampling
        constraint = prepared.request.constraint
        self._follower = None
        if constraint is not None and not isinstance(constraint, Choice):
            self._follower = Follower(constraint, tokenizer.vocabulary)

    def allowed(self) -> NDArray[np.int64] | None:
        """The tokens that may follow, or None where any may."""
        if self.prepared.labels is not None:
            return np.array(self.prepared.label_ids, dtype=np.int64)
        return self._follower.allowed(self.output_ids) if self._follower else None

    def take(self, token: int) -> None:
        """Append a token, unless the answer has ended."""
        if self.done:
            return
        self.output_ids.append(token)
        if token in self.tokenizer.end_ids:
            self.done = True
        elif self.sampling.stop:
            self._stop_at_string()
        self.done = self.done or len(self.output_ids) >= self.prepared.max_tokens

    def _stop_at_string(self) -> None:
        text = self.tokenizer.decode(self.output_ids)
        places = [place for stop in self.sampling.stop if (place := text.find(stop)) >= 0]
        if places:
            self.text, self.done = text[: min(places)], True


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
        self._first = True

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """The scores to take the highest of: (rows, vocabulary)."""
        del input_ids
        if self._first:
            self._read_labels(scores)
            self._first = False
        under_way = [(place, row) for place, row in enumerate(self._rows) if not row.done]
        allowed = {place: ids for place, row in under_way if (ids := row.allowed()) is not None}
        scores = keep_only(scores, allowed)
        for place, row in under_way:
            if row.sampling.temperature > 0:
                add_noise(scores[place], row.sampling.temperature, row.sampling.seed, len(row.output_ids))
        return scores

    def _read_labels(self, scores: torch.Tensor) -> None:
        for place, row in enumerate(self._rows):
            if row.prepared.labels is not None:
                ids = row.prepared.label_ids
                logprobs = torch.log_softmax(scores[place].float(), dim=-1)[ids].tolist()
                row.token_logprobs = dict(zip(ids, logprobs, strict=True))
