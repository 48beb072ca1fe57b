"""Knowledge reasoning: packs, units, prices and sizes."""

import random
from collections.abc import Sequence
from functools import partial

from app.training.catalogue.catalogue import Catalogue
from app.training.catalogue.measures import Measure, plain, tidy
from app.training.catalogue.products import Product
from app.training.curriculum.declaring import CHOICE, RANKING, RETRIEVAL, catalogue_task
from app.training.curriculum.lists import choices, graded, selection
from app.training.curriculum.task import Draft
from app.training.row import Capability

_knowledge = partial(catalogue_task, Capability.KNOWLEDGE_REASONING)
_SOLD_BY = ("net weight", "volume", "unit count")
_CONVERTED = {
    "volume": ("ml", "l", "fl oz"),
    "mass": ("g", "kg", "oz", "lb"),
    "length": ("mm", "cm", "m", "inch", "feet"),
}
_GRADES = (1.0, 0.75, 0.5, 0.25, 0.0)


def with_measure(shop: Catalogue, rng: random.Random, keys: Sequence[str] = ()) -> tuple[Product, str]:
    """A product with an amount of one of these attributes (of any that can be compared, if none), and which."""
    wanted = keys or [key for key, one in shop.lexicon.attributes.items() if one.most]
    product = shop.any_product(rng)
    found = [key for key in product.measures if key in wanted]
    while not found:
        product = shop.any_product(rng)
        found = [key for key in product.measures if key in wanted]
    return product, rng.choice(found)


def showing(shop: Catalogue, product: Product, key: str, value: Measure, rng: random.Random) -> str:
    """The title of a product of the same type that has, and names, this value."""
    return shop.title(shop.variant(product, rng, {key: value}, same_brand=False), show=key).text


def amounts(product: Product, key: str, rng: random.Random, count: int) -> list[Measure]:
    """Different plausible amounts for a product type, as many as there are up to `count`."""
    one = product.type.numbers[key]
    return [one.amount(place) for place in rng.sample(range(one.count), min(count, one.count))]


@_knowledge(
    "numeric reasoning",
    CHOICE,
    (
        "An online shop sells '{{ title }}'. What is the total {{ attribute }} of the package?\n"
        "{{ options }}\nAnswer: ",
        "Product title: {{ title }}\nHow much does a customer get in all ({{ attribute }})?\n{{ options }}\nAnswer:",
        "A customer orders '{{ title }}' once. Work out the total {{ attribute }} of the delivery.\n"
        "{{ options }}\nOutput:",
        "{{ title }}: what is the {{ attribute }} of the whole pack?\n{{ options }}",
    ),
)
def pack_total(shop: Catalogue, rng: random.Random) -> Draft:
    """Multiply the content of one unit by the number in the pack."""
    product, key = with_measure(shop, rng, _SOLD_BY)
    while product.pack == 1:
        product, key = with_measure(shop, rng, _SOLD_BY)
    one = product.measures[key]
    gold = one.times(product.pack)
    wrong = [one, one.times(product.pack + 1), one.times(max(1, product.pack - 1)), gold.times(2), gold.times(10)]
    wrong += [Measure(tidy(one.amount + product.pack), one.unit), gold.times(0.5)]
    texts = [text for text in dict.fromkeys(value.text() for value in wrong) if text != gold.text()]
    options, number = choices(gold.text(), rng.sample(texts, 3), rng)
    attribute = "count" if key == "unit count" else key
    return Draft({"title": shop.title(product, show=key).text, "attribute": attribute, "options": options}, number)


@_knowledge(
    "unit conversion",
    CHOICE,
    (
        "The product '{{ title }}' has a {{ attribute }} of {{ value }}. How much is that in {{ unit }}?\n{{ options "
        "}}\nAnswer: ",
        "Convert the {{ attribute }} of this product, {{ value }}, to {{ unit }}.\nProduct: {{ title }}\n{{ options }}"
        "\nAnswer:",
        "A customer thinks in {{ unit }}. The listing gives the {{ attribute }} as {{ value }}. Which amount is the "
        "same?\n{{ options }}\nOutput:",
        "{{ value }} is about\n{{ options }}\nAnswer:",
    ),
)
def unit_conversion(shop: Catalogue, rng: random.Random) -> Draft:
    """Say an amount in another unit."""
    product, key = with_measure(shop, rng)
    value = product.measures[key]
    while value.unit.dimension not in _CONVERTED:
        product, key = with_measure(shop, rng)
        value = product.measures[key]
    symbols = [one for one in _CONVERTED[value.unit.dimension] if one != value.unit.symbol]
    fitting = [one for one in symbols if 0.05 <= value.base / shop.lexicon.units[one].factor <= 90_000]
    gold = value.converted(shop.lexicon.units[rng.choice(fitting)])
    wrong = [gold.times(factor) for factor in (10, 0.1, 2, 0.5, 1.3, 3, 0.75, 100)]
    texts = [text for text in dict.fromkeys(one.text() for one in wrong if one.amount > 0) if text != gold.text()]
    options, number = choices(gold.text(), rng.sample(texts, 3), rng)
    variables = {"title": shop.title(product).text, "attribute": key, "value": value.text(), "unit": gold.unit.word}
    return Draft(variables | {"options": options}, number)


@_knowledge(
    "numeric reasoning",
    CHOICE,
    (
        "Which of these offers costs the least per {{ unit }}?\n{{ options }}\nAnswer: ",
        "A thrifty customer compares prices per {{ unit }}. Which offer is the cheapest in this sense?\n"
        "{{ options }}\nAnswer:",
        "Four offers of {{ category }} are listed. Choose the one with the lowest price per {{ unit }}.\n{{ options }}"
        "\nOutput:",
    ),
)
def cheapest_per_unit(shop: Catalogue, rng: random.Random) -> Draft:
    """Compare prices by content."""
    product, key = with_measure(shop, rng, _SOLD_BY)
    unit = product.type.numbers[key].unit
    best = rng.uniform(10, 150) if unit.dimension == "count" else rng.uniform(0.4, 2.5)  # cents
    offers = []
    for place, value in enumerate(amounts(product, key, rng, 4)):
        rate = best * (1 if place == 0 else rng.uniform(1.25, 2.5))
        offers.append(f"{value.text()} of {product.type.name.en} for ${rate * value.base / 100:.2f}")
    options, number = choices(offers[0], offers[1:], rng)
    word = {"mass": "gram", "volume": "milliliter"}.get(unit.dimension, "piece")
    return Draft({"unit": word, "category": product.type.name.en, "options": options}, number)


@_knowledge(
    "attribute comparison",
    CHOICE,
    (
        "Which of the following products {{ most }}?\n{{ options }}\nAnswer: ",
        "Compare the {{ attribute }} of these products and choose the one that {{ most }}.\n{{ options }}\nAnswer:",
        "A customer is looking for {{ category }} and wants the one that {{ most }}. Which one should it be?\n"
        "{{ options }}\nOutput:",
    ),
)
def largest_measure(shop: Catalogue, rng: random.Random) -> Draft:
    """Find the product with the largest amount."""
    product, key = with_measure(shop, rng)
    while product.type.numbers[key].count < 4:
        product, key = with_measure(shop, rng)
    values = sorted(amounts(product, key, rng, 4), key=lambda value: -value.base)
    titles = [showing(shop, product, key, value, rng) for value in values]
    options, number = choices(titles[0], titles[1:], rng)
    most = shop.lexicon.attributes[key].most
    return Draft({"most": most, "attribute": key, "category": product.type.name.en, "options": options}, number)


@_knowledge(
    "attribute comparison",
    RANKING,
    (
        "Rank the following 5 products by their {{ attribute }}, the largest first. The answer is a permutation of "
        "the numbers 1 to 5 with commas between them.\nProduct List:\n{{ options }}\nOutput:",
        "Below is a numbered list of five products. Rank all of them by {{ attribute }}, from the highest to the "
        "lowest, and use each number once.\nProduct List:\n{{ options }}\nOutput: ",
        "Sort these products so that the one that {{ most }} comes first and the others follow in order. Output all "
        "five numbers, separated by commas.\nProducts:\n{{ options }}\nRanking:",
        "Products:\n{{ options }}\n\nRank these products by {{ attribute }} in descending order. Write all five "
        "numbers, separated by commas.\nOutput:",
    ),
)
def measure_ranking(shop: Catalogue, rng: random.Random) -> Draft:
    """Order products by an amount."""
    product, key = with_measure(shop, rng)
    while product.type.numbers[key].count < len(_GRADES):
        product, key = with_measure(shop, rng)
    values = sorted(amounts(product, key, rng, len(_GRADES)), key=lambda value: -value.base)
    entries = [(showing(shop, product, key, value, rng), grade) for value, grade in zip(values, _GRADES, strict=True)]
    options, relevances = graded(entries, rng)
    return Draft({"attribute": key, "most": shop.lexicon.attributes[key].most, "options": options}, relevances)


@_knowledge(
    "attribute comparison",
    RETRIEVAL,
    (
        "A customer needs {{ category }} with a {{ attribute }} of at least {{ limit }}. Select the three products "
        "from the numbered list that meet this. Output only three numbers separated with comma.\nProduct List:\n"
        "{{ options }}\nOutput:",
        "Which three products of the list have a {{ attribute }} of {{ limit }} or more? Answer with their numbers, "
        "separated by commas.\nProduct List:\n{{ options }}\nOutput: ",
        "Filter: {{ attribute }} >= {{ limit }}. Choose the 3 products from the list that pass this filter and output "
        "their numbers.\nProducts:\n{{ options }}\nAnswer:",
        "Product List:\n{{ options }}\n\nFrom this list, select the three products whose {{ attribute }} is "
        "{{ limit }} or more. Give their numbers, separated by commas.\nOutput:",
    ),
)
def products_above_limit(shop: Catalogue, rng: random.Random) -> Draft:
    """Pick the products whose amount reaches a limit."""
    listed = rng.randint(6, 9)
    product, key = with_measure(shop, rng)
    while product.type.numbers[key].count < listed:
        product, key = with_measure(shop, rng)
    values = sorted(amounts(product, key, rng, listed), key=lambda value: -value.base)
    titles = [showing(shop, product, key, value, rng) for value in values]
    options, numbers = selection(titles[:3], titles[3:], rng)
    variables = {"category": product.type.name.en, "attribute": key, "limit": values[2].text(), "options": options}
    return Draft(variables, numbers)


@_knowledge(
    "numeric reasoning",
    CHOICE,
    (
        "{{ title }} costs {{ price }}. How much do {{ count }} of them cost?\n{{ options }}\nAnswer:",
        "A customer puts {{ count }} times '{{ title }}' at {{ price }} each into the basket. What is the total price?"
        "\n{{ options }}\nAnswer: ",
        "Price of one: {{ price }}\nProduct: {{ title }}\nQuantity: {{ count }}\nWhat is to be paid in all?\n"
        "{{ options }}\nOutput:",
    ),
)
def basket_total(shop: Catalogue, rng: random.Random) -> Draft:
    """Multiply a price."""
    product = shop.any_product(rng)
    count = rng.randint(2, 9)
    gold = product.cents * count
    wrong = {gold + product.cents, gold - product.cents, gold + 1000, gold + 100, gold * 2, product.cents + count * 100}
    others = rng.sample(sorted(wrong - {gold}), 3)
    options, number = choices(_dollars(gold), [_dollars(value) for value in others], rng)
    variables = {"title": shop.title(product).text, "price": product.price, "count": plain(count), "options": options}
    return Draft(variables, number)


def _dollars(cents: int) -> str:
    return f"${cents / 100:.2f}"


TASKS = (
    pack_total,
    unit_conversion,
    cheapest_per_unit,
    largest_measure,
    measure_ranking,
    products_above_limit,
    basket_total,
)
