"""ESCI in the form of a search engine's judgments, in small: queries of our own, four labels, products with details."""

import gzip
import json
from pathlib import Path
from typing import Any

QUERIES = ("steel kettle", "wool scarf without fringes", "walnut tray")
_RATINGS = ("100.000", "10.000", "1.000", "0.000")
_BRANDS = ("Norvik", "Almstad", "Tirkko", "Bolderan", "Quellis", "Marwood", "Ostrava & Co", "Pim")
_COLORS = ("Black", "Ochre", "White", "Green")
_CATEGORIES = (
    ["Kitchen", "Small Appliances", "Boilers", "Kettles"],
    ["Clothing", "Women", "Winter", "Scarves"],
    ["Kitchen", "Serving", "Boards", "Trays"],
    ["Garden", "Watering", "Hoses", "Couplings"],
    ["Office", "Paper", "Envelopes", "Padded Mailers"],
    ["Music", "Strings", "Violins", "Bows"],
)


def product(query: int, number: int) -> dict[str, Any]:
    """One of a query's products; its title names brand and colour."""
    brand, color = _BRANDS[number % len(_BRANDS)], _COLORS[number % len(_COLORS)]
    noun = ("Kettle", "Scarf", "Tray")[query]
    return {
        "asin": f"A{query}{number}",
        "title": f"{brand} {noun} &amp; Lid {number}, {color}",
        "description": "",
        "bullet_points": "",
        "brand": brand,
        "color": color,
        "category": _CATEGORIES[query],
    }


OTHERS = [
    product(0, number) | {"asin": f"Z{number}", "category": category, "brand": None}
    for number, category in enumerate(_CATEGORIES)
]
"""Products that no query has."""
WITH_FRINGES = product(1, 0) | {"asin": "F1", "title": "Norvik Scarf with Fringes, White"}
WITHOUT_FRINGES = product(1, 0) | {"asin": "F2", "title": "Norvik Scarf, no Fringes, White"}
LOST = product(2, 0) | {"asin": "L1", "title": "Pim\N{REPLACEMENT CHARACTER}s Tray"}
SHARED = product(0, 0)
"""Stands in the first and in the last query."""


def write_judgments(folder: Path) -> None:
    """Both files in a folder, the products zipped."""
    folder.mkdir(parents=True, exist_ok=True)
    products = [product(query, number) for query in range(len(QUERIES)) for number in range(20)]
    rated = [
        [{"docId": f"A{query}{number}", "rating": _RATINGS[number % 4]} for number in range(20)]
        for query in range(len(QUERIES))
    ]
    rated[1] += [{"docId": identity, "rating": _RATINGS[0]} for identity in ("F1", "F2")]
    rated[2] += [{"docId": identity, "rating": _RATINGS[0]} for identity in ("L1", "gone", SHARED["asin"])]
    judgments = [{"query": query, "ratings": ratings} for query, ratings in zip(QUERIES, rated, strict=True)]
    document = {"name": "Judgments", "type": "IMPORT_JUDGMENT", "judgmentRatings": judgments}
    (folder / "our_judgments.json").write_text(json.dumps(document), encoding="utf-8")
    lines = [*products, WITH_FRINGES, WITHOUT_FRINGES, LOST, *OTHERS]
    with gzip.open(folder / "our_ecommerce_products.json.gz", "wt", encoding="utf-8") as file:
        file.writelines(f"{json.dumps(line)}\n" for line in lines)
