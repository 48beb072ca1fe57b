"""User behaviour alignment: what customers think of what they bought."""

import random
from functools import partial

from app.training.catalogue.catalogue import Catalogue
from app.training.catalogue.reviews import make_review
from app.training.curriculum.declaring import CHOICE, RANKING, RETRIEVAL, catalogue_task
from app.training.curriculum.lists import choices, graded, numbered, selection
from app.training.curriculum.task import Draft
from app.training.row import Capability

_behaviour = partial(catalogue_task, Capability.USER_BEHAVIOUR)


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


TASKS = (review_rating, review_satisfaction, review_ranking, helpful_reviews, opposite_experience)
