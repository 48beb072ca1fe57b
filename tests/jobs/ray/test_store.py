import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import EngineError, InputError
from app.jobs.job import Origin, Usage, stored
from app.jobs.ray.replica import SCHEMA
from app.jobs.ray.staging import Staging, pack, row_id, row_key, unpack
from app.jobs.ray.store import AnswerIndex, Store
from app.openai.chat import ChatRequest
from app.rows import Row
from app.types import (
    Failure,
    Outcome,
    Prediction,
    Question,
    TaskType,
)
from tests.jobs.questions import choice, mixed

IDENTITY = {"model": "a/model", "model revision": "1"}
RUN = b"run"


def rows(questions: Iterable[Question]) -> list[Row]:
    return [Row(number, question.id, question) for number, question in enumerate(questions)]


@given(prompt=st.text(), flag=st.booleans(), number=st.integers(0, 9))
def test_a_question_travels_whole_and_without_its_name(prompt: str, flag: bool, number: int) -> None:
    row = Row(3, "x", Question("x", prompt, flag))
    assert unpack(pack(row), number) == Row(number, "", Question("", prompt, flag))


def test_a_conversation_travels_whole() -> None:
    body = {"model": "m", "messages": [{"role": "developer", "content": "a"}, {"role": "user", "content": "b"}]}
    wanted = {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object"}}}
    request = ChatRequest.model_validate({**body, "n": 2, "temperature": 0.5, "stop": ["z"], "response_format": wanted})
    found = unpack(pack(Row(3, "x", chat=request, part=1, parts=2)), 0)
    assert (found.chat, found.part) == (request, 1)


def test_a_key_follows_what_is_asked_and_nothing_else() -> None:
    first = Row(0, "a", choice(1))
    same = Row(9, "b", replace(choice(1), id="b"))
    other = Row(0, "a", replace(choice(1), is_multiple_choice=False))
    assert row_key(RUN, pack(first)) == row_key(RUN, pack(same))
    assert row_key(RUN, pack(first)) != row_key(RUN, pack(other))
    assert row_key(RUN, pack(first)) != row_key(b"another", pack(first))


def test_each_different_question_is_staged_once(tmp_path: Path) -> None:
    staging = Staging(tmp_path, RUN)
    bad = Row(9, "9", failure=Failure("invalid_json", "no"))
    staging.fill([*rows(mixed(40)), bad, *rows(mixed(10))])
    assert (staging.rows, staging.different, staging.failed, staging.files) == (51, 40, 1, 1)
    found = pq.read_table(tmp_path).to_pylist()
    assert [unpack(row["row"], 0).question for row in found] == [replace(q, id="") for q in mixed(40)]
    assert [row["number"] for row in found] == list(range(40))
    assert all(staging.has(row["id"]) for row in found)
    assert not staging.has(row_id(row_key(RUN, pack(Row(0, "", choice(1000))))))


def test_questions_that_cannot_be_written_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot write .*none: .*; make room, then run again"):
        Staging(tmp_path / "none", RUN).fill(rows(mixed(2)))


def test_staging_stops_when_told_to(tmp_path: Path) -> None:
    staging = Staging(tmp_path, RUN)
    staging.fill(rows(mixed(40)), lambda: staging.rows == 7)
    assert (staging.rows, staging.whole, staging.files) == (7, False, 0)
    staging.fill([])
    assert staging.whole


def test_a_store_made_with_something_else_is_refused(tmp_path: Path) -> None:
    with Store.open(tmp_path / "s") as store:
        store.begin(IDENTITY)
        store.add({"engine version": "1"})
    with Store.open(tmp_path / "s") as store:
        store.claim(IDENTITY | {"model": "moved"})
        with pytest.raises(InputError, match="model revision was 1 .* and is now 2"):
            store.claim(IDENTITY | {"model revision": "2"})
        with pytest.raises(InputError, match="engine version was 1 and is now 2"):
            store.claim({"engine version": "2"})
    with Store.open(tmp_path / "s", overwrite=True) as store:
        store.claim(IDENTITY | {"model revision": "2"})
        assert store.identity == IDENTITY | {"engine version": "1"}, "nothing is lost before the cluster is there"
        store.begin(IDENTITY | {"model revision": "2"})
        assert store.identity == IDENTITY | {"model revision": "2"}


def test_overwrite_drops_a_finished_run_and_goes_on_with_an_unfinished_one(tmp_path: Path) -> None:
    def life(*, finish: bool = False) -> int:
        with Store.open(tmp_path / "s", overwrite=True) as store:
            store.begin(IDENTITY)
            if finish:
                store.finish()
            return store.lives

    assert [life(), life(), life(finish=True), life(), life()] == [1, 2, 3, 1, 2]


def test_a_run_that_never_began_leaves_no_folder(tmp_path: Path) -> None:
    Store.open(tmp_path / "s").close()
    assert not (tmp_path / "s").exists()


def test_one_run_at_a_time(tmp_path: Path) -> None:
    with Store.open(tmp_path / "s"), pytest.raises(InputError, match="another run holds"):
        Store.open(tmp_path / "s")
    Store.open(tmp_path / "s").close()


def test_what_is_no_store_is_refused(tmp_path: Path) -> None:
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "run.json").write_text('{"store": "another"}')
    with pytest.raises(InputError, match="is not a store of this version"):
        Store.open(tmp_path / "s")
    with Store.open(tmp_path / "s", overwrite=True) as store:
        store.begin(IDENTITY)


def test_answers_that_are_not_whole_do_not_count(tmp_path: Path) -> None:
    with Store.open(tmp_path / "s") as store:
        store.begin(IDENTITY)
        store.checkpoint.mkdir()
        for number, suffix in enumerate(["", ".pending"]):
            ids = pa.table({"id": [number]})
            pq.write_table(ids, store.checkpoint / f"x_00000{number}{suffix}.parquet")
        pq.write_table(pa.table({"id": [0]}), store.answers / "x_000000-0.parquet")
        (store.answers / "x_000001-0.parquet").write_bytes(b"PAR1 and no more")
        assert list(store.answered_ids()) == [0]
        assert list(store.stored_answers()) == [{"id": 0}]


def answer(row: Row, life: int, prediction: Prediction, usage: Usage | None = None) -> dict[str, object]:
    key = row_key(RUN, pack(row))
    values = [row_id(key), key, life, prediction.error is not None, json.dumps(stored(prediction, usage))]
    return dict(zip(SCHEMA.names, values, strict=True))


def test_answers_are_found_with_where_they_came_from() -> None:
    first, second, third, missing = rows(mixed(4))
    whole = Prediction("", TaskType.RANKING, "1,2", Outcome.CLEAN, raw="1,2.")
    refused = Prediction("", TaskType.RANKING, "1,2", Outcome.FALLBACK, error=Failure("too_long", "too long"))
    index = AnswerIndex(
        [
            answer(first, 1, whole, Usage(3, 2, "stop")),
            answer(second, 2, whole, Usage(3, 2, "stop")),
            answer(third, 2, refused),
        ],
        life=2,
    )

    def origin(row: Row) -> Origin:
        result = index.find(row_key(RUN, pack(row)), row)
        assert result is not None
        assert result.prediction.id == row.id
        return result.origin

    assert [origin(row) for row in (first, second, second, third)] == [
        Origin.RESUMED,
        Origin.ASKED,
        Origin.REPEATED,
        Origin.UNASKED,
    ]
    found = index.find(row_key(RUN, pack(third)), third)
    assert found is not None
    assert found.prediction == replace(refused, id=third.id)
    assert index.find(row_key(RUN, pack(missing)), missing) is None
    key = row_key(RUN, pack(first))
    with pytest.raises(EngineError, match="share a short key"):
        index.find(key[:8] + bytes(8), first)
    index.close()
