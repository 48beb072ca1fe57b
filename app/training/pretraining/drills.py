"""Drills: texts that ask for a look back. Seeded, unlabelled words are all they need.

A question of the usual form teaches one answer token in a hundred. Drills teach one in ten and more: which of the
options was named or goes on, what stands in line 7, which lines hold a word, in what order the options fit. Many
stand among other words and behind the instructions of serving, so that real questions are a small step.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from app.types import TaskType

PAGE_WORDS = 150
"""About so many words make a page."""
BEFORE = 0.8
"""How often a question stands before its list."""
OPENING = "<|im_end|>\n<|im_start|>assistant\n"
"""What stands before an answer in a conversation; questions end as there."""
QUOTED = 0.5
"""How often such a query is in quotation marks."""
SENTENCE = (6, 40)
"""Fewest and most words of a line that is cut in two, of which one has to be found for the other."""
ARROWS = (": ", " -> ", " = ")
CUES = ("", "\nAnswer:", "\nOutput:", "\nAnswer: ")


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of a page; what is asked is learnt, the rest is only read."""

    text: str
    asked: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """One drill; a framed one stands behind the instructions of its task type."""

    segments: list[Segment]
    frame: TaskType | None = None

    @property
    def text(self) -> str:
        """What all segments say, without the frame."""
        return "".join(segment.text for segment in self.segments)


@dataclass(frozen=True, slots=True)
class Wording:
    """How questions look."""

    framed: float
    """How often one stands behind the instructions of its type."""
    led: float
    """How often other words stand before or behind a query."""
    longest: tuple[int, ...]
    """Words of the longest option of a list, of which one is drawn."""
    counts: tuple[tuple[int, int], ...]
    """Ranges of the number of options, of which one is drawn."""


PLAIN = Wording(0.0, 0.0, (3,), ((2, 6),))
VARIED = Wording(0.5, 0.5, (2, 3, 3, 6, 10), ((2, 5), (3, 6), (6, 15)))


class Drills:
    """Draws pages over a pool of titles."""

    def __init__(self, titles: Sequence[str]) -> None:
        """Titles are cut into words; the words of all of them are the vocabulary, as often as they occur."""
        self._titles = [words for words in (title.split() for title in sorted(set(titles))) if len(words) > 1]
        self._words = sorted({word for words in self._titles for word in words})
        self._sentences = [words for words in self._titles if SENTENCE[0] <= len(words) <= SENTENCE[1]]
        kinds: dict[Callable[[random.Random], Page], int] = {
            self.repeat: 1,
            self.choose_word: 2,
            self.choose: 5,
            self.go_on: 3,
            self.find_line: 1,
            self.read_line: 1,
            self.find_all: 2,
            self.order: 2,
            self.recall: 1,
        }
        self._kinds = [kind for kind, share in kinds.items() for _ in range(share)]
        self._first_kinds = (self.choose_word, self.choose, self.find_all, self.order)

    @property
    def usable(self) -> bool:
        """Whether there are words enough for lists of different entries."""
        return len(self._sentences) > 50 and len(self._words) > 200

    def draw(self, rng: random.Random) -> Page:
        """One page of a random kind."""
        return rng.choice(self._kinds)(rng)

    def draw_first(self, rng: random.Random) -> Page:
        """One bare question with few short options: what the heads can nearly do from the first step."""
        return rng.choice(self._first_kinds)(rng, PLAIN)

    def repeat(self, rng: random.Random) -> Page:
        """Words in random order, and the same words again."""
        text = " ".join(rng.choices(self._words, k=rng.randint(8, PAGE_WORDS // 2)))
        first, _, rest = text.partition(" ")
        return Page([Segment(f"{text}\n{first}"), Segment(f" {rest}", asked=True)])

    def choose(self, rng: random.Random, wording: Wording = VARIED) -> Page:
        """The entry of a list that holds the words, by its number."""
        options = self._phrases(rng, rng.randint(*rng.choice(wording.counts)), rng.choice(wording.longest))
        return self._choice(rng, wording, options, lambda gold: self._part(gold, rng))

    def choose_word(self, rng: random.Random, wording: Wording = VARIED) -> Page:
        """As `choose`, of single words."""
        options = rng.sample(self._words, rng.randint(2, 6))
        return self._choice(rng, wording, options, lambda gold: self._part(gold, rng))

    def go_on(self, rng: random.Random) -> Page:
        """The beginning of a line, to be matched with its end among the ends of others."""
        lines = {tuple(words) for words in rng.sample(self._sentences, rng.randint(2, 5))}
        halves = {" ".join(words[len(words) // 2 :]): " ".join(words[: len(words) // 2]) for words in sorted(lines)}
        ends = list(halves)
        rng.shuffle(ends)
        return self._choice(rng, VARIED, ends, halves.__getitem__)

    def _choice(self, rng: random.Random, wording: Wording, options: list[str], query_of: Callable[[str], str]) -> Page:
        gold, first = rng.randrange(len(options)), rng.choice((0, 0, 1))
        listed = self._listed(options, first, rng)
        query = self._led(query_of(options[gold]), listed, wording, rng)
        text = f"{query}\n{listed}" if rng.random() < BEFORE else f"{listed}\n{query}"
        return self._question(rng, wording, text, str(first + gold), TaskType.MULTIPLE_CHOICE)

    def find_line(self, rng: random.Random) -> Page:
        """One longer list, then pieces of its lines, each to be found by number."""
        options, first, page = self._sheet(rng)
        arrow = rng.choice(ARROWS)
        for place in rng.sample(range(len(options)), min(len(options), 8)):
            page.append(Segment(self._part(options[place], rng) + arrow))
            page += [Segment(str(first + place), asked=True), Segment("\n")]
        return Page(page)

    def read_line(self, rng: random.Random) -> Page:
        """One longer list, then numbers, each to be answered by its line."""
        options, first, page = self._sheet(rng)
        for place in rng.sample(range(len(options)), min(len(options), 6)):
            page += [Segment(f"{first + place}. "), Segment(options[place], asked=True), Segment("\n")]
        return Page(page)

    def find_all(self, rng: random.Random, wording: Wording = VARIED) -> Page:
        """A list in which several entries share a word: their numbers, in order."""
        word = rng.choice(self._words)
        options = self._phrases(rng, rng.randint(5, wording.counts[-1][1]), rng.choice(wording.longest))
        options = [phrase for phrase in options if word not in phrase.split()]
        gold = sorted(rng.sample(range(len(options)), rng.randint(1, min(3, len(options)))))
        for place in gold:
            words = options[place].split()
            words.insert(rng.randint(0, len(words)), word)
            options[place] = " ".join(words)
        first = rng.choice((0, 1))
        listed = self._listed(options, first, rng)
        asked = ",".join(str(first + place) for place in gold)
        text = f"{self._led(word, listed, wording, rng)}\n{listed}"
        return self._question(rng, wording, text, asked, TaskType.RETRIEVAL)

    def order(self, rng: random.Random, wording: Wording = VARIED) -> Page:
        """A short list whose entries share more or fewer words with a query: the numbers, best first."""
        query = rng.sample(self._words, rng.randint(2, 4))
        shared = list(range(len(query) + 1))
        rng.shuffle(shared)
        options = []
        for count in shared:
            words = rng.sample(query, count) + rng.choices(self._words, k=max(1, rng.randint(2, 6) - count))
            rng.shuffle(words)
            options.append(" ".join(words))
        ranked = sorted(range(len(options)), key=lambda place: -shared[place])
        asked = ",".join(str(place + 1) for place in ranked)
        listed = self._listed(options, 1, rng)
        text = f"{self._led(' '.join(query), listed, wording, rng)}\n{listed}"
        return self._question(rng, wording, text, asked, TaskType.RANKING)

    def recall(self, rng: random.Random) -> Page:
        """Names with values, then the names in another order, each to be answered by its value."""
        names = rng.sample(self._words, rng.randint(5, 14))
        values = dict(zip(names, self._phrases(rng, len(names), 3), strict=True))
        link = rng.choice((": ", "=", " is "))
        page = [Segment("\n".join(f"{name}{link}{value}" for name, value in values.items()) + "\n\n")]
        rng.shuffle(names)
        for name in names:
            page += [Segment(name + link), Segment(values[name], asked=True), Segment("\n")]
        return Page(page)

    @staticmethod
    def _question(rng: random.Random, wording: Wording, text: str, answer: str, frame: TaskType) -> Page:
        segments = [Segment(text + rng.choice(CUES) + OPENING), Segment(answer, asked=True)]
        if frame is not TaskType.MULTIPLE_CHOICE:
            segments.append(Segment("<|im_end|>", asked=True))
        return Page(segments, frame if rng.random() < wording.framed else None)

    def _led(self, query: str, listed: str, wording: Wording, rng: random.Random) -> str:
        """The query, now and then in quotation marks, or with words about it that stand in no entry."""
        if rng.random() >= wording.led:
            return query
        if rng.random() < QUOTED:
            query = f"'{query}'"
        taken = set(listed.lower().split())
        words = [word for word in " ".join(self._phrases(rng, 2, 10)).split() if word.lower() not in taken]
        cut = rng.randint(0, len(words))
        return " ".join([*words[:cut], query, *words[cut:]])

    def _sheet(self, rng: random.Random) -> tuple[list[str], int, list[Segment]]:
        options = self._phrases(rng, rng.randint(5, 15), 6)
        first = rng.choice((0, 1, 1))
        return options, first, [Segment(self._listed(options, first, rng) + "\n\n")]

    def _phrases(self, rng: random.Random, count: int, longest: int) -> list[str]:
        """Different runs of words out of titles."""
        found: dict[str, None] = {}
        while len(found) < count:
            words = rng.choice(self._titles)
            length = rng.randint(1, longest)
            start = rng.randrange(max(1, len(words) - length + 1))
            found[" ".join(words[start : start + length])] = None
        return list(found)

    @staticmethod
    def _part(phrase: str, rng: random.Random) -> str:
        """The phrase, or one or two words of it, now and then in small letters."""
        words = phrase.split()
        if rng.random() < 0.6:
            length = rng.randint(1, min(2, len(words)))
            start = rng.randrange(len(words) - length + 1)
            words = words[start : start + length]
        text = " ".join(words)
        return text.lower() if rng.random() < 0.3 else text

    @staticmethod
    def _listed(options: Sequence[str], first: int, rng: random.Random) -> str:
        mark = rng.choice((". ", ". ", ". ", ".", ") "))
        return "\n".join(f"{first + place}{mark}{option}" for place, option in enumerate(options))
