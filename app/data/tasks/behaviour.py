"""User behaviour alignment: queries, and the products that answer them."""

import random
from collections.abc import Callable
from dataclasses import replace

from app.data.catalogue.behaviour import Action, Session, make_review, make_session, next_products, next_queries
from app.data.catalogue.catalogue import Catalogue
from app.data.catalogue.products import Product
from app.data.catalogue.queries import RELEVANCE, Match, Query, make_query, misspell
from app.data.row import Capability
from app.data.tasks.concepts import CATALOGUE
from app.data.tasks.lists import LISTED, choices, graded, numbered, selection
from app.data.tasks.task import CHOICE, GENERATION, RANKING, RETRIEVAL, Draft, TaskGroup, list_draft
from app.evaluation.names import Metric

_behaviour = TaskGroup[Catalogue](CATALOGUE, Capability.USER_BEHAVIOUR, "behaviour")
_RELATIONS = ("irrelevant", "substitute", "complement", "narrowing")
_GRADES = (Match.EXACT, Match.SUBSTITUTE, Match.COMPLEMENT, Match.IRRELEVANT)


def changed(shop: Catalogue, product: Product, query: Query, rng: random.Random) -> Query:
    """The query with one of its demands replaced by another value."""
    key = rng.choice(list(query.wanted))
    while (other := shop.variant(product, rng, {}, same_brand=True)).values[key] == query.wanted[key]:
        pass
    value = other.value_text(key).lower()
    pieces = tuple((what, value if what == key else text) for what, text in query.pieces)
    return replace(query, pieces=pieces, wanted={**query.wanted, key: other.values[key]})


def demanding(shop: Catalogue, rng: random.Random, language: str = "en") -> tuple[Product, Query]:
    """A product, and a query for it that demands a value which its title shows and other products need not have."""
    while True:
        product = shop.any_product(rng)
        query = make_query(product, rng, language, most=3, least=1)
        several = all(len(product.type.choices.get(key, "..")) > 1 for key in query.wanted)
        if query.wanted and several and set(query.wanted) <= set(shop.title(product).keys):
            return product, query


def of_match(shop: Catalogue, query: Query, product: Product, match: Match, rng: random.Random) -> Product:
    """A product that answers the query to a degree."""
    if match is Match.COMPLEMENT:
        return shop.complement(product, rng)
    if match is Match.IRRELEVANT:
        return shop.unrelated(product.type, rng, 1)[0]
    if match is Match.EXACT:
        return product
    while shop.match(query, other := shop.any_product(rng, product.type)) is not match:
        pass
    return other


def ranked_products(
    shop: Catalogue, product: Product, query: Query, rng: random.Random, language: str = "en"
) -> list[tuple[str, float]]:
    """Five titles and their relevances: one exact match, the others of random grades, all grades possible."""
    matches = [Match.EXACT, *rng.choices(_GRADES[1:], (3, 1, 3), k=4)]
    found: dict[str, float] = {}
    for match in matches:
        while (title := shop.title(of_match(shop, query, product, match, rng), language).text) in found:
            pass
        found[title] = RELEVANCE[match]
    return list(found.items())


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


@_behaviour("query-query intent", CHOICE)
def query_relation(shop: Catalogue, rng: random.Random) -> Draft:
    product, query = demanding(shop, rng)
    relation = rng.choice(_RELATIONS)
    if relation == "narrowing":
        kept = tuple(piece for piece in query.pieces if piece[0] not in query.wanted)
        first, second = replace(query, pieces=kept).text, query.text
    elif relation == "substitute":
        first, second = query.text, changed(shop, product, query, rng).text
    else:
        match = Match.COMPLEMENT if relation == "complement" else Match.IRRELEVANT
        other = of_match(shop, query, product, match, rng)
        first, second = query.text, make_query(other, rng, most=2).text
    entries = list(_RELATIONS)
    if rng.random() < 0.5:
        rng.shuffle(entries)
    variables = {"first": first, "second": second, "options": numbered(entries, 0, rng)}
    return Draft(variables, entries.index(relation))


@_behaviour("query-product relevance", CHOICE)
def query_product_match(shop: Catalogue, rng: random.Random) -> Draft:
    product, query = demanding(shop, rng)
    match = rng.choice(_GRADES)
    title = shop.title(of_match(shop, query, product, match, rng)).text
    words = {
        Match.EXACT: "exact: it meets all that the query asks for",
        Match.SUBSTITUTE: "substitute: it is the right kind of product but misses a demand",
        Match.COMPLEMENT: "complement: it is not asked for but goes with what is",
        Match.IRRELEVANT: "irrelevant: it has nothing to do with the query",
    }
    short = rng.random() < 0.4
    entries = [one.value if short else words[one] for one in _GRADES]
    gold = entries[_GRADES.index(match)]
    if rng.random() < 0.5:
        rng.shuffle(entries)
    variables = {"query": query.text, "title": title, "options": numbered(entries, 0, rng)}
    return Draft(variables, entries.index(gold))


@_behaviour("query-product relevance", RANKING)
def query_product_ranking(shop: Catalogue, rng: random.Random) -> Draft:
    product, query = demanding(shop, rng)
    return list_draft(graded(ranked_products(shop, product, query, rng), rng), {"query": query.text})


@_behaviour("query-query intent", RETRIEVAL)
def similar_queries(shop: Catalogue, rng: random.Random) -> Draft:
    product = shop.any_product(rng)
    query = make_query(product, rng, most=1)

    def similar() -> str:
        return make_query(shop.any_product(rng, product.type), rng, most=2, least=1).text

    gold = different(similar, 3, (query.text,))
    others = [make_query(other, rng, most=2).text for other in shop.unrelated(product.type, rng, 7)]
    return list_draft(selection(gold, others, rng), {"query": query.text})


@_behaviour("query-product relevance", CHOICE)
def product_for_query(shop: Catalogue, rng: random.Random) -> Draft:
    product, query = demanding(shop, rng)

    def rival() -> str:
        match = rng.choice((Match.SUBSTITUTE, Match.SUBSTITUTE, Match.IRRELEVANT))
        return shop.title(of_match(shop, query, product, match, rng)).text

    return list_draft(choices(shop.title(product).text, different(rival, 3), rng), {"query": query.text})


@_behaviour("query-product relevance", CHOICE)
def query_for_product(shop: Catalogue, rng: random.Random) -> Draft:
    product, query = demanding(shop, rng)
    near = changed(shop, product, query, rng).text
    others = [make_query(other, rng, most=2, least=1).text for other in shop.unrelated(product.type, rng, 2)]
    return list_draft(choices(query.text, [near, *others], rng), {"title": shop.title(product).text})


@_behaviour("query rewriting", GENERATION, Metric.ROUGE_L)
def query_correction(shop: Catalogue, rng: random.Random) -> Draft:
    query = make_query(shop.any_product(rng), rng, most=3, least=1).text
    return Draft({"query": misspell(query, rng)}, query)


@_behaviour("session understanding", RETRIEVAL)
def next_query(shop: Catalogue, rng: random.Random) -> Draft:
    session = make_session(shop, rng)
    gold = next_queries(shop, session, rng, 3)
    others = [make_query(one, rng, most=2).text for one in shop.unrelated(session.aim.type, rng, _CANDIDATES - 3)]
    return list_draft(selection(gold, others, rng), {"session": written(session, rng)})


@_behaviour("session understanding", RETRIEVAL)
def next_product(shop: Catalogue, rng: random.Random) -> Draft:
    session = make_session(shop, rng)
    seen = tuple(step.text for step in session.steps)
    gold = different(lambda: shop.title(next_products(shop, session, rng, 1)[0]).text, 3, seen)
    listed = rng.choice((_CANDIDATES, _CANDIDATES, LISTED))
    others = [shop.title(one).text for one in shop.unrelated(session.aim.type, rng, listed - 3)]
    return list_draft(selection(gold, others, rng), {"session": written(session, rng)})


@_behaviour("co-purchase prediction", RETRIEVAL)
def also_bought(shop: Catalogue, rng: random.Random) -> Draft:
    product = shop.any_product(rng)
    gold = bought_with(shop, product, rng, 3)
    others = [shop.title(one).text for one in shop.unrelated(product.type, rng, LISTED - 3)]
    return list_draft(selection(gold, others, rng), {"title": shop.title(product).text})


@_behaviour("co-purchase prediction", CHOICE)
def bought_together(shop: Catalogue, rng: random.Random) -> Draft:
    product = shop.any_product(rng)
    gold = bought_with(shop, product, rng, 1)[0]
    others = [shop.title(one).text for one in shop.unrelated(product.type, rng, 3)]
    return list_draft(choices(gold, others, rng), {"title": shop.title(product).text})


@_behaviour("session understanding", RANKING)
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
    return list_draft(graded(list(found.items()), rng), {"session": written(session, rng)})


@_behaviour("session understanding", CHOICE)
def session_intention(shop: Catalogue, rng: random.Random) -> Draft:
    session = make_session(shop, rng)
    named = rng.random() < 0.5
    types = [session.aim.type, *shop.unrelated_types(session.aim.type, rng, 3)]
    texts = [one.with_article if named else f"something to {one.purpose}" for one in types]
    return list_draft(choices(texts[0], texts[1:], rng), {"session": written(session, rng)})


@_behaviour("review rating prediction", CHOICE)
def review_rating(shop: Catalogue, rng: random.Random) -> Draft:
    review = make_review(shop.lexicon, rng.choice(shop.types), rng)
    return Draft({"category": review.type.name.en, "review": review.text}, review.stars)


@_behaviour("review rating prediction", CHOICE)
def review_satisfaction(shop: Catalogue, rng: random.Random) -> Draft:
    review = make_review(shop.lexicon, rng.choice(shop.types), rng)
    labels = ["yes, the customer is content", "no, the customer is disappointed", "the customer is undecided"]
    gold = labels[0 if review.stars > 3 else 1 if review.stars < 3 else 2]
    rng.shuffle(labels)
    variables = {"category": review.type.name.en, "review": review.text, "options": numbered(labels, 0, rng)}
    return Draft(variables, labels.index(gold))


@_behaviour("review rating prediction", RANKING)
def review_ranking(shop: Catalogue, rng: random.Random) -> Draft:
    one = rng.choice(shop.types)
    entries = [(make_review(shop.lexicon, one, rng, stars, 2).text, (stars - 1) / 4) for stars in range(1, 6)]
    return list_draft(graded(entries, rng), {"category": one.name.en})


@_behaviour("review helpfulness", RETRIEVAL)
def helpful_reviews(shop: Catalogue, rng: random.Random) -> Draft:
    one = rng.choice(shop.types)
    gold: list[str] = []
    others: list[str] = []
    aspect = rng.choice(one.aspects)
    while len(gold) < 3 or len(others) < 4:
        review = make_review(shop.lexicon, one, rng, aspects=2)
        place = gold if aspect in {opinion.aspect for opinion in review.opinions} else others
        if len(place) < (3 if place is gold else 4) and review.text not in place:
            place.append(review.text)
    return list_draft(selection(gold, others, rng), {"aspect": aspect})


@_behaviour("review understanding", CHOICE)
def opposite_experience(shop: Catalogue, rng: random.Random) -> Draft:
    """Find the praise for what a complaint is about."""
    aspect = rng.choice(list(shop.lexicon.aspects))
    entry = shop.lexicon.aspects[aspect]
    far = rng.sample([name for name in shop.lexicon.aspects if name != aspect], 3)
    others = [rng.choice(shop.lexicon.aspects[name].praise) for name in far]
    return list_draft(choices(rng.choice(entry.praise), others, rng), {"phrase": rng.choice(entry.blame)})


TASKS = _behaviour.tasks()
