"""Tasks as declarations: rows in order, lazily, the same for the same seed."""

import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from app.data.row import Capability
from app.data.tasks.task import CHOICE, Draft, GeneratedSource, TaskGroup, TrainingTask, read_wordings
from app.errors import InputError, SetupError
from app.types import TaskType


def words_of(text: str, rng: random.Random) -> Iterator[Draft]:
    for word in text.split():
        yield Draft({"question": f"Spell {word} {rng.randrange(100)}."}, word)


SPELLING: TrainingTask[str] = TrainingTask(
    name="spelling",
    capability=Capability.MULTILINGUAL,
    sub_skill="spelling",
    task_type=TaskType.GENERATION,
    metric="rougel",
    source="made up",
    wordings=("{{ question }}",),
    draft=words_of,
)


def test_the_rows_of_a_record_depend_on_its_place_and_the_seed_alone() -> None:
    [row] = SPELLING.draw_rows("whisk", 7, 3)
    assert (row.gold, row.target) == ("whisk", "whisk")
    assert row.prompt.startswith("Spell whisk ")
    assert list(SPELLING.draw_rows("whisk", 7, 3)) == [row]
    assert list(SPELLING.draw_rows("whisk", 8, 3)) != [row]
    assert list(SPELLING.draw_rows("whisk", 7, 4)) != [row]


def test_a_wording_with_an_unknown_variable_is_named() -> None:
    with pytest.raises(SetupError, match=r"'spelling'.*'nothing' is undefined"):
        list(replace(SPELLING, wordings=("{{ nothing }}",)).draw_rows("a", 0, 0))


def test_a_label_of_another_form_is_refused() -> None:
    ranking = replace(SPELLING, task_type=TaskType.RANKING, metric="ndcg")
    with pytest.raises(InputError, match=r"'spelling'.*list of numbers"):
        list(ranking.draw_rows("a", 0, 0))


def group(path: Path) -> TaskGroup[str]:
    source = GeneratedSource("made up", "Apache-2.0", str)
    return TaskGroup(source, Capability.MULTILINGUAL, str(path.with_suffix("")), "our_", "_now")


def test_a_task_is_named_by_its_function_and_worded_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "words.yaml"
    path.write_text('spell:\n  - |-\n    {{ question }}\n    Answer:{{ " " }}\n')
    declare = group(path)

    @declare("spelling", CHOICE, where=lambda word: word != "whisk")
    def _spell(record: str, rng: random.Random) -> Draft:  # noqa: ARG001 - nothing is left to chance
        return Draft({"question": f"Spell {record}."}, 1)

    assert declare.tasks() == (_spell,)
    assert (_spell.name, _spell.metric, _spell.source) == ("our_spell_now", "accuracy", "made up")
    assert [row.prompt for row in _spell.draw_rows("pan", 0, 0)] == ["Spell pan.\nAnswer: "]
    assert list(_spell.draw_rows("whisk", 0, 0)) == []


def test_wordings_and_tasks_name_each_other(tmp_path: Path) -> None:
    path = tmp_path / "words.yaml"
    path.write_text("spell: [a]\nspall: [b]\n")
    declare = group(path)

    declare("spelling", CHOICE, name="spell")(words_of)
    with pytest.raises(SetupError, match=r"words\.yaml words a training task that is not declared: 'spall'"):
        declare.tasks()
    with pytest.raises(SetupError, match=r"words\.yaml has no wordings for the training task 'words_of'"):
        declare("spelling", CHOICE)(words_of)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "as a whole: Input should be a valid dict"),
        ("spell: []", "spell: Tuple should have at least 1 item"),
        ("spell: ['']", "spell.0: String should have at least 1 character"),
        ("spell: just this", "spell: Input should be a valid tuple"),
        ("spell: [a]\nspell: [b]", "'spell' stands twice"),
    ],
)
def test_a_file_of_wordings_of_another_form_is_refused(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "words.yaml"
    path.write_text(text)
    with pytest.raises(SetupError, match=r"words\.yaml") as refused:
        read_wordings(path)
    assert told in str(refused.value)
    assert "\n" not in str(refused.value)
