"""Concept understanding: what product categories are, what belongs to them, what they can have."""

import random
from functools import partial

from app.evaluation.metric_names import Metric
from app.training.catalogue.catalogue import Catalogue
from app.training.curriculum.declaring import CHOICE, GENERATION, RETRIEVAL, catalogue_task
from app.training.curriculum.lists import choices, selection
from app.training.curriculum.task import Draft
from app.training.row import Capability

_concept = partial(catalogue_task, Capability.CONCEPT_UNDERSTANDING)


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


TASKS = (
    category_explanation,
    category_by_definition,
    category_with_attribute,
    category_of_product,
    department_of_category,
    categories_of_department,
)
