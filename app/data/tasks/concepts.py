"""Concept understanding: attributes and entities in titles, queries and descriptions."""

import random
from functools import partial

from app.data.catalogue.behaviour import aspects_of, make_review
from app.data.catalogue.catalogue import Catalogue
from app.data.catalogue.products import BRAND, FEATURE, PACK
from app.data.catalogue.queries import make_query
from app.data.catalogue.titles import make_description
from app.data.row import Capability
from app.data.tasks.declaring import CHOICE, GENERATION, NER, RETRIEVAL, catalogue_task
from app.data.tasks.task import SNIPPETS, Draft, choices, numbered, selection
from app.evaluate.names import Metric

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


@_concept(
    "concept normalization and elaboration",
    GENERATION,
    (
        "Instructions: Explain what the product category means.\nInput: {{ category }}\nOutput:",
        "Instructions: Say in plain words what is sold in this product category.\nInput: {{ category }}\nOutput: ",
        "What is meant by the product category '{{ category }}'? Describe it in one sentence.",
        "A shop has the category '{{ category }}'. Write one sentence that explains it to a customer.\nExplanation:",
        "Give a short definition of the shopping term '{{ category }}'.\nOutput:",
    ),
    Metric.SENT_TRANSFORMER,
)
def category_explanation(shop: Catalogue, rng: random.Random) -> Draft:
    """Say what a category is."""
    one = rng.choice(shop.types)
    name = rng.choice((one.name.en, one.name.en, one.name.en.title(), *one.synonyms))
    return Draft({"category": name}, one.definition)


@_concept(
    "concept normalization and elaboration",
    CHOICE,
    (
        "{{ definition }}\nWhich product category is described here?\n{{ options }}\nAnswer: ",
        "Read the description and name the product category that it belongs to.\nDescription: {{ definition }}\n{{ "
        "options }}\nAnswer:",
        "A customer does not know the word for a thing and describes it: '{{ definition }}' What is the thing called?"
        "\n{{ options }}\nOutput:",
        "Which of the following categories fits this explanation best?\nExplanation: {{ definition }}\n{{ options }}",
    ),
)
def category_by_definition(shop: Catalogue, rng: random.Random) -> Draft:
    """Find the category that a definition without its name describes."""
    one = rng.choice(shop.types)
    definition = one.definition.split(" is " if " is " in one.definition else " are ", 1)[1]
    near = [other for other in shop.types if other.department is one.department and other is not one]
    others = [*rng.sample(near, 1), *shop.unrelated_types(one, rng, 2)]
    options, gold = choices(one.name.en, [other.name.en for other in others], rng)
    return Draft({"definition": definition[0].upper() + definition[1:], "options": options}, gold)


@_concept(
    "applicable attribute",
    CHOICE,
    (
        "Which of these product categories can be described by the attribute {{ attribute }}?\n{{ options }}\nAnswer: ",
        "The attribute '{{ attribute }}' makes sense for only one of these product categories. Which one is it?\n"
        "{{ options }}\nAnswer:",
        'A seller fills in the field "{{ attribute }}" of a listing. Which kind of product can it be?\n'
        "{{ options }}\nOutput:",
        "For which product category would a shopper filter by {{ attribute }}?\n{{ options }}",
    ),
)
def category_with_attribute(shop: Catalogue, rng: random.Random) -> Draft:
    """Find the category that an attribute applies to."""
    one = rng.choice([kind for kind in shop.types if set(kind.choices) - {"color"} or kind.numbers])
    key = rng.choice([key for key in (*one.choices, *one.numbers) if key != "color"])
    lacking = [kind for kind in shop.types if key not in kind.choices and key not in kind.numbers]
    options, gold = choices(one.name.en, [kind.name.en for kind in rng.sample(lacking, 3)], rng)
    return Draft({"attribute": shop.lexicon.attributes[key].name.en, "options": options}, gold)


@_concept(
    "category classification",
    CHOICE,
    (
        "A shop lists the product '{{ title }}'. To which product category does it belong?\n{{ options }}\nAnswer: ",
        "Product title: {{ title }}\nChoose the category that this product should be listed under.\n"
        "{{ options }}\nAnswer:",
        "Sort the following listing into one category.\nTitle: {{ title }}\nCategories:\n{{ options }}\nOutput:",
        'What kind of product is "{{ title }}"?\n{{ options }}',
    ),
)
def category_of_product(shop: Catalogue, rng: random.Random) -> Draft:
    """Name the category of a title; asked for by another word than the title's own."""
    product = shop.any_product(rng)
    own = product.type.synonyms[0] if rng.random() < 0.5 else product.type.name.en
    near = [other for other in shop.types if other.department is product.type.department and other is not product.type]
    others = [*rng.sample(near, 1), *shop.unrelated_types(product.type, rng, 2)]
    options, gold = choices(own, [other.name.en for other in others], rng)
    return Draft({"title": shop.title(product).text, "options": options}, gold)


@_concept(
    "category taxonomy",
    CHOICE,
    (
        "In which department of an online shop would a customer look for {{ category }}?\n{{ options }}\nAnswer: ",
        "Product category: {{ category }}\nPick the department that it is part of.\n{{ options }}\nAnswer:",
        "Which of these departments is the parent of the category '{{ category }}'?\n{{ options }}\nOutput:",
        "{{ category }} is a subcategory of which department?\n{{ options }}",
    ),
)
def department_of_category(shop: Catalogue, rng: random.Random) -> Draft:
    """Name the department of a category."""
    one = rng.choice(shop.types)
    far = [department.name.en for department in shop.lexicon.departments if department is not one.department]
    options, gold = choices(one.department.name.en, rng.sample(far, 3), rng)
    return Draft({"category": one.name.en, "options": options}, gold)


@_concept(
    "category taxonomy",
    RETRIEVAL,
    (
        "Below are ten numbered product categories. Select the three that belong to the department '"
        "{{ department }}'. Output only three numbers separated with comma.\nCategory List:\n{{ options }}\nOutput:",
        "Which three of these categories are sold in the {{ department }} department? Answer with their numbers, "
        "separated by commas.\nProduct categories:\n{{ options }}\nOutput: ",
        'A shop sets up its department "{{ department }}". Choose 3 categories from the list that should go there. Do '
        "not give explanations.\nCategory List:\n{{ options }}\nAnswer:",
        "Department: {{ department }}\nFrom the list, pick three categories that a customer finds in this department. "
        "Reply with the numbers, comma-separated.\nCategory List:\n{{ options }}\nOutput:",
    ),
)
def categories_of_department(shop: Catalogue, rng: random.Random) -> Draft:
    """Pick the categories of a department."""
    department = rng.choice(shop.lexicon.departments)
    own = rng.sample([one for one in shop.types if one.department is department], 3)
    far = rng.sample([one for one in shop.types if one.department is not department], 7)
    options, gold = selection([one.name.en for one in own], [one.name.en for one in far], rng)
    return Draft({"department": department.name.en, "options": options}, gold)


_LISTED_ASPECTS = 10


@_concept(
    "review aspect identification",
    RETRIEVAL,
    (
        "Here is what a customer wrote about a(n) {{ category }}, and ten numbered aspects. Select the three aspects "
        "that the customer speaks of and output only their numbers with commas between them.\nReview: "
        "{{ review }}\nAspect List:\n{{ options }}\nOutput: ",
        "A customer has reviewed a(n) {{ category }}.\nReview: {{ review }}\nWhich three aspects of the list does the "
        "review talk about? Output their numbers, separated by commas.\nAspect List:\n{{ options }}\nOutput:",
        "Read the review and pick the 3 aspects that it mentions. Answer with numbers only.\nReview: "
        "{{ review }}\nAspects:\n{{ options }}\nAnswer:",
        "Name the three aspects from the list that the review covers. Write their numbers only, separated by commas.\n"
        "Aspect List:\n{{ options }}\nReview: {{ review }}\nOutput:",
    ),
)
def review_aspects(shop: Catalogue, rng: random.Random) -> Draft:
    """Pick the three aspects that a review speaks of."""
    review = make_review(shop.lexicon, rng.choice(shop.types), rng, aspects=3)
    gold = [opinion.aspect for opinion in review.opinions]
    others = rng.sample([name for name in shop.lexicon.aspects if name not in gold], _LISTED_ASPECTS - len(gold))
    options, numbers = selection(gold, others, rng)
    return Draft({"category": review.type.name.en, "review": review.text, "options": options}, numbers)


@_concept(
    "review snippet selection",
    RETRIEVAL,
    (
        "Somebody bought a(n) {{ category }} and is {{ feeling }} with its {{ aspect }}. Of the 15 numbered snippets "
        "below, select the 3 that this customer would put into a {{ mood }} review of this aspect. Output three "
        "numbers separated by commas and no explanations.\nReview Snippet List:\n{{ options }}\nOutput: ",
        "Choose three snippets from the list that say something {{ mood }} about the {{ aspect }} of a(n) "
        "{{ category }}. Output only their numbers, separated by commas.\nReview Snippet List:\n{{ options }}\nOutput:",
        "Which 3 of these snippets belong into a {{ mood }} remark on the aspect '{{ aspect }}'? Answer with three "
        "numbers.\nSnippets:\n{{ options }}\nAnswer:",
        "Aspect: {{ aspect }}\nSentiment: {{ mood }}\nSelect three snippets from the list that express this sentiment "
        "about this aspect of a(n) {{ category }}. Write the numbers only, separated by commas.\nReview Snippet List:"
        "\n{{ options }}\nOutput:",
    ),
)
def review_snippets(shop: Catalogue, rng: random.Random) -> Draft:
    """Pick the snippets that praise, or blame, one aspect."""
    one = rng.choice(shop.types)
    aspect = rng.choice(aspects_of(one))
    praise = rng.random() < 0.5
    entry = shop.lexicon.aspects[aspect]
    own, opposite = (entry.praise, entry.blame) if praise else (entry.blame, entry.praise)
    far = [name for name in shop.lexicon.aspects if name != aspect]
    others = [rng.choice(getattr(shop.lexicon.aspects[name], rng.choice(("praise", "blame")))) for name in far]
    hard = rng.sample(opposite, rng.choice((0, 0, 1, 2)))
    gold = rng.sample(own, 3)
    options, numbers = selection(gold, [*hard, *rng.sample(others, SNIPPETS - 3 - len(hard))], rng)
    mood = "positive" if praise else "negative"
    feeling = "happy" if praise else "unhappy"
    variables = {"category": one.name.en, "aspect": aspect, "mood": mood, "feeling": feeling, "options": options}
    return Draft(variables, numbers)


@_concept(
    "aspect keyphrase extraction",
    GENERATION,
    (
        "From the review of a(n) {{ category }} below, extract the single keyphrase that deals with the aspect named "
        "after it. Copy it letter by letter and add nothing.\nReview: {{ review }}\nAspect: {{ aspect }}\nOutput:",
        "Extract the one keyphrase of the review that is about the aspect '{{ aspect }}'. Do not write whole "
        "sentences.\nReview: {{ review }}\nKeyphrase:",
        "Review: {{ review }}\nAspect: {{ aspect }}\nCopy the exact phrase of the review that speaks about this "
        "aspect.\nOutput:",
        "Which phrase in this {{ category }} review tells what the customer thinks of its {{ aspect }}? Extract a "
        "single keyphrase.\nReview: {{ review }}\nOutput: ",
    ),
    Metric.ROUGE_L,
)
def aspect_keyphrase(shop: Catalogue, rng: random.Random) -> Draft:
    """Copy the phrase that speaks of an aspect."""
    review = make_review(shop.lexicon, rng.choice(shop.types), rng)
    opinion = rng.choice(review.opinions)
    variables = {"category": review.type.name.en, "review": review.text, "aspect": opinion.aspect}
    return Draft(variables, opinion.phrase)


@_concept(
    "aspect sentiment",
    CHOICE,
    (
        "Review: {{ review }}\nWhat does the customer think of the {{ aspect }}?\n{{ options }}\nAnswer:",
        "Decide which sentiment the review below shows towards the aspect '{{ aspect }}'.\nReview: {{ review }}\n{{ "
        "options }}\nAnswer: ",
        "A customer wrote about a(n) {{ category }}: {{ review }}\nThe opinion on {{ aspect }} is\n"
        "{{ options }}\nOutput:",
        "{{ review }}\n\nIs the customer's remark on the {{ aspect }} positive or negative?\n{{ options }}\nAnswer:",
    ),
)
def aspect_sentiment(shop: Catalogue, rng: random.Random) -> Draft:
    """Tell praise from blame, and either from silence."""
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


@_concept(
    "review aspect identification",
    CHOICE,
    (
        "Which aspect of a product does the review snippet '{{ phrase }}' speak of?\n{{ options }}\nAnswer: ",
        "Review snippet: {{ phrase }}\nChoose the aspect that it is about.\n{{ options }}\nAnswer:",
        'A review of a(n) {{ category }} has the words "{{ phrase }}". What are they about?\n{{ options }}\nOutput:',
    ),
)
def aspect_of_snippet(shop: Catalogue, rng: random.Random) -> Draft:
    """Name the aspect of a phrase."""
    one = rng.choice(shop.types)
    aspect = rng.choice(aspects_of(one))
    entry = shop.lexicon.aspects[aspect]
    others = rng.sample([name for name in shop.lexicon.aspects if name != aspect], 3)
    options, gold = choices(aspect, others, rng)
    phrase = rng.choice(rng.choice((entry.praise, entry.blame)))
    return Draft({"phrase": phrase, "category": one.name.en, "options": options}, gold)


TASKS = (
    category_explanation,
    category_by_definition,
    category_with_attribute,
    category_of_product,
    department_of_category,
    categories_of_department,
    attribute_value_choice,
    title_entity_extraction,
    brand_extraction,
    query_entity_extraction,
    feature_extraction,
    description_entity_extraction,
    title_from_attributes,
    feature_explanation,
    review_aspects,
    review_snippets,
    aspect_keyphrase,
    aspect_sentiment,
    aspect_of_snippet,
)
