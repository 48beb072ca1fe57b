"""Tokens a second and memory of `shopbench train`, beside a loop written by hand and beside another checkout's trainer.

    python benchmarks/training_speed.py MODEL [--other CHECKOUT] [--rounds 2] [--steps 3] [--rows 16]

Each is a process of its own that makes the same steps, of --rows rows of 180 to 192 tokens (LoRA of rank 16 on all
linear maps, bfloat16); they take turns, since a machine is seldom free for long. The first step of each process warms
up and does not count. Seconds of the processor are what the work costs; those of the clock hold what others took, too.
"""

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from app.data.row import Capability, TrainingRow
from app.types import TaskType

LONGEST, SHORTEST = 192, 180
"""Tokens of a row."""
RANK = 16
WORDS = ("kettle", "saddle", "lamp", "shirt", "boots", "tent", "blender", "steel", "cotton", "red", "large", "warm")
MEASURED = "measured "


def make_rows(model: str, count: int) -> tuple[list[TrainingRow], float]:
    """Titles to translate, answers of some 15 tokens behind prompts that fill the row; and the tokens of a mean row."""
    from app.data.encoding import RowEncoder
    from app.engines.chat import load_chat_tokenizer
    from app.prompting import PromptLibrary

    encoder = RowEncoder(load_chat_tokenizer(model), PromptLibrary(Path("prompts")), 4 * LONGEST)
    rng = random.Random(0)
    rows: list[TrainingRow] = []
    tokens, words = 0, 60
    while len(rows) < count:
        target = " ".join(rng.sample(WORDS, 10))
        prompt = f"Translate the product title into German: {' '.join(rng.choices(WORDS, k=words))}"
        row = TrainingRow(prompt, target, target, "translate", TaskType.GENERATION, "bleu",
                          Capability.MULTILINGUAL, "titles", "benchmark", language="de")  # fmt: skip
        length = len(encoder.encode(row))
        if SHORTEST <= length <= LONGEST:
            rows.append(row)
            tokens += length
        else:
            # A word is one token or two.
            words += (LONGEST + SHORTEST) // 4 - length // 2
    return rows, tokens / count


class Steps:
    """Seconds of each step, of the clock and of the processor."""

    def __init__(self) -> None:
        self.marks: list[tuple[float, float]] = []

    def mark(self) -> None:
        """A step begins or ends."""
        self.marks.append((time.perf_counter(), time.process_time()))

    def report(self) -> None:
        """Print them, without the first step, and the peak of the memory (GB)."""
        pairs = list(zip(self.marks[1:], self.marks[2:], strict=False))
        clock, processor = ([after[kind] - before[kind] for before, after in pairs] for kind in (0, 1))
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
        print(MEASURED + json.dumps({"clock": clock, "processor": processor, "memory": memory}), flush=True)


def by_trainer(model: str, folder: Path, steps: int, size: int) -> None:
    """The trainer of whichever checkout Python imports `app` from."""
    from transformers.utils import logging

    from app.process import Interruption
    from app.train.finetune import finetune
    from app.train.recipe import FinetuneConfig

    logging.set_verbosity_error()
    found = Steps()

    class Watching:
        def began(self, *_: int) -> None:
            found.mark()

        def stepped(self, _: int) -> None:
            found.mark()

        def logged(self, values: dict[str, float]) -> None:
            pass

        def said(self, line: str) -> None:
            print(line, flush=True)

        def ended(self) -> None:
            pass

    config = FinetuneConfig.model_validate({
        "model": model, "train": str(folder / "train.jsonl"), "output": str(folder / f"out-{os.getpid()}"),
        "lora": {"rank": RANK}, "optimizer": {"steps": steps, "batch_size": size}, "precision": "bfloat16",
        "max_length": LONGEST, "group_by_length": True, "answer_weighting": "token", "device": "cpu",
    })  # fmt: skip
    with Interruption(print) as interruption:
        finetune(config, Watching(), interruption)
    found.report()


def by_hand(model: str, folder: Path, steps: int, size: int) -> None:
    """The least that the same steps need: no masks, no trainer, the output layer at answers' positions alone."""
    import torch
    from peft import LoraConfig, get_peft_model
    from peft.tuners.tuners_utils import BaseTunerLayer
    from transformers import AutoModelForCausalLM

    from app.data.encoding import RowEncoder
    from app.data.row import row_from_json
    from app.engines.chat import load_chat_tokenizer
    from app.prompting import PromptLibrary

    encoder = RowEncoder(load_chat_tokenizer(model), PromptLibrary(Path("prompts")), LONGEST)
    lines = (folder / "train.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [encoder.encode(row_from_json(json.loads(line))) for line in lines]
    base = AutoModelForCausalLM.from_pretrained(model, dtype=torch.bfloat16)
    settings = LoraConfig(r=RANK, lora_alpha=2 * RANK, target_modules="all-linear", task_type="CAUSAL_LM")
    network = get_peft_model(base, settings).train()
    for module in network.modules():
        if isinstance(module, BaseTunerLayer):
            module.cast_input_dtype_enabled = False
    optimizer = torch.optim.AdamW([weight for weight in network.parameters() if weight.requires_grad], 2e-4)
    found = Steps()
    found.mark()
    for step in range(steps):
        ids = torch.zeros(size, LONGEST, dtype=torch.long)
        answers = torch.zeros(size, LONGEST, dtype=torch.bool)
        for place, row in enumerate(rows[step * size : (step + 1) * size]):
            ids[place, : len(row)] = torch.tensor([*row.prompt, *row.answer])
            answers[place, len(row.prompt) : len(row)] = True
        with torch.autocast("cpu", torch.bfloat16):
            hidden = base.base_model(input_ids=ids, use_cache=False).last_hidden_state
            logits = base.get_output_embeddings()(hidden[:, :-1][answers[:, 1:]])
        loss = torch.nn.functional.cross_entropy(logits.float(), ids[answers])
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        found.mark()
    found.report()


WAYS: dict[str, Callable[[str, Path, int, int], None]] = {"hand": by_hand, "trainer": by_trainer}


def measure(way: str, checkout: Path, arguments: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """One process's steps: seconds of each in lists, and its memory."""
    command = [sys.executable, __file__, arguments.model, "--steps", str(arguments.steps), "--way", way]
    command += ["--rows", str(arguments.rows)]
    done = subprocess.run(
        [*command, "--folder", str(folder)],
        env=os.environ | {"PYTHONPATH": str(checkout)},
        cwd=checkout,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    line = next(line for line in done.stdout.splitlines() if line.startswith(MEASURED))
    found: dict[str, Any] = json.loads(line.removeprefix(MEASURED))
    return found


def main() -> None:
    """Let them take turns, and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="folder of a checkpoint")
    parser.add_argument("--other", type=Path, help="another checkout of this repository")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--steps", type=int, default=3, help="of a process, the first one included")
    parser.add_argument("--rows", type=int, default=16, help="of a step")
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.way:
        WAYS[arguments.way](arguments.model, arguments.folder, arguments.steps, arguments.rows)
        return
    here = Path(__file__).resolve().parent.parent
    turns = [("by hand", "hand", here), ("this trainer", "trainer", here)]
    if arguments.other:
        turns.append(("other trainer", "trainer", arguments.other.resolve()))
    print(f"{'':14} {'tokens/s':>9} {'by processor':>13} {'peak GB':>8} {'load':>5}", flush=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows, length = make_rows(arguments.model, arguments.rows * arguments.steps)
        lines = [json.dumps(row.to_json(), ensure_ascii=False) for row in rows]
        (folder / "train.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
        for _ in range(arguments.rounds):
            for label, way, checkout in turns:
                load = os.getloadavg()[0]
                found = measure(way, checkout, arguments, folder)
                tokens = len(found["clock"]) * arguments.rows * length
                clock, processor = (tokens / sum(found[kind]) for kind in ("clock", "processor"))
                print(f"{label:14} {clock:9.0f} {processor:13.0f} {found['memory']:8.1f} {load:5.1f}", flush=True)


if __name__ == "__main__":
    main()
