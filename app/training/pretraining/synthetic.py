"""Generated questions about the generated shop: copying, selecting, ranking, rating, counting. Seeded."""

import random
from collections.abc import Callable

from app.training.pretraining.examples import Example, format_numbers
from app.training.pretraining.lexicon import ASPECTS, ATTRIBUTES, COMPLEMENTS, PRODUCTS
from app.training.pretraining.shop import Product, make_brand, make_product, make_review
from app.types import TaskType

Generator = Callable[[random.Random], Example]

CHOICE = TaskType.MULTIPLE_CHOICE
NER = TaskType.NAMED_ENTITY_RECOGNITION


def number_lines(options: list[str], first: int, rng: random.Random) -> str:
    """A numbered list, one entry a line, the space behind the number now and then left out."""
    gap = rng.choice((" ", " ", " ", ""))
    return "\n".join(f"{first + place}.{gap}{option}" for place, option in enumerate(options))


def choice(lead: str, options: list[str], gold: str, rng: random.Random, source: str) -> Example:
    """A choice among shuffled options, counted from 0."""
    rng.shuffle(options)
    end = rng.choice(("\nAnswer:", "\nAnswer: ", "\nOutput:", ""))
    prompt = f"{lead}\n{number_lines(options, 0, rng)}{end}"
    return Example(prompt, str(options.index(gold)), CHOICE, source)


def extract_attribute(rng: random.Random) -> Example:
    """Copy an attribute's value out of a title or a query."""
    product = make_product(rng)
    name = rng.choice(list(product.attributes))
    text = product.title if rng.random() < 0.7 else product.title.lower()
    value = product.attributes[name] if text is product.title else product.attributes[name].lower()
    lead = rng.choice(
        (
            f"Extract the phrase that corresponds to the entity type '{name}'.\nQuery: {text}\nOutput:",
            f"Locate the '{name.upper()}' in the product title: '{text}'.",
            f"Title: {text}\nWhich words name the {name}?\nOutput:",
            f"A shopper typed: {text}. Find the {name} in it and copy it exactly.\nOutput:",
        )
    )
    return Example(lead, value, NER, "shop attribute")


def choose_attribute(rng: random.Random) -> Example:
    """Pick the option that the title states."""
    product = make_product(rng)
    name = rng.choice([name for name in product.attributes if name != "product type"])
    gold = product.attributes[name].lower()
    values = ATTRIBUTES[name] if name in ATTRIBUTES else [make_brand(rng).lower() for _ in range(6)]
    others = rng.sample([value for value in values if value != gold], rng.randint(2, 3))
    lead = rng.choice(
        (
            f"The product '{product.title}' appears in an online shop. What is its {name}?",
            f"What is the {name} of '{product.title}'?",
        )
    )
    return choice(lead, [gold, *others], gold, rng, "shop attribute choice")


def extract_keyphrase(rng: random.Random) -> Example:
    """Copy the phrase of a review that speaks of an aspect."""
    kind = make_product(rng).kind
    review = make_review(rng, kind)
    aspect = rng.choice(list(review.phrases))
    lead = rng.choice(
        (
            f"Copy the one keyphrase of this {kind} review that is about the aspect.\n",
            f"Given a review of a(n) {kind} and an aspect, extract the keyphrase exactly as it is written.\n",
        )
    )
    prompt = f"{lead}Review: {review.text}\nAspect: {aspect}\nOutput:"
    return Example(prompt, review.phrases[aspect], TaskType.GENERATION, "shop keyphrase")


def select_aspects(rng: random.Random) -> Example:
    """Pick the three aspects that a review covers from a list of ten."""
    kind = make_product(rng).kind
    review = make_review(rng, kind, aspects=3)
    options = [*review.phrases, *rng.sample([name for name in ASPECTS if name not in review.phrases], 7)]
    rng.shuffle(options)
    prompt = (
        f"Review of a(n) {kind}: {review.text}\nWhich three aspects of the list does it cover?\n"
        f"Aspect List:\n{number_lines(options, 1, rng)}\nOutput:"
    )
    gold = [place for place, option in enumerate(options, start=1) if option in review.phrases]
    return Example(prompt, format_numbers(gold), TaskType.RETRIEVAL, "shop aspects")


def select_snippets(rng: random.Random) -> Example:
    """Pick the three snippets that speak well or ill of an aspect from a list of fifteen."""
    kind, aspect = make_product(rng).kind, rng.choice(list(ASPECTS))
    side = rng.randrange(2)
    gold = set(ASPECTS[aspect][side])
    others = [text for name, pair in ASPECTS.items() if name != aspect for texts in pair for text in texts]
    options = [*sorted(gold), *rng.sample(others, 12)]
    rng.shuffle(options)
    mood = ("positive", "negative")[side]
    prompt = (
        f"A customer bought a(n) {kind} and writes a {mood} review about the {aspect}. "
        f"Choose 3 snippets of the list that fit.\nReview Snippet List:\n{number_lines(options, 1, rng)}\nOutput:"
    )
    numbers = [place for place, option in enumerate(options, start=1) if option in gold]
    return Example(prompt, format_numbers(numbers), TaskType.RETRIEVAL, "shop snippets")


def rate_review(rng: random.Random) -> Example:
    """Stars from 1 to 5."""
    review = make_review(rng, make_product(rng).kind)
    lead = rng.choice(
        (
            "Rate this product review from 1 (very negative) to 5 (very positive).",
            "How many stars, 1 to 5, does this review give?",
        )
    )
    return Example(f"{lead}\nInput: {review.text}\nAnswer:", str(review.stars), CHOICE, "shop rating")


def choose_product(rng: random.Random) -> Example:
    """Pick the product of a kind, or with a value, that is asked for."""
    products = [make_product(rng, category) for category in rng.sample(list(PRODUCTS), 4)]
    gold = products[0]
    lead = rng.choice(
        (
            f"Which of these products is a(n) {gold.kind}?",
            f"Query: {_query(gold, rng)}\nWhich product matches the query best?",
            f"Select the product of the category {gold.category}.",
        )
    )
    return choice(lead, [product.title for product in products], gold.title, rng, "shop product choice")


def choose_complement(rng: random.Random) -> Example:
    """Pick what goes with a product."""
    pair = list(rng.choice(COMPLEMENTS))
    rng.shuffle(pair)
    used = {partner for known in COMPLEMENTS for partner in known if pair[0] in known}
    kinds = [kind for kinds in PRODUCTS.values() for kind in kinds if kind not in used]
    lead = f"Which product type complements the product type {pair[0]} best?"
    return choice(lead, [pair[1], *rng.sample(kinds, 3)], pair[1], rng, "shop complement")


def _query(product: Product, rng: random.Random) -> str:
    values = [value for name, value in product.attributes.items() if name != "product type"]
    words = [*rng.sample(values, min(len(values), rng.randint(1, 2))), product.kind]
    return " ".join(words).lower()


def rank_products(rng: random.Random) -> Example:
    """Order five products: the one asked for, its kind, its category, the rest."""
    gold = make_product(rng)
    query = _query(gold, rng)
    relatives = [make_product(rng, gold.category, gold.kind), make_product(rng, gold.category)]
    foreign = [name for name in PRODUCTS if name != gold.category]
    products = [gold, *relatives, *(make_product(rng, name) for name in rng.sample(foreign, 2))]
    relevance = [_relevance(product, gold, place) for place, product in enumerate(products)]
    order = list(range(len(products)))
    rng.shuffle(order)
    ranked = sorted(range(len(order)), key=lambda place: (-relevance[order[place]], place))
    listed = number_lines([products[place].title for place in order], 1, rng)
    lead = rng.choice(
        (
            f"A shopper searches for '{query}'. Rank the products by how well they match.",
            f"Query: {query}\nOrder these 5 products from the best match to the worst.",
        )
    )
    prompt = f"{lead}\nProduct List:\n{listed}\nOutput:"
    return Example(
        prompt,
        format_numbers([place + 1 for place in ranked]),
        TaskType.RANKING,
        "shop ranking",
        relevance=tuple(relevance[place] for place in order),
    )


def _relevance(product: Product, gold: Product, place: int) -> float:
    if place == 0:
        return 1.0
    if product.kind == gold.kind:
        return 0.1
    return 0.01 if product.category == gold.category else 0.0


def count_packs(rng: random.Random) -> Example:
    """Multiply or add pack sizes."""
    packs, each = rng.randint(2, 9), rng.randint(2, 12)
    unit = rng.choice(("ounce", "ml", "pieces", "grams"))
    kind = rng.choice(PRODUCTS["food"])
    gold = packs * each
    wrong = {packs + each, each, gold + each, gold + 1, gold * 2, gold + rng.randint(2, 9)} - {gold}
    options = [f"{value} {unit}" for value in [gold, *rng.sample(sorted(wrong), 3)]]
    lead = f"The product '{make_brand(rng)} {kind}, {each} {unit} (Pack of {packs})' is sold. How much is it in total?"
    return choice(lead, options, options[0], rng, "shop pack size")


GENERATORS: dict[Generator, float] = {
    extract_attribute: 3.0,
    choose_attribute: 2.0,
    extract_keyphrase: 2.0,
    select_aspects: 1.0,
    select_snippets: 1.0,
    rate_review: 0.5,
    choose_product: 1.5,
    choose_complement: 0.3,
    rank_products: 1.5,
    count_packs: 0.3,
}
