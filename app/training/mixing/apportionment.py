"""A whole number divided by weights, exactly, under caps."""

import math
from collections.abc import Mapping
from fractions import Fraction
from typing import TypeVar

Name = TypeVar("Name", bound=str)


def apportion(total: int, weights: Mapping[Name, float], capacity: Mapping[Name, int]) -> dict[Name, int]:
    """Whole shares of `total` in proportion to `weights`, none above its capacity.

    The method of the largest remainder (Hamilton's): each share is its quota rounded down, and what is left goes one
    each to the largest remainders, names in order where these are equal. A share that would pass its capacity gets the
    capacity, and the rest is divided among the others anew. The shares add up to `total`, or to all the capacity of
    positive weight where that is less. Computed in fractions, so that the order of the names does not matter.
    """
    shares = dict.fromkeys(weights, 0)
    open_names = sorted(name for name in weights if weights[name] > 0 and capacity[name] > 0)
    left = min(total, sum(capacity[name] for name in open_names))
    quotas = _quotas(left, weights, open_names)
    while full := [name for name in open_names if quotas[name] >= capacity[name]]:
        for name in full:
            shares[name] = capacity[name]
            left -= capacity[name]
        open_names = [name for name in open_names if name not in full]
        quotas = _quotas(left, weights, open_names)
    for name in open_names:
        shares[name] = math.floor(quotas[name])
    rest = left - sum(shares[name] for name in open_names)
    for name in sorted(open_names, key=lambda name: (shares[name] - quotas[name], name))[:rest]:
        shares[name] += 1
    return shares


def _quotas(total: int, weights: Mapping[Name, float], names: list[Name]) -> dict[Name, Fraction]:
    whole = sum(Fraction(weights[name]) for name in names)
    return {name: total * Fraction(weights[name]) / whole for name in names}
