"""How many tokens the rows of a mixture take in training."""

from dataclasses import dataclass

from app.config import ROOT
from app.engines.chat import load_chat_tokenizer
from app.prompting import PromptLibrary
from app.training.encoding import RowEncoder
from app.training.row import TrainingRow

UNLIMITED = 2**31
"""Tokens: nothing is cut to be counted."""


@dataclass(slots=True)
class TokenSums:
    """Tokens of prompts, in the conversation that serving sends, and of answers with their end."""

    prompt: int = 0
    answer: int = 0


class TokenCounter:
    """Rows encoded as in training, with a checkpoint's tokenizer and the project's prompts."""

    def __init__(self, checkpoint: str) -> None:
        """Load the tokenizer of a checkpoint: a folder or a hub name.

        Raises:
            SetupError: it cannot be loaded, or has no chat template.
        """
        self._encoder = RowEncoder(load_chat_tokenizer(checkpoint), PromptLibrary(ROOT / "prompts"), UNLIMITED)

    def add(self, row: TrainingRow, sums: TokenSums) -> None:
        """Count one row."""
        encoded = self._encoder.encode(row)
        sums.prompt += len(encoded.prompt)
        sums.answer += len(encoded.answer)
