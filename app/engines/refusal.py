"""Requests that an engine does not take, and how it says so without stopping the others."""

from typing import Literal

from app.errors import EngineError
from app.types import Completion, Failure

RefusalCode = Literal[
    "prompt_too_long",
    "unknown_adapter",
    "unusable_constraint",
    "unusable_sampling",
    "unusable_conversation",
    "engine",
]


class RefusedRequestError(EngineError):
    """One request cannot be served as it stands. The engine goes on with the others."""

    def __init__(self, code: RefusalCode, message: str) -> None:
        super().__init__(message)
        self.code = code

    def completion(self, request_id: str, prompt_tokens: int = 0) -> Completion:
        """The completion that stands for the refused request."""
        return Completion(
            id=request_id,
            text="",
            finish_reason="error",
            prompt_tokens=prompt_tokens,
            output_tokens=0,
            error=Failure(self.code, str(self)),
        )
