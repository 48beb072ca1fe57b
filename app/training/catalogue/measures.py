"""Amounts with units: how they are written, and what they are in other units."""

from dataclasses import dataclass

from app.training.catalogue.terms import Term


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit of measure. `factor` is how many of its dimension's first unit one of it is."""

    symbol: str
    dimension: str
    factor: float
    word: str
    """In an English sentence: "milliliters"."""
    written: Term
    """As titles write it in each language."""


@dataclass(frozen=True, slots=True)
class Measure:
    """A number of units."""

    amount: float
    unit: Unit

    def text(self, language: str = "en") -> str:
        """Such as "1.7 l"; a decimal comma where the language has one."""
        figures = plain(self.amount)
        if language not in {"en", "ja"}:
            figures = figures.replace(".", ",")
        return f"{figures} {self.unit.written.text(language)}"

    @property
    def words(self) -> str:
        """Such as "1.7 liters"."""
        return f"{plain(self.amount)} {self.unit.word}"

    @property
    def base(self) -> float:
        """The amount in the dimension's first unit."""
        return self.amount * self.unit.factor

    def times(self, number: float) -> "Measure":
        """So many times as much."""
        return Measure(tidy(self.amount * number), self.unit)

    def converted(self, unit: Unit) -> "Measure":
        """The same in another unit of the dimension, to two decimals."""
        return Measure(tidy(self.base / unit.factor), unit)


def plain(amount: float) -> str:
    """An amount without needless zeros: "2", "0.75"."""
    return str(int(amount)) if amount == int(amount) else f"{amount:.2f}".rstrip("0")


def tidy(amount: float) -> float:
    """Two decimals, which hide what binary fractions leave behind."""
    return round(amount, 2)
