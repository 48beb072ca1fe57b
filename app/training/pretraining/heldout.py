"""Held-out scores by source, beside what chance would get."""

import itertools
import math
import random
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from transformers import Qwen2ForCausalLM

from app.training.pretraining.encoding import Encoder
from app.training.pretraining.examples import Example
from app.training.pretraining.listing import find_entries
from app.training.pretraining.stream import ExampleStream
from app.types import TaskType

BATCH = 32
RATINGS = ("1", "2", "3", "4", "5")
MAX_TOKENS = {TaskType.NAMED_ENTITY_RECOGNITION: 24, TaskType.GENERATION: 40}
METRICS = {
    TaskType.MULTIPLE_CHOICE: "accuracy",
    TaskType.RETRIEVAL: "hit rate@3",
    TaskType.RANKING: "ndcg",
    TaskType.NAMED_ENTITY_RECOGNITION: "micro f1",
    TaskType.GENERATION: "word f1",
}


@dataclass(frozen=True, slots=True)
class Score:
    """One source's mean score, and that of a baseline."""

    source: str
    task_type: str
    metric: str
    rows: int
    score: float
    baseline: float
    """Choices, lists and orders: expected by chance. NER and generation: another row's answer."""
    majority: float | None
    """Choices only: the share of the most frequent label."""


def generated_heldout(stream: ExampleStream, rows: int) -> list[Example]:
    """Generated questions that no chunk draws: their seed is another."""
    rng = random.Random("heldout")
    found: defaultdict[str, list[Example]] = defaultdict(list)
    for _ in range(60 * rows):
        example = stream.generated(rng)
        if len(found[example.source]) < rows:
            found[example.source].append(example)
    return [example for source in sorted(found) for example in found[source]]


def evaluate(
    model: Qwen2ForCausalLM, encoder: Encoder, examples: Sequence[Example], rows: int, seed: int
) -> list[Score]:
    """Greedy answers to at most `rows` examples of each source, scored."""
    by_source: defaultdict[str, list[Example]] = defaultdict(list)
    for example in examples:
        by_source[example.source].append(example)
    scores = []
    for source, listed in sorted(by_source.items()):
        chosen = random.Random(f"{seed}/{source}").sample(listed, min(rows, len(listed)))
        scores.append(score_answers(source, chosen, _answers(model, encoder, chosen)))
    return scores


def labels_of(prompt: str) -> tuple[str, ...]:
    """The labels of a choice: the listed numbers, or 1 to 5 where none are listed."""
    entries = find_entries(prompt)
    return tuple(str(entry.number) for entry in entries) if len(entries) > 1 else RATINGS


@torch.inference_mode()
def _answers(model: Qwen2ForCausalLM, encoder: Encoder, examples: Sequence[Example]) -> list[str]:
    task_type = examples[0].task_type
    order = sorted(range(len(examples)), key=lambda place: len(examples[place].prompt))
    answers = [""] * len(examples)
    for start in range(0, len(order), BATCH):
        places = order[start : start + BATCH]
        batch = [examples[place] for place in places]
        prompts = [list(encoded.prompt) for encoded in encoder.encode(batch)]
        if task_type is TaskType.MULTIPLE_CHOICE:
            texts = _choose(model, encoder, batch, prompts)
        else:
            texts = _generate(model, encoder, batch, prompts)
        for place, text in zip(places, texts, strict=True):
            answers[place] = text
    return answers


def _pad_left(prompts: list[list[int]], pad: int) -> tuple[torch.Tensor, torch.Tensor]:
    width = max(map(len, prompts))
    ids = torch.tensor([[pad] * (width - len(prompt)) + prompt for prompt in prompts])
    mask = torch.tensor([[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts])
    return ids, mask


def _choose(model: Qwen2ForCausalLM, encoder: Encoder, batch: list[Example], prompts: list[list[int]]) -> list[str]:
    ids, mask = _pad_left(prompts, encoder.end)
    positions = (mask.cumsum(1) - 1).clamp(min=0)
    logits = model(ids, attention_mask=mask, position_ids=positions, logits_to_keep=1).logits[:, -1]
    chosen = []
    for row, example in zip(logits, batch, strict=True):
        labels = labels_of(example.prompt)
        tokens = encoder.tokenizer.convert_tokens_to_ids(list(labels))
        chosen.append(labels[int(row[tokens].argmax())])
    return chosen


def _generate(model: Qwen2ForCausalLM, encoder: Encoder, batch: list[Example], prompts: list[list[int]]) -> list[str]:
    ids, mask = _pad_left(prompts, encoder.end)
    width = ids.shape[1]
    task_type = batch[0].task_type
    listing = task_type in (TaskType.RETRIEVAL, TaskType.RANKING)
    allowed = [_list_rule(encoder, example) for example in batch] if listing else []
    longest = max((5 * len(find_entries(example.prompt)) for example in batch), default=0)
    output = model.generate(
        ids,
        attention_mask=mask,
        do_sample=False,
        max_new_tokens=longest if listing else MAX_TOKENS[task_type],
        eos_token_id=encoder.end,
        pad_token_id=encoder.end,
        prefix_allowed_tokens_fn=(lambda row, tokens: allowed[row](tokens[width:].tolist())) if listing else None,
    )
    return [text.strip() for text in encoder.tokenizer.batch_decode(output[:, width:], skip_special_tokens=True)]


def _list_rule(encoder: Encoder, example: Example) -> Callable[[list[int]], list[int]]:
    """Which tokens may follow, so that the answer is distinct listed numbers: all to rank, three to retrieve."""
    numbers = [str(entry.number) for entry in find_entries(example.prompt)]
    count = len(numbers) if example.task_type is TaskType.RANKING else min(3, len(numbers))

    def allowed(tokens: list[int]) -> list[int]:
        text = encoder.tokenizer.decode(tokens, skip_special_tokens=True)
        *done, current = text.split(",")
        left = [number for number in numbers if number not in done]
        following = {number[len(current)] for number in left if number.startswith(current) and number != current}
        if current in left:
            following.add("," if len(done) + 1 < count else "")
        ids = [encoder.end if sign == "" else encoder.tokenizer.convert_tokens_to_ids(sign) for sign in following]
        return sorted(ids) or [encoder.end]

    return allowed


def score_answers(source: str, examples: list[Example], answers: list[str]) -> Score:
    """Mean score of the answers, by the metric of their task type."""
    task_type = examples[0].task_type
    targets = [example.target for example in examples]
    majority = None
    if task_type is TaskType.MULTIPLE_CHOICE:
        score = _mean([float(a == t) for a, t in zip(answers, targets, strict=True)])
        baseline = _mean([1 / len(labels_of(example.prompt)) for example in examples])
        majority = Counter(targets).most_common(1)[0][1] / len(targets)
    elif task_type is TaskType.RETRIEVAL:
        score = _mean([_hits(answer, target) for answer, target in zip(answers, targets, strict=True)])
        baseline = _mean([min(1.0, 3 / len(find_entries(example.prompt))) for example in examples])
    elif task_type is TaskType.RANKING:
        score = _mean([_ndcg(_order(a), e.relevance) for a, e in zip(answers, examples, strict=True)])
        baseline = _mean([_chance_ndcg(example.relevance) for example in examples])
    else:
        measure = _micro_f1 if task_type is TaskType.NAMED_ENTITY_RECOGNITION else _word_f1
        score = measure(answers, targets)
        baseline = measure(targets[1:] + targets[:1], targets)
    return Score(source, task_type.value, METRICS[task_type], len(examples), score, baseline, majority)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _order(answer: str) -> list[int]:
    return [int(number) for number in answer.split(",") if number.strip().isdecimal()]


def _hits(answer: str, target: str) -> float:
    gold = set(_order(target))
    return len(gold & set(_order(answer)[:3])) / len(gold)


def _ndcg(order: Sequence[int], relevance: Sequence[float]) -> float:
    """Gain 2^rel - 1, discount log2(rank + 1)."""
    gains = [2**value - 1 for value in relevance]
    best = sum(gain / math.log2(rank + 2) for rank, gain in enumerate(sorted(gains, reverse=True)))
    ranked = [gains[place - 1] for place in order if 1 <= place <= len(gains)]
    found = sum(gain / math.log2(rank + 2) for rank, gain in enumerate(ranked))
    return found / best if best else 0.0


def _chance_ndcg(relevance: Sequence[float]) -> float:
    orders = itertools.permutations(range(1, len(relevance) + 1))
    return _mean([_ndcg(order, relevance) for order in orders])


def _micro_f1(answers: Sequence[str], targets: Sequence[str]) -> float:
    true = found = wanted = 0
    for answer, target in zip(answers, targets, strict=True):
        spans, gold = ({span.strip().lower() for span in text.split(",")} for text in (answer, target))
        true += len(spans & gold)
        found += len(spans)
        wanted += len(gold)
    return 2 * true / (found + wanted)


def _word_f1(answers: Sequence[str], targets: Sequence[str]) -> float:
    values = []
    for answer, target in zip(answers, targets, strict=True):
        words, gold = (Counter(re.findall(r"\w+", text.lower())) for text in (answer, target))
        both = sum((words & gold).values())
        values.append(2 * both / max(1, words.total() + gold.total()))
    return _mean(values)
