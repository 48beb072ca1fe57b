"""Knowledge reasoning: what goes with what, what is for what, what fits whom."""

import random
from functools import partial

from app.evaluation.metric_names import Metric
from app.training.catalogue.catalogue import Catalogue
from app.training.catalogue.descriptions import make_description
from app.training.catalogue.measures import Measure
from app.training.catalogue.products import FEATURE, PACK
from app.training.curriculum.declaring import CHOICE, GENERATION, RANKING, RETRIEVAL, catalogue_task
from app.training.curriculum.lists import choices, graded, selection
from app.training.curriculum.task import Draft
from app.training.row import Capability

_knowledge = partial(catalogue_task, Capability.KNOWLEDGE_REASONING)
_NEEDS = {
    "connector": "has a device with the connector {value}",
    "bulb": "has a lamp with the base {value}",
    "skin": "wants something {value}",
    "hair": "wants something {value}",
    "audience": "wants something {value}",
    "size": "needs {value}",
    "meat": "has a dog that eats nothing but {value}",
    "roast": "likes a {value} best",
    "season": "is looking for {value} gear",
    "ruling": "likes {value} pages",
}


@_knowledge(
    "commonsense reasoning",
    CHOICE,
    (
        "Which one of these product categories is the best companion of the product type {{ category }}?\n{{ options "
        "}}\nAnswer: ",
        "A customer buys {{ with_article }}. What will most likely be needed along with it?\n{{ options }}\nAnswer:",
        "Choose the product category that is used together with {{ category }}.\n{{ options }}\nOutput:",
        "'{{ category }}' goes best with\n{{ options }}\nAnswer:",
    ),
)
def complement_category(shop: Catalogue, rng: random.Random) -> Draft:
    """Find the category that goes with another."""
    one = rng.choice(shop.types)
    partner = rng.choice(shop.related_types(one))
    others = [other.name.en for other in shop.unrelated_types(one, rng, 3)]
    options, gold = choices(partner.name.en, others, rng)
    return Draft({"category": one.name.en, "with_article": one.with_article, "options": options}, gold)


@_knowledge(
    "commonsense reasoning",
    CHOICE,
    (
        "Which product does somebody need who wants to {{ purpose }}?\n{{ options }}\nAnswer: ",
        "PersonX wants to {{ purpose }}. Hence, PersonX buys\n{{ options }}\nAnswer:",
        'A customer asks: "What do you have to {{ purpose }}?" Which answer helps?\n{{ options }}\nOutput:',
        "To {{ purpose }}, it is best to get\n{{ options }}",
    ),
)
def category_for_purpose(shop: Catalogue, rng: random.Random) -> Draft:
    """Find what serves a purpose."""
    one = rng.choice(shop.types)
    options, gold = choices(one.with_article, [other.with_article for other in shop.unrelated_types(one, rng, 3)], rng)
    return Draft({"purpose": one.purpose, "options": options}, gold)


@_knowledge(
    "commonsense reasoning",
    CHOICE,
    (
        "For what does a customer buy {{ with_article }}?\n{{ options }}\nAnswer: ",
        "PersonX buys {{ with_article }}. What does PersonX intend to do?\n{{ options }}\nAnswer:",
        "Choose the purpose that {{ with_article }} serves.\n{{ options }}\nOutput:",
    ),
)
def purpose_of_category(shop: Catalogue, rng: random.Random) -> Draft:
    """Say what something is for."""
    one = rng.choice(shop.types)
    others = [f"to {other.purpose}" for other in shop.unrelated_types(one, rng, 3)]
    options, gold = choices(f"to {one.purpose}", others, rng)
    return Draft({"with_article": one.with_article, "options": options}, gold)


@_knowledge(
    "compatibility",
    CHOICE,
    (
        "A customer {{ need }}. Which of these products fits?\n{{ options }}\nAnswer: ",
        "Choose the right product for a customer who {{ need }}.\n{{ options }}\nAnswer:",
        "Somebody in the market for {{ category }} {{ need }}. What should the shop recommend?\n{{ options }}\nOutput:",
        "Need: the customer {{ need }}.\nPick the product that serves this need.\n{{ options }}\nAnswer:",
    ),
)
def compatible_product(shop: Catalogue, rng: random.Random) -> Draft:
    """Find the variant that fits somebody's need."""
    product = shop.any_product(rng)
    keys = [key for key in product.words if key in _NEEDS and len(product.type.choices[key]) > 2]
    while not keys:
        product = shop.any_product(rng)
        keys = [key for key in product.words if key in _NEEDS and len(product.type.choices[key]) > 2]
    key = rng.choice(keys)
    values = rng.sample(product.type.choices[key], min(4, len(product.type.choices[key])))
    titles = [shop.title(shop.variant(product, rng, {key: value}, same_brand=False), show=key).text for value in values]
    options, gold = choices(titles[0], titles[1:], rng)
    need = _NEEDS[key].format(value=values[0].en if key in {"connector", "bulb"} else values[0].en.lower())
    return Draft({"need": need, "category": product.type.name.en, "options": options}, gold)


@_knowledge(
    "commonsense reasoning",
    RANKING,
    (
        "Rank the following product types by how well they go with the product type '{{ category }}', best first. The "
        "answer is a permutation of 1 to {{ count }} with commas between the numbers.\nProduct List:\n"
        "{{ options }}\nOutput:",
        "A customer has bought {{ with_article }}. Please rank these {{ count }} products from the most to the least "
        "useful addition. Output all numbers, separated by commas.\nProduct List:\n{{ options }}\nOutput: ",
        "Order the products of the list by how closely they are related to {{ category }}. Put the best match first "
        "and name each number once.\nProducts:\n{{ options }}\nRanking:",
        "Product List:\n{{ options }}\n\nRank the list by usefulness to somebody who owns {{ with_article }}, the "
        "most useful first. Write every number once, separated by commas.\nOutput:",
    ),
)
def complement_ranking(shop: Catalogue, rng: random.Random) -> Draft:
    """Order types: partners, then the same department, then the rest."""
    one = rng.choice(shop.types)
    partners = rng.sample(shop.related_types(one), 1)
    near = [
        other
        for other in shop.types
        if other.department is one.department and other is not one and other not in shop.related_types(one)
    ]
    entries = [(other.name.en, 1.0) for other in partners]
    entries += [(other.name.en, 0.1) for other in rng.sample(near, min(len(near), rng.randint(1, 2)))]
    entries += [(other.name.en, 0.0) for other in shop.unrelated_types(one, rng, 5 - len(entries))]
    options, relevances = graded(entries, rng)
    variables = {"category": one.name.en, "with_article": one.with_article, "count": len(entries), "options": options}
    return Draft(variables, relevances)


@_knowledge(
    "commonsense reasoning",
    RETRIEVAL,
    (
        "A customer plans to {{ purposes }}. Select the three products from the numbered list that serve these plans. "
        "Output only three numbers separated with comma.\nProduct List:\n{{ options }}\nOutput:",
        "Shopping list for somebody who wants to {{ purposes }}: choose 3 products from the list and answer with "
        "their numbers, separated by commas.\nProduct List:\n{{ options }}\nOutput: ",
        "Which three products of the list help to {{ purposes }}? Output their numbers only.\nProducts:\n"
        "{{ options }}\nAnswer:",
    ),
)
def products_for_purposes(shop: Catalogue, rng: random.Random) -> Draft:
    """Pick what serves three purposes."""
    types = rng.sample(shop.types, 3)
    listed = rng.randint(8, 12)
    far = [one for one in shop.types if one not in types and one.department not in [kind.department for kind in types]]
    gold = [shop.title(shop.any_product(rng, one)).text for one in types]
    others = [shop.title(shop.any_product(rng, one)).text for one in rng.sample(far, listed - 3)]
    options, numbers = selection(gold, others, rng)
    first, second, third = (one.purpose for one in types)
    return Draft({"purposes": f"{first}, to {second} and to {third}", "options": options}, numbers)


@_knowledge(
    "product question answering",
    GENERATION,
    (
        "Answer the customer's question with the help of the product description.\nDescription: "
        "{{ description }}\nQuestion: {{ question }}\nAnswer:",
        'Product description: {{ description }}\nA customer asks: "{{ question }}" Write a short answer to the '
        "question.\nOutput:",
        "Question: {{ question }}\nContext: {{ description }}\nReply to the question in one sentence.\nAnswer: ",
        "Use the description to answer the question in a sentence.\n\nDescription: {{ description }}\n\nQuestion: "
        "{{ question }}\n\nAnswer:",
    ),
    Metric.ROUGE_L,
)
def description_answer(shop: Catalogue, rng: random.Random) -> Draft:
    """Answer with the sentence that tells."""
    product = shop.any_product(rng)
    description = make_description(shop.lexicon, product, rng)
    facts = [fact for fact in description.facts if fact.key not in {FEATURE, PACK}]
    while not facts:
        product = shop.any_product(rng)
        description = make_description(shop.lexicon, product, rng)
        facts = [fact for fact in description.facts if fact.key not in {FEATURE, PACK}]
    fact = rng.choice(facts)
    attribute = shop.lexicon.attributes[fact.key]
    asked = attribute.asks if isinstance(product.values[fact.key], Measure) else f"What is its {attribute.name.en}?"
    return Draft({"description": description.text, "question": asked}, fact.sentence)


@_knowledge(
    "co-purchase reasoning",
    GENERATION,
    (
        "Explain in one sentence why a customer buys these two products together.\nProduct A: {{ first }}\nProduct B: "
        "{{ second }}\nExplanation:",
        "A customer has bought '{{ first }}' together with '{{ second }}'. What is the reason? Explain it shortly.\n"
        "Output:",
        "Product A: {{ first }}\nProduct B: {{ second }}\nExplain why shoppers buy both of them in one order.\nReason:",
    ),
    Metric.SENT_TRANSFORMER,
)
def co_purchase_reason(shop: Catalogue, rng: random.Random) -> Draft:
    """Explain a co-purchase by what both products are for."""
    product = shop.any_product(rng)
    other = shop.complement(product, rng)
    a, b = product.type, other.type
    gold = f"Because the customer needs {a.with_article} to {a.purpose} and {b.with_article} to {b.purpose}."
    return Draft({"first": shop.title(product).text, "second": shop.title(other).text}, gold)


TASKS = (
    complement_category,
    category_for_purpose,
    purpose_of_category,
    compatible_product,
    complement_ranking,
    products_for_purposes,
    description_answer,
    co_purchase_reason,
)
