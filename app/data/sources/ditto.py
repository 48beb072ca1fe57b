"""Pairs of offers that are the same product or only alike: Abt-Buy, Walmart-Amazon and Amazon-Google, in Ditto's form.

Schema, read off the published files: a line is two offers and a label between tabs, an offer "COL name VAL text COL
price VAL 9.99". Columns: `name` or `title`, `price`, and some of `description`, `category`, `brand` or `manufacturer`,
`modelno`. Texts are in lower case and cut into tokens.
"""

import random
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from app.data.row import Capability
from app.data.sources.reading import count, joined
from app.data.tasks.lists import OPTIONS, choices, content_words, graded
from app.data.tasks.task import CHOICE, NER, RANKING, Draft, PublishedSource, TaskGroup
from app.errors import InputError
from app.files import open_bytes

_FILES = "er_magellan/*/*/train.txt"
_FIELD = re.compile(r"COL (\w+) VAL (.*?)(?= COL \w+ VAL|$)")
_FORM = "two offers ('COL title VAL ...') and 0 or 1 between tabs"
_MENDED = (
    (re.compile(r"(?<=\d) ?(?:''|')(?= |$)"), '"'),
    (re.compile(r" (?:''|[`'])(?=s\b)"), "'"),
    (re.compile(r"(?<=s) '(?= )"), "'"),
    (re.compile(r"(?:^| )['`]+(?= |$)"), ""),
    (re.compile(r"(?<=\d) \.(?=\d)"), "."),
    (re.compile(r" ([,:;!?])(?= |$)"), r"\1"),
    (re.compile(r"([(\[]) | ([)\]])"), r"\1\2"),
    (re.compile(r"\(r?\)|\[\]| \.(?= |$)"), ""),
)
"""Marks that tokens were cut at, put back; quotation marks that stand alone are inches behind a number."""
_ANYWHERE = frozenset(
    {"inc", "llc", "ltd", "corp", "software", "new", "pc", "win", "mac", "windows", "edition", "version"}
)
_MODEL = re.compile(r"(?=.*\d)[\w/.-]{4,}")


@dataclass(frozen=True, slots=True)
class Offer:
    """A product as one shop lists it."""

    title: str
    brand: str
    """Brand or maker; may be empty."""
    model: str
    """The maker's number; may be empty."""
    price: float | None
    """In dollars; often absent."""

    @property
    def line(self) -> str:
        """The title, with the model's number where it is known and not in it."""
        known = _MODEL.fullmatch(self.model) and self.model not in self.title
        return f"{self.title}, model {self.model}" if known else self.title


@dataclass(frozen=True, slots=True)
class ComparedOffer:
    """An offer with what the set says about others."""

    offer: Offer
    same: tuple[Offer, ...]
    """Of the same product, by other titles."""
    alike: tuple[Offer, ...]
    """Labelled as other products; the set's makers chose them for their likeness."""
    unrelated: tuple[Offer, ...]
    """Other products of the file with hardly a word in common; empty where `same` is."""
    group: str
    """The same for all offers of a product."""


def read_ditto(folder: Path, faults: Counter[str]) -> Iterator[ComparedOffer]:
    """The offers of the training pairs below a folder, or of one file. A file is held whole: pairs are in no order.

    Raises:
        InputError: there is no such file, or a line is of another form.
    """
    paths = [folder] if folder.is_file() else sorted(folder.glob(_FILES))
    if not paths:
        raise InputError(f"no {_FILES} in {folder}: put the published files there")
    for path in paths:
        yield from _compared(path.parent.name, list(_pairs(path, faults)), faults)


def _pairs(path: Path, faults: Counter[str]) -> Iterator[tuple[Offer, Offer, bool]]:
    number = 0
    with open_bytes(path) as file:
        for number, line in enumerate(file, start=1):
            fields = line.decode("utf-8", "replace").rstrip("\r\n").split("\t")
            if len(fields) != 3 or fields[2] not in {"0", "1"}:
                raise InputError(f"{path}, line {number}: want {_FORM}, found {fields[-1][:40]!r} in the end")
            first, second = (_offer(f"{path}, line {number}", text) for text in fields[:2])
            if first.title and second.title:
                yield first, second, fields[2] == "1"
            else:
                faults["ditto: an offer without a title, dropped"] += 1
    if not number:
        raise InputError(f"{path} holds no row; fetch it again")


def _offer(place: str, text: str) -> Offer:
    values = {name: value.strip() for name, value in _FIELD.findall(text)}
    if "price" not in values or not {"name", "title"} & set(values):
        raise InputError(f"{place}: want {_FORM}, found {text[:40]!r}")
    price = None
    with suppress(ValueError):
        price = float(values["price"])
    title = values.get("title", values.get("name", ""))
    brand = values.get("brand", values.get("manufacturer", ""))
    return Offer(mended(title), mended(brand), values.get("modelno", ""), price if price and price > 0 else None)


def mended(text: str) -> str:
    """A text with the marks put back at which tokens were cut, and without parentheses that have no partner."""
    for pattern, mark in _MENDED:
        text = pattern.sub(mark, text)
    opened: list[int] = []
    alone = set()
    for place, mark in enumerate(text):
        if mark == "(":
            opened.append(place)
        elif mark == ")" and opened:
            opened.pop()
        elif mark == ")":
            alone.add(place)
    alone.update(opened)
    return " ".join("".join(mark for place, mark in enumerate(text) if place not in alone).split())


def _compared(name: str, pairs: list[tuple[Offer, Offer, bool]], faults: Counter[str]) -> Iterator[ComparedOffer]:
    product = joined(
        link for one, other, same in pairs for link in ([(one, other)] if same else [(one, one), (other, other)])
    )
    labelled: defaultdict[Offer, dict[Offer, bool]] = defaultdict(dict)
    for first, second, one_product in pairs:
        if first.title == second.title:
            faults["ditto: a pair of one title, dropped"] += 1
        elif not one_product and product[first] == product[second]:
            faults["ditto: a pair that is told apart, though others make it the same product, dropped"] += 1
        else:
            labelled[first][second] = labelled[second][first] = one_product
    offers = list(product)
    words = {offer: content_words(offer.title) for offer in offers}
    for offer in offers:
        same = tuple(other for other, is_same in labelled[offer].items() if is_same)
        unrelated: tuple[Offer, ...] = ()
        if same:
            drawn = random.Random(offer.title).sample(offers, min(_DRAWN, len(offers)))
            unrelated = tuple(
                other
                for other in drawn
                if product[other] != product[offer]
                and (not offer.brand or other.brand != offer.brand)
                and len(words[other] & words[offer]) * 10 < len(words[other] | words[offer])
            )
        different = [other for other, is_same in labelled[offer].items() if not is_same]
        alike = tuple(
            other for other in different if all(_told_apart(words[other], words[one]) for one in (offer, *same))
        )
        count(faults, "ditto: another product's offer that no word of its own tells apart, left out",
              len(different) - len(alike))  # fmt: skip
        yield ComparedOffer(offer, same, alike, unrelated, f"ditto/{name}/{product[offer].title}")


def _told_apart(one: frozenset[str], other: frozenset[str]) -> bool:
    """Whether each of two titles has a word that the other lacks, besides words that any offer may have."""
    return bool(one - other - _ANYWHERE) and bool(other - one - _ANYWHERE)


DITTO = PublishedSource(
    "ditto", "Apache-2.0", "GitHub, megagonlabs/ditto (Li et al. 2020), from DeepMatcher's list (Mudgal et al. 2018)",
    read_ditto,
)  # fmt: skip
_DRAWN = 60
"""Offers of the file among which unrelated ones are looked for."""
_RANKED = 5
_GAINS = {"same": 1.0, "alike": 0.1, "unrelated": 0.0}
_SAVINGS = (0.02, 0.7)
"""Of the higher price: a larger difference is a fault of a listing more often than a bargain."""
_compare = TaskGroup[ComparedOffer](DITTO, Capability.CONCEPT_UNDERSTANDING, "ditto", "ditto_")


def _dollars(price: float) -> str:
    return f"${price:.2f}"


def _different(offers: Iterable[Offer], known: Iterable[Offer], rng: random.Random) -> list[Offer]:
    """The offers in an order of chance, each text once and none that is known."""
    by_line = {one.line: one for one in offers}
    for one in known:
        by_line.pop(one.line, None)
    found = list(by_line.values())
    rng.shuffle(found)
    return found


@_compare("product matching", CHOICE)
def _same_product(record: ComparedOffer, rng: random.Random) -> Iterator[Draft]:
    """One offer of the same product among alike ones, with unrelated ones where these are few."""
    known = (record.offer, *record.same)
    others = [*_different(record.alike, known, rng), *_different(record.unrelated, (*known, *record.alike), rng)]
    if record.same and record.alike and len(others) >= OPTIONS - 1:
        lines = [one.line for one in others[: OPTIONS - 1]]
        options, number = choices(rng.choice(record.same).line, lines, rng)
        yield Draft({"offer": record.offer.line, "options": options}, number, record.group)


@_compare("product matching", RANKING, capability=Capability.USER_BEHAVIOUR)
def _offer_ranking(record: ComparedOffer, rng: random.Random) -> Iterator[Draft]:
    """The product itself, then what was chosen for its likeness, then the rest."""
    known = (record.offer, *record.same)
    alike = _different(record.alike, known, rng)[: rng.randint(1, 3)]
    unrelated = _different(record.unrelated, (*known, *record.alike), rng)
    if record.same and alike and 1 + len(alike) + len(unrelated) >= _RANKED:
        entries = [(rng.choice(record.same).line, _GAINS["same"]), *((one.line, _GAINS["alike"]) for one in alike)]
        entries += [(one.line, _GAINS["unrelated"]) for one in unrelated]
        listed, relevances = graded(entries[:_RANKED], rng)
        yield Draft({"offer": record.offer.line, "list": listed}, relevances, record.group)


@_compare("entity typing and extraction", NER)
def _brand(record: ComparedOffer, rng: random.Random) -> Iterator[Draft]:  # noqa: ARG001 - as the others take it
    """A brand that the title begins with: elsewhere its words may mean something else ("compatible")."""
    brand, title = record.offer.brand, record.offer.title
    if brand and title.startswith(f"{brand} "):
        yield Draft({"title": title}, [brand], record.group)


@_compare("entity typing and extraction", NER)
def _model_number(record: ComparedOffer, rng: random.Random) -> Iterator[Draft]:  # noqa: ARG001 - as the others take it
    model = record.offer.model
    if _MODEL.fullmatch(model) and model in record.offer.title.split():
        yield Draft({"title": record.offer.title}, [model], record.group)


@_compare("numeric reasoning", CHOICE, capability=Capability.KNOWLEDGE_REASONING)
def _saving(record: ComparedOffer, rng: random.Random) -> Iterator[Draft]:
    """What the cheaper of two shops saves for a product that both sell."""
    one, other = record.offer, record.same[0] if record.same else record.offer
    if one.price is None or other.price is None:
        return
    high, low = max(one.price, other.price), min(one.price, other.price)
    saving = high - low
    if _SAVINGS[0] <= saving / high <= _SAVINGS[1]:
        step = 10 if saving >= 20 else 1
        wrong = {saving + step, saving - step, saving + 0.1 * step, saving * 2, low, high + low, saving + 2 * step}
        texts = sorted({_dollars(value) for value in wrong if value > 0} - {_dollars(saving)})
        options, number = choices(_dollars(saving), rng.sample(texts, OPTIONS - 1), rng)
        variables = {"first": one.title, "first_price": _dollars(one.price), "second": other.title}
        yield Draft({**variables, "second_price": _dollars(other.price), "options": options}, number, record.group)


def _priced(record: ComparedOffer, rng: random.Random, count: int) -> list[Offer]:
    """The offer and alike ones, each with a price of its own, cheapest first; none where they are too few."""
    priced = [one for one in _different(record.alike, (record.offer,), rng) if one.price is not None]
    by_price = {one.price: one for one in [*priced, record.offer] if one.price is not None}
    chosen = list(by_price.values())[-count:]
    return sorted(chosen, key=lambda one: one.price or 0) if len(chosen) == count else []


@_compare("numeric reasoning", CHOICE, capability=Capability.KNOWLEDGE_REASONING)
def _cheapest(record: ComparedOffer, rng: random.Random) -> Iterator[Draft]:
    offers = _priced(record, rng, OPTIONS)
    if offers:
        lines = [f"{one.title} for {_dollars(one.price or 0)}" for one in offers]
        options, number = choices(lines[0], lines[1:], rng)
        yield Draft({"options": options}, number, record.group)


@_compare("numeric reasoning", RANKING, capability=Capability.KNOWLEDGE_REASONING)
def _price_ranking(record: ComparedOffer, rng: random.Random) -> Iterator[Draft]:
    offers = _priced(record, rng, _RANKED)
    if offers:
        entries = [
            (f"{one.title} ({_dollars(one.price or 0)})", 1 - place / _RANKED) for place, one in enumerate(offers)
        ]
        listed, relevances = graded(entries, rng)
        yield Draft({"list": listed}, relevances, record.group)


SOURCES = (DITTO,)
TASKS = _compare.tasks()
