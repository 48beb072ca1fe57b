"""The generated shop: the same for the same seed, and coherent."""

import random
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.data.catalogue.behaviour import Action, make_review, make_session, next_queries
from app.data.catalogue.catalogue import Catalogue
from app.data.catalogue.lexicon import LANGUAGES
from app.data.catalogue.products import FEATURE, Product
from app.data.catalogue.queries import Match, make_query, misspell

numbers = st.integers(min_value=0, max_value=10**6)
SHOP = Catalogue(1)


@pytest.fixture(params=LANGUAGES)
def language(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_a_product_does_not_depend_on_what_else_is_made() -> None:
    SHOP.product(24)
    assert SHOP.product(25) == Catalogue(1).product(25)
    assert SHOP.product(25) != Catalogue(2).product(25)


def test_another_process_makes_the_same_shop() -> None:
    program = (
        "from app.data.catalogue.catalogue import Catalogue\n"
        "shop = Catalogue(1)\nprint([shop.title(shop.product(n), 'de').text for n in range(50)])"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == str([SHOP.title(SHOP.product(n), "de").text for n in range(50)])


@given(number=numbers)
def test_products_have_plausible_values_of_their_type(number: int) -> None:
    product = SHOP.product(number)
    one = product.type
    assert one is SHOP.types[number % len(SHOP.types)]
    assert product.brand.department == one.department.number
    assert set(product.values) == set(one.choices) | set(one.numbers)
    assert all(product.words[key] in terms for key, terms in one.choices.items())
    for key, measure in product.measures.items():
        span = one.numbers[key]
        assert span.low <= measure.amount <= span.amount(span.count - 1).amount
    assert set(product.features) <= set(one.features)
    assert product.pack == 1 or one.packs
    assert product.cents > 0


@given(number=numbers, language=st.sampled_from(LANGUAGES))
def test_titles_hold_what_their_pieces_say_and_every_language_says_the_same(number: int, language: str) -> None:
    product = SHOP.product(number)
    title, english = SHOP.title(product, language), SHOP.title(product)
    assert set(title.keys) == set(english.keys)
    for key in title.keys:
        assert all(piece in title.text for piece in title.spans(key))
    assert len(title.spans(FEATURE)) == len(product.features)
    assert "{" not in title.text
    assert title.text == " ".join(title.text.split())


def test_a_title_names_what_it_is_told_to() -> None:
    for number in range(300):
        product = SHOP.product(number)
        for key in product.values:
            assert SHOP.title(product, show=key).spans(key)


@given(number=numbers, seed=numbers, language=st.sampled_from(LANGUAGES))
def test_a_query_is_answered_by_its_product(number: int, seed: int, language: str) -> None:
    rng = random.Random(seed)
    product = SHOP.product(number)
    query = make_query(product, rng, language)
    assert SHOP.match(query, product) is Match.EXACT
    assert SHOP.match(query, SHOP.complement(product, rng)) is Match.COMPLEMENT
    assert SHOP.match(query, SHOP.unrelated(product.type, rng, 1)[0]) is Match.IRRELEVANT
    other = SHOP.any_product(rng, product.type)
    expected = agrees(other, query.wanted) and query.brand in ("", other.brand.name)
    expected = expected and query.features <= {feature.name.en for feature in other.features}
    assert SHOP.match(query, other) is (Match.EXACT if expected else Match.SUBSTITUTE)


def agrees(product: Product, wanted: object) -> bool:
    assert isinstance(wanted, dict)
    return all(product.values[key] == value for key, value in wanted.items())


@given(seed=numbers, stars=st.integers(min_value=1, max_value=5))
def test_reviews_hold_their_phrases_and_mean_their_stars(seed: int, stars: int) -> None:
    rng = random.Random(seed)
    review = make_review(SHOP.lexicon, rng.choice(SHOP.types), rng, stars)
    assert all(opinion.phrase in review.text for opinion in review.opinions)
    praise = [opinion.positive for opinion in review.opinions]
    if stars in (1, 5):
        assert set(praise) == {stars == 5}
    assert len({opinion.aspect for opinion in review.opinions}) == len(review.opinions)


@given(seed=numbers)
def test_sessions_keep_to_one_aim(seed: int) -> None:
    rng = random.Random(seed)
    session = make_session(SHOP, rng)
    assert session.steps[0].action is Action.SEARCH
    assert (session.steps[-1].action is Action.PURCHASE) is session.bought
    queries = next_queries(SHOP, session, rng, 3)
    assert len(set(queries)) == 3
    assert not set(queries) & {step.text for step in session.steps}


@given(seed=numbers)
def test_a_slip_of_the_finger_changes_a_query_that_has_a_long_word(seed: int) -> None:
    text = "black leather office chair"
    assert misspell(text, random.Random(seed)) != text
