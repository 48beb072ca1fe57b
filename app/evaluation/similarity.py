"""Semantic similarity of answers and references, batched over a whole file."""

from collections.abc import Sequence

import numpy as np

from app.evaluation.encoders import Encoder, Vectors
from app.evaluation.metrics import encodable

SAME = 1e-6
"""Differences below this are rounding: a text's float32 embedding depends a little on its batch."""


def similarities(encoder: Encoder, pairs: Sequence[tuple[str, Sequence[str]]]) -> list[float]:
    """For each (answer, references): the mean cosine over the references, clipped at 0.

    As in the kit, the mean is clipped and not its parts. Every distinct text is embedded once.
    """
    cleaned = [(encodable(answer), [encodable(text) for text in references]) for answer, references in pairs]
    vectors = encoder.encode([text for answer, references in cleaned for text in (answer, *references)])
    return [
        max(0.0, float(np.mean([_cosine(vectors[answer], vectors[text]) for text in references])))
        for answer, references in cleaned
    ]


def _cosine(left: Vectors, right: Vectors) -> float:
    exact_left, exact_right = left.astype(np.float64), right.astype(np.float64)
    norms = np.linalg.norm(exact_left) * np.linalg.norm(exact_right)
    return float(exact_left @ exact_right / norms)
