"""Train a small model from scratch: `python -m app.training.pretraining.pretrain configs/pretrain.yaml`."""

import json
import platform
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import torch
from pydantic import JsonValue
from torch import nn
from transformers import PreTrainedTokenizerFast, Qwen2ForCausalLM

from app.errors import ShopBenchError
from app.prompting import PromptLibrary
from app.training.checkpoints.lineage import Lineage, lineage_step, write_lineage
from app.training.pretraining.corpus import Corpus, read_corpus
from app.training.pretraining.encoding import Encoder
from app.training.pretraining.export import export_model
from app.training.pretraining.network import Learner, build_model, build_optimizers, learning_rate
from app.training.pretraining.settings import PretrainConfig, load_pretrain_config
from app.training.pretraining.state import Position, load_state, save_state
from app.training.pretraining.stream import RowStream, batches
from app.training.pretraining.tokenizer import load_tokenizer, train_tokenizer
from app.types import TaskType

REPORT_SECONDS = 10.0
RECORD = "pretraining.json"


def pretrain(config: PretrainConfig) -> dict[str, object]:
    """Train, or continue training, to the last step; write the checkpoint and the run's record beside it.

    Raises:
        SetupError: a file is missing, or the run folder holds a run with other settings.
        InputError: a line of the data is no training row.
    """
    torch.set_num_threads(config.threads)
    torch.manual_seed(config.seed)
    prompts = PromptLibrary(config.prompts)
    corpus = read_corpus(config.data.rows)
    tokenizer = _tokenizer(config, corpus, prompts)
    length = config.optimizer.sequence_length
    corpus = corpus.fitting(lambda text: len(tokenizer(text)["input_ids"]), length)
    encoder = Encoder(tokenizer, prompts, length)
    stream = RowStream(corpus.rows, encoder, config.data, config.seed)
    model = build_model(config.model, tokenizer)
    position = _train(config, model, stream, encoder.end)
    model.eval()
    difference = export_model(model, tokenizer, config.output, encoder.row(corpus.rows[0]).tokens)
    record: dict[str, object] = {
        "settings": config.model_dump(mode="json"),
        "data": asdict(corpus.file),
        "answers_too_long": corpus.too_long,
        "draws_without_room": stream.without_room,
        "steps": position.step,
        "tokens": position.tokens,
        "seconds": round(position.seconds),
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "largest_logit_difference": difference,
        "machine": f"{platform.machine()}, {config.threads} threads, torch {torch.__version__}",
    }
    text = json.dumps(record, indent=2, ensure_ascii=False)
    (config.output / RECORD).write_text(text + "\n", encoding="utf-8")
    rows: dict[str, JsonValue] = {"rows": corpus.file.rows, "sha256": corpus.file.sha256}
    step = lineage_step("pretrain", [], rows, {"tokens": position.tokens, "steps": position.step}, position.seconds)
    write_lineage(config.output, Lineage(), step)
    return record


def _tokenizer(config: PretrainConfig, corpus: Corpus, prompts: PromptLibrary) -> PreTrainedTokenizerFast:
    folder = config.run / "tokenizer"
    if not (folder / "tokenizer.json").is_file():
        trained = train_tokenizer(_texts(corpus, prompts), config.tokenizer.vocab_size, config.model.context_length)
        trained.save_pretrained(folder)
    return load_tokenizer(folder)


def _texts(corpus: Corpus, prompts: PromptLibrary) -> Iterator[str]:
    for kind in TaskType:
        for message in prompts.render(kind, {"question": ""}):
            yield from [message.content] * 50
    for row in corpus.rows:
        yield f"{row.prompt}\n{row.target}"


def _train(config: PretrainConfig, model: Qwen2ForCausalLM, stream: RowStream, pad: int) -> Position:
    settings = config.optimizer
    optimizers = build_optimizers(model, settings)
    position = load_state(config, model, optimizers)
    learner = Learner(model, config.threads, bfloat16=config.bfloat16)
    meter = _Meter(config.run / "log.jsonl", settings.steps, position)
    saved = time.monotonic()
    model.train()
    while position.step < settings.steps:
        for place, batch in enumerate(batches(stream, settings, position.chunk, pad, config.seed)):
            if place < position.batch:
                continue
            rate = learning_rate(position.step, settings)
            loss = learner.backward(batch)
            nn.utils.clip_grad_norm_(model.parameters(), settings.clip_norm)
            for optimizer in optimizers:
                for group in optimizer.param_groups:
                    group["lr"] = rate * group["share"]
                optimizer.step()
                optimizer.zero_grad()
            position.step += 1
            position.batch = place + 1
            meter.update(position, batch.ids.numel(), loss, rate)
            if position.step >= settings.steps:
                break
            if time.monotonic() - saved > config.checkpoint_seconds:
                save_state(config, model, optimizers, position)
                saved = time.monotonic()
        else:
            position.chunk += 1
            position.batch = 0
    learner.close()
    save_state(config, model, optimizers, position)
    return position


class _Meter:
    """Says every few seconds how far the run is, how fast, and when it will end."""

    def __init__(self, path: Path, steps: int, position: Position) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._steps = steps
        self._last = self._reported = time.monotonic()
        self._losses: list[float] = []
        self._tokens, self._step = position.tokens, position.step

    def update(self, position: Position, tokens: int, loss: float, rate: float) -> None:
        now = time.monotonic()
        position.tokens += tokens
        position.seconds += now - self._last
        self._last = now
        self._losses.append(loss)
        elapsed = now - self._reported
        if elapsed < REPORT_SECONDS and position.step < self._steps:
            return
        done = position.step - self._step
        line = {
            "step": position.step,
            "loss": round(sum(self._losses) / len(self._losses), 4),
            "learning_rate": rate,
            "tokens_per_second": round((position.tokens - self._tokens) / elapsed),
            "seconds": round(position.seconds),
            "seconds_left": round((self._steps - position.step) * elapsed / done),
        }
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        minutes = line["seconds_left"] / 60
        print(
            f"step {line['step']}/{self._steps}  loss {line['loss']:.3f}  "
            f"{line['tokens_per_second']} tokens/s  {minutes:.1f} min left",
            file=sys.stderr,
            flush=True,
        )
        self._reported, self._losses = now, []
        self._tokens, self._step = position.tokens, position.step


def main(arguments: list[str]) -> int:
    """Exit code 0, or 2 with one line that says what to mend."""
    if len(arguments) != 1:
        print("usage: python -m app.training.pretraining.pretrain CONFIG", file=sys.stderr)
        return 2
    try:
        pretrain(load_pretrain_config(Path(arguments[0])))
    except ShopBenchError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
