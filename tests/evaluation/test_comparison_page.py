import json
from pathlib import Path

import pytest

from app.evaluation.compare import compare
from app.evaluation.evaluation import write_evaluation
from app.evaluation.schema import Comparison, Verdict
from app.report.evaluation import origins, render_comparison, verdict_groups
from tests.evaluation.synthetic import synthetic_evaluation
from tests.evaluation.test_report import HOSTILE, Page


@pytest.fixture(scope="module")
def comparison(tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    folder = tmp_path_factory.mktemp("runs")
    for name, better in (("baseline", False), ("new-prompts", True)):
        write_evaluation(folder / name, synthetic_evaluation(better=better))
    return compare(folder / "baseline", folder / "new-prompts")


def test_the_page_says_which_tasks_rose_and_fell(comparison: Comparison) -> None:
    page = Page(render_comparison(comparison))
    groups = {verdict: [name for name, _ in tasks] for verdict, tasks in verdict_groups(comparison).items()}
    assert "task7" in groups[Verdict.ROSE]
    assert groups[Verdict.FELL] == ["task14"]
    for verdict, names in groups.items():
        assert verdict.value in page.text
        for name in names:
            assert f"{comparison.tasks[name].score_b:.3f}" in page.text
    labels = [found.get("aria-label") or "" for tag, found in page.tags if tag == "svg"]
    assert any(label.startswith("task7: difference +0.") and "95 % interval" in label for label in labels)


def test_tasks_of_a_verdict_stand_by_the_size_of_their_difference(comparison: Comparison) -> None:
    groups = verdict_groups(comparison).values()
    assert sum(map(len, groups)) == len(comparison.tasks)
    for tasks in groups:
        sizes = [abs(task.delta) for _, task in tasks]
        assert sizes == sorted(sizes, reverse=True)


def test_every_changed_sample_is_in_the_page(comparison: Comparison) -> None:
    data = json.loads(Page(render_comparison(comparison)).block("script", id="data"))
    assert data["kind"] == "comparison"
    assert len(data["rows"]) == len(comparison.changes) > 20
    place = data["textFields"].index("id")
    assert [data["texts"][row[place]] for row in data["rows"]] == [change.id for change in comparison.changes]


def test_what_differs_between_the_sides_comes_first(comparison: Comparison) -> None:
    first, *others = origins(comparison.a, comparison.b)
    assert first == ("prompt fingerprint", "9f2c51d07ab3", "41d07ab39f2c")
    assert {name for name, a, b in others if a == b} >= {"model", "engine", "setting seed"}
    assert all(a == b for _, a, b in others)


def test_hostile_text_stays_text(comparison: Comparison) -> None:
    change = comparison.changes[0]
    changes = [change.model_copy(update=dict.fromkeys(("id", "prompt", "answer_a", "gold"), text)) for text in HOSTILE]
    attacked = comparison.model_copy(
        update={"changes": changes, "notes": list(HOSTILE), "a": comparison.a.model_copy(update={"name": HOSTILE[0]})}
    )
    page = Page(render_comparison(attacked))
    assert sum(tag == "script" for tag, _ in page.tags) == 2
    assert "img" not in {tag for tag, _ in page.tags}
    texts = json.loads(page.block("script", id="data"))["texts"]
    assert set(HOSTILE) <= set(texts)


def test_nothing_changed_still_gives_a_page(tmp_path: Path) -> None:
    write_evaluation(tmp_path / "a", synthetic_evaluation())
    page = Page(render_comparison(compare(tmp_path / "a", tmp_path / "a")))
    assert "nothing known" in page.text
    assert json.loads(page.block("script", id="data"))["rows"] == []
