"""User behaviour alignment: queries, and the products that answer them."""

import random
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from app.data.catalogue.behaviour import Action, Session, make_review, make_session, next_products, next_queries
from app.data.catalogue.catalogue import Catalogue
from app.data.catalogue.products import Product
from app.data.catalogue.queries import RELEVANCE, Match, Query, make_query, misspell
from app.data.row import Capability
from app.data.tasks.declaring import CHOICE, GENERATION, RANKING, RETRIEVAL, catalogue_task
from app.data.tasks.task import LISTED, Draft, choices, graded, numbered, selection
from app.evaluate.names import Metric

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


@_behaviour(
    "review rating prediction",
    CHOICE,
    (
        "Instructions: Judge the review below on a scale of 1 to 5, where 1 stands for very unhappy and 5 for very "
        "happy.\nInput: {{ review }}\nOutput:\nAnswer: ",
        "How many stars, from 1 to 5, does the author of this review give?\nReview: {{ review }}\nAnswer:",
        "Rate the sentiment of the review on a scale from 1 (very negative) to 5 (very positive).\nReview: "
        "{{ review }}\nRating:",
        "Review of a(n) {{ category }}: {{ review }}\nPredict the star rating (1 to 5).\nAnswer: ",
    ),
)
def review_rating(shop: Catalogue, rng: random.Random) -> Draft:
    """Stars from 1 to 5."""
    review = make_review(shop.lexicon, rng.choice(shop.types), rng)
    return Draft({"category": review.type.name.en, "review": review.text}, review.stars)


@_behaviour(
    "review rating prediction",
    CHOICE,
    (
        "Review: {{ review }}\nWould this customer buy the {{ category }} again?\n{{ options }}\nAnswer:",
        "What is the overall opinion of this customer on the {{ category }}?\nReview: {{ review }}\n{{ options }}\n"
        "Answer: ",
        "Decide from the review whether the customer is satisfied.\nReview: {{ review }}\n{{ options }}\nOutput:",
    ),
)
def review_satisfaction(shop: Catalogue, rng: random.Random) -> Draft:
    """Tell whether a customer is content."""
    review = make_review(shop.lexicon, rng.choice(shop.types), rng)
    labels = ["yes, the customer is content", "no, the customer is disappointed", "the customer is undecided"]
    gold = labels[0 if review.stars > 3 else 1 if review.stars < 3 else 2]
    rng.shuffle(labels)
    variables = {"category": review.type.name.en, "review": review.text, "options": numbered(labels, 0, rng)}
    return Draft(variables, labels.index(gold))


@_behaviour(
    "review rating prediction",
    RANKING,
    (
        "Rank the following 5 reviews from the most positive to the most negative. The answer is a permutation of 1 "
        "to 5, with commas between the numbers.\nReview List:\n{{ options }}\nOutput:",
        "Sort these reviews of {{ category }} by how satisfied the customers are, the happiest first. Name each "
        "number once.\nReview List:\n{{ options }}\nRanking:",
        "Order the 5 reviews by the stars that their authors gave, from the highest to the lowest. Output all "
        "numbers, separated by commas.\nReview List:\n{{ options }}\nOutput: ",
    ),
)
def review_ranking(shop: Catalogue, rng: random.Random) -> Draft:
    """Order reviews by their stars."""
    one = rng.choice(shop.types)
    entries = [(make_review(shop.lexicon, one, rng, stars, 2).text, (stars - 1) / 4) for stars in range(1, 6)]
    options, relevances = graded(entries, rng)
    return Draft({"category": one.name.en, "options": options}, relevances)


@_behaviour(
    "review helpfulness",
    RETRIEVAL,
    (
        "A shopper cares about the {{ aspect }} of a product above all. Select the three reviews from the numbered "
        "list that tell something about it. Output only three numbers separated with comma.\nReview List:\n"
        "{{ options }}\nOutput:",
        "Which three reviews of the list help a customer who asks about {{ aspect }}? Answer with their numbers, "
        "separated by commas.\nReview List:\n{{ options }}\nOutput: ",
        "Choose the 3 reviews from the list that mention the aspect '{{ aspect }}' and output their numbers.\nReviews:"
        "\n{{ options }}\nAnswer:",
        "Review List:\n{{ options }}\n\nFrom the list, select the three reviews with something to say on '"
        "{{ aspect }}'. Write only the numbers, separated by commas.\nOutput:",
    ),
)
def helpful_reviews(shop: Catalogue, rng: random.Random) -> Draft:
    """Pick the reviews that speak of an aspect."""
    one = rng.choice(shop.types)
    gold: list[str] = []
    others: list[str] = []
    aspect = rng.choice(one.aspects)
    while len(gold) < 3 or len(others) < 4:
        review = make_review(shop.lexicon, one, rng, aspects=2)
        place = gold if aspect in {opinion.aspect for opinion in review.opinions} else others
        if len(place) < (3 if place is gold else 4) and review.text not in place:
            place.append(review.text)
    options, numbers = selection(gold, others, rng)
    return Draft({"aspect": aspect, "options": options}, numbers)


@_behaviour(
    "review understanding",
    CHOICE,
    (
        "A customer complains: '{{ phrase }}'. Which product would suit this customer better?\n{{ options }}\nAnswer: ",
        'Which claim in a listing answers the complaint "{{ phrase }}"?\n{{ options }}\nAnswer:',
        "Complaint: {{ phrase }}\nChoose the remark of another customer that shows the opposite experience.\n"
        "{{ options }}\nOutput:",
    ),
)
def opposite_experience(shop: Catalogue, rng: random.Random) -> Draft:
    """Find the praise for what a complaint is about."""
    aspect = rng.choice(list(shop.lexicon.aspects))
    entry = shop.lexicon.aspects[aspect]
    far = rng.sample([name for name in shop.lexicon.aspects if name != aspect], 3)
    others = [rng.choice(shop.lexicon.aspects[name].praise) for name in far]
    options, gold = choices(rng.choice(entry.praise), others, rng)
    return Draft({"phrase": rng.choice(entry.blame), "options": options}, gold)


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


TASKS = (
    query_relation,
    query_product_match,
    query_product_ranking,
    similar_queries,
    product_for_query,
    query_for_product,
    query_correction,
    next_query,
    next_product,
    also_bought,
    bought_together,
    next_product_ranking,
    session_intention,
    review_rating,
    review_satisfaction,
    review_ranking,
    helpful_reviews,
    opposite_experience,
)
