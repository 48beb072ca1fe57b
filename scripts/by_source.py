"""Scores by task type and source, from an evaluation and the rows it was made with, as a Markdown table.

    python scripts/by_source.py runs/mini/test runs/mini/data/test.jsonl [CARD]

With a third argument the table is added to that model card.
A group's score is the mean over its rows, for entities the F1 of the summed counts, with a bootstrap interval over
rows; its baselines are those of its tasks, weighted by rows.
"""

import json
import sys
from collections import defaultdict
from pathlib import Path
from statistics import fmean

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from app.evaluation.evaluate import Evaluation, read_evaluation
from app.evaluation.intervals import bootstrap, mean, percentile, pooled_f1
from app.evaluation.schema import SampleResult, TaskScore

Group = tuple[str, str]


def main(arguments: list[str]) -> int:
    """Print the table, or add it to a card."""
    if len(arguments) not in (2, 3):
        print("usage: python scripts/by_source.py EVALUATION ROWS [CARD]", file=sys.stderr)
        return 2
    evaluation = read_evaluation(Path(arguments[0]))
    table = "\n".join(_table(evaluation, Path(arguments[1])))
    if len(arguments) == 2:
        print(table)
        return 0
    with Path(arguments[2]).open("a", encoding="utf-8") as card:
        card.write(f"\n## Scores on {evaluation.report.data} by task type and source\n\n{table}\n")
    return 0


def _table(evaluation: Evaluation, rows: Path) -> list[str]:
    sources = {}
    for line in rows.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        sources[row["task_name"]] = row["source"]
    groups = sorted(_groups(evaluation, sources).items())
    return [
        "| type | source | rows | score | 95 % interval | random | majority |\n|---|---|---|---|---|---|---|",
        *(
            f"| {task_type} | {source} | {len(results)} | {_figures(results, evaluation.report.tasks)} |"
            for (task_type, source), results in groups
        ),
    ]


def _groups(evaluation: Evaluation, sources: dict[str, str]) -> dict[Group, list[SampleResult]]:
    groups: dict[Group, list[SampleResult]] = defaultdict(list)
    for result in evaluation.results:
        if result.score is not None or result.counts is not None:
            name = result.task_type.value.replace("_", " ")
            for source in (sources[result.task_name], "all"):
                groups[name, source].append(result)
    return groups


def _figures(results: list[SampleResult], tasks: dict[str, TaskScore]) -> str:
    pooled = results[0].counts is not None
    values = np.array([result.counts if pooled else [result.score] for result in results], dtype=np.float64)
    drawn = bootstrap(values, pooled_f1 if pooled else mean, np.random.default_rng(0))
    interval = percentile(drawn)
    given = [tasks[result.task_name].baselines for result in results]
    cells = [f"{drawn.estimate:.3f}", f"{interval.low:.3f} to {interval.high:.3f}" if interval else "-"]
    for scores in ([one.random for one in given], [one.majority for one in given]):
        known = [score for score in scores if score is not None]
        cells.append(f"{fmean(known):.3f}" if known else "-")
    return " | ".join(cells)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
