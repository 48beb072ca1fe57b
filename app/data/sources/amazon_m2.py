"""Amazon-M2 (KDD Cup 2023): shopping sessions in six locales.

Schema: sessions_train.csv (`prev_items`, a numpy list in text such as "['B01' 'B02']", `next_item`, `locale`) and
products_train.csv (`id`, `locale`, `title`, also price, brand, color, size, model, material, author, desc): the
challenge's own getting-started notebook. Locales are UK, DE, JP, ES, FR and IT.
"""

import random
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from app.data.row import Capability
from app.data.sources.reading import RawRow, count, find_tables, one_line, read_table
from app.data.sources.spill import SpillTable, TitlePool, once_a_file
from app.data.tasks.lists import LISTED, OPTIONS, choices, selection
from app.data.tasks.task import CHOICE, RETRIEVAL, Draft, PublishedSource, TaskGroup, TrainingTask

SESSIONS = ("prev_items", "next_item", "locale")
PRODUCTS = ("id", "locale", "title")
LOCALES = {"UK": "en", "DE": "de", "JP": "ja", "ES": "es", "FR": "fr", "IT": "it"}
_NAME = re.compile(r"[^\s'\"\[\],]+")


@dataclass(frozen=True, slots=True)
class Session:
    """What a shopper looked at, by title, in order, and what came next."""

    locale: str
    language: str
    previous: tuple[str, ...]
    next: str
    number: int
    """Its place among the file's sessions, from 0."""
    shop: TitlePool = field(repr=False, compare=False)

    def others(self) -> tuple[str, ...]:
        """Other products of the same locale, by chance."""
        return self.shop.draw(f"Amazon-M2/{self.number}", {*self.previous, self.next})


class _Shop:
    """The products of all locales on disk: by identity, and a pool for each locale."""

    def __init__(self, path: Path) -> None:
        self._places: defaultdict[str, list[int]] = defaultdict(list)
        self.titles = SpillTable(self._rows(path))
        self.pools = {locale: TitlePool(self.titles, places) for locale, places in self._places.items()}

    def _rows(self, path: Path) -> Iterator[tuple[str, str]]:
        for place, row in enumerate(read_table(path, PRODUCTS)):
            locale = _locale(row)
            self._places[locale].append(place)
            yield f"{locale}/{row.text('id')}", one_line(row.text_or("title"))

    def title(self, locale: str, identity: str) -> str:
        return str(self.titles.first(f"{locale}/{identity}") or "")


_open_shop = once_a_file(_Shop)


def read_amazon_m2(folder: Path, faults: Counter[str]) -> Iterator[Session]:
    """The training sessions of a folder with the two tables, each product by its title."""
    shop = _open_shop(find_tables(folder, "products_train")[0])
    for path in find_tables(folder, "sessions_train"):
        for number, row in enumerate(read_table(path, SESSIONS)):
            session = _session(row, number, shop, faults)
            if session is not None:
                yield session


def _session(row: RawRow, number: int, shop: _Shop, faults: Counter[str]) -> Session | None:
    locale = _locale(row)
    following = shop.title(locale, row.text("next_item"))
    previous = [shop.title(locale, identity) for identity in identities(row)]
    if not following or not any(previous):
        faults["Amazon-M2: a session without titles, dropped"] += 1
        return None
    count(faults, "Amazon-M2: a product without a title, left out", previous.count(""))
    titles = tuple(title for title in previous if title)
    return Session(locale, LOCALES[locale], titles, following, number, shop.pools[locale])


def identities(row: RawRow) -> list[str]:
    """The names in a row's "['B01' 'B02']": numpy puts no commas, and breaks lines; a proper list is read as well.

    Raises:
        InputError: it is no list.
    """
    value = row.values.get("prev_items")
    if isinstance(value, list | tuple):
        return list(row.texts("prev_items"))
    text = row.text("prev_items").strip()
    if not (text.startswith("[") and text.endswith("]")):
        raise row.wrong("prev_items", "a list such as \"['B01' 'B02']\"", text)
    return _NAME.findall(text)


def _locale(row: RawRow) -> str:
    locale = row.text("locale")
    if locale not in LOCALES:
        raise row.wrong("locale", f"one of {', '.join(LOCALES)}", locale)
    return locale


AMAZON_M2 = PublishedSource("Amazon-M2", "Apache-2.0", "AIcrowd, Amazon KDD Cup 2023 (Jin et al. 2023)", read_amazon_m2)
_SHOWN = 6
"""The last products of a session; longer ones say little more and fill the context."""


def _choice(record: Session, rng: random.Random) -> Iterator[Draft]:
    others = record.others()[: OPTIONS - 1]
    if len(others) == OPTIONS - 1:
        options, number = choices(record.next, others, rng)
        yield _draft(record, {"options": options}, number)


def _list(record: Session, rng: random.Random) -> Iterator[Draft]:
    others = record.others()[: LISTED - 1]
    if len(others) == LISTED - 1:
        listed, numbers = selection([record.next], others, rng)
        yield _draft(record, {"list": listed}, numbers)


def _draft(record: Session, variables: dict[str, object], gold: object) -> Draft:
    shown = "\n".join(f"- {title}" for title in record.previous[-_SHOWN:])
    return Draft({"session": shown, **variables}, gold, language=record.language)


def _tasks(suffix: str, capability: Capability, *languages: str) -> tuple[TrainingTask[Session], ...]:
    task = TaskGroup[Session](AMAZON_M2, capability, "amazon_m2", "m2_next_", suffix)
    for kind, draft in ((CHOICE, _choice), (RETRIEVAL, _list)):
        wanted = task(
            "session-based recommendation", kind, None, languages, where=lambda one: one.language in languages
        )
        wanted(draft)
    return task.tasks()


SOURCES = (AMAZON_M2,)
TASKS = (
    *_tasks("", Capability.USER_BEHAVIOUR, "en"),
    *_tasks("_languages", Capability.MULTILINGUAL, "de", "ja", "es", "fr", "it"),
)
