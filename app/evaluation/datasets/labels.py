"""Gold labels as the metrics take them, from whatever form a data set wrote them in."""

import math

from app.errors import InputError
from app.evaluation.metric_names import SEMANTIC, Metric
from app.tasks.answers import literal, string_list

LARGEST_RELEVANCE = 100.0
"""The gain is 2^relevance; anything above this is no relevance grade."""


def read_label(value: object, metric: Metric) -> object:
    """The label in its metric's form; a string that holds a Python literal is read as that literal.

    accuracy: int; hit rate@3: list[int], not empty; ndcg: list[float], not empty; micro f1: list[str];
    others: str, and for the two semantic metrics also list[str], not empty.

    Raises:
        InputError: the value cannot be read so.
    """
    match metric:
        case Metric.ACCURACY:
            return _integer(value)
        case Metric.HIT_RATE_AT_3:
            return _integers(value)
        case Metric.NDCG:
            return _relevances(value)
        case Metric.MICRO_F1:
            return _entities(value)
        case _:
            return _text(value, several=metric in SEMANTIC)


def _integer(value: object) -> int:
    number = literal(value.strip()) if isinstance(value, str) else value
    if isinstance(number, float) and number.is_integer():
        number = int(number)
    if isinstance(number, bool) or not isinstance(number, int):
        raise InputError(f"must be a whole number, not {_shown(value)}")
    return number


def _integers(value: object) -> list[int]:
    numbers = literal(value.strip()) if isinstance(value, str) else value
    if isinstance(numbers, int | float):
        numbers = [numbers]
    if not isinstance(numbers, list | tuple) or not numbers:
        raise InputError(f"must be a list of whole numbers with at least one in it, not {_shown(value)}")
    return [_integer(number) for number in numbers]


def _relevances(value: object) -> list[float]:
    numbers = literal(value.strip()) if isinstance(value, str) else value
    if not isinstance(numbers, list | tuple) or not numbers:
        raise InputError(f"must be a list of relevances, one an option, not {_shown(value)}")
    for number in numbers:
        if isinstance(number, bool) or not isinstance(number, int | float):
            raise InputError(f"must be a list of relevances, one an option, not {_shown(value)}")
        if not math.isfinite(number) or not 0 <= number <= LARGEST_RELEVANCE:
            raise InputError(f"holds the relevance {number!r}: give 0 to {LARGEST_RELEVANCE:g}")
    return list(numbers)


def _entities(value: object) -> list[str]:
    entities: object = value
    if isinstance(value, str):
        entities = string_list(value.strip()) or [value.strip()]
    if not isinstance(entities, list | tuple) or not all(isinstance(entity, str) for entity in entities):
        raise InputError(f"must be a list of texts, not {_shown(value)}")
    return list(entities)


def _text(value: object, *, several: bool) -> str | list[str]:
    texts: object = value
    if several and isinstance(value, str):
        texts = string_list(value.strip()) or value
    if isinstance(texts, str) and texts.strip():
        return texts
    if not several:
        raise InputError(f"must be a text that is not blank, not {_shown(value)}")
    if isinstance(texts, list | tuple) and texts and all(isinstance(text, str) and text.strip() for text in texts):
        return list(texts)
    raise InputError(f"must be a text, or a list of texts, none of them blank, not {_shown(value)}")


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
