"""Evaluations of a realistic shape: the project's own sentences, an imagined model, and the real scoring."""

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from app.evaluation.answers import Answered, Answers
from app.evaluation.datasets.reading import Dataset
from app.evaluation.encoders import ENGLISH, MULTILINGUAL
from app.evaluation.evaluation import Evaluation, evaluate
from app.evaluation.names import BEHAVIOR, REASONING, UNDERSTANDING
from app.evaluation.names import MULTILINGUAL as MULTILINGUAL_TRACK
from app.evaluation.schema import BatchTime, Provenance
from app.evaluation.scoring import Scorer
from app.types import Message, Outcome, Question, Sample, TaskType

PRODUCTS = (
    "enamel camping kettle",
    "folding bamboo step stool",
    "merino running socks",
    "65 W travel charger",
    "ceramic coffee dripper",
    "children's rain boots",
    "steel garden trowel",
    "wool felt desk mat",
    "cordless pet hair vacuum",
    "linen duvet cover",
)
NEEDS = ("a gift for a keen hiker", "a small flat without much storage", "cooking outdoors", "a long train journey")
PRAISE = ("It is light", "It is easy to clean", "It lasts for years", "It folds flat", "It comes in three colours")
SYSTEM = "You help in a shop. Reply in the form that the question asks for, and add nothing to it."
CHOICE, RETRIEVAL, RANKING = TaskType.MULTIPLE_CHOICE, TaskType.RETRIEVAL, TaskType.RANKING
ENTITIES, GENERATION = TaskType.NAMED_ENTITY_RECOGNITION, TaskType.GENERATION
NOWHERE = Path("no-encoder-here")


@dataclass(frozen=True)
class Plan:
    """One task: what it is, how many samples it has and how well the imagined model does."""

    track: str
    task_type: TaskType
    metric: str
    n: int
    skill: float


PLANS = {
    "task1": Plan(UNDERSTANDING, GENERATION, "sent-transformer", 24, 0.5),
    "task2": Plan(UNDERSTANDING, CHOICE, "accuracy", 40, 0.72),
    "task3": Plan(UNDERSTANDING, RETRIEVAL, "hit rate@3", 24, 0.55),
    "task4": Plan(UNDERSTANDING, ENTITIES, "micro f1", 32, 0.48),
    "task5": Plan(UNDERSTANDING, CHOICE, "accuracy", 48, 0.61),
    "task6": Plan(UNDERSTANDING, GENERATION, "rougel", 32, 0.5),
    "task7": Plan(UNDERSTANDING, RETRIEVAL, "hit rate@3", 24, 0.47),
    "task8": Plan(REASONING, CHOICE, "accuracy", 40, 0.38),
    "task9": Plan(REASONING, CHOICE, "accuracy", 20, 0.30),
    "task10": Plan(REASONING, CHOICE, "accuracy", 20, 0.52),
    "task11": Plan(BEHAVIOR, CHOICE, "accuracy", 36, 0.58),
    "task12": Plan(BEHAVIOR, RANKING, "ndcg", 20, 0.7),
    "task13": Plan(BEHAVIOR, RETRIEVAL, "hit rate@3", 18, 0.44),
    "task14": Plan(BEHAVIOR, RETRIEVAL, "hit rate@3", 24, 0.62),
    "task15": Plan(BEHAVIOR, CHOICE, "accuracy", 40, 0.26),
    "task16": Plan(MULTILINGUAL_TRACK, CHOICE, "accuracy", 20, 0.66),
    "task17": Plan(MULTILINGUAL_TRACK, GENERATION, "bleu", 20, 0.2),
    "task18": Plan(MULTILINGUAL_TRACK, CHOICE, "accuracy", 18, 0.55),
}
BETTER = {"task5": 0.9, "task7": 0.95, "task8": 0.72, "task14": 0.25, "task16": 0.7}
"""Skills of another imagined model, on the tasks where it differs."""

Asked = tuple[str, object]
"""A prompt and its gold label."""


def _listed(rng: random.Random, count: int, first: int) -> str:
    return "\n".join(f"{number}. {name}" for number, name in enumerate(rng.sample(PRODUCTS, count), start=first))


def _ask_choice(rng: random.Random) -> Asked:
    return f"Which product fits {rng.choice(NEEDS)}?\n{_listed(rng, 4, 0)}\nAnswer: ", rng.randrange(4)


def _ask_retrieval(rng: random.Random) -> Asked:
    prompt = f"Pick the three products that suit {rng.choice(NEEDS)}.\n{_listed(rng, 10, 1)}\nNumbers only: "
    return prompt, sorted(rng.sample(range(1, 11), 3))


def _ask_ranking(rng: random.Random) -> Asked:
    prompt = f"Rank these products for the query 'things for {rng.choice(NEEDS)}'.\n{_listed(rng, 5, 1)}\nOrder: "
    return prompt, rng.sample([1.0, 0.1, 0.01, 1.0, 0.0], 5)


def _ask_entities(rng: random.Random) -> Asked:
    product = rng.choice(PRODUCTS)
    return f"Find the product in this title and copy it: '{product}, free delivery'", [product]


def _ask_text(rng: random.Random) -> Asked:
    product = rng.choice(PRODUCTS)
    gold = f"This {product} suits {rng.choice(NEEDS)}. {rng.choice(PRAISE)} and made to be repaired."
    return f"Describe the {product} in two sentences. 短い説明を書いてください。", gold


ASK: dict[TaskType, Callable[[random.Random], Asked]] = {
    CHOICE: _ask_choice,
    RETRIEVAL: _ask_retrieval,
    RANKING: _ask_ranking,
    ENTITIES: _ask_entities,
    GENERATION: _ask_text,
}


def synthetic_samples() -> list[Sample]:
    """500 samples over 18 tasks, the same ones every time."""
    rng = random.Random(7)
    return [
        Sample(
            Question(f"{name}-{number:03d}", prompt, plan.task_type is CHOICE),
            name,
            plan.task_type,
            plan.metric,
            gold,
            plan.track,
        )
        for name, plan in PLANS.items()
        for number in range(plan.n)
        for prompt, gold in [ASK[plan.task_type](rng)]
    ]


def _answer(rng: random.Random, sample: Sample, skill: float) -> Answered:
    """What the imagined model says: right with probability `skill`, for a choice the surer the likelier."""
    right = rng.random() < skill
    gold = sample.gold
    if isinstance(gold, int):
        return _answer_choice(rng, gold, skill)
    if sample.task_type is RETRIEVAL and isinstance(gold, list):
        kept = [number for number in gold if rng.random() < skill]
        others = [number for number in range(1, 11) if number not in gold]
        return Answered(None, ", ".join(map(str, [*kept, *rng.sample(others, 3 - len(kept))])), output_tokens=5)
    if sample.task_type is RANKING and isinstance(gold, list):
        order = sorted(range(1, 6), key=lambda number: -gold[number - 1]) if right else rng.sample(range(1, 6), 5)
        return Answered(None, ",".join(map(str, order)), output_tokens=9)
    if isinstance(gold, list):
        return Answered(None, gold[0] if right else gold[0].split()[0], output_tokens=rng.randrange(3, 9))
    text = (
        str(gold)
        if rng.random() < skill / 2
        else " ".join([str(gold)[: rng.randrange(20, 60)], *rng.sample(PRAISE, 3)])
    )
    return Answered(None, text, output_tokens=len(text) // 4)


def _answer_choice(rng: random.Random, gold: int, skill: float) -> Answered:
    sure = min(0.97, rng.betavariate(4, 3) * 0.7 + 0.27)
    picked = gold if rng.random() < skill + sure - 0.72 else rng.choice([label for label in range(4) if label != gold])
    rest = [rng.random() for _ in range(3)]
    others = iter([(1 - sure) * part / sum(rest) for part in rest])
    shares = {str(label): sure if label == picked else next(others) for label in range(4)}
    return Answered(None, str(picked), label_probs=shares, label_mass=rng.uniform(0.9, 0.999), output_tokens=1)


def _dressed(rng: random.Random, sample: Sample, answered: Answered) -> Answered:
    """The answer with how it came about."""
    choice = sample.task_type is CHOICE
    weights = [90, 7, 1, 2] if choice else [70, 20, 4, 6]
    outcome = rng.choices([Outcome.CLEAN, Outcome.REPAIRED, Outcome.TRUNCATED, Outcome.FALLBACK], weights)[0]
    misread = sample.task_type is RANKING and rng.random() < 0.1
    return replace(
        answered,
        id=sample.question.id,
        outcome=outcome,
        task_type=RETRIEVAL if misread else sample.task_type,
        raw=f"Sure: {answered.answer}" if outcome is Outcome.REPAIRED else answered.answer,
        seconds=rng.lognormvariate(-4 if choice else -2.5, 0.6),
        rendered=(Message("system", SYSTEM), Message("user", sample.question.prompt.strip())),
    )


def _batches(rng: random.Random, count: int) -> list[BatchTime]:
    return [
        BatchTime(
            index=index, task_type=CHOICE, size=16, seconds=rng.uniform(1, 6), limit_seconds=160, within_limit=True
        )
        for index in range(count)
    ]


@cache
def synthetic_evaluation(better: bool = False) -> Evaluation:
    """The evaluation of an imagined model, or of one that does better on some tasks and worse on one."""
    samples = synthetic_samples()
    answers: list[Answered | None] = []
    for place, sample in enumerate(samples):
        usual = PLANS[sample.task_name].skill
        skill = BETTER.get(sample.task_name, usual) if better else usual
        # The other model answers every third question afresh, and all those of a task on which it differs.
        afresh = skill != usual or (better and place % 3 == 0)
        rng = random.Random(f"{sample.question.id} {afresh}")
        answers.append(_dressed(rng, sample, _answer(rng, sample, skill)))
    return evaluate(
        Dataset(Path(__file__), samples, ["2 rows were dropped: their gold label is not of the task's form"]),
        Answers(
            "id",
            answers,
            provenance=Provenance(
                engine="vllm",
                engine_version="0.32.0",
                model="imagined-model",
                prompt_fingerprint="41d07ab39f2c" if better else "9f2c51d07ab3",
                git_revision="v0.1.0-14-g3f9c2aa",
                settings={"seed": 0, "max_num_seqs": 16, "enforce_eager": True},
            ),
            batches=_batches(random.Random(1), 32),
            load_seconds=16.8,
            predict_seconds=41.2,
        ),
        scorer=Scorer({ENGLISH: NOWHERE, MULTILINGUAL: NOWHERE}),
    )
