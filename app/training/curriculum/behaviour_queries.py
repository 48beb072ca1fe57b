"""User behaviour alignment: queries, and the products that answer them."""

import random
from dataclasses import replace
from functools import partial

from app.evaluation.metric_names import Metric
from app.training.catalogue.catalogue import Catalogue
from app.training.catalogue.products import Product
from app.training.catalogue.queries import RELEVANCE, Match, Query, make_query, misspell
from app.training.curriculum.declaring import CHOICE, GENERATION, RANKING, RETRIEVAL, catalogue_task
from app.training.curriculum.lists import choices, graded, numbered, selection
from app.training.curriculum.task import Draft
from app.training.row import Capability

_behaviour = partial(catalogue_task, Capability.USER_BEHAVIOUR)
_RELATIONS = ("irrelevant", "substitute", "complement", "narrowing")
_GRADES = (Match.EXACT, Match.SUBSTITUTE, Match.COMPLEMENT, Match.IRRELEVANT)


def changed(shop: Catalogue, product: Product, query: Query, rng: random.Random) -> Query:
    """The query with one of its demands replaced by another value."""
    key = rng.choice(list(query.wanted))
    other = shop.variant(product, rng, {}, same_brand=True)
    while other.values[key] == query.wanted[key]:
        other = shop.variant(product, rng, {}, same_brand=True)
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
    other = shop.any_product(rng, product.type)
    while shop.match(query, other) is not match:
        other = shop.any_product(rng, product.type)
    return other


@_behaviour(
    "query-query intent",
    CHOICE,
    (
        'What is the query "{{ second }}" in relation to the query "{{ first }}"?\n{{ options }}\nAnswer: ',
        "A shopper first searched for '{{ first }}' and then for '{{ second }}'. How does the second query relate to "
        "the first?\n{{ options }}\nAnswer:",
        "Query A: {{ first }}\nQuery B: {{ second }}\nName the relation from query A to query B.\n"
        "{{ options }}\nOutput:",
        "1st query: {{ first }}\n2nd query: {{ second }}\nCompared with the 1st query, the 2nd one is\n"
        "{{ options }}\nAnswer:",
    ),
)
def query_relation(shop: Catalogue, rng: random.Random) -> Draft:
    """Name the relation between two queries."""
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


@_behaviour(
    "query-product relevance",
    CHOICE,
    (
        "A user searches for '{{ query }}' and sees the product '{{ title }}'. How well does the product match the "
        "query?\n{{ options }}\nAnswer: ",
        "Query: {{ query }}\nProduct: {{ title }}\nJudge the relevance of the product to the query.\n"
        "{{ options }}\nAnswer:",
        'Classify the relation between the search query "{{ query }}" and the listing "{{ title }}".\n{{ options }}\n'
        "Output:",
    ),
)
def query_product_match(shop: Catalogue, rng: random.Random) -> Draft:
    """Grade a product for a query."""
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


@_behaviour(
    "query-product relevance",
    RANKING,
    (
        "The search box of a shop holds the words '{{ query }}'. Rank the following 5 products by their relevance to "
        "this query.\nProduct List:\n{{ options }}\nOutput a permutation of the numbers 1 to 5, with commas between "
        "them and nothing else.\nOutput:",
        "Query: {{ query }}\nRank these 5 products from the best match to the worst. Output all numbers, separated by "
        "commas.\nProduct List:\n{{ options }}\nOutput: ",
        "Somebody types '{{ query }}' into the search box of a shop. In what order should the products below be "
        "shown? Put the most relevant first and name each number once.\nProducts:\n{{ options }}\nRanking:",
        'Sort the search results for "{{ query }}" by relevance. Answer with a permutation of the numbers 1 to 5.\n'
        "Product List:\n{{ options }}\nAnswer:",
    ),
)
def query_product_ranking(shop: Catalogue, rng: random.Random) -> Draft:
    """Order five products for a query."""
    product, query = demanding(shop, rng)
    options, relevances = graded(ranked_products(shop, product, query, rng), rng)
    return Draft({"query": query.text, "options": options}, relevances)


def ranked_products(
    shop: Catalogue, product: Product, query: Query, rng: random.Random, language: str = "en"
) -> list[tuple[str, float]]:
    """Five titles and their relevances: one exact match, the others of random grades, all grades possible."""
    matches = [Match.EXACT, *rng.choices(_GRADES[1:], (3, 1, 3), k=4)]
    found: dict[str, float] = {}
    for match in matches:
        title = shop.title(of_match(shop, query, product, match, rng), language).text
        while title in found:
            title = shop.title(of_match(shop, query, product, match, rng), language).text
        found[title] = RELEVANCE[match]
    return list(found.items())


@_behaviour(
    "query-query intent",
    RETRIEVAL,
    (
        "Of the ten numbered queries below, select three that express the same shopping intention as '{{ query }}'. "
        "Output ONLY three numbers separated with comma.\nQuery List:\n{{ options }}\nOutput:",
        "Which three searches of the list look for the same kind of product as the query '{{ query }}'? Answer with "
        "their numbers, separated by commas.\nQueries:\n{{ options }}\nOutput: ",
        'A user searched for "{{ query }}". Choose the 3 most similar queries from the list and output their numbers.'
        "\nQuery List:\n{{ options }}\nAnswer:",
        "Query: {{ query }}\n\nQuery List:\n{{ options }}\n\nFrom the list, pick the three queries that mean the same "
        "kind of product. Give their numbers, separated by commas.\nOutput:",
    ),
)
def similar_queries(shop: Catalogue, rng: random.Random) -> Draft:
    """Pick the queries for the same type."""
    product = shop.any_product(rng)
    query = make_query(product, rng, most=1)
    gold: list[str] = []
    while len(gold) < 3:
        text = make_query(shop.any_product(rng, product.type), rng, most=2, least=1).text
        if text not in gold and text != query.text:
            gold.append(text)
    others = [make_query(other, rng, most=2).text for other in shop.unrelated(product.type, rng, 7)]
    options, numbers = selection(gold, others, rng)
    return Draft({"query": query.text, "options": options}, numbers)


@_behaviour(
    "query-product relevance",
    CHOICE,
    (
        "A user searches for '{{ query }}'. Which of the following products will the user most likely click?\n"
        "{{ options }}\nAnswer: ",
        "Query: {{ query }}\nWhich product matches the query best?\n{{ options }}\nAnswer:",
        'Choose the product that a shopper means by "{{ query }}".\n{{ options }}\nOutput:',
        "Query: {{ query }}\nProducts:\n{{ options }}\nWhich product should be shown first?\nAnswer:",
    ),
)
def product_for_query(shop: Catalogue, rng: random.Random) -> Draft:
    """Find the product that meets all demands."""
    product, query = demanding(shop, rng)
    rivals: list[str] = []
    while len(rivals) < 3:
        match = rng.choice((Match.SUBSTITUTE, Match.SUBSTITUTE, Match.IRRELEVANT))
        title = shop.title(of_match(shop, query, product, match, rng)).text
        if title not in rivals:
            rivals.append(title)
    options, gold = choices(shop.title(product).text, rivals, rng)
    return Draft({"query": query.text, "options": options}, gold)


@_behaviour(
    "query-product relevance",
    CHOICE,
    (
        "A user has bought the product '{{ title }}'. Which query did the user most likely type to find it?\n"
        "{{ options }}\nAnswer: ",
        "Product: {{ title }}\nWhich of these searches leads to this product?\n{{ options }}\nAnswer:",
        'Which search query fits the listing "{{ title }}"?\n{{ options }}\nOutput:',
    ),
)
def query_for_product(shop: Catalogue, rng: random.Random) -> Draft:
    """Find the query that a product answers."""
    product, query = demanding(shop, rng)
    near = changed(shop, product, query, rng).text
    others = [make_query(other, rng, most=2, least=1).text for other in shop.unrelated(product.type, rng, 2)]
    options, gold = choices(query.text, [near, *others], rng)
    return Draft({"title": shop.title(product).text, "options": options}, gold)


@_behaviour(
    "query rewriting",
    GENERATION,
    (
        "A shopper made typing errors in the query '{{ query }}'. Write the query as it was meant.\nOutput:",
        "Rewrite the following search query with correct spelling.\nQuery: {{ query }}\nOutput:",
        "Correct the spelling of this query and write nothing else: {{ query }}\nCorrected query:",
        "Query: {{ query }}\nThe query has spelling mistakes. Give the corrected query.\nOutput:",
    ),
    Metric.ROUGE_L,
)
def query_correction(shop: Catalogue, rng: random.Random) -> Draft:
    """Undo typing errors."""
    query = make_query(shop.any_product(rng), rng, most=3, least=1).text
    return Draft({"query": misspell(query, rng)}, query)


TASKS = (
    query_relation,
    query_product_match,
    query_product_ranking,
    similar_queries,
    product_for_query,
    query_for_product,
    query_correction,
)
