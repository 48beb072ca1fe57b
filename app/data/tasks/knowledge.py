"""Knowledge reasoning: packs, units, prices and sizes."""

import random
from collections.abc import Callable, Sequence

from app.data.catalogue.catalogue import Catalogue
from app.data.catalogue.lexicon import Measure, plain, tidy
from app.data.catalogue.products import Product
from app.data.row import Capability
from app.data.tasks.concepts import CATALOGUE, described
from app.data.tasks.lists import choices, graded, selection
from app.data.tasks.task import CHOICE, GENERATION, RANKING, RETRIEVAL, Draft, TaskGroup, list_draft
from app.evaluation.names import Metric

_knowledge = TaskGroup[Catalogue](CATALOGUE, Capability.KNOWLEDGE_REASONING, "knowledge")
_SOLD_BY = ("net weight", "volume", "unit count")
_CONVERTED = {
    "volume": ("ml", "l", "fl oz"),
    "mass": ("g", "kg", "oz", "lb"),
    "length": ("mm", "cm", "m", "inch", "feet"),
}
_GRADES = (1.0, 0.75, 0.5, 0.25, 0.0)


def with_measure(
    shop: Catalogue,
    rng: random.Random,
    keys: Sequence[str] = (),
    serves: Callable[[Product, str], bool] = lambda *_: True,
) -> tuple[Product, str]:
    """A product with an amount of one of these attributes (of any that can be compared, if none), and which."""
    wanted = keys or [key for key, one in shop.lexicon.attributes.items() if one.most]
    while True:
        product = shop.any_product(rng)
        found = [key for key in product.measures if key in wanted]
        if found and serves(product, key := rng.choice(found)):
            return product, key


def amounts(product: Product, key: str, rng: random.Random, count: int) -> list[Measure]:
    """Different plausible amounts for a product type, as many as there are up to `count`."""
    one = product.type.numbers[key]
    return [one.amount(place) for place in rng.sample(range(one.count), min(count, one.count))]


def falling(shop: Catalogue, rng: random.Random, count: int) -> tuple[Product, str, list[Measure], list[str]]:
    """A product, an attribute, different amounts of it, largest first, and titles of such products that name them."""
    product, key = with_measure(shop, rng, (), lambda product, key: product.type.numbers[key].count >= count)
    values = sorted(amounts(product, key, rng, count), key=lambda value: -value.base)
    variants = (shop.variant(product, rng, {key: value}, same_brand=False) for value in values)
    return product, key, values, [shop.title(one, show=key).text for one in variants]


def _dollars(cents: int) -> str:
    return f"${cents / 100:.2f}"


@_knowledge("numeric reasoning", CHOICE)
def pack_total(shop: Catalogue, rng: random.Random) -> Draft:
    product, key = with_measure(shop, rng, _SOLD_BY, lambda product, _: product.pack > 1)
    one = product.measures[key]
    gold = one.times(product.pack)
    wrong = [one, one.times(product.pack + 1), one.times(max(1, product.pack - 1)), gold.times(2), gold.times(10)]
    wrong += [Measure(tidy(one.amount + product.pack), one.unit), gold.times(0.5)]
    texts = [text for text in dict.fromkeys(value.text() for value in wrong) if text != gold.text()]
    options, number = choices(gold.text(), rng.sample(texts, 3), rng)
    attribute = "count" if key == "unit count" else key
    return Draft({"title": shop.title(product, show=key).text, "attribute": attribute, "options": options}, number)


@_knowledge("unit conversion", CHOICE)
def unit_conversion(shop: Catalogue, rng: random.Random) -> Draft:
    product, key = with_measure(shop, rng, (), lambda one, key: one.measures[key].unit.dimension in _CONVERTED)
    value = product.measures[key]
    symbols = [one for one in _CONVERTED[value.unit.dimension] if one != value.unit.symbol]
    fitting = [one for one in symbols if 0.05 <= value.base / shop.lexicon.units[one].factor <= 90_000]
    gold = value.converted(shop.lexicon.units[rng.choice(fitting)])
    wrong = [gold.times(factor) for factor in (10, 0.1, 2, 0.5, 1.3, 3, 0.75, 100)]
    texts = [text for text in dict.fromkeys(one.text() for one in wrong if one.amount > 0) if text != gold.text()]
    variables = {"title": shop.title(product).text, "attribute": key, "value": value.text(), "unit": gold.unit.word}
    return list_draft(choices(gold.text(), rng.sample(texts, 3), rng), variables)


@_knowledge("numeric reasoning", CHOICE)
def cheapest_per_unit(shop: Catalogue, rng: random.Random) -> Draft:
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


@_knowledge("attribute comparison", CHOICE)
def largest_measure(shop: Catalogue, rng: random.Random) -> Draft:
    product, key, _, titles = falling(shop, rng, 4)
    options, number = choices(titles[0], titles[1:], rng)
    most = shop.lexicon.attributes[key].most
    return Draft({"most": most, "attribute": key, "category": product.type.name.en, "options": options}, number)


@_knowledge("attribute comparison", RANKING)
def measure_ranking(shop: Catalogue, rng: random.Random) -> Draft:
    _, key, _, titles = falling(shop, rng, len(_GRADES))
    variables = {"attribute": key, "most": shop.lexicon.attributes[key].most}
    return list_draft(graded(list(zip(titles, _GRADES, strict=True)), rng), variables)


@_knowledge("attribute comparison", RETRIEVAL)
def products_above_limit(shop: Catalogue, rng: random.Random) -> Draft:
    listed = rng.randint(6, 9)
    product, key, values, titles = falling(shop, rng, listed)
    variables = {"category": product.type.name.en, "attribute": key, "limit": values[2].text()}
    return list_draft(selection(titles[:3], titles[3:], rng), variables)


@_knowledge("numeric reasoning", CHOICE)
def basket_total(shop: Catalogue, rng: random.Random) -> Draft:
    product = shop.any_product(rng)
    count = rng.randint(2, 9)
    gold = product.cents * count
    wrong = {gold + product.cents, gold - product.cents, gold + 1000, gold + 100, gold * 2, product.cents + count * 100}
    others = rng.sample(sorted(wrong - {gold}), 3)
    variables = {"title": shop.title(product).text, "price": product.price, "count": plain(count)}
    return list_draft(choices(_dollars(gold), [_dollars(value) for value in others], rng), variables)


@_knowledge("commonsense reasoning", CHOICE)
def complement_category(shop: Catalogue, rng: random.Random) -> Draft:
    one = rng.choice(shop.types)
    partner = rng.choice(shop.related_types(one))
    others = [other.name.en for other in shop.unrelated_types(one, rng, 3)]
    return list_draft(
        choices(partner.name.en, others, rng), {"category": one.name.en, "with_article": one.with_article}
    )


@_knowledge("commonsense reasoning", CHOICE)
def category_for_purpose(shop: Catalogue, rng: random.Random) -> Draft:
    one = rng.choice(shop.types)
    options, gold = choices(one.with_article, [other.with_article for other in shop.unrelated_types(one, rng, 3)], rng)
    return Draft({"purpose": one.purpose, "options": options}, gold)


@_knowledge("commonsense reasoning", CHOICE)
def purpose_of_category(shop: Catalogue, rng: random.Random) -> Draft:
    one = rng.choice(shop.types)
    others = [f"to {other.purpose}" for other in shop.unrelated_types(one, rng, 3)]
    return list_draft(choices(f"to {one.purpose}", others, rng), {"with_article": one.with_article})


@_knowledge("compatibility", CHOICE)
def compatible_product(shop: Catalogue, rng: random.Random) -> Draft:
    attributes = shop.lexicon.attributes

    def keys(product: Product) -> list[str]:
        return [key for key, values in product.type.choices.items() if attributes[key].needs and len(values) > 2]

    product = shop.product_that(rng, keys)
    key = rng.choice(keys(product))
    values = rng.sample(product.type.choices[key], min(4, len(product.type.choices[key])))
    titles = [shop.title(shop.variant(product, rng, {key: value}, same_brand=False), show=key).text for value in values]
    options, gold = choices(titles[0], titles[1:], rng)
    need = attributes[key].needs.format(value=values[0].en if key in {"connector", "bulb"} else values[0].en.lower())
    return Draft({"need": need, "category": product.type.name.en, "options": options}, gold)


@_knowledge("commonsense reasoning", RANKING)
def complement_ranking(shop: Catalogue, rng: random.Random) -> Draft:
    """Order types: partners, then the same department, then the rest."""
    one = rng.choice(shop.types)
    partners = rng.sample(shop.related_types(one), 1)
    near = [other for other in shop.near_types(one) if other not in shop.related_types(one)]
    entries = [(other.name.en, 1.0) for other in partners]
    entries += [(other.name.en, 0.1) for other in rng.sample(near, min(len(near), rng.randint(1, 2)))]
    entries += [(other.name.en, 0.0) for other in shop.unrelated_types(one, rng, 5 - len(entries))]
    variables = {"category": one.name.en, "with_article": one.with_article, "count": len(entries)}
    return list_draft(graded(entries, rng), variables)


@_knowledge("commonsense reasoning", RETRIEVAL)
def products_for_purposes(shop: Catalogue, rng: random.Random) -> Draft:
    types = rng.sample(shop.types, 3)
    listed = rng.randint(8, 12)
    far = [one for one in shop.types if one not in types and one.department not in [kind.department for kind in types]]
    gold = [shop.title(shop.any_product(rng, one)).text for one in types]
    others = [shop.title(shop.any_product(rng, one)).text for one in rng.sample(far, listed - 3)]
    options, numbers = selection(gold, others, rng)
    first, second, third = (one.purpose for one in types)
    return Draft({"purposes": f"{first}, to {second} and to {third}", "options": options}, numbers)


@_knowledge("product question answering", GENERATION, Metric.ROUGE_L)
def description_answer(shop: Catalogue, rng: random.Random) -> Draft:
    product, description, fact = described(shop, rng)
    attribute = shop.lexicon.attributes[fact.key]
    asked = attribute.asks if isinstance(product.values[fact.key], Measure) else f"What is its {attribute.name.en}?"
    return Draft({"description": description, "question": asked}, fact.sentence)


@_knowledge("co-purchase reasoning", GENERATION, Metric.SENT_TRANSFORMER)
def co_purchase_reason(shop: Catalogue, rng: random.Random) -> Draft:
    """Explain a co-purchase by what both products are for."""
    product = shop.any_product(rng)
    other = shop.complement(product, rng)
    a, b = product.type, other.type
    gold = f"Because the customer needs {a.with_article} to {a.purpose} and {b.with_article} to {b.purpose}."
    return Draft({"first": shop.title(product).text, "second": shop.title(other).text}, gold)


TASKS = _knowledge.tasks()
