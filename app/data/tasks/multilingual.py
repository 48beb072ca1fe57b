"""Multi-lingual abilities: understanding and matching across languages."""

import random

from app.data.catalogue.behaviour import make_session, next_queries
from app.data.catalogue.catalogue import Catalogue
from app.data.catalogue.lexicon import FOREIGN, LANGUAGE_NAMES, LANGUAGES
from app.data.catalogue.products import FEATURE, MODEL, PACK, Product
from app.data.catalogue.queries import make_query, translate_query
from app.data.catalogue.titles import make_bullets
from app.data.row import Capability
from app.data.tasks.behaviour import demanding, ranked_products, written
from app.data.tasks.concepts import CATALOGUE, entity_name
from app.data.tasks.lists import choices, graded, selection
from app.data.tasks.task import CHOICE, GENERATION, NER, RANKING, RETRIEVAL, Draft, TaskGroup, list_draft
from app.evaluation.names import Metric

_multilingual = TaskGroup[Catalogue](CATALOGUE, Capability.MULTILINGUAL, "multilingual")


def keywords(product: Product, language: str, rng: random.Random) -> list[str]:
    """Three to four search terms for a product: its type, values and features."""
    terms = [product.value_text(key, language) for key in product.words]
    terms += [feature.name.text(language) for feature in product.features]
    chosen = rng.sample(terms, min(len(terms), 3))
    return [term.lower() for term in dict.fromkeys([product.type.name.text(language), *chosen])]


_EUROPEAN = FOREIGN[:-1]
_BLEU_NEEDS = 6
"""Words that a title must have: BLEU of fewer than four tokens is 0 whatever the answer."""


def long_title(shop: Catalogue, rng: random.Random, origin: str, target: str) -> tuple[str, str]:
    """The title of one product in two languages."""
    while True:
        product = shop.any_product(rng)
        titles = shop.title(product, origin).text, shop.title(product, target).text
        if len(titles[0].split()) >= _BLEU_NEEDS and len(titles[1].split()) >= _BLEU_NEEDS:
            return titles


def _title_draft(shop: Catalogue, rng: random.Random, origin: str, target: str) -> Draft:
    title, gold = long_title(shop, rng, origin, target)
    names = {"language": LANGUAGE_NAMES[target], "origin": LANGUAGE_NAMES[origin]}
    return Draft({"title": title, **names}, gold, language=target)


@_multilingual("title translation", GENERATION, Metric.BLEU, _EUROPEAN)
def title_translation(shop: Catalogue, rng: random.Random) -> Draft:
    return _title_draft(shop, rng, "en", rng.choice(_EUROPEAN))


@_multilingual("title translation", GENERATION, Metric.JP_BLEU, ("ja",))
def title_translation_japanese(shop: Catalogue, rng: random.Random) -> Draft:
    return _title_draft(shop, rng, "en", "ja")


@_multilingual("title translation", GENERATION, Metric.BLEU)
def title_translation_english(shop: Catalogue, rng: random.Random) -> Draft:
    return _title_draft(shop, rng, rng.choice(FOREIGN), "en")


@_multilingual("query translation", GENERATION, Metric.MULTILINGUAL_SENT_TRANSFORMER, FOREIGN)
def query_translation(shop: Catalogue, rng: random.Random) -> Draft:
    language = rng.choice(FOREIGN)
    product = shop.any_product(rng)
    query = make_query(product, rng, most=3, least=1)
    gold = translate_query(query, product, language).text
    return Draft({"query": query.text, "language": LANGUAGE_NAMES[language]}, gold, language=language)


@_multilingual("category translation", CHOICE, languages=FOREIGN)
def category_translation(shop: Catalogue, rng: random.Random) -> Draft:
    language = rng.choice(FOREIGN)
    one = rng.choice(shop.types)
    others = shop.other_types(one, rng, near=2, far=3)
    texts = [other.name.text(language) for other in others]
    wrong = [text for text in dict.fromkeys(texts) if text != one.name.text(language)]
    variables = {"language": LANGUAGE_NAMES[language], "category": one.name.en}
    return list_draft(choices(one.name.text(language), wrong[:3], rng), variables, language)


@_multilingual("title translation", CHOICE, languages=LANGUAGES)
def translation_choice(shop: Catalogue, rng: random.Random) -> Draft:
    """Find the true translation among those of products that differ in little."""
    origin, target = rng.sample(LANGUAGES, 2)
    product = shop.any_product(rng)
    gold, shown = shop.title(product, target), shop.title(product, origin).text
    wrong: dict[str, None] = {}
    while len(wrong) < 3:
        key = rng.choice(list(product.values)) if product.values and rng.random() < 0.7 else ""
        keep = {one: value for one, value in product.values.items() if one != key} if key else {}
        title = shop.title(shop.variant(product, rng, keep, same_brand=True), target)
        if title.facts != gold.facts:
            wrong[title.text] = None
    return list_draft(
        choices(gold.text, list(wrong), rng), {"title": shown, "language": LANGUAGE_NAMES[target]}, language=target
    )


@_multilingual("cross-lingual product matching", CHOICE, languages=LANGUAGES)
def same_product(shop: Catalogue, rng: random.Random) -> Draft:
    languages = rng.sample(LANGUAGES, 5)
    product = shop.any_product(rng)
    shown = make_bullets(shop.lexicon, product, languages[0], rng, most=5)
    gold = make_bullets(shop.lexicon, product, languages[1], rng, most=5)
    others = [
        make_bullets(shop.lexicon, other, language, rng, most=5)
        for other, language in zip(shop.unrelated(product.type, rng, 3), languages[2:], strict=True)
    ]
    return list_draft(choices(gold, others, rng), {"description": shown}, language=languages[0])


@_multilingual("keyphrase summarization", CHOICE, languages=LANGUAGES)
def keyword_set(shop: Catalogue, rng: random.Random) -> Draft:
    """Find the keywords that all fit; the wrong sets hold one or two that do as well."""
    language = rng.choice(LANGUAGES)
    product = shop.any_product(rng)
    gold = keywords(product, language, rng)
    sets: list[str] = []
    for other in shop.unrelated(product.type, rng, 3):
        foreign = [term for term in keywords(other, language, rng) if term not in gold]
        kept = rng.sample(gold, rng.randint(1, min(2, len(gold) - 1)) if len(gold) > 1 else 0)
        mixed = [*kept, *foreign[: max(1, len(gold) - len(kept))]]
        rng.shuffle(mixed)
        sets.append(", ".join(mixed))
    rng.shuffle(gold)
    options, number = choices(", ".join(gold), sets, rng)
    variables = {
        "title": shop.title(product, language).text,
        "description": make_bullets(shop.lexicon, product, language, rng, most=8),
        "options": options,
    }
    return Draft(variables, number, language=language)


@_multilingual("language identification", CHOICE, languages=LANGUAGES)
def language_identification(shop: Catalogue, rng: random.Random) -> Draft:
    language = rng.choice(LANGUAGES)
    text = make_bullets(shop.lexicon, shop.any_product(rng), language, rng, most=5)
    others = rng.sample([name for code, name in LANGUAGE_NAMES.items() if code != language], 3)
    return list_draft(choices(LANGUAGE_NAMES[language], others, rng), {"text": text}, language=language)


@_multilingual("multi-lingual entity extraction", NER, languages=FOREIGN)
def foreign_title_extraction(shop: Catalogue, rng: random.Random) -> Draft:
    language = rng.choice(FOREIGN)
    title = shop.title(shop.any_product(rng), language)
    key = rng.choice([key for key in title.keys if key not in {PACK, FEATURE, MODEL}])
    variables = {"title": title.text, "attribute": entity_name(shop, key), "language": LANGUAGE_NAMES[language]}
    return Draft(variables, title.spans(key), language=language)


@_multilingual("multi-lingual query-product matching", RANKING, languages=FOREIGN)
def foreign_query_ranking(shop: Catalogue, rng: random.Random) -> Draft:
    """Order products of one language for a query of the same or another."""
    language = rng.choice(FOREIGN)
    product, query = demanding(shop, rng, language)
    listed_in = language if rng.random() < 0.6 else "en"
    variables = {"query": query.text, "language": LANGUAGE_NAMES[language]}
    return list_draft(graded(ranked_products(shop, product, query, rng, listed_in), rng), variables, language)


@_multilingual("multi-lingual query-product matching", RETRIEVAL, languages=LANGUAGES)
def foreign_query_products(shop: Catalogue, rng: random.Random) -> Draft:
    language, listed_in = rng.sample(LANGUAGES, 2)
    product = shop.any_product(rng)
    query = make_query(product, rng, language, most=0)
    gold = {shop.title(shop.any_product(rng, product.type), listed_in).text: None for _ in range(6)}
    others = [shop.title(one, listed_in).text for one in shop.unrelated(product.type, rng, 9)]
    variables = {"query": query.text, "language": LANGUAGE_NAMES[language]}
    return list_draft(selection(list(gold)[:3], others, rng), variables, language)


@_multilingual("multi-lingual session understanding", RETRIEVAL, languages=FOREIGN)
def foreign_next_query(shop: Catalogue, rng: random.Random) -> Draft:
    language = rng.choice(FOREIGN)
    session = make_session(shop, rng, language)
    gold = next_queries(shop, session, rng, 3, language)
    others = [make_query(one, rng, language, most=2).text for one in shop.unrelated(session.aim.type, rng, 7)]
    options, numbers = selection(gold, others, rng)
    variables = {"session": written(session, rng), "language": LANGUAGE_NAMES[language], "options": options}
    return Draft(variables, numbers, language=language)


@_multilingual("cross-lingual attribute understanding", CHOICE, languages=FOREIGN)
def foreign_attribute_choice(shop: Catalogue, rng: random.Random) -> Draft:
    language = rng.choice(FOREIGN)

    def keys(product: Product) -> list[str]:
        return [key for key in product.words if key in shop.title(product, language).keys]

    product = shop.product_that(rng, keys)
    title = shop.title(product, language)
    key = rng.choice(keys(product))
    value = product.words[key]
    same = value.text(language)
    wrong = [term.en for term in shop.lexicon.attributes[key].values if term.text(language) != same]
    variables = {"title": title.text, "attribute": entity_name(shop, key), "language": LANGUAGE_NAMES[language]}
    return list_draft(choices(value.en, rng.sample(wrong, min(3, len(wrong))), rng), variables, language)


@_multilingual("multi-lingual category classification", CHOICE, languages=FOREIGN)
def foreign_category_choice(shop: Catalogue, rng: random.Random) -> Draft:
    language = rng.choice(FOREIGN)
    product = shop.any_product(rng)
    others = shop.other_types(product.type, rng, near=1, far=2)
    variables = {"title": shop.title(product, language).text, "language": LANGUAGE_NAMES[language]}
    return list_draft(choices(product.type.name.en, [one.name.en for one in others], rng), variables, language)


TASKS = _multilingual.tasks()
