"""Questions that any list of titles answers by its words alone: who shares them, which come next. Seeded.

They teach a small model to match and to copy on real words, for which no labels are needed.
"""

import random
import re
from collections import defaultdict
from collections.abc import Sequence

from app.training.pretraining.examples import Example, format_numbers
from app.training.pretraining.synthetic import NER, choice, number_lines
from app.types import TaskType

_WORD = re.compile(r"\w{4,}")
COMMON = 0.01
"""Words in more than this share of the titles say nothing."""
LISTED = (10, 15)


class TitleQuestions:
    """Questions over a pool of titles."""

    def __init__(self, titles: Sequence[str]) -> None:
        """Index the titles by their rarer words."""
        self._titles = sorted(set(titles))
        holding: defaultdict[str, list[int]] = defaultdict(list)
        for place, title in enumerate(self._titles):
            for word in self.words(title):
                holding[word].append(place)
        most = max(5, COMMON * len(self._titles))
        self._holding = {word: places for word, places in holding.items() if 2 <= len(places) <= most}
        self._shared = sorted(self._holding)

    @property
    def usable(self) -> bool:
        """Whether the pool is large enough for lists of fifteen and for shared words."""
        return len(self._titles) > 4 * LISTED[1] and len(self._shared) > LISTED[1]

    @staticmethod
    def words(text: str) -> set[str]:
        """The words of four letters and more, lower-cased."""
        return set(_WORD.findall(text.lower()))

    def draw(self, rng: random.Random) -> Example:
        """One question of a random kind."""
        kinds = (self.rank, self.select, self.choose, self.choose, self.copy_after, self.copy_after)
        return rng.choice(kinds)(rng)

    def rank(self, rng: random.Random) -> Example:
        """Order five titles by how many words they share with a query."""
        gold, kin = self._pair(rng)
        words = [word for word in re.findall(r"\w+", gold) if len(word) > 2]
        start = rng.randrange(max(1, len(words) - 3))
        query = " ".join(words[start : start + rng.randint(2, 4)]).lower()
        titles = [gold, kin, *self._random(3, rng)]
        rng.shuffle(titles)
        asked = self.words(query) or set(query.split())
        relevance = [len(asked & set(re.findall(r"\w+", title.lower()))) / len(asked) for title in titles]
        order = sorted(range(len(titles)), key=lambda place: (-relevance[place], place))
        prompt = (
            f"A user searched for '{query}'. Rank these 5 products by relevance to the query.\n"
            f"Product List:\n{number_lines(titles, 1, rng)}\nOutput:"
        )
        target = format_numbers([place + 1 for place in order])
        return Example(prompt, target, TaskType.RANKING, "titles ranking", relevance=tuple(relevance))

    def select(self, rng: random.Random) -> Example:
        """Find the entries that share a rarer word with a title."""
        word = rng.choice(self._shared)
        places = rng.sample(self._holding[word], min(4, len(self._holding[word])))
        given, *gold = [self._titles[place] for place in places]
        fillers = [title for title in self._random(LISTED[1], rng) if not self.words(title) & {word}]
        count = rng.choice(LISTED)
        titles = [*gold, *fillers][:count]
        rng.shuffle(titles)
        first = rng.choice((0, 1, 1))
        shown = rng.choice((f"'{given}'", f"'{word}'"))
        prompt = (
            f"Select the products of the list that are closest to {shown}. Give their numbers.\n"
            f"Products:\n{number_lines(titles, first, rng)}\nOutput:"
        )
        numbers = [first + place for place, title in enumerate(titles) if title in gold]
        return Example(prompt, format_numbers(numbers), TaskType.RETRIEVAL, "titles selection")

    def choose(self, rng: random.Random) -> Example:
        """Find the one title that shares a rarer word with another, or holds it."""
        word = rng.choice(self._shared)
        given, gold = (self._titles[place] for place in rng.sample(self._holding[word], 2))
        others = [title for title in self._random(6, rng) if word not in self.words(title)][:3]
        lead = rng.choice(
            (
                f"Product: '{given}'\nWhich product is most similar to it?",
                f"Which product matches the query '{word}' best?",
            )
        )
        return choice(lead, [gold, *others], gold, rng, "titles choice")

    def copy_after(self, rng: random.Random) -> Example:
        """Copy the words of a title that follow, precede or open."""
        title = rng.choice(self._titles)
        words = title.split()
        if len(words) < 5:
            words = [*words, *rng.choice(self._titles).split(), *rng.choice(self._titles).split()]
        title = " ".join(words)
        start = rng.randrange(1, max(2, len(words) - 3))
        phrase = " ".join(words[start : start + rng.randint(1, 3)])
        prompt = f"Copy the words of the title that follow '{words[start - 1]}': '{title}'."
        return Example(prompt, phrase.strip(",.") or phrase, NER, "titles copy")

    def _pair(self, rng: random.Random) -> tuple[str, str]:
        first, second = rng.sample(self._holding[rng.choice(self._shared)], 2)
        return self._titles[first], self._titles[second]

    def _random(self, count: int, rng: random.Random) -> list[str]:
        return rng.sample(self._titles, count)
