"""What `from app import ...` gives."""

import asyncio
import json
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

import app
from app import Outcome, Prediction, Question, SetupError, TaskType, evaluate, load, load_async, route
from app.engines import loading
from app.engines.loading import EngineEntry
from app.engines.options import TransformersSettings
from app.errors import EngineError
from app.settings import ROOT
from app.types import GenerationRequest
from tests.scripted_engine import ScriptedEngine
from tests.serve.scripted_async_engine import ScriptedAsyncEngine

CHOICE = Question("c", "Which one is a fruit?\n0. hammer\n1. pear\nAnswer:", is_multiple_choice=True)
EXPLAIN = "Explain the product category.\nInput: {}\nOutput:"
RANKING = (
    "Rank the products by relevance to the query 'tea'.\n1. pot\n2. cup\n3. saw\n"
    "Output a permutation of 1 to 3, separated by commas.\nOutput:"
)


class Offline(ScriptedEngine):
    closed = False

    def __init__(self, model: str, settings: TransformersSettings) -> None:
        super().__init__(lambda request: request.messages[-1].content)
        self.given = SimpleNamespace(model=model, batch_size=settings.batch_size)

    def close(self) -> None:
        self.closed = True


class Online(ScriptedAsyncEngine):
    closed = False

    def __init__(self, *_: object) -> None:
        super().__init__(self.echo)

    async def echo(self, request: GenerationRequest) -> str:
        text = request.messages[-1].content
        if "fails" in text:
            raise EngineError("the engine failed")
        # The later a question came, the sooner its answer.
        await asyncio.sleep(0.001 * (10 - len(self.asked)))
        return text

    def close(self) -> None:
        self.closed = True


@pytest.fixture(autouse=True)
def scripted(monkeypatch: pytest.MonkeyPatch) -> None:
    for table, engine in ((loading.ENGINES, Offline), (loading.ASYNC_ENGINES, Online)):
        entry = EngineEntry(f"{__name__}:{engine.__name__}", TransformersSettings)
        monkeypatch.setitem(table, "scripted", entry)


def test_a_list_of_questions_and_plain_prompts_is_answered_in_its_order() -> None:
    with load(engine="scripted") as predictor:
        predictions = predictor.predict([CHOICE, EXPLAIN.format("Teapot"), EXPLAIN.format("Sofa")])

    assert [(one.id, one.task_type) for one in predictions] == [
        ("c", TaskType.MULTIPLE_CHOICE),
        ("1", TaskType.GENERATION),
        ("2", TaskType.GENERATION),
    ]
    assert all(isinstance(one, Prediction) and one.answer for one in predictions)
    assert vars(predictor.engine)["closed"]


def test_many_tasks_ask_one_predictor() -> None:
    async def ask() -> tuple[list[Prediction], list[Prediction]]:
        async with load_async(engine="scripted") as predictor:
            both = await asyncio.gather(
                predictor.predict([CHOICE, EXPLAIN.format("Teapot")]), predictor.predict([EXPLAIN.format("Sofa")])
            )
        assert vars(predictor.engine)["closed"]
        return both

    first, second = asyncio.run(ask())
    assert [one.id for one in first] == ["c", "1"]
    assert "Teapot" in first[1].raw
    assert "Sofa" in second[0].raw


def test_where_the_engine_fails_the_other_questions_are_given_up() -> None:
    async def ask() -> None:
        async with load_async(engine="scripted") as predictor:
            try:
                await predictor.predict([EXPLAIN.format("Sofa"), EXPLAIN.format("fails")])
            finally:
                await asyncio.sleep(0)
                assert [request.messages[-1].content for request in vars(predictor.engine)["aborted"]] == [
                    EXPLAIN.format("Sofa")
                ]

    with pytest.raises(EngineError, match="the engine failed"):
        asyncio.run(ask())


def test_settings_come_from_a_file_and_win_over_it(tmp_path: Path) -> None:
    config = tmp_path / "settings.yaml"
    config.write_text("engine: scripted\nengine_settings: {batch_size: 3}\nseed: 5\n", encoding="utf-8")
    mini = str(ROOT / "tests" / "fixtures" / "mini")

    engine = load(mini, config=config).engine
    assert vars(engine)["given"] == SimpleNamespace(model=mini, batch_size=3)
    engine = load(mini, config=str(config), engine_settings={"batch_size": 4}).engine
    assert vars(engine)["given"] == SimpleNamespace(model=mini, batch_size=4)


@pytest.mark.parametrize("way", [load, load_async])
def test_what_cannot_be_loaded_is_one_line(way: type) -> None:
    with pytest.raises(SetupError, match="no checkpoint at /nowhere"):
        way("/nowhere", engine="scripted")
    with pytest.raises(SetupError, match="unknown setting 'modle'; did you mean 'model'?"):
        way(engine="scripted", modle="x")


def test_questions_are_routed_without_a_model() -> None:
    assert route(CHOICE) is TaskType.MULTIPLE_CHOICE
    assert route(RANKING) is TaskType.RANKING
    assert route("") is TaskType.GENERATION


def test_answers_are_scored_whether_asked_now_or_given(tmp_path: Path) -> None:
    data = tmp_path / "data.jsonl"
    row = {"input_field": CHOICE.prompt, "output_field": 1, "task_name": "fruit", "task_type": "multiple-choice"}
    data.write_text(json.dumps(row | {"metric": "accuracy", "is_multiple_choice": True}), encoding="utf-8")

    with load(engine="scripted") as predictor:
        assert evaluate(data, predictor).report.overall.n_samples == 1
    (sample,) = evaluate(str(data), [Prediction("0", TaskType.MULTIPLE_CHOICE, "1", Outcome.CLEAN)]).results
    assert sample.score == 1


def test_no_package_takes_the_place_of_a_function() -> None:
    """Importing a package makes it an attribute of the one above, under its name."""
    packages = {path.name.removesuffix(".py") for path in Path(app.__file__).parent.iterdir()}

    assert not packages & set(app.__all__)


def test_every_name_is_there_and_says_what_it_is() -> None:
    assert app.__doc__
    for name in app.__all__:
        assert getattr(app, name).__doc__, name


def test_the_front_door_takes_no_library_along() -> None:
    script = "import sys, app; print(sorted({'pydantic', 'yaml', 'jinja2', 'rich', 'numpy'} & set(sys.modules)))"

    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)

    assert run.stdout.strip() == "[]"


def examples(page: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), flags=re.DOTALL)


@pytest.mark.parametrize("example", examples("docs/using.md"))
def test_the_examples_of_the_page_run(example: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOPBENCH_ENGINE", "scripted")
    exec(compile(example, "docs/using.md", "exec"), {"__name__": "__main__"})  # noqa: S102  # the page's own


def test_the_readmes_example_runs() -> None:
    (example,) = examples("README.md")

    run = subprocess.run([sys.executable, "-c", example], capture_output=True, text=True, check=False, cwd=ROOT)

    assert run.returncode == 0, run.stderr
    first, second = run.stdout.splitlines()[-2:]
    assert re.fullmatch(r"a multiple-choice [01] \{'0': 0\.\d+, '1': 0\.\d+\}", first)
    assert re.fullmatch(r"1 generation .+ None", second)
