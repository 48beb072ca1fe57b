import json
from pathlib import Path

import pytest

from app.data.mixing.mixture import Level, MixSettings, MixtureSettings, SourceSettings, TaskSelection
from app.data.mixing.reading import open_feeds
from app.errors import InputError, SetupError
from tests.data.mixing.rows import choice
from tests.data.sources.files import SUM, write_lines


def mixture(
    sources: dict[str, SourceSettings], tasks: TaskSelection, mix: MixSettings | None = None
) -> MixtureSettings:
    return MixtureSettings(
        data=Path("absent"), sources=sources, tasks=tasks, mix=mix or MixSettings(), evaluation_files=()
    )


CATALOGUE = {"catalogue": SourceSettings(rows=3)}
ALL = TaskSelection()


def test_a_generated_source_gives_so_many_rows_of_each_chosen_task() -> None:
    chosen = TaskSelection(include=("brand_extraction", "query_*"), exclude=("query_translation",))
    (feed,) = open_feeds(mixture(CATALOGUE, chosen))
    steps: list[None] = []
    rows = list(feed.rows(lambda: steps.append(None)))

    names = {task.name for task in feed.tasks}
    assert "brand_extraction" in names
    assert "query_translation" not in names
    assert len(rows) == len(steps) == feed.count() == 3 * len(names)
    assert {row.task for row in rows} == names


def test_a_file_of_rows_brings_its_own_tasks_and_takes_the_name_it_is_given(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(choice(name).to_json()) + "\n" for name in "abcd"))
    (feed,) = open_feeds(mixture({"mine": SourceSettings(file=path, licence="CC0-1.0", rows=3)}, ALL))

    rows = list(feed.rows(lambda: None))
    assert [row.source for row in rows] == ["mine"] * 3
    assert feed.files() == [path]
    assert feed.count() == 4


def test_a_published_source_may_be_streamed_from_the_hub(tmp_path: Path) -> None:
    write_lines(tmp_path / "set" / "train.jsonl", [SUM])
    (feed,) = open_feeds(mixture({"GSM8K": SourceSettings(folder=Path(f"hf:{tmp_path / 'set'}"))}, ALL))

    assert {row.task for row in feed.rows(lambda: None)} == {"gsm8k_worked", "gsm8k_number", "gsm8k_choice"}
    assert feed.files() == []


def test_a_published_source_is_read_until_every_task_has_its_rows(tmp_path: Path) -> None:
    path = tmp_path / "task2.jsonl"
    co_purchases = (
        {
            "id": f"pair {number}",
            "item_a_name": f"kettle {number}",
            "item_b_name": f"teapot {number}",
            "assertion": "PersonX bought kettle and teapot because both serve tea",
            "distractors_product": ["rope", "saddle", "drum"],
        }
        for number in range(9)
    )
    path.write_text("".join(json.dumps(pair) + "\n" for pair in co_purchases))
    sources = {"IntentionQA": SourceSettings(folder=tmp_path, rows=2)}
    (feed,) = open_feeds(mixture(sources, TaskSelection(include=("intention_reason",))))
    steps: list[None] = []

    assert len(list(feed.rows(lambda: steps.append(None)))) == 2
    assert len(steps) == 2
    assert feed.count() == 9


@pytest.mark.parametrize("line", ["{", "[]", '{"input_field": 1}', "null"])
def test_a_line_that_is_no_row_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(choice("a").to_json()) + "\n" + line + "\n")
    (feed,) = open_feeds(mixture({"mine": SourceSettings(file=path, licence="CC0-1.0")}, ALL))

    with pytest.raises(InputError, match=r"rows\.jsonl, line 2(:| is not) "):
        list(feed.rows(lambda: None))


@pytest.mark.parametrize(
    ("sources", "tasks", "mix", "message"),
    [
        ({"catalog": SourceSettings(rows=1)}, ALL, None, "unknown source 'catalog'; near: 'catalogue'"),
        ({"catalogue": SourceSettings()}, ALL, None, "say with 'rows' how many"),
        ({"catalogue": SourceSettings(rows=1, folder=Path("x"))}, ALL, None, "has no folder"),
        (
            CATALOGUE,
            TaskSelection(include=("brand_extracton",)),
            None,
            "tasks.include: .*'brand_extracton'; near: 'brand_ext",
        ),
        (CATALOGUE, TaskSelection(exclude=("zzz*",)), None, "tasks.exclude: .*'zzz\\*'; see: shopbench data list"),
        (CATALOGUE, ALL, MixSettings(caps={"brand": 1}), "mix.caps: .*'brand'"),
        (
            CATALOGUE,
            ALL,
            MixSettings(total=1, task=Level[str](weights={"reviewrating": 2})),
            "mix.task.weights: .*'reviewrating'; near: 'review_rating'",
        ),
        ({"mine": SourceSettings(file=Path("absent.jsonl"), licence="x")}, ALL, None, "no file absent.jsonl"),
        ({"catalogue": SourceSettings(file=Path("a"), licence="x")}, ALL, None, "the name is taken"),
        ({"EC-Guide": SourceSettings()}, ALL, None, "sources.EC-Guide: no absent/.*; get it from"),
    ],
)
def test_what_is_not_there_is_named_with_the_nearest(
    sources: dict[str, SourceSettings], tasks: TaskSelection, mix: MixSettings | None, message: str
) -> None:
    with pytest.raises(SetupError, match=message):
        open_feeds(mixture(sources, tasks, mix))
