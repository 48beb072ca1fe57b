"""Concept understanding: attributes and entities in titles, queries and descriptions."""

import random

from app.data.catalogue.behaviour import aspects_of, make_review
from app.data.catalogue.catalogue import Catalogue
from app.data.catalogue.products import BRAND, FEATURE, PACK, Product
from app.data.catalogue.queries import make_query
from app.data.catalogue.titles import Fact, make_description
from app.data.row import Capability
from app.data.tasks.lists import SNIPPETS, choices, numbered, selection
from app.data.tasks.task import CHOICE, GENERATION, NER, RETRIEVAL, Draft, GeneratedSource, TaskGroup, list_draft
from app.evaluation.names import Metric

CATALOGUE = GeneratedSource("catalogue", "Apache-2.0", Catalogue)
_concept = TaskGroup[Catalogue](CATALOGUE, Capability.CONCEPT_UNDERSTANDING, "concepts")
UNKNOWN = "It cannot be inferred."


def entity_name(shop: Catalogue, key: str) -> str:
    """What a prompt calls an attribute."""
    attribute = shop.lexicon.attributes.get(key)
    return attribute.name.en if attribute else key


def described(shop: Catalogue, rng: random.Random) -> tuple[Product, str, Fact]:
    """A product, its description, and one value that this states."""
    while True:
        product = shop.any_product(rng)
        description = make_description(shop.lexicon, product, rng)
        facts = [fact for fact in description.facts if fact.key not in {FEATURE, PACK}]
        if facts:
            return product, description.text, rng.choice(facts)


_LISTED_ASPECTS = 10


@_concept("concept normalization and elaboration", GENERATION, Metric.SENT_TRANSFORMER)
def category_explanation(shop: Catalogue, rng: random.Random) -> Draft:
    one = rng.choice(shop.types)
    name = rng.choice((one.name.en, one.name.en, one.name.en.title(), *one.synonyms))
    return Draft({"category": name}, one.definition)


@_concept("concept normalization and elaboration", CHOICE)
def category_by_definition(shop: Catalogue, rng: random.Random) -> Draft:
    """Find the category that a definition without its name describes."""
    one = rng.choice(shop.types)
    definition = one.definition.split(" is " if " is " in one.definition else " are ", 1)[1]
    others = [other.name.en for other in shop.other_types(one, rng, near=1, far=2)]
    return list_draft(choices(one.name.en, others, rng), {"definition": definition[0].upper() + definition[1:]})


@_concept("applicable attribute", CHOICE)
def category_with_attribute(shop: Catalogue, rng: random.Random) -> Draft:
    one = rng.choice([kind for kind in shop.types if set(kind.choices) - {"color"} or kind.numbers])
    key = rng.choice([key for key in (*one.choices, *one.numbers) if key != "color"])
    lacking = [kind for kind in shop.types if key not in kind.choices and key not in kind.numbers]
    options, gold = choices(one.name.en, [kind.name.en for kind in rng.sample(lacking, 3)], rng)
    return Draft({"attribute": shop.lexicon.attributes[key].name.en, "options": options}, gold)


@_concept("category classification", CHOICE)
def category_of_product(shop: Catalogue, rng: random.Random) -> Draft:
    """Name the category of a title; asked for by another word than the title's own."""
    product = shop.any_product(rng)
    own = product.type.synonyms[0] if rng.random() < 0.5 else product.type.name.en
    others = [other.name.en for other in shop.other_types(product.type, rng, near=1, far=2)]
    return list_draft(choices(own, others, rng), {"title": shop.title(product).text})


@_concept("category taxonomy", CHOICE)
def department_of_category(shop: Catalogue, rng: random.Random) -> Draft:
    one = rng.choice(shop.types)
    far = [department.name.en for department in shop.lexicon.departments if department is not one.department]
    return list_draft(choices(one.department.name.en, rng.sample(far, 3), rng), {"category": one.name.en})


@_concept("category taxonomy", RETRIEVAL)
def categories_of_department(shop: Catalogue, rng: random.Random) -> Draft:
    department = rng.choice(shop.lexicon.departments)
    own = rng.sample([one for one in shop.types if one.department is department], 3)
    far = rng.sample([one for one in shop.types if one.department is not department], 7)
    options, gold = selection([one.name.en for one in own], [one.name.en for one in far], rng)
    return Draft({"department": department.name.en, "options": options}, gold)


@_concept("attribute value inference", CHOICE)
def attribute_value_choice(shop: Catalogue, rng: random.Random) -> Draft:
    """Read an attribute's value off a title, or see that it is not there."""
    product = shop.product_that(rng, lambda one: one.words)
    title = shop.title(product)
    key = rng.choice(list(product.words))
    value = product.words[key]
    every = [term.en for term in shop.lexicon.attributes[key].values if term != value]
    shown = key in title.keys
    entries = [value.en, *rng.sample(every, 2)] if shown else rng.sample(every, min(3, len(every)))
    rng.shuffle(entries)
    entries.append(UNKNOWN)
    gold = entries.index(value.en if shown else UNKNOWN)
    variables = {"title": title.text, "attribute": entity_name(shop, key), "options": numbered(entries, 0, rng)}
    return Draft(variables, gold)


@_concept("entity typing and extraction", NER)
def title_entity_extraction(shop: Catalogue, rng: random.Random) -> Draft:
    title = shop.title(shop.any_product(rng))
    key = rng.choice([key for key in title.keys if key not in {PACK, FEATURE}])
    return Draft({"title": title.text, "attribute": entity_name(shop, key)}, title.spans(key))


@_concept("entity typing and extraction", NER)
def brand_extraction(shop: Catalogue, rng: random.Random) -> Draft:
    title = shop.title(shop.any_product(rng))
    return Draft({"title": title.text}, title.spans(BRAND))


@_concept("entity typing and extraction", NER)
def query_entity_extraction(shop: Catalogue, rng: random.Random) -> Draft:
    query = make_query(shop.any_product(rng), rng, most=3, least=1)
    key, piece = rng.choice(query.pieces)
    return Draft({"query": query.text, "attribute": entity_name(shop, key)}, [piece])


@_concept("entity typing and extraction", NER)
def feature_extraction(shop: Catalogue, rng: random.Random) -> Draft:
    title = shop.title(shop.product_that(rng, lambda product: product.features))
    return Draft({"title": title.text}, title.spans(FEATURE))


@_concept("attribute value extraction", NER)
def description_entity_extraction(shop: Catalogue, rng: random.Random) -> Draft:
    _, description, fact = described(shop, rng)
    return Draft({"description": description, "attribute": entity_name(shop, fact.key)}, [fact.value])


@_concept("title generation", GENERATION, Metric.ROUGE_L)
def title_from_attributes(shop: Catalogue, rng: random.Random) -> Draft:
    title = shop.title(shop.any_product(rng))
    lines = "\n".join(f"- {entity_name(shop, key)}: {piece}" for key, piece in title.segments if key)
    return Draft({"attributes": lines}, title.text)


@_concept("attribute explanation", GENERATION, Metric.SENT_TRANSFORMER)
def feature_explanation(shop: Catalogue, rng: random.Random) -> Draft:
    one = rng.choice(shop.types)
    feature = rng.choice(one.features)
    meaning = f"It means that {feature.meaning}."
    verb = "are" if one.plural else "is"
    return Draft({"category": one.name.en, "feature": feature.name.en, "verb": verb}, meaning)


@_concept("review aspect identification", RETRIEVAL)
def review_aspects(shop: Catalogue, rng: random.Random) -> Draft:
    review = make_review(shop.lexicon, rng.choice(shop.types), rng, aspects=3)
    gold = [opinion.aspect for opinion in review.opinions]
    others = rng.sample([name for name in shop.lexicon.aspects if name not in gold], _LISTED_ASPECTS - len(gold))
    return list_draft(selection(gold, others, rng), {"category": review.type.name.en, "review": review.text})


@_concept("review snippet selection", RETRIEVAL)
def review_snippets(shop: Catalogue, rng: random.Random) -> Draft:
    one = rng.choice(shop.types)
    aspect = rng.choice(aspects_of(one))
    praise = rng.random() < 0.5
    entry = shop.lexicon.aspects[aspect]
    own, opposite = (entry.praise, entry.blame) if praise else (entry.blame, entry.praise)
    far = [name for name in shop.lexicon.aspects if name != aspect]
    others = [rng.choice(getattr(shop.lexicon.aspects[name], rng.choice(("praise", "blame")))) for name in far]
    hard = rng.sample(opposite, rng.choice((0, 0, 1, 2)))
    gold = rng.sample(own, 3)
    found = selection(gold, [*hard, *rng.sample(others, SNIPPETS - 3 - len(hard))], rng)
    mood = "positive" if praise else "negative"
    feeling = "happy" if praise else "unhappy"
    return list_draft(found, {"category": one.name.en, "aspect": aspect, "mood": mood, "feeling": feeling})


@_concept("aspect keyphrase extraction", GENERATION, Metric.ROUGE_L)
def aspect_keyphrase(shop: Catalogue, rng: random.Random) -> Draft:
    review = make_review(shop.lexicon, rng.choice(shop.types), rng)
    opinion = rng.choice(review.opinions)
    variables = {"category": review.type.name.en, "review": review.text, "aspect": opinion.aspect}
    return Draft(variables, opinion.phrase)


@_concept("aspect sentiment", CHOICE)
def aspect_sentiment(shop: Catalogue, rng: random.Random) -> Draft:
    review = make_review(shop.lexicon, rng.choice(shop.types), rng, stars=rng.choice((1, 2, 3, 3, 3, 4, 5)))
    labels = ["positive", "negative", "not mentioned"]
    if rng.random() < 0.25:
        said = {opinion.aspect for opinion in review.opinions}
        aspect, gold = rng.choice([name for name in shop.lexicon.aspects if name not in said]), "not mentioned"
    else:
        opinion = rng.choice(review.opinions)
        aspect, gold = opinion.aspect, labels[0] if opinion.positive else labels[1]
    rng.shuffle(labels)
    options = numbered(labels, 0, rng)
    variables = {"review": review.text, "aspect": aspect, "category": review.type.name.en, "options": options}
    return Draft(variables, labels.index(gold))


@_concept("review aspect identification", CHOICE)
def aspect_of_snippet(shop: Catalogue, rng: random.Random) -> Draft:
    one = rng.choice(shop.types)
    aspect = rng.choice(aspects_of(one))
    entry = shop.lexicon.aspects[aspect]
    others = rng.sample([name for name in shop.lexicon.aspects if name != aspect], 3)
    options, gold = choices(aspect, others, rng)
    phrase = rng.choice(rng.choice((entry.praise, entry.blame)))
    return Draft({"phrase": phrase, "category": one.name.en, "options": options}, gold)


TASKS = _concept.tasks()
