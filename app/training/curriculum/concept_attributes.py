"""Concept understanding: attributes and entities in titles, queries and descriptions."""

import random
from functools import partial

from app.evaluation.metric_names import Metric
from app.training.catalogue.catalogue import Catalogue
from app.training.catalogue.descriptions import make_description
from app.training.catalogue.products import BRAND, FEATURE, PACK
from app.training.catalogue.queries import make_query
from app.training.curriculum.declaring import CHOICE, GENERATION, NER, catalogue_task
from app.training.curriculum.lists import numbered
from app.training.curriculum.task import Draft
from app.training.row import Capability

_concept = partial(catalogue_task, Capability.CONCEPT_UNDERSTANDING)
UNKNOWN = "It cannot be inferred."


def entity_name(shop: Catalogue, key: str) -> str:
    """What a prompt calls an attribute."""
    attribute = shop.lexicon.attributes.get(key)
    return attribute.name.en if attribute else key


@_concept(
    "attribute value inference",
    CHOICE,
    (
        "The product '{{ title }}' is for sale in an online shop. What is its {{ attribute }}?\n{{ options }}\n"
        "Answer: ",
        "Product title: {{ title }}\nWhich value does the attribute '{{ attribute }}' of this product have?\n"
        "{{ options }}\nAnswer:",
        'Judging by the title "{{ title }}", what can be said about the {{ attribute }} of the product?\n'
        "{{ options }}\nOutput:",
        "A customer wants to know the {{ attribute }} of '{{ title }}'. What is the right answer?\n{{ options }}",
    ),
)
def attribute_value_choice(shop: Catalogue, rng: random.Random) -> Draft:
    """Read an attribute's value off a title, or see that it is not there."""
    product = shop.any_product(rng)
    while not product.words:
        product = shop.any_product(rng)
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


@_concept(
    "entity typing and extraction",
    NER,
    (
        "Locate the '{{ attribute|upper }}' in the product title: '{{ title }}'.",
        "Extract from the product title the phrases of the entity type '{{ attribute }}'. Write the entity only, "
        "without explanations.\nTitle: {{ title }}\nOutput:",
        "Find the words of the title that state the {{ attribute }} and copy them exactly.\nProduct title: "
        "{{ title }}\nOutput:",
        "Product title: {{ title }}\nWhich words in the title name the {{ attribute }}?\nOutput: ",
        "Extract the {{ attribute }} from the following product title: '{{ title }}'",
        "Title: {{ title }}\nEntity type: {{ attribute }}\nCopy the entity of this type from the title.\nOutput:",
    ),
)
def title_entity_extraction(shop: Catalogue, rng: random.Random) -> Draft:
    """Copy the value of one attribute out of a title."""
    title = shop.title(shop.any_product(rng))
    key = rng.choice([key for key in title.keys if key not in {PACK, FEATURE}])
    return Draft({"title": title.text, "attribute": entity_name(shop, key)}, title.spans(key))


@_concept(
    "entity typing and extraction",
    NER,
    (
        "Which brand makes the product '{{ title }}'? Copy the brand from the title.\nOutput:",
        "Extract the brand from the product title. Output the brand name only.\nTitle: {{ title }}\nOutput:",
        "Product title: {{ title }}\nFind the brand in the title.\nBrand:",
        "Identify the entity of type 'brand' in this product title: \"{{ title }}\"",
    ),
)
def brand_extraction(shop: Catalogue, rng: random.Random) -> Draft:
    """Copy the brand out of a title."""
    title = shop.title(shop.any_product(rng))
    return Draft({"title": title.text}, title.spans(BRAND))


@_concept(
    "entity typing and extraction",
    NER,
    (
        "You understand what shoppers mean. Extract from the search query below the phrases of the entity type '"
        "{{ attribute }}' and give only the phrases, with commas between them if there are several.\nQuery: "
        "{{ query }}\nOutput: ",
        "Find the '{{ attribute }}' in the search query: '{{ query }}'.",
        "Query: {{ query }}\nWhich words of the query name the {{ attribute }}?\nOutput:",
        "Tag the {{ attribute }} in this search query and output just the words.\nSearch query: {{ query }}\nOutput:",
        "Named entity recognition. Entity type: {{ attribute }}\nQuery: {{ query }}\nOutput the entity.\nOutput:",
    ),
)
def query_entity_extraction(shop: Catalogue, rng: random.Random) -> Draft:
    """Copy the words of one entity type out of a query."""
    query = make_query(shop.any_product(rng), rng, most=3, least=1)
    key, piece = rng.choice(query.pieces)
    return Draft({"query": query.text, "attribute": entity_name(shop, key)}, [piece])


@_concept(
    "entity typing and extraction",
    NER,
    (
        "Extract from the product title all phrases of the entity type 'feature'. Put commas between them and write "
        "no explanations.\nTitle: {{ title }}\nOutput:",
        "Product title: {{ title }}\nFind every phrase of the title that is an entity of the type 'feature'. Separate "
        "them with commas.\nOutput:",
        "List all entities of type 'feature' that stand in the product title '{{ title }}', separated by commas.",
        "Tag all entities of the type 'feature' in the title below and copy them, separated by commas.\nTitle: "
        "{{ title }}\nEntities:",
    ),
)
def feature_extraction(shop: Catalogue, rng: random.Random) -> Draft:
    """Copy all features out of a title."""
    product = shop.any_product(rng)
    while not product.features:
        product = shop.any_product(rng)
    title = shop.title(product)
    return Draft({"title": title.text}, title.spans(FEATURE))


@_concept(
    "attribute value extraction",
    NER,
    (
        "Extract the '{{ attribute }}' from the product description and copy it as it is written.\nDescription: "
        "{{ description }}\nOutput:",
        "Product description: {{ description }}\nFind the entity of type '{{ attribute }}' in the description.\n"
        "Output:",
        "Description: {{ description }}\nEntity type: {{ attribute }}\nOutput the phrase of the description that is "
        "an entity of this type.\nOutput:",
        "Which words of the description state the {{ attribute }} of the product? Copy the entity.\nDescription: "
        "{{ description }}\nOutput: ",
    ),
)
def description_entity_extraction(shop: Catalogue, rng: random.Random) -> Draft:
    """Copy one value out of a description."""
    description = make_description(shop.lexicon, shop.any_product(rng), rng)
    facts = [fact for fact in description.facts if fact.key not in {FEATURE, PACK}]
    while not facts:
        description = make_description(shop.lexicon, shop.any_product(rng), rng)
        facts = [fact for fact in description.facts if fact.key not in {FEATURE, PACK}]
    fact = rng.choice(facts)
    return Draft({"description": description.text, "attribute": entity_name(shop, fact.key)}, [fact.value])


@_concept(
    "title generation",
    GENERATION,
    (
        "Write a product title that names all of these attributes in their order.\n{{ attributes }}\nTitle:",
        "Generate a title for a product with the attributes below. Use nothing else.\n{{ attributes }}\nOutput:",
        "A seller enters the following data. Compose the title of the listing.\n{{ attributes }}\nOutput: ",
        "These are the data of a product:\n{{ attributes }}\nCreate a title for its listing from them.\nProduct title:",
    ),
    Metric.ROUGE_L,
)
def title_from_attributes(shop: Catalogue, rng: random.Random) -> Draft:
    """Join attributes to a title."""
    title = shop.title(shop.any_product(rng))
    lines = "\n".join(f"- {entity_name(shop, key)}: {piece}" for key, piece in title.segments if key)
    return Draft({"attributes": lines}, title.text)


@_concept(
    "attribute explanation",
    GENERATION,
    (
        "A listing says that the {{ category }} {{ verb }} '{{ feature }}'. Explain to a customer what this means.\n"
        "Explanation:",
        "Instructions: Explain what the product feature means\nInput: {{ feature }} ({{ category }})\nOutput:",
        "What is meant by '{{ feature }}' in the description of {{ category }}? Describe it in a few words.\nOutput:",
    ),
    Metric.SENT_TRANSFORMER,
)
def feature_explanation(shop: Catalogue, rng: random.Random) -> Draft:
    """Say what a feature is to its owner."""
    one = rng.choice(shop.types)
    feature = rng.choice(one.features)
    meaning = f"It means that {feature.meaning}."
    verb = "are" if one.plural else "is"
    return Draft({"category": one.name.en, "feature": feature.name.en, "verb": verb}, meaning)


TASKS = (
    attribute_value_choice,
    title_entity_extraction,
    brand_extraction,
    query_entity_extraction,
    feature_extraction,
    description_entity_extraction,
    title_from_attributes,
    feature_explanation,
)
