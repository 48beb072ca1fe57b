import asyncio

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.serve.admission import Admission, RateLimit
from app.serve.problems import ProblemError
from app.types import GenerationRequest
from tests.serve.calls import TEXT, app_of, happens, predict, problem, talk
from tests.serve.scripted_async_engine import ScriptedAsyncEngine

JSON = {"content-type": "application/json"}


def test_beyond_the_queue_is_429_and_room_comes_back() -> None:
    gate = asyncio.Event()

    async def held(_: GenerationRequest) -> str:
        await gate.wait()
        return "x"

    async def work(connection: httpx.AsyncClient) -> tuple[list[httpx.Response], httpx.Response, httpx.Response]:
        body = {"questions": [TEXT, TEXT]}
        held_up = [asyncio.create_task(connection.post("/v1/predict", json=body)) for _ in range(2)]
        await happens(lambda: len(engine.asked) == 4)
        refused = await connection.post("/v1/predict", json={"questions": [TEXT]})
        unread = await connection.post("/v1/predict", content=b"not even JSON", headers=JSON)
        problem(unread, 429, "overloaded")
        problem(await connection.post("/v1/route", json={"questions": [TEXT]}), 429, "overloaded")
        gate.set()
        accepted = list(await asyncio.gather(*held_up))
        return accepted, refused, await connection.post("/v1/predict", json=body)

    engine = ScriptedAsyncEngine(held)
    accepted, refused, later = talk(app_of(engine, max_pending=4), work)
    assert [response.status_code for response in accepted] == [200, 200]
    problem(refused, 429, "overloaded")
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert later.status_code == 200


def test_more_than_the_queue_ever_holds_is_422() -> None:
    problem(predict(app_of(max_pending=1), TEXT, TEXT), 422, "too_many_questions")


def test_a_key_that_is_too_fast_is_429_and_others_are_not() -> None:
    app = app_of(keys="alice:key-a,bob:key-b", rate_limit=2)
    alice, bob = ({"authorization": f"Bearer key-{name}"} for name in "ab")
    assert predict(app, TEXT, TEXT, headers=alice).status_code == 200
    refused = predict(app, TEXT, headers=alice)
    problem(refused, 429, "too_fast")
    assert int(refused.headers["retry-after"]) in (29, 30)
    assert predict(app, TEXT, headers=bob).status_code == 200


def test_waiting_as_long_as_told_is_long_enough() -> None:
    now = 0.0
    limit = RateLimit(7, lambda: now)
    limit.take("a", 7)
    with pytest.raises(ProblemError) as caught:
        limit.take("a", 3)
    now += int(caught.value.headers["Retry-After"])
    limit.take("a", 3)


@given(st.lists(st.tuples(st.floats(0, 30), st.integers(1, 20)), max_size=30), st.integers(1, 60))
def test_no_key_gets_more_than_its_rate(arrivals: list[tuple[float, int]], per_minute: int) -> None:
    now, taken = 0.0, 0
    limit = RateLimit(per_minute, lambda: now)
    for pause, questions in arrivals:
        now += pause
        try:
            limit.take("a", questions)
        except ProblemError:
            continue
        taken += questions
    # One full bucket at the start, and the last request may go into debt.
    assert taken <= per_minute * (1 + now / 60) + 20


@given(st.lists(st.integers(1, 12), max_size=20))
def test_the_queue_never_holds_more_than_it_may(sizes: list[int]) -> None:
    admission = Admission(10)
    held = []
    for size in sizes:
        place = admission.enter(size)
        if admission.pending + size > 10:
            with pytest.raises(ProblemError) as caught:
                place.__enter__()
            assert caught.value.status == (422 if size > 10 else 429)
        else:
            place.__enter__()
            held.append(place)
    for place in held:
        place.__exit__(None, None, None)
    assert admission.pending == 0


def test_the_wait_follows_the_rate_of_answers() -> None:
    now = 0.0
    admission = Admission(10, lambda: now)
    for _ in range(50):
        with admission.enter(1):
            now += 0.5
    with admission.enter(10), pytest.raises(ProblemError) as caught:
        admission.check(4)
    assert int(caught.value.headers["Retry-After"]) == 3, "4 places at about 2 answers a second"
