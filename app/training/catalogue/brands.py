"""Invented brands: each sells in one department, at a level of quality and price of its own."""

import random
from dataclasses import dataclass

from app.training.catalogue.lexicon_schema import BrandParts
from app.training.catalogue.product_type import Department

PER_DEPARTMENT = 40
_LEVELS = 5


@dataclass(frozen=True, slots=True)
class Brand:
    """A maker of products."""

    name: str
    department: int
    """Number of its department."""
    level: int
    """Quality and price from 1 (cheap) to 5 (costly)."""
    title_style: int
    """Its usual order of words in titles."""
    tight: bool
    """Whether it writes units without a space ("750ml")."""
    numbered: bool
    """Whether its products bear model names."""


def make_brands(parts: BrandParts, departments: tuple[Department, ...], seed: int) -> tuple[tuple[Brand, ...], ...]:
    """The brands of a seed by department number; no two have one name."""
    rng = random.Random(f"{seed}/brands")
    taken: set[str] = set()
    return tuple(
        tuple(_make(parts, department.number, taken, rng) for _ in range(PER_DEPARTMENT)) for department in departments
    )


def _make(parts: BrandParts, department: int, taken: set[str], rng: random.Random) -> Brand:
    name = invent(parts, rng)
    while name.lower() in taken:
        name = invent(parts, rng)
    taken.add(name.lower())
    return Brand(
        name=name,
        department=department,
        level=rng.randint(1, _LEVELS),
        title_style=rng.randrange(100),
        tight=rng.random() < 0.25,
        numbered=rng.random() < 0.4,
    )


def invent(parts: BrandParts, rng: random.Random) -> str:
    """A name of two or three syllables, sometimes in capitals, sometimes with a word behind it."""
    middle = rng.choice(parts.middles) if rng.random() < 0.6 else ""
    name = rng.choice(parts.starts) + middle + rng.choice(parts.ends)
    if rng.random() < 0.12:
        name = name.upper()
    return f"{name} {rng.choice(parts.suffixes)}" if rng.random() < 0.2 else name


def invent_model(parts: BrandParts, rng: random.Random) -> str:
    """A model name: a word of a series, a code, or both."""
    code = f"{rng.choice(parts.letters)}{rng.choice(parts.letters)}{rng.randint(1, 99) * 10}"
    series = rng.choice(parts.series)
    return rng.choice((code, f"{series} {rng.randint(2, 9)}", f"{series} {code}"))
