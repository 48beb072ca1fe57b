import json
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import InputError
from app.settings import ROOT
from benchmarks.cost import DEVICES, QWEN_7B, Plan, Rates, Work, calibrate, device_rates

TOKENS = st.floats(1, 1e6)


def test_seconds_are_those_of_prompt_answer_and_host() -> None:
    rates = Rates(prefill=1000.0, decode=100.0)
    assert rates.seconds(Work(500, 20)) == pytest.approx(0.5 + 0.2)
    assert rates.seconds(Work(500, 20), cached=0.8, host_seconds=0.01) == pytest.approx(0.1 + 0.2 + 0.01)


@given(prefill=st.floats(10, 1e6), decode=st.floats(10, 1e5), prompts=TOKENS, answers=st.floats(2, 1e4))
def test_rates_are_found_again_from_what_they_cause(
    prefill: float, decode: float, prompts: float, answers: float
) -> None:
    rates = Rates(prefill, decode)
    short, long = Work(prompts, 1.0), Work(prompts, answers)
    found = calibrate((short, rates.seconds(short)), (long, rates.seconds(long)))
    assert found.seconds(Work(prompts, (1 + answers) / 2)) == pytest.approx(
        rates.seconds(Work(prompts, (1 + answers) / 2)), rel=1e-3
    )


def test_measurements_that_say_nothing_are_refused() -> None:
    for second in ((Work(20, 2), 2.0), (Work(10, 9), 0.5)):
        with pytest.raises(InputError, match="do not tell prompts from answers"):
            calibrate((Work(10, 1), 1.0), second)


def test_hours_shrink_with_replicas_and_money_does_not_change() -> None:
    one, ten = (Plan(1e9, 0.002, replicas, devices=2, price=3.0) for replicas in (1, 10))
    assert one.hours == pytest.approx(1e9 * 0.002 / 3600)
    assert ten.hours == pytest.approx(one.hours / 10)
    assert one.money == pytest.approx(ten.money) == pytest.approx(one.hours * 2 * 3.0)


def test_a_data_sheet_gives_rates_that_its_memory_and_its_arithmetic_bound() -> None:
    device = DEVICES["h100"]
    few, many = (device_rates(device, 1, QWEN_7B, places=places, context=200, efficiency=1.0) for places in (1, 1024))
    assert few.prefill == many.prefill == pytest.approx(device.operations / (2 * QWEN_7B.parameters))
    assert few.decode == pytest.approx(device.bandwidth / (QWEN_7B.parameters * 2), rel=0.01)
    assert few.decode * 100 < many.decode <= many.prefill


def test_a_model_that_does_not_fit_is_refused() -> None:
    with pytest.raises(InputError, match="15 GB do not fit 14 GB"):
        device_rates(DEVICES["t4"], 1, QWEN_7B, places=1, context=1, efficiency=1.0)


def plan(*words: str) -> subprocess.CompletedProcess[str]:
    given = [sys.executable, str(ROOT / "benchmarks" / "cost.py"), "plan", "--questions", "1e9", "--price", "2", *words]
    return subprocess.run(given, capture_output=True, text=True, timeout=60, check=False)


def test_the_script_plans_from_measured_rates() -> None:
    result = plan("--prefill", "1000", "--decode", "100", "--prompt-tokens", "100", "--output-tokens", "10")
    found = json.loads(result.stdout)
    assert (found["hours"], found["money"]) == (55555.6, 111111.11)


def test_the_script_says_what_is_missing() -> None:
    result = plan()
    assert result.returncode == 2
    assert "--device" in result.stderr
