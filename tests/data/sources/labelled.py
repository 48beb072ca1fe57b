"""Small files of the sets whose words are labelled one by one, in their published forms and in our own words."""

from typing import Any

from app.data.sources.reading import one_line


def query(text: str) -> dict[str, Any]:
    """A row of QueryNER of "steel/material tea_kettle/core.product.type": phrases, each before its type."""
    tokens: list[str] = []
    labels: list[str] = []
    for part in one_line(text).split():
        words, _, kind = part.partition("/")
        for place, word in enumerate(words.split("_")):
            tokens.append(word)
            labels.append(f"{'I' if place else 'B'}-{kind.replace('.', '_')}" if kind else "O")
    return {"example_id": len(text), "tokens": tokens, "labels": labels, "spans": []}


QUERIES = [
    query(text)
    for text in (
        "norvik/creator steel/material tea_kettle/core.product.type",
        "red/color wool/material scarf/core.product.type for_women/department",
        "oak_desk/core.product.type 120_cm/UoM with drawers/modifier",
        "gold/color ring_box/core.product.type",
        "gold/material chain/core.product.type",
        "tirkko/creator garden_hose/core.product.type 20_m/UoM green/color",
        "almstad/creator novel/core.product.type",
        "candles/core.product.type",
    )
]
NO_LABELS = query("something nice")
QUOTED = query('9"/UoM pan/core.product.type')


def review(text: str, *opinions: tuple[str, str, str], domain: str = "Home_and_Kitchen") -> str:
    """A line of DMASTE: opinions as (aspect, words, polarity), each standing once in the text; "" is not named."""
    tokens = text.split(" ")

    def span(words: str) -> list[int]:
        if not words:
            return [-1]
        parts = words.split(" ")
        [first] = [place for place in range(len(tokens)) if tokens[place : place + len(parts)] == parts]
        return [first] if len(parts) == 1 else [first, first + len(parts) - 1]

    triples = [(span(aspect), span(words), polarity) for aspect, words, polarity in opinions]
    return f"{text}####{triples!r}####{domain}"


_THINGS = (
    "lid", "grip", "spout", "cord", "hinge", "drawer", "filter", "wheel", "basket", "shelf", "tripod", "zipper",
    "buckle", "sleeve", "dial", "nozzle", "jar", "clasp", "magnet", "ribbon", "knob", "pedal", "antenna", "rug",
    "saddle", "tassel", "mirror", "gauge", "lever", "pouch",
)  # fmt: skip
REVIEWS = [
    review(
        f"The {thing} works very well so far . Sadly its {other} came off at once but the {third} didn 't",
        (thing, "works very well", "POS"),
        (other, "came off", "NEG"),
        (third, "didn 't", "NEU"),
    )
    for thing, other, third in zip(_THINGS[:10], _THINGS[10:20], _THINGS[20:], strict=True)
]
"""Each names three things that no other one does."""
QUOTING = review('A 9 " pan (as " wide " as told ) , I like it !', ("pan", "like", "POS"), ("", "wide", "POS"))
