"""Which side of the splits a row stands on: decided by its group alone."""

from collections.abc import Sequence
from enum import StrEnum
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from app.training.mixing.text import digest, normal
from app.training.row import TrainingRow


class Split(StrEnum):
    """The files of a mixture."""

    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"


SPLITS = tuple(Split)


def split_place(row: TrainingRow, seed: int) -> int:
    """64 bits that decide the row's split: the same for all rows of a group, or of a prompt that has none."""
    return digest("split", str(seed), normal(row.group or row.prompt))


def split_numbers(places: NDArray[np.uint64], fractions: Sequence[float]) -> NDArray[np.intp]:
    """For each place the position in `SPLITS` of the split whose part of the range holds it.

    `fractions` are those of `SPLITS`, in order; they add up to one.
    """
    bounds = np.array(list(accumulate(fractions))[:-1])
    # 53 bits: what a float holds exactly, so that nothing is rounded up to one.
    return np.searchsorted(bounds, (places >> np.uint64(11)) / 2.0**53, side="right")
