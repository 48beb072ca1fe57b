from pathlib import Path

import pytest

from app.errors import SetupError
from app.prompting import TEXTS, PromptLibrary
from app.settings import ROOT
from app.types import Message, TaskType


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for task_type in TaskType:
        (tmp_path / task_type).mkdir()
        (tmp_path / task_type / "user.j2").write_text("{{ question }}\n")
    return tmp_path


def test_the_shipped_templates_name_every_task_type() -> None:
    library = PromptLibrary(ROOT / "prompts")
    for task_type in TaskType:
        messages = library.render(task_type, {"question": "Which?"})
        assert messages[-1] == Message("user", "Which?")


def test_the_folders_are_the_task_types_and_the_form_of_texts() -> None:
    assert {path.name for path in (ROOT / "prompts").iterdir()} == {TEXTS, *map(str, TaskType)}


def test_without_templates_of_its_own_a_text_is_asked_for_as_the_question_stands(folder: Path) -> None:
    assert not (folder / TEXTS).exists()
    before = PromptLibrary(folder)
    assert before.render(TEXTS, {"question": "a"}) == (Message("user", "a"),)
    (folder / TEXTS).mkdir()
    (folder / TEXTS / "user.j2").write_text("Say: {{ question }}")
    assert PromptLibrary(folder).render(TEXTS, {"question": "a"}) == (Message("user", "Say: a"),)
    assert PromptLibrary(folder).fingerprint != before.fingerprint


def test_fixed_text_comes_first(folder: Path) -> None:
    (folder / "ranking" / "system.j2").write_text("Rank.")
    assert PromptLibrary(folder).render(TaskType.RANKING, {"question": "a"}) == (
        Message("system", "Rank."),
        Message("user", "a"),
    )


def test_the_question_is_data_not_a_template(folder: Path) -> None:
    (message,) = PromptLibrary(folder).render(TaskType.RANKING, {"question": "{{ 7 * 7 }} {% raw %}<b>&"})
    assert message.content == "{{ 7 * 7 }} {% raw %}<b>&"


def test_a_missing_template_is_named(folder: Path) -> None:
    (folder / "ranking" / "user.j2").unlink()
    with pytest.raises(SetupError, match=r"no template for 'ranking': write .*ranking/user\.j2"):
        PromptLibrary(folder)


def test_a_syntax_error_is_placed(folder: Path) -> None:
    (folder / "ranking" / "user.j2").write_text("{{ question }}\n{% if %}")
    with pytest.raises(SetupError, match=r"ranking/user\.j2, line 2: .*mend the template"):
        PromptLibrary(folder)


def test_a_template_that_hides_the_question_is_refused(folder: Path) -> None:
    (folder / "ranking" / "user.j2").write_text("Rank these.")
    with pytest.raises(SetupError, match="never uses 'question'"):
        PromptLibrary(folder)


def test_a_template_that_is_not_text_is_refused(folder: Path) -> None:
    (folder / "ranking" / "user.j2").write_bytes(b"\xff\xff")
    with pytest.raises(SetupError, match="must be UTF-8 text"):
        PromptLibrary(folder)


def test_an_unknown_variable_is_named_with_what_there_is(folder: Path) -> None:
    (folder / "ranking" / "user.j2").write_text("{{ question }} {{ langauge }}")
    with pytest.raises(SetupError, match=r"unknown variable 'langauge'; this task type provides 'count', 'question'"):
        PromptLibrary(folder).check(TaskType.RANKING, ["question", "count"])


def test_a_missing_variable_is_named(folder: Path) -> None:
    with pytest.raises(SetupError, match="unknown variable 'question'"):
        PromptLibrary(folder).render(TaskType.RANKING, {})


def test_templates_run_in_a_sandbox(folder: Path) -> None:
    (folder / "ranking" / "user.j2").write_text("{{ question.__class__.__mro__ }}")
    with pytest.raises(SetupError, match="unsafe"):
        PromptLibrary(folder).render(TaskType.RANKING, {"question": "a"})


def test_the_fingerprint_follows_the_text(folder: Path) -> None:
    before = PromptLibrary(folder).fingerprint
    assert PromptLibrary(folder).fingerprint == before
    (folder / "ranking" / "system.j2").write_text("Rank.")
    assert PromptLibrary(folder).fingerprint != before
