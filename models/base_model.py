"""The interface that the competition's evaluator calls."""

from abc import ABC, abstractmethod


class ShopBenchBaseModel(ABC):
    """Constructed without arguments, then asked batch by batch."""

    @abstractmethod
    def get_batch_size(self) -> int:
        """Questions a call, from 1 to 16."""

    @abstractmethod
    def batch_predict(self, batch: dict[str, list[str]], is_multiple_choice: bool) -> list[str]:
        """One answer for each of `batch["prompt"]`, in the same order."""
