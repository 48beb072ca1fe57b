"""A replica without Ray: its tally is asked at once, in the same process."""

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from app.errors import EngineError, SetupError
from app.jobs.ray.pipeline import Tally
from app.jobs.ray.replica import MOST_DEATHS, Replica
from app.jobs.ray.staging import Staging
from app.predictor import Predictor
from app.prompting import PromptLibrary
from app.rows import Row
from app.settings import ROOT
from app.types import GenerationRequest
from tests.jobs.questions import mixed
from tests.jobs.stepped_engine import SteppedEngine


class Handle:
    """As Ray's handle of an actor, with results in place of references."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally

    def __getattr__(self, name: str) -> "Method":
        return Method(getattr(self._tally, name))


class Method:
    def __init__(self, method: Callable[..., object]) -> None:
        self.remote = method


@pytest.fixture(autouse=True)
def _no_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ray.get", lambda value: value)


def replica(tally: Tally, engine: SteppedEngine) -> Replica:
    prompts = PromptLibrary(ROOT / "prompts")
    return Replica(lambda: Predictor(engine, prompts), b"run", 1, 1, 10, Handle(tally))


def staged(folder: Path, count: int) -> pa.Table:
    staging = Staging(folder, b"run")
    staging.fill(Row(7 + number, question.id, question) for number, question in enumerate(mixed(count)))
    return pq.read_table(folder)


def test_rows_that_kill_every_replica_are_given_up_and_named(tmp_path: Path) -> None:
    class DeathError(BaseException):
        """The process is gone."""

    def die(_: GenerationRequest) -> None:
        raise DeathError

    tally, table = Tally(), staged(tmp_path, 5)
    for _ in range(MOST_DEATHS):
        with pytest.raises(DeathError):
            replica(tally, SteppedEngine(on_request=die))(table)
    with pytest.raises(EngineError, match="died 3 times while they answered rows 7 to 11"):
        replica(tally, SteppedEngine())(table)
    kind, message = tally.fault or ("", "")
    assert kind == "EngineError"
    assert "look for the reason in Ray's logs" in message


def test_rows_that_were_answered_may_be_asked_again(tmp_path: Path) -> None:
    tally, table = Tally(), staged(tmp_path, 5)
    for _ in range(MOST_DEATHS + 2):
        assert replica(tally, SteppedEngine())(table).num_rows == 5


def test_replicas_agree_on_version_and_number_format() -> None:
    class Half(SteppedEngine):
        dtype = "float16"

    tally = Tally()
    replica(tally, SteppedEngine())
    with pytest.raises(SetupError, match="engine version was 1 in float32 and is 1 in float16 on "):
        replica(tally, Half())
