"""Knowledge reasoning: packs, units, prices and sizes."""

import random
from collections.abc import Sequence
from functools import partial

from app.data.catalogue.catalogue import Catalogue
from app.data.catalogue.lexicon import Measure, plain, tidy
from app.data.catalogue.products import FEATURE, PACK, Product
from app.data.catalogue.titles import make_description
from app.data.row import Capability
from app.data.tasks.declaring import CHOICE, GENERATION, RANKING, RETRIEVAL, catalogue_task
from app.data.tasks.task import Draft, choices, graded, selection
from app.evaluate.names import Metric

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


_NEEDS = {
    "connector": "has a device with the connector {value}",
    "bulb": "has a lamp with the base {value}",
    "skin": "wants something {value}",
    "hair": "wants something {value}",
    "audience": "wants something {value}",
    "size": "needs {value}",
    "meat": "has a dog that eats nothing but {value}",
    "roast": "likes a {value} best",
    "season": "is looking for {value} gear",
    "ruling": "likes {value} pages",
}


@_knowledge(
    "commonsense reasoning",
    CHOICE,
    (
        "Which one of these product categories is the best companion of the product type {{ category }}?\n{{ options "
        "}}\nAnswer: ",
        "A customer buys {{ with_article }}. What will most likely be needed along with it?\n{{ options }}\nAnswer:",
        "Choose the product category that is used together with {{ category }}.\n{{ options }}\nOutput:",
        "'{{ category }}' goes best with\n{{ options }}\nAnswer:",
    ),
)
def complement_category(shop: Catalogue, rng: random.Random) -> Draft:
    """Find the category that goes with another."""
    one = rng.choice(shop.types)
    partner = rng.choice(shop.related_types(one))
    others = [other.name.en for other in shop.unrelated_types(one, rng, 3)]
    options, gold = choices(partner.name.en, others, rng)
    return Draft({"category": one.name.en, "with_article": one.with_article, "options": options}, gold)


@_knowledge(
    "commonsense reasoning",
    CHOICE,
    (
        "Which product does somebody need who wants to {{ purpose }}?\n{{ options }}\nAnswer: ",
        "PersonX wants to {{ purpose }}. Hence, PersonX buys\n{{ options }}\nAnswer:",
        'A customer asks: "What do you have to {{ purpose }}?" Which answer helps?\n{{ options }}\nOutput:',
        "To {{ purpose }}, it is best to get\n{{ options }}",
    ),
)
def category_for_purpose(shop: Catalogue, rng: random.Random) -> Draft:
    """Find what serves a purpose."""
    one = rng.choice(shop.types)
    options, gold = choices(one.with_article, [other.with_article for other in shop.unrelated_types(one, rng, 3)], rng)
    return Draft({"purpose": one.purpose, "options": options}, gold)


@_knowledge(
    "commonsense reasoning",
    CHOICE,
    (
        "For what does a customer buy {{ with_article }}?\n{{ options }}\nAnswer: ",
        "PersonX buys {{ with_article }}. What does PersonX intend to do?\n{{ options }}\nAnswer:",
        "Choose the purpose that {{ with_article }} serves.\n{{ options }}\nOutput:",
    ),
)
def purpose_of_category(shop: Catalogue, rng: random.Random) -> Draft:
    """Say what something is for."""
    one = rng.choice(shop.types)
    others = [f"to {other.purpose}" for other in shop.unrelated_types(one, rng, 3)]
    options, gold = choices(f"to {one.purpose}", others, rng)
    return Draft({"with_article": one.with_article, "options": options}, gold)


@_knowledge(
    "compatibility",
    CHOICE,
    (
        "A customer {{ need }}. Which of these products fits?\n{{ options }}\nAnswer: ",
        "Choose the right product for a customer who {{ need }}.\n{{ options }}\nAnswer:",
        "Somebody in the market for {{ category }} {{ need }}. What should the shop recommend?\n{{ options }}\nOutput:",
        "Need: the customer {{ need }}.\nPick the product that serves this need.\n{{ options }}\nAnswer:",
    ),
)
def compatible_product(shop: Catalogue, rng: random.Random) -> Draft:
    """Find the variant that fits somebody's need."""
    product = shop.any_product(rng)
    keys = [key for key in product.words if key in _NEEDS and len(product.type.choices[key]) > 2]
    while not keys:
        product = shop.any_product(rng)
        keys = [key for key in product.words if key in _NEEDS and len(product.type.choices[key]) > 2]
    key = rng.choice(keys)
    values = rng.sample(product.type.choices[key], min(4, len(product.type.choices[key])))
    titles = [shop.title(shop.variant(product, rng, {key: value}, same_brand=False), show=key).text for value in values]
    options, gold = choices(titles[0], titles[1:], rng)
    need = _NEEDS[key].format(value=values[0].en if key in {"connector", "bulb"} else values[0].en.lower())
    return Draft({"need": need, "category": product.type.name.en, "options": options}, gold)


@_knowledge(
    "commonsense reasoning",
    RANKING,
    (
        "Rank the following product types by how well they go with the product type '{{ category }}', best first. The "
        "answer is a permutation of 1 to {{ count }} with commas between the numbers.\nProduct List:\n"
        "{{ options }}\nOutput:",
        "A customer has bought {{ with_article }}. Please rank these {{ count }} products from the most to the least "
        "useful addition. Output all numbers, separated by commas.\nProduct List:\n{{ options }}\nOutput: ",
        "Order the products of the list by how closely they are related to {{ category }}. Put the best match first "
        "and name each number once.\nProducts:\n{{ options }}\nRanking:",
        "Product List:\n{{ options }}\n\nRank the list by usefulness to somebody who owns {{ with_article }}, the "
        "most useful first. Write every number once, separated by commas.\nOutput:",
    ),
)
def complement_ranking(shop: Catalogue, rng: random.Random) -> Draft:
    """Order types: partners, then the same department, then the rest."""
    one = rng.choice(shop.types)
    partners = rng.sample(shop.related_types(one), 1)
    near = [
        other
        for other in shop.types
        if other.department is one.department and other is not one and other not in shop.related_types(one)
    ]
    entries = [(other.name.en, 1.0) for other in partners]
    entries += [(other.name.en, 0.1) for other in rng.sample(near, min(len(near), rng.randint(1, 2)))]
    entries += [(other.name.en, 0.0) for other in shop.unrelated_types(one, rng, 5 - len(entries))]
    options, relevances = graded(entries, rng)
    variables = {"category": one.name.en, "with_article": one.with_article, "count": len(entries), "options": options}
    return Draft(variables, relevances)


@_knowledge(
    "commonsense reasoning",
    RETRIEVAL,
    (
        "A customer plans to {{ purposes }}. Select the three products from the numbered list that serve these plans. "
        "Output only three numbers separated with comma.\nProduct List:\n{{ options }}\nOutput:",
        "Shopping list for somebody who wants to {{ purposes }}: choose 3 products from the list and answer with "
        "their numbers, separated by commas.\nProduct List:\n{{ options }}\nOutput: ",
        "Which three products of the list help to {{ purposes }}? Output their numbers only.\nProducts:\n"
        "{{ options }}\nAnswer:",
    ),
)
def products_for_purposes(shop: Catalogue, rng: random.Random) -> Draft:
    """Pick what serves three purposes."""
    types = rng.sample(shop.types, 3)
    listed = rng.randint(8, 12)
    far = [one for one in shop.types if one not in types and one.department not in [kind.department for kind in types]]
    gold = [shop.title(shop.any_product(rng, one)).text for one in types]
    others = [shop.title(shop.any_product(rng, one)).text for one in rng.sample(far, listed - 3)]
    options, numbers = selection(gold, others, rng)
    first, second, third = (one.purpose for one in types)
    return Draft({"purposes": f"{first}, to {second} and to {third}", "options": options}, numbers)


@_knowledge(
    "product question answering",
    GENERATION,
    (
        "Answer the customer's question with the help of the product description.\nDescription: "
        "{{ description }}\nQuestion: {{ question }}\nAnswer:",
        'Product description: {{ description }}\nA customer asks: "{{ question }}" Write a short answer to the '
        "question.\nOutput:",
        "Question: {{ question }}\nContext: {{ description }}\nReply to the question in one sentence.\nAnswer: ",
        "Use the description to answer the question in a sentence.\n\nDescription: {{ description }}\n\nQuestion: "
        "{{ question }}\n\nAnswer:",
    ),
    Metric.ROUGE_L,
)
def description_answer(shop: Catalogue, rng: random.Random) -> Draft:
    """Answer with the sentence that tells."""
    product = shop.any_product(rng)
    description = make_description(shop.lexicon, product, rng)
    facts = [fact for fact in description.facts if fact.key not in {FEATURE, PACK}]
    while not facts:
        product = shop.any_product(rng)
        description = make_description(shop.lexicon, product, rng)
        facts = [fact for fact in description.facts if fact.key not in {FEATURE, PACK}]
    fact = rng.choice(facts)
    attribute = shop.lexicon.attributes[fact.key]
    asked = attribute.asks if isinstance(product.values[fact.key], Measure) else f"What is its {attribute.name.en}?"
    return Draft({"description": description.text, "question": asked}, fact.sentence)


@_knowledge(
    "co-purchase reasoning",
    GENERATION,
    (
        "Explain in one sentence why a customer buys these two products together.\nProduct A: {{ first }}\nProduct B: "
        "{{ second }}\nExplanation:",
        "A customer has bought '{{ first }}' together with '{{ second }}'. What is the reason? Explain it shortly.\n"
        "Output:",
        "Product A: {{ first }}\nProduct B: {{ second }}\nExplain why shoppers buy both of them in one order.\nReason:",
    ),
    Metric.SENT_TRANSFORMER,
)
def co_purchase_reason(shop: Catalogue, rng: random.Random) -> Draft:
    """Explain a co-purchase by what both products are for."""
    product = shop.any_product(rng)
    other = shop.complement(product, rng)
    a, b = product.type, other.type
    gold = f"Because the customer needs {a.with_article} to {a.purpose} and {b.with_article} to {b.purpose}."
    return Draft({"first": shop.title(product).text, "second": shop.title(other).text}, gold)


TASKS = (
    pack_total,
    unit_conversion,
    cheapest_per_unit,
    largest_measure,
    measure_ranking,
    products_above_limit,
    basket_total,
    complement_category,
    category_for_purpose,
    purpose_of_category,
    compatible_product,
    complement_ranking,
    products_for_purposes,
    description_answer,
    co_purchase_reason,
)
