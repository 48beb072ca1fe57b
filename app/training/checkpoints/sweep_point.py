"""One alpha of a sweep and what it scores."""

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from app.errors import InputError
from app.training.checkpoints.combination import interpolation
from app.training.checkpoints.scoring import MacroScore

DECIMALS = 4
"""Of an alpha: closer ones count as the same."""


class Point(BaseModel):
    """One alpha and what it scores."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    alpha: float
    macro: MacroScore


def pick(points: Sequence[Point]) -> float:
    """The alpha with the highest score; of equal ones the smallest, which stays closest to the base."""
    return min(points, key=lambda point: (-point.macro.score, point.alpha)).alpha


def check_alphas(alphas: Sequence[float]) -> list[float]:
    """Distinct alphas, smallest first.

    Raises:
        InputError: fewer than two, or one that is not between 0 and 1.
    """
    found = sorted({round(alpha, DECIMALS) for alpha in alphas})
    if len(found) < 2:
        raise InputError("a sweep needs two alphas or more, such as 0,0.25,0.5,0.75,1")
    for alpha in found:
        interpolation(alpha)
    return found
