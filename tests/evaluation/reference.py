"""The kit's published rules a second time: plain, one sample a call, sharing no code with what is tested.

Only the three text metrics' libraries are common to both, for the rules name them.
"""

import ast
import math
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import rouge_score.rouge_scorer
import sacrebleu

CUT = 5000
Value = Any
"""A parsed answer, a label or a score: its form depends on the task."""

Embed = Callable[[str], Sequence[float]]


def parse(task_type: str, response: str) -> Value:
    response = response[:CUT]
    if task_type == "multiple-choice":
        return reference_choice(response)
    if task_type == "retrieval":
        return reference_numbers(response)[:3]
    if task_type == "ranking":
        return reference_ranking(response)
    if task_type == "named_entity_recognition":
        return reference_entities(response)
    return response.strip()


def reference_choice(response: str) -> int:
    text = response.strip()
    if not text:
        return -1
    try:
        return int(text[0])
    except ValueError:
        return -1


def reference_numbers(response: str) -> list[int]:
    kept = ""
    for char in response:
        if char.isnumeric() or char in {",", " "}:
            kept += char
    numbers = []
    for piece in kept.split(","):
        try:
            numbers.append(int(piece))
        except ValueError:
            continue
    return numbers


def reference_ranking(response: str) -> list[int]:
    first = [number for number in reference_numbers(response) if number <= 5][:5]
    for number in first:
        if first.count(number) > 1:
            return []
    return first


def reference_entities(response: str) -> list[str]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            value = ast.literal_eval(response)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        value = None
    if isinstance(value, list):
        strings = True
        for entry in value:
            strings = strings and isinstance(entry, str)
        if strings:
            return value
    return [piece.strip() for piece in response.split(",") if piece.strip() != ""]


def score(metric: str, parsed: Value, gold: Value, embed: Embed | None = None) -> Value:
    """A number; for micro f1 the triple of counts."""
    if metric == "accuracy":
        return 1.0 if parsed == gold else 0.0
    if metric == "hit rate@3":
        found = [number for number in set(gold) if number in parsed[:3]]
        return len(found) / len(gold)
    if metric == "ndcg":
        return reference_ndcg(parsed, gold)
    if metric == "micro f1":
        return reference_counts(parsed, gold)
    return reference_text_score(metric, parsed, gold, embed)


def reference_text_score(metric: str, parsed: str, gold: Value, embed: Embed | None) -> float:
    if metric == "rougel":
        scorer = rouge_score.rouge_scorer.RougeScorer(["rougeL"], use_stemmer=True)
        return float(scorer.score(parsed, gold)["rougeL"].fmeasure)
    if metric in ("bleu", "jp-bleu"):
        while parsed.startswith("\n"):
            parsed = parsed[1:]
        line = parsed.split("\n")[0]
        tokenizer = "ja-mecab" if metric == "jp-bleu" else "13a"
        return float(sacrebleu.corpus_bleu([line], [[gold]], lowercase=True, tokenize=tokenizer).score / 100)
    assert embed is not None
    return reference_similarity(embed, parsed, [gold] if isinstance(gold, str) else gold)


def reference_ndcg(parsed: list[int], gold: list[float]) -> float:
    dcg = 0.0
    for rank in range(min(len(parsed), len(gold))):
        index = parsed[rank] - 1
        if index == -1:
            relevance = gold[len(gold) - 1]
        elif index < len(gold):
            relevance = gold[index]
        else:
            relevance = 0
        dcg += (math.pow(2, relevance) - 1) / math.log2(rank + 2)
    best = 0.0
    for rank, relevance in enumerate(sorted(gold)[::-1]):
        best += (math.pow(2, relevance) - 1) / math.log2(rank + 2)
    return dcg / best if best else 0.0


def reference_counts(parsed: list[str], gold: list[str]) -> tuple[int, int, int]:
    answered = [entity.lower().strip() for entity in parsed]
    wanted = [entity.lower() for entity in gold]
    hits = 0
    for entity in set(answered):
        if entity in wanted:
            hits += 1
    return hits, len(answered) - hits, len(wanted) - hits


def reference_f1(counts: list[tuple[int, int, int]]) -> float:
    hits = wrong = missed = 0
    for tp, fp, fn in counts:
        hits += tp
        wrong += fp
        missed += fn
    precision = hits / (hits + wrong) if hits + wrong > 0 else 0
    recall = hits / (hits + missed) if hits + missed > 0 else 0
    if precision + recall == 0:
        return 0.0
    return 2 * precision * recall / (precision + recall)


def reference_similarity(embed: Embed, answer: str, references: list[str]) -> float:
    """Two texts a call, as the kit embeds them."""
    total = 0.0
    left = embed(answer)
    for reference in references:
        right = embed(reference)
        dot = sum(float(x) * float(y) for x, y in zip(left, right, strict=True))
        lengths = math.sqrt(sum(float(x) ** 2 for x in left)) * math.sqrt(sum(float(y) ** 2 for y in right))
        total += dot / lengths
    return max(0.0, total / len(references))


def overall(rows: list[tuple[str, str, Value]]) -> float:
    """What the kit's script prints for `(task_name, metric, score)`: the mean over tasks."""
    tasks: dict[str, list[tuple[str, Value]]] = {}
    for task_name, metric, value in rows:
        tasks.setdefault(task_name, []).append((metric, value))
    means = []
    for values in tasks.values():
        if values[0][0] == "micro f1":
            means.append(reference_f1([value for _, value in values]))
        else:
            means.append(sum(value for _, value in values) / len(values))
    return sum(means) / len(means)
