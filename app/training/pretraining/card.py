"""The checkpoint's card: data, licences, settings, duration and scores, all taken from the run."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from app.training.pretraining.heldout import Score
from app.training.pretraining.settings import PretrainConfig

LICENCES = (
    ("EC-Guide", "Apache-2.0"),
    ("IntentionQA", "MIT"),
    ("ExtractGPT (OA-Mine, AE-110k)", "Apache-2.0"),
    ("generated shop", "this project's own, `app/training/pretraining/lexicon.py`"),
)


def write_card(config: PretrainConfig, metrics: Mapping[str, object], scores: Sequence[Score]) -> None:
    """Write `README.md` into the checkpoint's folder."""
    path: Path = config.output / "README.md"
    path.write_text(render_card(config, metrics, scores), encoding="utf-8")


def render_card(config: PretrainConfig, metrics: Mapping[str, object], scores: Sequence[Score]) -> str:
    """The card's text in Markdown, with the metadata block that model hubs read."""
    position = _section(metrics, "position")
    corpus = _section(metrics, "corpus")
    faults = "".join(f"| {name} | {count} |\n" for name, count in _section(corpus, "faults").items())
    settings = config.optimizer
    return f"""---
license: apache-2.0
library_name: transformers
pipeline_tag: text-generation
tags: [qwen2, e-commerce, shopbench]
---

# The embedded checkpoint

A Qwen2 model of {metrics["parameters"]:,} parameters, trained from scratch for the five ShopBench task types. It is
small enough to ship with the project and to answer on two CPU cores. It shows the whole path from question to answer;
it does not compete with models a thousand times its size.

- Shape: {config.model.layers} layers, hidden size {config.model.hidden_size}, {config.model.heads} heads \
({config.model.kv_heads} for keys and values), MLP {config.model.intermediate_size}, tied embeddings, \
context {config.model.context_length} tokens.
- Tokenizer: byte-level BPE of {config.tokenizer.vocab_size} tokens; every digit is one token; ChatML markers.
- Prompts: the templates under `prompts/`, as in serving. Sequences of at most {settings.sequence_length} tokens were \
seen in training; positions beyond that are untrained.
- Weights: float16. The largest change of a logit against float32 is {metrics["largest_logit_difference"]:.4f}.

## Training

`python -m app.training.pretraining.pretrain configs/pretrain.yaml`

- {position["step"]:,} steps, {position["tokens"]:,} tokens (padding included), {_minutes(position["seconds"])} \
minutes on {metrics["machine"]}, shared with other work.
- Optimizer {settings.optimizer}, learning rate {settings.learning_rate:g} (rise {settings.warmup_steps} steps, \
plateau, linear fall over the last {settings.decay_fraction:.0%}), {settings.tokens_per_batch} tokens a batch, \
{"bfloat16 autocast" if config.bfloat16 else "float32"}, seed {config.seed}.
- Loss on the answer; {settings.prompt_fraction:.0%} of the question's tokens are predicted too, at weight \
{settings.prompt_weight:g}. Answer tokens share the square root of their number as weight.
- {config.data.synthetic_share:.0%} of the rows are generated ({config.data.first_share:.0%} in the first \
{config.data.first_chunks} chunks of {settings.chunk_examples}); the others are drawn by source in proportion to \
rows^{config.data.temperature:g}. Numbered lists change order in {config.data.permute_probability:.0%} of draws.

## Data and licences

| data | licence |
|---|---|
{"".join(f"| {name} | {licence} |{chr(10)}" for name, licence in LICENCES)}
Rows by source and task type; held out are those whose hash of the prompt (of the product title, where the row was made
from one) falls into {config.data.heldout_fraction:.0%} of its range.

| source | training | held out |
|---|---|---|
{_row_counts(corpus)}
Mended, dropped and refused:

| what | rows |
|---|---|
{faults}
Rows that share a prompt or a line of content with an evaluation file are refused; no evaluation row is trained on.

## Held-out scores

Greedy, prompts as in serving. Choices take the most probable label, lists and orders are held to distinct listed
numbers; NER and generation are unconstrained. Baseline: the expectation by chance (choices, lists, orders), or another
row's answer (NER, generation). Sources that begin with "shop" or "titles" are generated, from another seed.

| source | metric | rows | score | baseline | most frequent label |
|---|---|---|---|---|---|
{"".join(map(_score_row, scores))}
## Limits

{_reached(scores)}
Product knowledge is what the data sets show. Other languages than English are covered by bytes and by what the data
sets hold of them.
"""


def _reached(scores: Sequence[Score]) -> str:
    """Which sources are told apart from chance: by two standard errors, which are at most 1 / sqrt(rows)."""
    clear = [
        score.source for score in scores if score.score - max(score.baseline, score.majority or 0.0) > score.rows**-0.5
    ]
    named = f": {', '.join(clear)}" if clear else ""
    return (
        f"{len(clear)} of {len(scores)} sources are above their baseline (and their most frequent label) by more than "
        f"two standard errors{named}.\nOf the others this is not shown."
    )


def _section(values: Mapping[str, object], name: str) -> dict[str, object]:
    section = values[name]
    if not isinstance(section, dict):
        raise TypeError(f"metrics: {name} is no mapping")
    return section


def _minutes(seconds: object) -> int:
    return round(float(str(seconds)) / 60)


def _row_counts(corpus: Mapping[str, object]) -> str:
    train, heldout = _section(corpus, "train"), _section(corpus, "heldout")
    return "".join(f"| {source} | {count} | {heldout.get(source, 0)} |\n" for source, count in train.items())


def _score_row(score: Score) -> str:
    majority = "" if score.majority is None else f"{score.majority:.3f}"
    return (
        f"| {score.source} | {score.metric} | {score.rows} | {score.score:.3f} | {score.baseline:.3f} | {majority} |\n"
    )
