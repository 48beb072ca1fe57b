"""Agreement of two models' answers, on completions whose figures are known."""

import math
from pathlib import Path

import pytest

from app.checkpoints.verify import Limits, Reference, compare_answers, parse_reference
from app.errors import InputError
from app.types import Failure, Outcome, Prediction, TaskType


def choice(identity: str, *probabilities: float) -> Prediction:
    labels = {str(place): value / sum(probabilities) for place, value in enumerate(probabilities)}
    written = max(labels, key=lambda label: labels[label])
    return Prediction(
        identity,
        TaskType.MULTIPLE_CHOICE,
        written,
        Outcome.CLEAN,
        raw=written,
        label_probs=labels,
        label_mass=sum(probabilities),
    )


def text(identity: str, written: str, error: Failure | None = None) -> Prediction:
    return Prediction(identity, TaskType.GENERATION, written, Outcome.CLEAN, raw=written, error=error)


def test_figures_are_those_of_the_definitions() -> None:
    first = [choice("a", 0.5, 0.25), choice("b", 0.1, 0.3), text("c", "lamp"), text("d", "cup")]
    second = [choice("a", 0.5, 0.25), choice("b", 0.3, 0.1), text("c", "lamp"), text("d", "mug")]

    found = compare_answers(first, second)

    assert (found.prompts, found.choices) == (4, 2)
    assert found.same_text == pytest.approx(0.5)
    assert found.same_label == pytest.approx(0.5)
    assert found.largest_logprob == pytest.approx(math.log(3))
    of_b = 0.25 * math.log(0.25 / 0.75) + 0.75 * math.log(0.75 / 0.25)
    assert found.mean_kl == pytest.approx(of_b / 2)


def test_without_choices_there_are_no_label_figures() -> None:
    found = compare_answers([text("a", "x")], [text("a", "x")])
    assert (found.same_text, found.same_label, found.largest_logprob, found.mean_kl) == (1.0, None, None, None)
    assert Limits().broken_by(found) == []


def test_limits_name_what_is_outside() -> None:
    found = compare_answers([choice("a", 0.5, 0.25), text("b", "x")], [choice("a", 0.4, 0.25), text("b", "y")])
    broken = Limits(logprob=0.1, same_text=0.9).broken_by(found)
    assert len(broken) == 2
    assert "0.223" in broken[0]
    assert "50.0%" in broken[1]


def test_other_questions_and_refusals_are_no_comparison() -> None:
    with pytest.raises(InputError, match="not asked the same"):
        compare_answers([text("a", "x")], [text("b", "x")])
    with pytest.raises(InputError, match="not asked the same"):
        compare_answers([], [])
    refused = text("a", "", Failure("prompt_too_long", "too long"))
    with pytest.raises(InputError, match="sample 'a' cannot be asked: too long; leave it out"):
        compare_answers([text("a", "x")], [refused])


def test_a_probability_too_small_for_its_number_is_compared_all_the_same() -> None:
    found = compare_answers([choice("a", 0.5, 0.0)], [choice("a", 0.5, 0.0)])
    assert (found.largest_logprob, found.mean_kl) == (0.0, 0.0)
    assert compare_answers([choice("a", 0.5, 0.1)], [choice("a", 0.5, 0.0)]).mean_kl > 10  # type: ignore[operator]  # there are choices


def test_a_reference_is_a_checkpoint_or_a_base_with_its_adapter() -> None:
    assert parse_reference("base+runs/lora") == Reference(Path("base"), Path("runs/lora"))
    assert parse_reference("base") == Reference(Path("base"))
    for bad in ("", "+lora", "base+"):
        with pytest.raises(InputError, match="BASE\\+ADAPTER"):
            parse_reference(bad)
