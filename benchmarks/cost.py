"""What a job costs: seconds a question from token rates, hours and money from seconds; and a check on an engine.

    python benchmarks/cost.py plan --questions 1e9 --price 2.5 --device h100 --replicas 8
    python benchmarks/cost.py plan --questions 1e9 --price 0 --prefill 4100 --decode 3800 --prompt-tokens 110
    python benchmarks/cost.py check [--model tests/fixtures/mini] [--rows 400]

The model:

    seconds a question = prompt tokens x (1 - cached) / prefill rate + output tokens / decode rate + host seconds
    hours              = questions x seconds a question / replicas / 3600
    money              = hours x replicas x devices of a replica x price of a device for an hour

`cached` is the part of the prompt tokens that prefix caching spares, `host seconds` what the engine waits for while
prompts are prepared and answers written. `plan` takes the rates as they were measured, or computes them from a
device's data sheet. `check` measures an engine on one-token answers and on texts, takes the two rates from these,
and tells how well they predict a mix of all types; everything in processor seconds, so that it holds on a busy
machine too (set OMP_NUM_THREADS=1: threads that wait for one another use up processor seconds as well).
"""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from app.errors import InputError
from app.predictor import Predictor, Prepared, create_predictor
from app.rows import read_rows
from app.settings import ROOT, load_settings
from app.types import GenerationRequest, Question, TaskType


@dataclass(frozen=True, slots=True)
class Work:
    """Tokens, of one question or of many together."""

    prompt_tokens: float
    output_tokens: float


@dataclass(frozen=True, slots=True)
class Rates:
    """Tokens a second of one replica, with as many answers at the same time as it has places."""

    prefill: float
    decode: float

    def seconds(self, work: Work, *, cached: float = 0.0, host_seconds: float = 0.0) -> float:
        """What the work takes; `cached` is a part of the prompt tokens, 0 to 1."""
        return work.prompt_tokens * (1 - cached) / self.prefill + work.output_tokens / self.decode + host_seconds


def calibrate(first: tuple[Work, float], second: tuple[Work, float]) -> Rates:
    """The rates that explain two measurements, each of some work and its seconds.

    Raises:
        InputError: no positive rates do.
    """
    (a, s), (b, t) = first, second
    # Cramer's rule for: prompt tokens / prefill + output tokens / decode = seconds, twice.
    determinant = a.prompt_tokens * b.output_tokens - b.prompt_tokens * a.output_tokens
    prefill = s * b.output_tokens - t * a.output_tokens
    decode = t * a.prompt_tokens - s * b.prompt_tokens
    if determinant == 0 or prefill * determinant <= 0 or decode * determinant <= 0:
        raise InputError("these measurements do not tell prompts from answers: measure more rows, or other ones")
    return Rates(determinant / prefill, determinant / decode)


@dataclass(frozen=True, slots=True)
class Device:
    """A GPU as its data sheet has it: dense half-precision operations and bytes of its memory, each a second."""

    operations: float
    bandwidth: float
    memory: float


DEVICES = {
    "t4": Device(65e12, 300e9, 16e9),  # NVIDIA T4 data sheet
    "h100": Device(989e12, 3.35e12, 80e9),  # NVIDIA H100 data sheet, SXM5, without sparsity
}


@dataclass(frozen=True, slots=True)
class Model:
    """A network: parameters, bytes for each, and bytes of keys and values for a token."""

    parameters: float
    weight_bytes: float
    cache_bytes: float


QWEN_7B = Model(7.6e9, 2.0, 57_344)
"""Qwen2-7B in half precision: 28 layers, 4 key-value heads of 128 (its config.json): 2 x 28 x 4 x 128 x 2 bytes."""


def device_rates(
    device: Device, devices: int, model: Model, *, places: int, context: float, efficiency: float
) -> Rates:
    """Rates from a data sheet.

    Prompts are bound by arithmetic, two operations for a parameter and token (Kaplan et al., 2020,
    arXiv:2001.08361, section 2.1). A decoding step reads all weights once and the cache of every place, and is
    bound by memory or by arithmetic, whichever takes longer.

    Args:
        device: the GPU.
        devices: how many share the model.
        model: the network.
        places: answers generated at the same time.
        context: mean tokens in a place's cache.
        efficiency: part of the data sheet's figures that is reached, 0 to 1.

    Raises:
        InputError: the weights and the caches do not fit.
    """
    weights = model.parameters * model.weight_bytes
    caches = places * context * model.cache_bytes
    if weights + caches > 0.9 * device.memory * devices:
        room = 0.9 * device.memory * devices / 1e9
        raise InputError(
            f"{(weights + caches) / 1e9:.0f} GB do not fit {room:.0f} GB: give more devices or fewer places"
        )
    arithmetic = 2 * model.parameters / (device.operations * devices * efficiency)
    memory = (weights + caches) / (device.bandwidth * devices * efficiency)
    return Rates(1 / arithmetic, places / max(memory, places * arithmetic))


@dataclass(frozen=True, slots=True)
class Plan:
    """A job on replicas: how long it takes and what it costs."""

    questions: float
    seconds_each: float
    replicas: int
    devices: int
    price: float

    @property
    def hours(self) -> float:
        """Of the whole job."""
        return self.questions * self.seconds_each / self.replicas / 3600

    @property
    def money(self) -> float:
        """In the price's currency; it does not depend on the number of replicas."""
        return self.hours * self.replicas * self.devices * self.price


def check(predictor: Predictor, rows: int) -> dict[str, object]:
    """Measure the engine on choices, on texts, and on a mix, and compare the mix with what the others predict."""
    samples = [row.question for row in read_rows(ROOT / "data" / "sample.jsonl") if row.question is not None]

    def requests(kinds: Sequence[TaskType], name: str) -> list[GenerationRequest]:
        found: list[GenerationRequest] = []
        number = 0
        while len(found) < rows:
            sample = samples[number % len(samples)]
            # A new beginning: what prefix caching spares is a parameter of its own.
            question = Question(str(number), f"({name} {number}) {sample.prompt}", sample.is_multiple_choice)
            prepared = predictor.prepare(question, str(number))
            if isinstance(prepared, Prepared) and prepared.task.type in kinds:
                found.append(prepared.request)
            number += 1
        return found

    def measure(kinds: Sequence[TaskType], name: str) -> tuple[Work, float]:
        asked = requests(kinds, name)
        started = time.process_time()
        done = list(predictor.engine.generate(asked))
        seconds = time.process_time() - started
        work = Work(sum(one.prompt_tokens for one in done), sum(one.output_tokens for one in done))
        print(f"{name:8} {len(done)} rows, {work}, {seconds:.2f} processor seconds", file=sys.stderr)
        return work, seconds

    measure(list(TaskType), "warm-up")
    choices = measure([TaskType.MULTIPLE_CHOICE], "choices")
    texts = measure([TaskType.GENERATION], "texts")
    mix, took = measure(list(TaskType), "mix")
    rates = calibrate(choices, texts)
    predicted = rates.seconds(mix)
    return {
        "rows": rows,
        "prefill": round(rates.prefill),
        "decode": round(rates.decode),
        "mix": {
            "prompt_tokens": round(mix.prompt_tokens / rows, 1),
            "output_tokens": round(mix.output_tokens / rows, 1),
        },
        "measured_seconds": round(took, 2),
        "predicted_seconds": round(predicted, 2),
        "predicted_over_measured": round(predicted / took, 3),
    }


def check_model(model: str | None, rows: int) -> dict[str, object]:
    predictor = create_predictor(load_settings(None, {"model": model}))
    try:
        return check(predictor, rows)
    finally:
        predictor.close()


def plan(given: argparse.Namespace) -> dict[str, object]:
    """The job that the arguments describe."""
    work = Work(given.prompt_tokens, given.output_tokens)
    if given.prefill and given.decode:
        rates, source = Rates(given.prefill, given.decode), "given"
    elif given.device:
        rates = device_rates(
            DEVICES[given.device],
            given.devices,
            Model(given.parameters, given.weight_bytes, QWEN_7B.cache_bytes),
            places=given.places,
            context=given.prompt_tokens + given.output_tokens,
            efficiency=given.efficiency,
        )
        source = "computed from the data sheet"
    else:
        raise InputError("give --prefill and --decode as measured, or --device to compute them")
    seconds = rates.seconds(work, cached=given.cached, host_seconds=given.host_seconds)
    found = Plan(given.questions, seconds, given.replicas, given.devices, given.price)
    return {
        "rates": source,
        "prefill": round(rates.prefill),
        "decode": round(rates.decode),
        "questions_a_second": round(given.replicas / seconds, 1),
        "hours": round(found.hours, 1),
        "device_hours": round(found.hours * given.replicas * given.devices, 1),
        "money": round(found.money, 2),
    }


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ways = parser.add_subparsers(dest="way", required=True)
    planned = ways.add_parser("plan", help="hours and money of a job")
    planned.add_argument("--questions", type=float, required=True)
    planned.add_argument("--price", type=float, required=True, help="of one device for an hour")
    planned.add_argument("--prompt-tokens", type=float, default=PROMPT_TOKENS)
    planned.add_argument("--output-tokens", type=float, default=OUTPUT_TOKENS)
    planned.add_argument("--cached", type=float, default=0.0)
    planned.add_argument("--host-seconds", type=float, default=0.0)
    planned.add_argument("--replicas", type=int, default=1)
    planned.add_argument("--devices", type=int, default=1, help="of one replica")
    planned.add_argument("--prefill", type=float, help="tokens a second of one replica")
    planned.add_argument("--decode", type=float, help="tokens a second of one replica")
    planned.add_argument("--device", choices=DEVICES)
    planned.add_argument("--parameters", type=float, default=QWEN_7B.parameters)
    planned.add_argument("--weight-bytes", type=float, default=QWEN_7B.weight_bytes)
    planned.add_argument("--places", type=int, default=64, help="answers at the same time, max_num_seqs")
    planned.add_argument("--efficiency", type=float, default=0.4)
    checked = ways.add_parser("check", help="compare the model with an engine")
    checked.add_argument("--model")
    checked.add_argument("--rows", type=int, default=400)
    return parser


PROMPT_TOKENS, OUTPUT_TOKENS = 150.0, 20.0
"""Of a mean question; see docs/scaling.md."""


def main() -> int:
    given = arguments().parse_args()
    try:
        print(json.dumps(plan(given) if given.way == "plan" else check_model(given.model, given.rows), indent=2))
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
