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
