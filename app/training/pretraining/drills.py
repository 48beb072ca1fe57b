"""Drills: short texts that ask for a look back. Seeded, unlabelled words are all they need.

A question of the usual form teaches one answer token in a hundred. Drills teach one in ten and more: which of the
short options was named, what stands in line 7, which lines hold a word, in what order the options fit.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

PAGE_WORDS = 150
"""About so many words make a page."""
BEFORE = 0.8
"""How often a question stands before its list."""
OPENING = "<|im_end|>\n<|im_start|>assistant\n"
"""What stands before an answer in a conversation; questions end as there."""
ARROWS = (": ", " -> ", " = ")
CUES = ("", "\nAnswer:", "\nOutput:", "\nAnswer: ")


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of a page; what is asked is learnt, the rest is only read."""

    text: str
    asked: bool = False


Page = list[Segment]


class Drills:
    """Draws pages over a pool of titles."""

    def __init__(self, titles: Sequence[str]) -> None:
        """Titles are cut into words; the words of all of them are the vocabulary, as often as they occur."""
        self._titles = [words for words in (title.split() for title in sorted(set(titles))) if len(words) > 1]
        self._words = sorted({word for words in self._titles for word in words})
        self._kinds: tuple[Callable[[random.Random], Page], ...] = (
            self.repeat,
            self.choose_word,
            self.choose_word,
            self.choose,
            self.choose,
            self.choose,
            self.find_line,
            self.read_line,
            self.find_all,
            self.order,
            self.order,
            self.recall,
        )

    @property
    def usable(self) -> bool:
        """Whether there are words enough for lists of different entries."""
        return len(self._titles) > 50 and len(self._words) > 200

    def draw(self, rng: random.Random) -> Page:
        """One page of a random kind."""
        return rng.choice(self._kinds)(rng)

    def repeat(self, rng: random.Random) -> Page:
        """Words in random order, and the same words again."""
        text = " ".join(rng.choices(self._words, k=rng.randint(8, PAGE_WORDS // 2)))
        return [Segment(f"{text}\n{text.split(' ', 1)[0]}"), Segment(" " + text.partition(" ")[2], asked=True)]

    def choose(self, rng: random.Random) -> Page:
        """The entry of a short list that holds the words, by its number."""
        return self._question(rng, self._phrases(rng, rng.randint(2, 6)))

    def choose_word(self, rng: random.Random) -> Page:
        """As `choose`, of single words."""
        return self._question(rng, rng.sample(self._words, rng.randint(2, 6)))

    def _question(self, rng: random.Random, options: list[str]) -> Page:
        gold, first = rng.randrange(len(options)), rng.choice((0, 0, 1))
        query, listed = self._part(options[gold], rng), self._listed(options, first, rng)
        text = f"{query}\n{listed}" if rng.random() < BEFORE else f"{listed}\n{query}"
        return [
            Segment(text + rng.choice(CUES) + OPENING),
            Segment(str(first + gold), asked=True),
            Segment("<|im_end|>", asked=True),
        ]

    def find_line(self, rng: random.Random) -> Page:
        """One longer list, then pieces of its lines, each to be found by number."""
        options, first, page = self._sheet(rng)
        arrow = rng.choice(ARROWS)
        for place in rng.sample(range(len(options)), min(len(options), 8)):
            page.append(Segment(self._part(options[place], rng) + arrow))
            page += [Segment(str(first + place), asked=True), Segment("\n")]
        return page

    def read_line(self, rng: random.Random) -> Page:
        """One longer list, then numbers, each to be answered by its line."""
        options, first, page = self._sheet(rng)
        for place in rng.sample(range(len(options)), min(len(options), 6)):
            page += [Segment(f"{first + place}. "), Segment(options[place], asked=True), Segment("\n")]
        return page

    def find_all(self, rng: random.Random) -> Page:
        """A list in which several entries share a word: their numbers, in order."""
        word = rng.choice(self._words)
        options = [phrase for phrase in self._phrases(rng, rng.randint(5, 12)) if word not in phrase.split()]
        gold = sorted(rng.sample(range(len(options)), rng.randint(1, min(3, len(options)))))
        for place in gold:
            words = options[place].split()
            words.insert(rng.randint(0, len(words)), word)
            options[place] = " ".join(words)
        asked = ",".join(str(place + 1) for place in gold)
        return [
            Segment(f"{word}\n{self._listed(options, 1, rng)}{rng.choice(CUES)}{OPENING}"),
            Segment(asked, asked=True),
            Segment("<|im_end|>", asked=True),
        ]

    def order(self, rng: random.Random) -> Page:
        """A short list whose entries share more or fewer words with a query: the numbers, best first."""
        query = rng.sample(self._words, rng.randint(2, 4))
        shared = list(range(len(query) + 1))
        rng.shuffle(shared)
        options = []
        for count in shared:
            words = rng.sample(query, count) + rng.choices(self._words, k=max(1, rng.randint(2, 4) - count))
            rng.shuffle(words)
            options.append(" ".join(words))
        ranked = sorted(range(len(options)), key=lambda place: -shared[place])
        asked = ",".join(str(place + 1) for place in ranked)
        text = f"{' '.join(query)}\n{self._listed(options, 1, rng)}{rng.choice(CUES)}{OPENING}"
        return [Segment(text), Segment(asked, asked=True), Segment("<|im_end|>", asked=True)]

    def recall(self, rng: random.Random) -> Page:
        """Names with values, then the names in another order, each to be answered by its value."""
        names = rng.sample(self._words, rng.randint(5, 14))
        values = dict(zip(names, self._phrases(rng, len(names)), strict=True))
        link = rng.choice((": ", "=", " is "))
        page: Page = [Segment("\n".join(f"{name}{link}{value}" for name, value in values.items()) + "\n\n")]
        rng.shuffle(names)
        for name in names:
            page += [Segment(name + link), Segment(values[name], asked=True), Segment("\n")]
        return page

    def _sheet(self, rng: random.Random) -> tuple[list[str], int, Page]:
        options = self._phrases(rng, rng.randint(5, 15), longest=6)
        first = rng.choice((0, 1, 1))
        return options, first, [Segment(self._listed(options, first, rng) + "\n\n")]

    def _phrases(self, rng: random.Random, count: int, longest: int = 3) -> list[str]:
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
        gap = rng.choice((" ", " ", ""))
        return "\n".join(f"{first + place}.{gap}{option}" for place, option in enumerate(options))
