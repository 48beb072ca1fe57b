"""Multi-lingual abilities: titles, queries and categories from one language into another."""

import random
from functools import partial

from app.evaluation.metric_names import Metric
from app.training.catalogue.catalogue import Catalogue
from app.training.catalogue.queries import make_query, translate_query
from app.training.catalogue.terms import FOREIGN, LANGUAGE_NAMES, LANGUAGES
from app.training.curriculum.declaring import CHOICE, GENERATION, catalogue_task
from app.training.curriculum.lists import choices
from app.training.curriculum.task import Draft
from app.training.row import Capability

_multilingual = partial(catalogue_task, Capability.MULTILINGUAL)
_EUROPEAN = FOREIGN[:-1]
_BLEU_NEEDS = 6
"""Words that a title must have: BLEU of fewer than four tokens is 0 whatever the answer."""
_TITLES = (
    "An online shop sells a product under the title '{{ title }}'. What should its title be in the {{ language }} "
    "shop? Translate it.\nOutput:",
    "Translate the following product title into {{ language }}.\nTitle: {{ title }}\nOutput:",
    "Write the {{ language }} version of this product title: '{{ title }}'\nTitle: ",
    "The listing '{{ title }}' is to appear in a(n) {{ language }} shop. Translate its title to "
    "{{ language }}.\nTranslation:",
    "Product title ({{ origin }}): {{ title }}\nProduct title ({{ language }}):",
)


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


@_multilingual("title translation", GENERATION, _TITLES, Metric.BLEU, _EUROPEAN)
def title_translation(shop: Catalogue, rng: random.Random) -> Draft:
    """An English title in another European language."""
    return _title_draft(shop, rng, "en", rng.choice(_EUROPEAN))


@_multilingual("title translation", GENERATION, _TITLES, Metric.JP_BLEU, ("ja",))
def title_translation_japanese(shop: Catalogue, rng: random.Random) -> Draft:
    """An English title in Japanese."""
    return _title_draft(shop, rng, "en", "ja")


@_multilingual("title translation", GENERATION, _TITLES[:-1], Metric.BLEU)
def title_translation_english(shop: Catalogue, rng: random.Random) -> Draft:
    """A title of another language in English."""
    return _title_draft(shop, rng, rng.choice(FOREIGN), "en")


@_multilingual(
    "query translation",
    GENERATION,
    (
        "Translate the search query '{{ query }}' into {{ language }}.\nOutput:",
        "A customer searches an English shop for '{{ query }}'. What would a customer of a(n) {{ language }} shop "
        "type? Translate the query to {{ language }}.\nTranslation:",
        "Query: {{ query }}\nTranslate this query from English to {{ language }} and write nothing else.\nOutput: ",
        "English query: {{ query }}\nTranslate it into {{ language }}.\n{{ language }} query:",
    ),
    Metric.MULTILINGUAL_SENT_TRANSFORMER,
    FOREIGN,
)
def query_translation(shop: Catalogue, rng: random.Random) -> Draft:
    """An English query in another language."""
    language = rng.choice(FOREIGN)
    product = shop.any_product(rng)
    query = make_query(product, rng, most=3, least=1)
    gold = translate_query(query, product, language).text
    return Draft({"query": query.text, "language": LANGUAGE_NAMES[language]}, gold, language=language)


@_multilingual(
    "category translation",
    CHOICE,
    (
        "What is the {{ language }} word for the product category '{{ category }}'?\n{{ options }}\nAnswer: ",
        "Which of these is the best {{ language }} translation of '{{ category }}'?\n{{ options }}\nAnswer:",
        "A shop opens in a country where {{ language }} is spoken. How should its category '{{ category }}' be called "
        "there?\n{{ options }}\nOutput:",
        "{{ category }} (English) =\n{{ options }}\nChoose the {{ language }} word.\nAnswer:",
    ),
    languages=FOREIGN,
)
def category_translation(shop: Catalogue, rng: random.Random) -> Draft:
    """Find the word for a category in another language, or for an English one in it."""
    language = rng.choice(FOREIGN)
    one = rng.choice(shop.types)
    near = [other for other in shop.types if other.department is one.department and other is not one]
    others = [*rng.sample(near, 2), *shop.unrelated_types(one, rng, 3)]
    texts = [other.name.text(language) for other in others]
    wrong = [text for text in dict.fromkeys(texts) if text != one.name.text(language)]
    options, gold = choices(one.name.text(language), wrong[:3], rng)
    variables = {"language": LANGUAGE_NAMES[language], "category": one.name.en, "options": options}
    return Draft(variables, gold, language=language)


@_multilingual(
    "title translation",
    CHOICE,
    (
        "Which of the following titles is the same product as '{{ title }}' in {{ language }}?\n{{ options }}\n"
        "Answer: ",
        "Product title: {{ title }}\nChoose the correct {{ language }} translation.\n{{ options }}\nAnswer:",
        "A translator made four {{ language }} drafts of the title '{{ title }}'. Only one says the same. Which one?\n"
        "{{ options }}\nOutput:",
        "Original: {{ title }}\nWhich {{ language }} title keeps every detail of the original?\n{{ options }}\nAnswer:",
    ),
    languages=LANGUAGES,
)
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
    options, number = choices(gold.text, list(wrong), rng)
    variables = {"title": shown, "language": LANGUAGE_NAMES[target], "options": options}
    return Draft(variables, number, language=target)


TASKS = (
    title_translation,
    title_translation_japanese,
    title_translation_english,
    query_translation,
    category_translation,
    translation_choice,
)
