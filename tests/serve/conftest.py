import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from app.rows import read_rows
from app.settings import ROOT
from tests.serve.live_batch import LiveBatch, kill_in_the_middle, wait
from tests.serve.live_server import UVICORN, LiveServer, live_server

MINI = ROOT / "tests" / "fixtures" / "mini"
SAMPLE = ROOT / "data" / "sample.jsonl"


@pytest.fixture(scope="session")
def adapter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small LoRA adapter of the embedded checkpoint, with random weights that change what is written."""
    import peft
    import torch
    import transformers

    torch.manual_seed(7)
    config = peft.LoraConfig(
        r=4, lora_alpha=32, target_modules=["q_proj", "v_proj"], init_lora_weights=False, task_type="CAUSAL_LM"
    )
    network = peft.get_peft_model(transformers.AutoModelForCausalLM.from_pretrained(MINI), config)
    folder = tmp_path_factory.mktemp("adapter")
    network.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def interrupted(adapter: Path, tmp_path_factory: pytest.TempPathFactory) -> LiveBatch:
    """A batch whose server was killed in the middle of it; `server` is the one that came after."""
    folder = tmp_path_factory.mktemp("server")
    with live_server(MINI, folder, UVICORN, adapters={"coral": adapter}) as first:
        return kill_in_the_middle(first)


USER = {"role": "user", "content": "Name a garden chair."}
CHATS: dict[str, dict[str, Any]] = {
    "greedy": {"temperature": 0, "max_tokens": 12},
    "seeded": {"seed": 3, "max_tokens": 12, "messages": [{"role": "developer", "content": "Be brief."}, USER]},
    "penalties": {"temperature": 0, "max_tokens": 12, "frequency_penalty": 1, "presence_penalty": 0.5},
    "nucleus": {"seed": 4, "top_p": 0.3, "max_tokens": 12, "stop": ["q", "z", "."]},
    "many": {"seed": 5, "n": 3, "max_tokens": 6},
    "regex": {"seed": 6, "structured_outputs": {"regex": "[0-9]{3}-[0-9]{2}"}},
    "choice": {"structured_outputs": {"choice": ["chair", "a+b"]}, "seed": 1},
    "json": {
        "temperature": 0,
        "response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": {"enum": [{"seats": 2}]}}},
    },
    "told": {"temperature": 0, "max_tokens": 3, "logprobs": True, "top_logprobs": 2},
    "vllm's": {"seed": 7, "top_k": 4, "min_p": 0.05, "repetition_penalty": 1.3, "ignore_eos": True, "max_tokens": 9},
    "called": {
        "temperature": 0,
        "tools": [{"type": "function", "function": {"name": "find", "parameters": {"enum": [{"seats": 2}]}}}],
        "tool_choice": "required",
        "parallel_tool_calls": False,
    },
    "scored": {"prompt": ["An armchair <|im_end|>", [5, 6, 7]], "echo": True, "logprobs": 2, "max_tokens": 0},
    "continued": {"prompt": "An armchair is", "n": 2, "seed": 3, "max_tokens": 5, "logprobs": 0},
}


def chat_body(name: str) -> dict[str, Any]:
    return {"model": "mini", **({} if "prompt" in CHATS[name] else {"messages": [USER]}), **CHATS[name]}


def chat_url(name: str) -> str:
    return "/v1/completions" if "prompt" in CHATS[name] else "/v1/chat/completions"


@dataclass(frozen=True)
class Offline:
    """`shopbench predict` on the sample questions and some conversations, on its way."""

    process: "subprocess.Popen[bytes]"
    target: Path

    def rows(self) -> dict[str, dict[str, Any]]:
        """What it answered, by name."""
        assert self.process.wait(500) == 0
        lines = map(json.loads, self.target.read_text().splitlines())
        return {line["custom_id"]: line["response"]["body"] for line in lines}


@pytest.fixture(scope="session")
def offline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Offline]:
    target = tmp_path_factory.mktemp("offline") / "out.jsonl"
    source = target.with_name("in.jsonl")
    questions = [row.question for row in read_rows(SAMPLE) if row.question is not None]
    lines = [
        {
            "custom_id": one.id,
            "url": "/v1/predict",
            "body": {"prompt": one.prompt, "is_multiple_choice": one.is_multiple_choice},
        }
        for one in questions
    ]
    lines += [{"custom_id": name, "url": chat_url(name), "body": chat_body(name)} for name in CHATS]
    source.write_text("".join(json.dumps({"method": "POST", **line}) + "\n" for line in lines))
    words = ["predict", str(source), str(target), "--model", str(MINI), "--quiet"]
    process = subprocess.Popen([sys.executable, "-m", "app", *words], cwd=ROOT)
    yield Offline(process, target)
    process.kill()
    process.wait()


@pytest.fixture(scope="session")
def server(interrupted: LiveBatch, adapter: Path, offline: Offline) -> Iterator[LiveServer]:
    """One server for all tests that need the real engine: it takes half a minute to start, as long as `offline`."""
    del offline
    with live_server(MINI, interrupted.folder, adapters={"coral": adapter}) as started:
        # Tests look at what the engine works on, so nothing else may go on beside them.
        wait(started, interrupted.id)
        yield started
