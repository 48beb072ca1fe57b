"""Choosing the next token, on plain numbers."""

from collections import Counter
from itertools import product
from math import exp

import numpy as np
import pytest
import torch

from app.engines.decoding import Decoding, decide
from app.types import SamplingParams

SCORES = (2.0, 1.0, 0.0, -1.0)


def decided(
    sampling: SamplingParams, output_ids: tuple[int, ...] = (), scores: tuple[float, ...] = SCORES
) -> list[float]:
    rows = torch.tensor([scores])
    found: list[float] = decide(rows, {0: Decoding((), output_ids, None, sampling.choosing)})[0].tolist()
    return found


def chosen(sampling: SamplingParams, output_ids: tuple[int, ...] = (), scores: tuple[float, ...] = SCORES) -> int:
    return int(np.argmax(decided(sampling, output_ids, scores)))


def test_a_token_loses_by_its_count_and_for_being_there() -> None:
    sampling = SamplingParams(9, frequency_penalty=0.5, presence_penalty=0.25)
    assert decided(sampling, (0, 2, 0)) == [2 - 2 * 0.5 - 0.25, 1, -0.5 - 0.25, -1]
    assert decided(sampling) == list(SCORES)
    assert decided(SamplingParams(9, frequency_penalty=0.5), (1,)) == [2, 0.5, 0, -1]
    assert decided(SamplingParams(9, presence_penalty=-2.0), (3, 3)) == [2, 1, 0, 1]


@pytest.mark.parametrize("temperature", [0.5, 2.0])
@pytest.mark.parametrize("by", ["seed", "position"])
def test_tokens_come_as_often_as_they_are_probable(temperature: float, by: str) -> None:
    draws = 800
    counts = Counter(
        chosen(
            SamplingParams(9, temperature=temperature, seed=n if by == "seed" else 7), (0,) * (n if by != "seed" else 0)
        )
        for n in range(draws)
    )
    weights = [exp(score / temperature) for score in SCORES]
    for token, weight in enumerate(weights):
        expected = weight / sum(weights)
        # four standard deviations of a binomial count
        assert abs(counts[token] / draws - expected) < 4 * (expected * (1 - expected) / draws) ** 0.5 + 1e-3


def test_each_seed_and_position_draws_afresh_and_always_the_same() -> None:
    def drawn(seed: int, position: int) -> tuple[float, ...]:
        return tuple(decided(SamplingParams(9, temperature=1.0, seed=seed), (0,) * position))

    places = list(product(range(6), repeat=2))
    assert len({drawn(*place) for place in places}) == len(places)
    assert drawn(3, 4) == drawn(3, 4)


@pytest.mark.parametrize(
    ("top_p", "kept"), [(0.05, 1), (0.499, 1), (0.501, 2), (0.799, 2), (0.801, 3), (0.999, 4), (1.0, 4)]
)
def test_the_fewest_tokens_that_make_up_top_p_are_kept(top_p: float, kept: int) -> None:
    scores = tuple(np.log([0.1, 0.5, 0.3, 0.1]).tolist())
    found = decided(SamplingParams(9, temperature=1.0, top_p=top_p), scores=scores)
    finite = [token for token, score in enumerate(found) if np.isfinite(score)]
    assert len(finite) == kept
    assert set(finite) >= {1, 2} or finite == [1]


def test_rows_are_decided_alone() -> None:
    """Each by its own allowed tokens, its own answer so far and its own sampling; rows without any stay."""
    asked: list[list[int]] = []

    def allowed(output_ids: object) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        asked.append(list(output_ids))  # type: ignore[call-overload]  # a sequence
        return np.array([3, 1])

    rows = torch.tensor([SCORES] * 4)
    sampled = SamplingParams(9, temperature=1.0, seed=5)
    found = decide(
        rows,
        {
            1: Decoding((), [2, 2], allowed, {}),
            2: Decoding((), [2], None, sampled.choosing),
            3: Decoding((), [0], lambda _: np.array([2]), sampled.choosing),
        },
    )
    assert found is rows
    assert asked == [[2, 2]]
    assert found[0].tolist() == list(SCORES)
    assert found[1].tolist() == [-np.inf, 1, -np.inf, -1]
    assert found[2].tolist() == decided(sampled, (2,))
    assert [bool(np.isfinite(score)) for score in found[3].tolist()] == [False, False, True, False]
    assert decide(torch.tensor([SCORES]), {}).tolist() == [list(SCORES)]


def kept(sampling: SamplingParams, scores: tuple[float, ...] = SCORES) -> list[int]:
    return [place for place, score in enumerate(decided(sampling, scores=scores)) if score > float("-inf")]


def test_the_most_probable_are_kept_by_number_and_by_share() -> None:
    assert kept(SamplingParams(9, 1.0, top_k=2)) == [0, 1]
    assert kept(SamplingParams(9, 1.0, top_k=9)) == kept(SamplingParams(9, 1.0)) == [0, 1, 2, 3]
    assert kept(SamplingParams(9, 1.0, top_k=1), (1.0, 1.0, 0.0)) == [0, 1], "of equals all stay"
    # The second has exp(-1) = 0.37 of the first one's probability, the third 0.14.
    assert kept(SamplingParams(9, 1.0, min_p=0.3)) == [0, 1]
    assert kept(SamplingParams(9, 1.0, min_p=0.1)) == [0, 1, 2]
    assert kept(SamplingParams(9, 2.0, min_p=0.3)) == [0, 1, 2], "after the temperature"
    assert kept(SamplingParams(9, 1.0, top_k=3, min_p=0.3, top_p=0.5)) == [0]


def test_what_the_prompt_or_the_answer_has_is_repeated_less() -> None:
    rows = torch.tensor([SCORES])
    sampling = SamplingParams(9, repetition_penalty=2.0)
    found = decide(rows, {0: Decoding((0, 3, 3), (2, 2), None, sampling.choosing)})[0].tolist()
    assert found == [1, 1, 0, -2], "once, however often it is there"


def test_a_bias_is_added_before_anything_else() -> None:
    assert decided(SamplingParams(9, logit_bias=((1, 2.5), (3, -100)))) == [2, 3.5, 0, -101]
    assert kept(SamplingParams(9, 1.0, top_k=1, logit_bias=((3, 9.0),))) == [3]
