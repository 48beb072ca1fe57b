"""Rows a second of `shopbench predict`, of a bare `LLM.generate`, and of the starter kit's pattern.

    python benchmarks/batch.py [--questions data/sample.jsonl] [--rows 960] [--rounds 3] [--ways predict bare]

All run in one process on one loaded engine, in turns, each from an empty prefix cache:

- predict: the whole batch job, from the input file to the finished output: reading, routing, rendering, tokenizing,
  journal with its fsyncs, decoding, writing;
- capped: the same with no answer longer than the kit's 100 tokens, so that both write texts of like length;
- bare: `LLM.generate` in one call over the token ids and the sampling that predict's requests come to, ready made;
- kit: batches of 16 rendered prompts, one call each, choices with one new token and everything else with 100,
  unconstrained; reading the file, routing, rendering and writing are not counted.

`output_tokens` says how much each way wrote for a row: predict's own caps follow the kind of text, and some are longer
than the kit's.

On a busy machine the processor seconds say more than the rows a second, with OMP_NUM_THREADS=1: threads that wait
for one another use them up as well.

The rows are the project's sample questions, or those of any evaluation file, over and over, each made unique by a
number, so that nothing is answered twice. The mix of types decides the ratio to the kit: choices have no texts.
"""

import argparse
import json
import platform
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from app.engines.chat import ChatTokenizer, turns_of
from app.engines.options import VllmSettings
from app.engines.prepared import PreparedRequest, prepare
from app.engines.vllm.engines import VllmEngine
from app.engines.vllm.values import sampling_values
from app.evaluation.datasets.reading import read_dataset
from app.jobs.file_job import FileJob, Watcher, answer_file
from app.jobs.identity import Identity, known_identity
from app.jobs.job import Result
from app.predictor import Predictor, Prepared
from app.prompting import PromptLibrary
from app.settings import ROOT, load_settings
from app.tasks.base import Task
from app.types import Choice, Prediction, Question, Sample

if TYPE_CHECKING:
    from vllm import LLM
    from vllm.v1.engine.llm_engine import LLMEngine

KIT_BATCH = 16
KIT_TOKENS = 100
PAIRS = (("predict", "bare"), ("predict", "kit"), ("capped", "kit"))
WAYS = ("predict", "capped", "bare", "kit")


class SharedEngine(VllmEngine):
    """The project's engine on the engine of an `LLM`, so that all three measure the same one."""

    llm: "LLM"

    def _start(self, values: dict[str, Any]) -> "LLMEngine":
        from vllm import LLM

        self.llm = LLM(**values)
        return self.llm.llm_engine

    @property
    def tokenizer(self) -> ChatTokenizer:
        return self._tokenizer

    def close(self) -> None:
        """It serves another round."""


class CappedPredictor(Predictor):
    """Asks for no more tokens than the kit does."""

    def prepare(self, question: Question, request_id: str, task: Task | None = None) -> Prepared | Prediction:
        found = super().prepare(question, request_id, task)
        if isinstance(found, Prediction):
            return found
        sampling = found.request.sampling
        sampling = replace(sampling, max_tokens=min(KIT_TOKENS, sampling.max_tokens))
        return replace(found, request=replace(found.request, sampling=sampling))


@dataclass(frozen=True)
class Ways:
    """All of them, over the same questions."""

    engine: SharedEngine
    predictor: Predictor
    identity: Identity
    questions: list[Question]
    source: Path
    prepared: list[PreparedRequest]
    written: dict[str, float]

    def predict(self) -> float:
        return self._answer_file("predict", self.predictor)

    def capped(self) -> float:
        return self._answer_file("capped", CappedPredictor(self.engine, self.predictor.prompts))

    def bare(self) -> float:
        from vllm import SamplingParams

        ends = self.engine.tokenizer.end_ids
        params = [SamplingParams(**sampling_values(request, ends)) for request in self.prepared]
        prompts = [{"prompt_token_ids": request.prompt_ids} for request in self.prepared]
        started = time.perf_counter()
        answers = self.engine.llm.generate(prompts, params, use_tqdm=False)
        taken = time.perf_counter() - started
        self.written["bare"] = sum(len(answer.outputs[0].token_ids) for answer in answers) / len(self.questions)
        return taken

    def kit(self) -> float:
        from vllm import SamplingParams

        batches = [(choices, batch) for choices in (True, False) for batch in _batches(self._rendered(choices))]
        answers = []
        started = time.perf_counter()
        for choices, batch in batches:
            params = SamplingParams(temperature=0.0, max_tokens=1 if choices else KIT_TOKENS)
            answers += self.engine.llm.generate(batch, params, use_tqdm=False)
        taken = time.perf_counter() - started
        self.written["kit"] = sum(len(answer.outputs[0].token_ids) for answer in answers) / len(self.questions)
        return taken

    def _answer_file(self, name: str, predictor: Predictor) -> float:
        tokens = 0

        class Counting(Watcher):
            def settled(self, result: Result) -> None:
                nonlocal tokens
                tokens += result.usage.output_tokens if result.usage else 0

        with tempfile.TemporaryDirectory() as folder:
            job = FileJob(self.source, Path(folder) / "out.jsonl")
            taken = answer_file(job, lambda: predictor, lambda: self.identity, Counting()).seconds
        self.written[name] = tokens / len(self.questions)
        return taken

    def _rendered(self, choices: bool) -> list[str]:
        """The prompts of choices, or of all others, in the file's order, as the chat template has them."""
        same = [one.request for one in self.prepared if isinstance(one.request.constraint, Choice) is choices]
        return [self.engine.tokenizer.template(turns_of(request.messages)).text for request in same]


def _batches(prompts: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(prompts), KIT_BATCH):
        yield prompts[start : start + KIT_BATCH]


def questions(samples: list[Sample], count: int) -> list[Question]:
    """The samples' questions over and over, each with a number of its own before its last line."""
    made = []
    for number in range(count):
        question = samples[number % len(samples)].question
        head, separator, tail = question.prompt.rpartition("\n")
        prompt = f"{head} (no. {number}){separator}{tail}" if separator else f"{tail} (no. {number})"
        made.append(replace(question, id=str(number), prompt=prompt))
    return made


def write(path: Path, rows: list[Question]) -> Path:
    lines = [{"id": q.id, "prompt": q.prompt, "is_multiple_choice": q.is_multiple_choice} for q in rows]
    path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))
    return path


def ready(predictor: Predictor, engine: SharedEngine, rows: list[Question]) -> list[PreparedRequest]:
    """What predict's requests come to, in the file's order."""
    found = []
    for question in rows:
        prepared = predictor.prepare(question, question.id)
        if isinstance(prepared, Prepared):
            found.append(prepare(prepared.request, engine.tokenizer, engine.context_length, {}))
    return found


def measure(ways: Ways, names: list[str], rounds: int) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    """Seconds, and processor seconds, of each way in each round; the first round warms up and is not kept."""
    runs: dict[str, Callable[[], float]] = {name: getattr(ways, name) for name in names}
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    processor: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(rounds + 1):
        # Every other round goes backwards, so that no way always follows the same one.
        for name, run in sorted(runs.items(), reverse=number % 2 == 1):
            ways.engine.llm.reset_prefix_cache()
            before = time.process_time()
            taken = run()
            used = time.process_time() - before
            if number:
                seconds[name].append(taken)
                processor[name].append(used)
                rate = len(ways.questions) / taken
                print(f"round {number}: {name:8} {rate:8.1f} rows/s, {used:6.2f} processor seconds", file=sys.stderr)
    return seconds, processor


def ratios(own: list[float], other: list[float]) -> dict[str, float]:
    """How many times as fast, round by round."""
    found = sorted(theirs / ours for ours, theirs in zip(own, other, strict=True))
    return {"median": round(statistics.median(found), 3), "lowest": round(found[0], 3), "highest": round(found[-1], 3)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=str(ROOT / "tests" / "fixtures" / "mini"))
    parser.add_argument("--questions", type=Path, default=ROOT / "data" / "sample.jsonl")
    parser.add_argument("--rows", type=int, default=2280)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    given = parser.parse_args()
    settings = load_settings(None, {"model": given.model})
    engine = SharedEngine(settings.model, VllmSettings.parse({}))
    predictor = Predictor(engine, PromptLibrary(settings.prompts))
    samples = read_dataset(given.questions).samples
    rows = questions(samples, given.rows)
    with tempfile.TemporaryDirectory() as folder:
        source = write(Path(folder) / "in.jsonl", rows)
        ways = Ways(engine, predictor, known_identity(settings), rows, source, ready(predictor, engine, rows), {})
        seconds, processor = measure(ways, given.ways, given.rounds)
    rates = {name: round(given.rows / statistics.median(taken), 1) for name, taken in seconds.items()}
    pairs = [pair for pair in PAIRS if set(pair) <= set(given.ways)]
    print(
        json.dumps(
            {
                "questions": given.questions.name,
                "types": Counter(sample.task_type for sample in samples),
                "rows": given.rows,
                "rounds": given.rounds,
                "model": Path(given.model).name,
                "engine": f"vllm {engine.version}",
                "machine": platform.processor() or platform.machine(),
                "rows_per_second": rates,
                "output_tokens": {name: round(count, 1) for name, count in ways.written.items()},
                "ratio": {f"{one} / {other}": ratios(seconds[one], seconds[other]) for one, other in pairs},
                "ratio_of_processor_seconds": {
                    f"{one} / {other}": ratios(processor[one], processor[other]) for one, other in pairs
                },
            },
            indent=2,
        )
    )


if __name__ == "__main__":
    main()
