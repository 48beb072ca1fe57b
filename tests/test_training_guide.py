"""docs/training.md: the command line takes its commands, and its example of a task makes rows of full marks."""

import re
import shlex
from pathlib import Path

import pytest

from app.data.catalogue.catalogue import Catalogue
from app.data.mixing.checks import check
from app.data.row import Capability
from app.data.tasks import concepts
from app.data.tasks.concepts import CATALOGUE
from app.data.tasks.task import TaskGroup, TrainingTask
from app.evaluation.scoring import Scorer
from app.routing import route
from app.settings import ROOT
from tests.test_train_demo import parse

GUIDE = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```\w*\n(.*?)^```", GUIDE, re.DOTALL | re.MULTILINE)
INLINE = re.findall(r"`((?:shopbench|accelerate launch) [^`]*)`", GUIDE)
WRITTEN = [line for block in BLOCKS for line in block.splitlines()] + INLINE


def commands() -> list[str]:
    """Commands with all their words, as the guide writes them."""
    found = [re.sub(r"^accelerate launch .*-m app ", "shopbench ", line) for line in WRITTEN]
    return [line for line in found if re.match(r"shopbench \w+( \w+)? .*[./A-Z]", line) and "..." not in line]


@pytest.mark.parametrize("line", commands())
def test_the_command_line_takes_every_command(line: str) -> None:
    assert parse(shlex.split(line)[1:])


def test_commands_were_found() -> None:
    assert len(commands()) >= 8


def test_the_example_of_a_task_makes_rows_that_score_full_marks(tmp_path: Path) -> None:
    code = re.search(r"```python\n(.*?)```", GUIDE, re.DOTALL)
    wordings = re.search(r"```yaml\n(category_by_synonym:.*?)```", GUIDE, re.DOTALL)
    assert code is not None
    assert wordings is not None
    (tmp_path / "concepts.yaml").write_text(wordings[1], encoding="utf-8")
    names = dict(vars(concepts))
    names["_concept"] = TaskGroup(CATALOGUE, Capability.CONCEPT_UNDERSTANDING, str(tmp_path / "concepts"))
    exec(code[1], names)  # noqa: S102 - the guide's own text
    task = names["category_by_synonym"]
    assert isinstance(task, TrainingTask)
    shop = Catalogue(0)
    rows = [next(task.draw_rows(shop, 0, index)) for index in range(40)]
    assert {row.target for row in rows} == {"0", "1", "2", "3"}
    scorer = Scorer()
    for row in rows:
        assert route(row.sample.question).type is row.task_type
        assert check(row, scorer).drop is None
