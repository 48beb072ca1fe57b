"""Tokens a second and memory of `shopbench train`, beside a loop written by hand and beside another checkout's trainer.

    python benchmarks/training_speed.py MODEL [--other CHECKOUT] [--rounds 2] [--steps 3]

Each is a process of its own that makes the same steps of 16 rows of 180 to 192 tokens (LoRA of rank 16 on all linear
maps, bfloat16); they take turns, since a machine is seldom free for long. The first step of each process warms up and
does not count. Seconds of the processor are what the work costs; seconds of the clock also hold what others took.
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

from rich.console import Console
from rich.table import Table

from app.data.row import Capability, TrainingRow
from app.types import TaskType

ROWS, LONGEST, SHORTEST = 16, 192, 180
"""Rows of a step; tokens of a row."""
RANK = 16
WORDS = ("kettle", "saddle", "lamp", "shirt", "boots", "tent", "blender", "steel", "cotton", "red", "large", "warm")
MEASURED = "measured "


def make_rows(model: str, count: int) -> tuple[list[TrainingRow], float]:
    """Titles to translate, answers of some 15 tokens behind prompts that fill the row; and the tokens of a mean row."""
    from app.data.encoding import RowEncoder
    from app.engines.chat import load_chat_tokenizer
    from app.prompting import PromptLibrary

    encoder = RowEncoder(load_chat_tokenizer(model), PromptLibrary(Path("prompts")), LONGEST)
    rng = random.Random(0)
    rows: list[TrainingRow] = []
    tokens = 0
    while len(rows) < count:
        words = [rng.choice(WORDS) for _ in range(rng.randrange(20, 160))]
        target = " ".join(rng.sample(WORDS, 10))
        prompt = f"Translate the product title into German: {' '.join(words)}"
        row = TrainingRow(prompt, target, target, "translate", TaskType.GENERATION, "bleu",
                          Capability.MULTILINGUAL, "titles", "benchmark", language="de")  # fmt: skip
        encoded = encoder.encode(row)
        if SHORTEST <= len(encoded) <= LONGEST and not encoded.shortened:
            rows.append(row)
            tokens += len(encoded)
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


def by_trainer(model: str, folder: Path, steps: int) -> None:
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
        "lora": {"rank": RANK}, "optimizer": {"steps": steps, "batch_size": ROWS}, "precision": "bfloat16",
        "max_length": LONGEST, "group_by_length": True, "answer_weighting": "token", "device": "cpu",
    })  # fmt: skip
    with Interruption(print) as interruption:
        finetune(config, Watching(), interruption)
    found.report()


def by_hand(model: str, folder: Path, steps: int) -> None:
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
        ids = torch.zeros(ROWS, LONGEST, dtype=torch.long)
        answers = torch.zeros(ROWS, LONGEST, dtype=torch.bool)
        for place, row in enumerate(rows[step * ROWS : (step + 1) * ROWS]):
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


WAYS: dict[str, Callable[[str, Path, int], None]] = {"hand": by_hand, "trainer": by_trainer}


def measure(way: str, checkout: Path, arguments: argparse.Namespace, folder: Path) -> dict[str, list[float]]:
    """One process's steps."""
    command = [sys.executable, __file__, arguments.model, "--steps", str(arguments.steps), "--way", way]
    done = subprocess.run(
        [*command, "--folder", str(folder)],
        env=os.environ | {"PYTHONPATH": str(checkout)},
        cwd=checkout,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    line = next(line for line in done.stdout.splitlines() if line.startswith(MEASURED))
    found: dict[str, list[float]] = json.loads(line.removeprefix(MEASURED))
    return found


def main() -> None:
    """Let them take turns, and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="folder of a checkpoint")
    parser.add_argument("--other", type=Path, help="another checkout of this repository")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--steps", type=int, default=3, help="of a process, the first one included")
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.way:
        WAYS[arguments.way](arguments.model, arguments.folder, arguments.steps)
        return
    here = Path(__file__).resolve().parent.parent
    turns = [("by hand", "hand", here), ("this trainer", "trainer", here)]
    if arguments.other:
        turns.append(("other trainer", "trainer", arguments.other.resolve()))
    table = Table("", "tokens/s, clock", "tokens/s of the processor", "peak memory, GB", "load before")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows, length = make_rows(arguments.model, ROWS * arguments.steps)
        lines = [json.dumps(row.to_json(), ensure_ascii=False) for row in rows]
        (folder / "train.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
        for _ in range(arguments.rounds):
            for label, way, checkout in turns:
                load = os.getloadavg()[0]
                found = measure(way, checkout, arguments, folder)
                steps = len(found["clock"])
                tokens = steps * ROWS * length
                table.add_row(
                    label,
                    f"{tokens / sum(found['clock']):.0f}",
                    f"{tokens / sum(found['processor']):.0f}",
                    f"{found['memory']:.1f}",
                    f"{load:.1f}",
                )
    Console().print(table)


if __name__ == "__main__":
    main()
