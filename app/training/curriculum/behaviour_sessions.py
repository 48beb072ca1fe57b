"""User behaviour alignment: browsing sessions and co-purchases."""

import random
from collections.abc import Callable
from functools import partial

from app.training.catalogue.catalogue import Catalogue
from app.training.catalogue.products import Product
from app.training.catalogue.queries import make_query
from app.training.catalogue.sessions import Action, Session, make_session, next_products, next_queries
from app.training.curriculum.declaring import CHOICE, RANKING, RETRIEVAL, catalogue_task
from app.training.curriculum.lists import LISTED, choices, graded, selection
from app.training.curriculum.task import Draft
from app.training.row import Capability

_behaviour = partial(catalogue_task, Capability.USER_BEHAVIOUR)
_CANDIDATES = 10
_ORDER = (Action.SEARCH, Action.CLICK, Action.CART, Action.PURCHASE)
_STYLES = tuple(
    dict(zip(_ORDER, patterns, strict=True))
    for patterns in (
        ("Query keyword '{}'", "Click on product '{}'", "Add product '{}' to cart", "Purchase product '{}'"),
        ("search: {}", "view: {}", "add to basket: {}", "buy: {}"),
        ("The user searched for '{}'", "The user looked at '{}'", "The user added '{}'", "The user bought '{}'"),
    )
)


def written(session: Session, rng: random.Random) -> str:
    """The session, one action a line, in one of several styles."""
    style = rng.choice(_STYLES)
    return "\n".join(style[step.action].format(step.text) for step in session.steps)


def different(make: Callable[[], str], count: int, taken: tuple[str, ...] = ()) -> list[str]:
    """`count` different texts, none of them taken."""
    found: list[str] = []
    while len(found) < count:
        text = make()
        if text not in found and text not in taken:
            found.append(text)
    return found


def bought_with(shop: Catalogue, product: Product, rng: random.Random, count: int) -> list[str]:
    """Different titles of products that go with one."""
    return different(lambda: shop.title(shop.complement(product, rng)).text, count)


@_behaviour(
    "session understanding",
    RETRIEVAL,
    (
        "Imagine that you are shopping online. The lines below are what you have done so far, first to last. Which "
        "keywords will you search for next? Select the three most likely of the ten numbered queries and output only "
        "their numbers, with commas between them.\n\nAction Sequence:\n{{ session }}\n\nQuery List:\n"
        "{{ options }}\nOutput:",
        "Action Sequence:\n{{ session }}\n\nWhich three queries of the list may this shopper type next? Answer with "
        "their numbers, separated by commas.\nQuery List:\n{{ options }}\nOutput: ",
        "Below are the last actions of a shopper. Choose the 3 queries from the list that are most likely to follow "
        "and output their numbers.\nAction Sequence:\n{{ session }}\nCandidate queries:\n{{ options }}\nAnswer:",
        "Query List:\n{{ options }}\n\nAction Sequence:\n{{ session }}\n\nGiven the actions, select from the list the "
        "three queries that come next. Write only the numbers, separated by commas.\nOutput:",
    ),
)
def next_query(shop: Catalogue, rng: random.Random) -> Draft:
    """Pick the searches that may follow."""
    session = make_session(shop, rng)
    gold = next_queries(shop, session, rng, 3)
    others = [make_query(one, rng, most=2).text for one in shop.unrelated(session.aim.type, rng, _CANDIDATES - 3)]
    options, numbers = selection(gold, others, rng)
    return Draft({"session": written(session, rng), "options": options}, numbers)


@_behaviour(
    "session understanding",
    RETRIEVAL,
    (
        "A shopper has just done what follows.\nAction Sequence:\n{{ session }}\n\nPlease select the 3 products from "
        "the numbered list that the shopper will most likely click next. Give three numbers with commas between them."
        "\nProduct List:\n{{ options }}\nOutput:",
        "Action Sequence:\n{{ session }}\n\nGiven these actions, choose three products from the list to show on the "
        "next page. Output three numbers, separated by commas.\nProduct List:\n{{ options }}\nOutput: ",
        "Predict the next click. Which three products of the list fit the session best? Answer with their numbers "
        "only.\nSession:\n{{ session }}\n\nProduct List:\n{{ options }}\nAnswer:",
    ),
)
def next_product(shop: Catalogue, rng: random.Random) -> Draft:
    """Pick the products that may be looked at next."""
    session = make_session(shop, rng)
    seen = tuple(step.text for step in session.steps)
    gold = different(lambda: shop.title(next_products(shop, session, rng, 1)[0]).text, 3, seen)
    listed = rng.choice((_CANDIDATES, _CANDIDATES, LISTED))
    others = [shop.title(one).text for one in shop.unrelated(session.aim.type, rng, listed - 3)]
    options, numbers = selection(gold, others, rng)
    return Draft({"session": written(session, rng), "options": options}, numbers)


@_behaviour(
    "co-purchase prediction",
    RETRIEVAL,
    (
        "The product '{{ title }}' has been sold to a user. Which of the 15 numbered products may the user purchase "
        "as well? Select 3 of them.\nProduct List:\n{{ options }}\nOutput the 3 numbers with commas between them and "
        "nothing else.\nOutput:",
        "You advise the customers of a shop. Somebody is about to buy the product '{{ title }}'. From the following "
        "numbered list, select the three products to offer along with it and answer with the numbers only.\nProduct "
        "List:\n{{ options }}\nOutput: ",
        "In the basket: {{ title }}\nWhich three products of the list are often bought together with it? Answer with "
        "their numbers, separated by commas.\nProduct List:\n{{ options }}\nAnswer:",
        "Product List:\n{{ options }}\n\nA customer has ordered '{{ title }}'. Recommend three products from the list "
        "that complement the order. Write only the numbers, separated by commas.\nOutput:",
    ),
)
def also_bought(shop: Catalogue, rng: random.Random) -> Draft:
    """Pick what goes with a purchase."""
    product = shop.any_product(rng)
    gold = bought_with(shop, product, rng, 3)
    others = [shop.title(one).text for one in shop.unrelated(product.type, rng, LISTED - 3)]
    options, numbers = selection(gold, others, rng)
    return Draft({"title": shop.title(product).text, "options": options}, numbers)


@_behaviour(
    "co-purchase prediction",
    CHOICE,
    (
        "A customer puts '{{ title }}' into the basket. Which of the following products goes with it?\n"
        "{{ options }}\nAnswer: ",
        "Product: {{ title }}\nChoose the product that is bought together with it.\n{{ options }}\nAnswer:",
        "Customers who bought '{{ title }}' also bought\n{{ options }}\nOutput:",
    ),
)
def bought_together(shop: Catalogue, rng: random.Random) -> Draft:
    """Find what goes with a product."""
    product = shop.any_product(rng)
    gold = bought_with(shop, product, rng, 1)[0]
    others = [shop.title(one).text for one in shop.unrelated(product.type, rng, 3)]
    options, number = choices(gold, others, rng)
    return Draft({"title": shop.title(product).text, "options": options}, number)


@_behaviour(
    "session understanding",
    RANKING,
    (
        "Rank the following 5 products by how likely the shopper of this session is to buy them, the most likely "
        "first. The answer is a permutation of 1 to 5, with commas between the numbers.\nAction Sequence:\n"
        "{{ session }}\n\nProduct List:\n{{ options }}\nOutput:",
        "A shopper has performed the actions below. Please rank the five products of the list from the best "
        "recommendation to the worst. Name each number once, separated by commas.\n\nAction Sequence:\n"
        "{{ session }}\n\nProduct List:\n{{ options }}\nOutput: ",
        "Given the session below, put the candidate products in order, most relevant first. Output all 5 numbers.\n"
        "Session:\n{{ session }}\n\nProduct List:\n{{ options }}\nRanking:",
        "Product List:\n{{ options }}\n\nAction Sequence:\n{{ session }}\n\nRank all products of the list for this "
        "shopper, the best fit first. Write the five numbers, separated by commas.\nOutput:",
    ),
)
def next_product_ranking(shop: Catalogue, rng: random.Random) -> Draft:
    """Order products by how well they continue a session that has bought nothing yet."""
    session = make_session(shop, rng, bought=False)
    aim = session.aim
    keep = dict(session.query.wanted)
    found = {shop.title(aim).text: 1.0}
    near = shop.variant(aim, rng, keep, same_brand=False)
    grades = (0.5, near), (0.1, shop.any_product(rng, aim.type)), (0.01, shop.complement(aim, rng))
    for grade, product in rng.sample(grades, rng.randint(2, 3)):
        found.setdefault(shop.title(product).text, grade)
    for product in shop.unrelated(aim.type, rng, 5 - len(found)):
        found[shop.title(product).text] = 0.0
    options, relevances = graded(list(found.items()), rng)
    return Draft({"session": written(session, rng), "options": options}, relevances)


@_behaviour(
    "session understanding",
    CHOICE,
    (
        "Action Sequence:\n{{ session }}\n\nWhat is the user of this session looking for?\n{{ options }}\nAnswer: ",
        "A user of an online shop did the following.\n{{ session }}\nWhich kind of product did the user have in mind?"
        "\n{{ options }}\nAnswer:",
        "Read the session and name the shopping intention behind it.\n{{ session }}\n{{ options }}\nOutput:",
    ),
)
def session_intention(shop: Catalogue, rng: random.Random) -> Draft:
    """Say what a session is about."""
    session = make_session(shop, rng)
    named = rng.random() < 0.5
    types = [session.aim.type, *shop.unrelated_types(session.aim.type, rng, 3)]
    texts = [one.with_article if named else f"something to {one.purpose}" for one in types]
    options, gold = choices(texts[0], texts[1:], rng)
    return Draft({"session": written(session, rng), "options": options}, gold)


TASKS = (next_query, next_product, also_bought, bought_together, next_product_ranking, session_intention)
