"""A report and samples of a realistic shape, from the project's own sentences and a seeded generator."""

import random
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import mean, stdev

from app.evaluation.charts import wilson
from app.evaluation.schema import (
    Baselines,
    BatchTime,
    Calibration,
    CalibrationBin,
    ChatMessage,
    Durations,
    EvalReport,
    Interval,
    Joining,
    Overall,
    Provenance,
    PublishedScore,
    RoutingAccuracy,
    SampleResult,
    TaskScore,
    TrackScore,
)
from app.types import Outcome, TaskType

TRACKS = {
    "amazon-kdd-cup-24-understanding-shopping-concepts": (1, "Shopping Concept Understanding"),
    "amazon-kdd-cup-24-shopping-knowledge-reasoning": (2, "Shopping Knowledge Reasoning"),
    "amazon-kdd-cup-24-user-behavior-alignment": (3, "User Behavior Alignment"),
    "amazon-kdd-cup-24-multi-lingual-abilities": (4, "Multi-lingual Abilities"),
}
PRODUCTS = (
    "enamel camping kettle, 1.2 litres", "folding bamboo step stool", "merino running socks, three pairs",
    "USB-C travel charger, 65 W", "ceramic pour-over coffee dripper", "children's rain boots, size 28",
    "stainless steel garden trowel", "wool felt desk mat", "cordless pet hair vacuum", "linen duvet cover, king size",
)  # fmt: skip
NEEDS = ("a gift for a keen hiker", "a small flat without much storage", "cooking outdoors", "a long train journey")
SYSTEM = "You help in a shop. Reply in the form that the question asks for, and add nothing to it."
CHOICE, RETRIEVAL, RANKING = TaskType.MULTIPLE_CHOICE, TaskType.RETRIEVAL, TaskType.RANKING
ENTITIES, GENERATION = TaskType.NAMED_ENTITY_RECOGNITION, TaskType.GENERATION


@dataclass(frozen=True)
class Plan:
    """One task of the synthetic data: what it is and how well the imagined model does."""

    track: int
    task_type: TaskType
    metric: str
    n: int
    skill: float
    random: float | None
    majority: float | None


PLANS = {
    "task1": Plan(0, GENERATION, "sent-transformer", 24, 0.0, None, None),
    "task2": Plan(0, CHOICE, "accuracy", 40, 0.72, 0.25, 0.30),
    "task3": Plan(0, RETRIEVAL, "hit rate@3", 24, 0.55, 0.21, 0.33),
    "task4": Plan(0, ENTITIES, "micro f1", 32, 0.48, 0.06, None),
    "task5": Plan(0, CHOICE, "accuracy", 48, 0.61, 0.25, 0.27),
    "task6": Plan(0, GENERATION, "rougel", 32, 0.34, None, 0.08),
    "task7": Plan(0, RETRIEVAL, "hit rate@3", 24, 0.47, 0.19, 0.29),
    "task8": Plan(1, CHOICE, "accuracy", 40, 0.38, 0.25, 0.35),
    "task9": Plan(1, CHOICE, "accuracy", 20, 0.30, 0.25, 0.30),
    "task10": Plan(1, CHOICE, "accuracy", 20, 0.52, 0.25, 0.30),
    "task11": Plan(2, CHOICE, "accuracy", 36, 0.58, 0.25, 0.31),
    "task12": Plan(2, RANKING, "ndcg", 20, 0.81, 0.66, 0.71),
    "task13": Plan(2, RETRIEVAL, "hit rate@3", 18, 0.44, 0.20, 0.28),
    "task14": Plan(2, RETRIEVAL, "hit rate@3", 24, 0.62, 0.20, 0.33),
    "task15": Plan(2, CHOICE, "accuracy", 40, 0.42, 0.20, 0.44),
    "task16": Plan(3, CHOICE, "accuracy", 20, 0.66, 0.25, 0.35),
    "task17": Plan(3, GENERATION, "bleu + jp-bleu", 20, 0.17, None, 0.01),
    "task18": Plan(3, CHOICE, "accuracy", 18, 0.55, 0.25, 0.28),
}


def _choice(rng: random.Random, plan: Plan) -> dict[str, object]:
    options = rng.sample(PRODUCTS, 4)
    listed = "\n".join(f"{number}. {option}" for number, option in enumerate(options))
    gold = rng.randrange(4)
    confidence = min(0.97, rng.betavariate(4, 3) * 0.7 + 0.27)
    picked = gold if rng.random() < plan.skill else rng.choice([label for label in range(4) if label != gold])
    rest = [rng.random() for _ in range(3)]
    others = iter([(1 - confidence) * part / sum(rest) for part in rest])
    shares = {str(label): confidence if label == picked else next(others) for label in range(4)}
    return {
        "prompt": f"A shopper looks for {rng.choice(NEEDS)}. Which product fits best?\n{listed}\nAnswer: ",
        "answer": str(picked), "parsed": picked, "gold": gold, "score": float(picked == gold),
        "label_probs": shares, "label_mass": rng.uniform(0.9, 0.999), "output_tokens": 1,
    }  # fmt: skip


def _retrieval(rng: random.Random, plan: Plan) -> dict[str, object]:
    listed = "\n".join(f"{number}. {option}" for number, option in enumerate(PRODUCTS, start=1))
    gold = sorted(rng.sample(range(1, 11), 3))
    hits = [number for number in gold if rng.random() < plan.skill]
    picked = hits + rng.sample([number for number in range(1, 11) if number not in gold], 3 - len(hits))
    answer = ", ".join(map(str, picked))
    return {
        "prompt": f"Pick the three products that suit {rng.choice(NEEDS)}.\n{listed}\nNumbers only: ",
        "answer": answer, "parsed": picked, "gold": gold, "score": len(hits) / 3, "output_tokens": 5,
    }  # fmt: skip


def _ranking(rng: random.Random, plan: Plan) -> dict[str, object]:
    listed = "\n".join(f"{number}. {option}" for number, option in enumerate(rng.sample(PRODUCTS, 5), start=1))
    order = rng.sample(range(1, 6), 5)
    return {
        "prompt": f"Rank these products for the query 'things for {rng.choice(NEEDS)}'.\n{listed}\nOrder: ",
        "answer": ",".join(map(str, order)), "parsed": order, "gold": [1, 0.01, 0.1, 1, 0],
        "score": min(1.0, max(0.4, rng.gauss(plan.skill, 0.12))), "output_tokens": 9,
    }  # fmt: skip


def _entities(rng: random.Random, plan: Plan) -> dict[str, object]:
    product = rng.choice(PRODUCTS)
    gold = [product.split(",")[0]]
    picked = gold if rng.random() < plan.skill else [product.split()[0]]
    right = picked == gold
    return {
        "prompt": f"Find the product in this title and copy it: '{product}, free delivery'",
        "answer": ", ".join(picked), "parsed": picked, "gold": gold, "score": float(right),
        "counts": (1, 0, 0) if right else (0, 1, 1), "output_tokens": rng.randrange(3, 9),
    }  # fmt: skip


def _generation(rng: random.Random, plan: Plan) -> dict[str, object]:
    product = rng.choice(PRODUCTS)
    sentences = [f"This {product} suits {rng.choice(NEEDS)}.", "It is light, easy to clean and lasts for years."]
    answer = " ".join(sentences * rng.randrange(1, 5))[: rng.randrange(20, 320)]
    known = plan.metric != "sent-transformer"
    return {
        "prompt": f"Write a short description of the {product}. この商品を紹介してください。",
        "answer": answer, "parsed": answer, "gold": sentences[0],
        "score": min(1.0, max(0.0, rng.gauss(plan.skill, 0.15))) if known else None,
        "not_scored_reason": None if known else "no English sentence encoder: install the extra 'eval'",
        "output_tokens": len(answer) // 4,
    }  # fmt: skip


WRITERS: dict[TaskType, Callable[[random.Random, Plan], dict[str, object]]] = {
    CHOICE: _choice, RETRIEVAL: _retrieval, RANKING: _ranking, ENTITIES: _entities, GENERATION: _generation,
}  # fmt: skip


def synthetic_samples(seed: int = 7, copies: int = 1) -> list[SampleResult]:
    """500 samples over 18 tasks, times `copies`."""
    rng = random.Random(seed)
    samples = []
    for name, plan in PLANS.items():
        for number in range(plan.n * copies):
            parts = WRITERS[plan.task_type](rng, plan)
            samples.append(_sample(rng, f"{name}-{number:03d}", name, plan, parts))
    return samples


def _sample(rng: random.Random, identity: str, name: str, plan: Plan, parts: dict[str, object]) -> SampleResult:
    outcome = rng.choices(
        [Outcome.CLEAN, Outcome.REPAIRED, Outcome.TRUNCATED, Outcome.FALLBACK],
        [90, 7, 1, 2] if plan.task_type is CHOICE else [70, 20, 4, 6],
    )[0]
    routed = RETRIEVAL if plan.task_type is RANKING and rng.random() < 0.1 else plan.task_type
    answer = str(parts["answer"])
    return SampleResult.model_validate(
        {
            "id": identity, "task_name": name, "task_type": plan.task_type, "track": list(TRACKS)[plan.track],
            "metric": plan.metric.split(" + ")[0],
            "rendered": [ChatMessage(role="system", content=SYSTEM), ChatMessage(role="user", content=str(parts["prompt"]).strip())],
            "raw": f"Sure: {answer}" if outcome is Outcome.REPAIRED else answer,
            "outcome": outcome, "routed_type": routed, "route_right": routed is plan.task_type,
            "seconds": rng.lognormvariate(-4 if plan.task_type is CHOICE else -2.5, 0.6),
            "output_characters": len(answer), **parts,
        }
    )  # fmt: skip


def synthetic_report(samples: list[SampleResult]) -> EvalReport:
    """The report that an evaluation of these samples would write, its intervals from the normal approximation."""
    by_task: defaultdict[str, list[SampleResult]] = defaultdict(list)
    for sample in samples:
        by_task[sample.task_name].append(sample)
    tasks = {name: _task(PLANS[name], rows) for name, rows in by_task.items()}
    tracks = {name: _track(name, tasks) for name in TRACKS}
    scores = [task.score for task in tasks.values() if task.score is not None]
    by_track = [track.score for track in tracks.values() if track.score is not None]
    return EvalReport(
        created=datetime(2026, 9, 12, 14, 3, tzinfo=UTC),
        data="questions.jsonl",
        data_sha256="5b1d0c9f" * 8,
        provenance=Provenance(
            engine="vllm", engine_version="0.32.0", model="models/mini", prompt_fingerprint="9f2c51d07ab3",
            git_revision="v0.1.0-14-g3f9c2aa", settings={"seed": 0, "max_num_seqs": 16, "enforce_eager": True},
        ),
        joining=Joining(by="id"),
        overall=Overall(
            mean_over_tasks=mean(scores), mean_over_tasks_interval=_around(mean(scores), 0.022, "stratified bootstrap"),
            mean_over_tracks=mean(by_track), mean_over_tracks_interval=_around(mean(by_track), 0.027, "stratified bootstrap"),
            n_tasks=len(scores), n_samples=sum(task.n for task in tasks.values()),
            not_scored={"sent-transformer": tasks["task1"].not_scored}, baselines=Baselines(random=0.262, majority=0.318),
        ),
        tracks=tracks,
        tasks=tasks,
        outcomes=dict(Counter(sample.outcome.value for sample in samples if sample.outcome)),
        routing=_routing(samples),
        calibration=_calibration(samples),
        durations=Durations(load_seconds=16.8, predict_seconds=41.2, score_seconds=3.4, batches=_batches(), over_limit=0),
        published=[
            PublishedScore(system=system, tracks=dict(zip("12345", figures, strict=True)), source="KDD Cup 2024 workshop papers")
            for system, figures in {
                "1st, NVIDIA": (0.833, 0.791, 0.746, 0.761, 0.788), "2nd": (0.825, 0.784, 0.733, 0.735, 0.782),
                "3rd": (0.824, 0.781, 0.728, 0.715, 0.773), "Qwen2-72B, zero-shot": (0.798, 0.641, 0.719, 0.692, 0.749),
            }.items()
        ],
        scorers={"rouge-score": "0.1.2", "sacrebleu": "2.6.0"},
        notes=["2 rows of the data were dropped: their gold label is not of the task's form."],
    )  # fmt: skip


def _around(centre: float, spread: float, method: str) -> Interval:
    return Interval.model_validate({"low": max(centre - spread, 0), "high": min(centre + spread, 1), "method": method})


def _task(plan: Plan, rows: list[SampleResult]) -> TaskScore:
    scores = [row.score for row in rows if row.score is not None]
    score = mean(scores) if scores else None
    interval = None
    if score is not None and plan.metric == "accuracy":
        low, high = wilson(score, len(scores))
        interval = Interval(low=low, high=high, method="wilson")
    elif score is not None:
        interval = _around(score, 1.96 * stdev(scores) / len(scores) ** 0.5, "bootstrap")
    return TaskScore(
        task_type=plan.task_type, track=list(TRACKS)[plan.track], metric=plan.metric, n=len(scores), score=score,
        interval=interval, not_scored=len(rows) - len(scores), not_scored_reason=rows[0].not_scored_reason,
        baselines=Baselines(random=plan.random, majority=plan.majority),
    )  # fmt: skip


def _track(name: str, tasks: dict[str, TaskScore]) -> TrackScore:
    number, title = TRACKS[name]
    own = [task for task, found in tasks.items() if found.track == name]
    scores = [score for task in own if (score := tasks[task].score) is not None]
    return TrackScore(
        name=title, number=number, tasks=own, score=mean(scores), interval=_around(mean(scores), 0.06, "stratified bootstrap"),
        baselines=Baselines(random=0.24, majority=0.3),
    )  # fmt: skip


def _routing(samples: list[SampleResult]) -> RoutingAccuracy:
    confusion: dict[str, dict[str, int]] = {}
    for sample in samples:
        if sample.routed_type:
            row = confusion.setdefault(sample.task_type.value, {})
            row[sample.routed_type.value] = row.get(sample.routed_type.value, 0) + 1
    right = sum(row.get(name, 0) for name, row in confusion.items())
    return RoutingAccuracy(right=right, n=len(samples), confusion=confusion)


def _calibration(samples: list[SampleResult]) -> Calibration:
    chosen = [(max(sample.label_probs.values()), sample.score or 0.0) for sample in samples if sample.label_probs]
    bins = []
    for low in range(10):
        inside = [pair for pair in chosen if low / 10 < pair[0] <= (low + 1) / 10]
        sure, right = (mean(part) for part in zip(*inside, strict=True)) if inside else (None, None)
        bins.append(CalibrationBin(low=low / 10, high=(low + 1) / 10, n=len(inside), confidence=sure, accuracy=right))
    ece = sum(part.n * abs((part.accuracy or 0) - (part.confidence or 0)) for part in bins) / len(chosen)
    return Calibration(n=len(chosen), ece=ece, brier=0.58, mean_label_mass=0.948, bins=bins)


def _batches() -> list[BatchTime]:
    return [
        BatchTime(index=index, task_type=CHOICE if index % 2 else RETRIEVAL, size=16, seconds=0.4 + index / 7, limit_seconds=160, within_limit=True)
        for index in range(32)
    ]  # fmt: skip
