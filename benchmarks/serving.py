"""Our server beside vLLM's own on the same choices: python benchmarks/serving.py [--model tests/fixtures/mini].

The two run one after the other. Both get the same rendered conversations, one token that must be a label, and
report the labels' probabilities. Questions are multiplied from data/sample.jsonl, each with a number of its own so
that only the common beginning of the prompts comes from the prefix cache. vLLM's server runs with its own defaults but
for compilation; `--vllm '--block-size 32'` gives it our block size on CPUs too, so that only the servers differ.
"""

import argparse
import asyncio
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp

from app.engines.chat import load_chat_tokenizer
from app.prompting import PromptLibrary
from app.rows import read_rows
from app.settings import ROOT
from app.tasks.registry import task_of
from app.types import Choice, Question, TaskType

OURS, THEIRS = "shopbench serve", "vllm api_server"
STARTS_WITHIN = 600


@dataclass(frozen=True)
class Call:
    path: str
    body: dict[str, Any]


def questions(count: int) -> list[Question]:
    found = [row.question for row in read_rows(ROOT / "data" / "sample.jsonl") if row.question is not None]
    choices = [question for question in found if question.is_multiple_choice]
    return [
        Question(str(number), f"Shop {number}. {choices[number % len(choices)].prompt}", True)
        for number in range(count)
    ]


def our_calls(asked: list[Question]) -> list[Call]:
    return [
        Call("/v1/predict", {"questions": [{"id": q.id, "prompt": q.prompt, "is_multiple_choice": True}]})
        for q in asked
    ]


def their_calls(asked: list[Question], model: str) -> list[Call]:
    tokenizer = load_chat_tokenizer(model)
    prompts = PromptLibrary(ROOT / "prompts")
    task = task_of(TaskType.MULTIPLE_CHOICE)
    calls = []
    for question in asked:
        reading = task.read(question)
        constraint = reading.constraint
        if not isinstance(constraint, Choice):
            raise TypeError("the sample's multiple choice is a choice")
        ids = [index for label in constraint.labels for index in tokenizer.vocabulary.label_ids(label)]
        messages = prompts.render(task.type, {"question": question.prompt.strip(), **reading.variables})
        body = {
            "model": model,
            "messages": [{"role": message.role, "content": message.content} for message in messages],
            "max_completion_tokens": 1,
            "temperature": 0,
            "allowed_token_ids": ids,
            "logprobs": True,
            "logprob_token_ids": ids,
        }
        calls.append(Call("/v1/chat/completions", body))
    return calls


@contextmanager
def running(words: list[str], port: int, ready: str) -> Iterator[str]:
    url = f"http://127.0.0.1:{port}"
    environment = {name: value for name, value in os.environ.items() if name != "SHOPBENCH_API_KEYS"}
    # What vLLM's server needs to run without Triton and a compiler; everything else is its own choice.
    environment |= {"VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_USE_V2_MODEL_RUNNER": "0", "TORCHDYNAMO_DISABLE": "1"}
    environment |= {"VLLM_LOGGING_LEVEL": "ERROR"}
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(words, cwd=ROOT, env=environment, stdout=log, stderr=log)
        try:
            asyncio.run(wait(url + ready, process))
            yield url
        finally:
            process.terminate()
            process.wait(90)


async def wait(url: str, process: "subprocess.Popen[bytes]") -> None:
    async with aiohttp.ClientSession() as session, asyncio.timeout(STARTS_WITHIN):
        while process.poll() is None:
            try:
                async with session.get(url) as response:
                    if response.status == 200:
                        return
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.5)
    raise SystemExit(f"{process.args!r} ended with {process.returncode}")


async def load(url: str, calls: list[Call], clients: int) -> tuple[float, list[float]]:
    """Questions a second, and the seconds that each took."""
    waiting = iter(calls)
    took: list[float] = []

    async def client(session: aiohttp.ClientSession) -> None:
        for call in waiting:
            started = time.perf_counter()
            async with session.post(url + call.path, json=call.body) as response:
                text = await response.text()
                if response.status != 200:
                    raise SystemExit(f"{response.status}: {text[:300]}")
            took.append(time.perf_counter() - started)

    async with aiohttp.ClientSession() as session:
        started = time.perf_counter()
        await asyncio.gather(*(client(session) for _ in range(clients)))
        return len(took) / (time.perf_counter() - started), took


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default=str(ROOT / "tests" / "fixtures" / "mini"))
    parser.add_argument("--clients", default="1,8,32")
    parser.add_argument("--questions", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--vllm", default="", help="more options for vLLM's server, such as '--block-size 32'")
    given = parser.parse_args()
    python = sys.executable
    vllm = [python, "-m", "vllm.entrypoints.openai.api_server", "--model", given.model, "--port", "8124"]
    vllm += ["--enforce-eager", "--dtype", "float32", "--generation-config", "vllm", *shlex.split(given.vllm)]
    servers = {
        OURS: ([python, "-m", "app", "serve", "--model", given.model, "--port", "8123"], 8123, "/readyz"),
        THEIRS: (vllm, 8124, "/health"),
    }
    asked = questions(given.questions)
    rates: dict[tuple[str, int], float] = {}
    print("| server | clients | questions/s | p50 ms | p99 ms |\n|---|---|---|---|---|")
    for name, (words, port, ready) in servers.items():
        calls = our_calls(asked) if name == OURS else their_calls(asked, given.model)
        with running(words, port, ready) as url:
            asyncio.run(load(url, calls[:64], 8))
            for clients in map(int, given.clients.split(",")):
                rounds = [asyncio.run(load(url, calls, clients)) for _ in range(given.rounds)]
                rate, took = sorted(rounds, key=lambda round_: round_[0])[len(rounds) // 2]
                rates[name, clients] = rate
                cuts = statistics.quantiles(took, n=100)
                print(
                    f"| {name} | {clients} | {rate:.0f} | {cuts[49] * 1000:.0f} | {cuts[98] * 1000:.0f} |", flush=True
                )
    for clients in map(int, given.clients.split(",")):
        print(f"{clients} clients: {rates[OURS, clients] / rates[THEIRS, clients]:.2f} of vLLM's own server")


if __name__ == "__main__":
    main()
