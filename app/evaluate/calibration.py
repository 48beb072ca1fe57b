"""Whether label probabilities mean what they say."""

from collections.abc import Mapping, Sequence
from statistics import fmean

from app.evaluate.schema import Calibration, CalibrationBin, SampleResult
from app.types import TaskType

BINS = 10


def calibration(results: Sequence[SampleResult]) -> Calibration | None:
    """Reliability in equal-width bins, ECE (Guo et al., 2017) and Brier score; None without probabilities.

    The confidence of a sample is its highest label probability; it is right if that label is the gold one.
    """
    rated = [
        (result, result.label_probs)
        for result in results
        if result.task_type is TaskType.MULTIPLE_CHOICE and result.label_probs
    ]
    if not rated:
        return None
    points = [(max(probs.values()), _top(probs) == str(result.gold)) for result, probs in rated]
    bins = [_bin(points, number) for number in range(BINS)]
    gaps = [
        abs(part.accuracy - part.confidence) * part.n
        for part in bins
        if part.accuracy is not None and part.confidence is not None
    ]
    masses = [result.label_mass for result, _ in rated if result.label_mass is not None]
    return Calibration(
        n=len(points),
        ece=sum(gaps) / len(points),
        brier=fmean(_brier(probs, str(result.gold)) for result, probs in rated),
        mean_label_mass=fmean(masses) if masses else None,
        bins=bins,
    )


def _top(probs: Mapping[str, float]) -> str:
    return max(probs, key=lambda label: probs[label])


def _bin(points: Sequence[tuple[float, bool]], number: int) -> CalibrationBin:
    low, high = number / BINS, (number + 1) / BINS
    inside = [point for point in points if low < point[0] <= high or (number == 0 and point[0] <= 0)]
    return CalibrationBin(
        low=low,
        high=high,
        n=len(inside),
        confidence=fmean(confidence for confidence, _ in inside) if inside else None,
        accuracy=fmean(right for _, right in inside) if inside else None,
    )


def _brier(probs: Mapping[str, float], gold: str) -> float:
    labels = {*probs, gold}
    return sum((probs.get(label, 0.0) - (label == gold)) ** 2 for label in labels)
