"""Concept understanding: aspects, snippets and phrases of reviews."""

import random
from functools import partial

from app.evaluation.metric_names import Metric
from app.training.catalogue.catalogue import Catalogue
from app.training.catalogue.reviews import aspects_of, make_review
from app.training.curriculum.declaring import CHOICE, GENERATION, RETRIEVAL, catalogue_task
from app.training.curriculum.lists import SNIPPETS, choices, numbered, selection
from app.training.curriculum.task import Draft
from app.training.row import Capability

_concept = partial(catalogue_task, Capability.CONCEPT_UNDERSTANDING)
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


TASKS = (review_aspects, review_snippets, aspect_keyphrase, aspect_sentiment, aspect_of_snippet)
