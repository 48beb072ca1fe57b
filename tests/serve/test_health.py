import asyncio
import re
import time

import httpx

from app.errors import EngineError
from app.serve.operations import Health
from app.types import GenerationRequest, Outcome, TaskType
from tests.serve.calls import app_of, call, happens, problem, talk
from tests.serve.scripted_async_engine import ScriptedAsyncEngine


def test_an_engine_that_answers_is_ready() -> None:
    assert call(app_of(), "GET", "/readyz").json() == {"status": "ready"}


def test_an_engine_that_hangs_is_live_but_not_ready_and_comes_back() -> None:
    engine = ScriptedAsyncEngine()

    async def work(connection: httpx.AsyncClient) -> None:
        engine.hanging = True
        started = time.monotonic()
        problem(await connection.get("/readyz"), 503, "not_ready")
        assert time.monotonic() - started < 2
        assert (await connection.get("/livez")).status_code == 200
        assert (await connection.get("/health")).status_code == 200
        engine.hanging = False
        assert (await connection.get("/readyz")).status_code == 200

    talk(app_of(engine, canary_timeout=0.5), work)


def test_an_engine_that_died_is_neither_live_nor_ready() -> None:
    engine = ScriptedAsyncEngine()
    app = app_of(engine)
    engine.alive = False
    problem(call(app, "GET", "/livez"), 503, "engine_failed")
    problem(call(app, "GET", "/health"), 503, "engine_failed")
    problem(call(app, "GET", "/readyz"), 503, "not_ready")


def test_an_engine_that_dies_under_a_canary_is_noticed_at_once() -> None:
    engine = ScriptedAsyncEngine()
    engine.hanging = True

    async def work(connection: httpx.AsyncClient) -> float:
        asking = asyncio.create_task(connection.get("/readyz"))
        await happens(lambda: engine.probes)
        engine.alive = False
        died = time.monotonic()
        problem(await asking, 503, "not_ready")
        return time.monotonic() - died

    assert talk(app_of(engine, canary_timeout=30), work) < 2


def test_many_probes_share_one_canary_and_a_busy_engine_needs_none() -> None:
    engine = ScriptedAsyncEngine()
    engine.hanging = True

    async def main() -> None:
        health = Health(engine, 5)
        asking = [asyncio.create_task(health.why_not_ready()) for _ in range(20)]
        await happens(lambda: engine.probes)
        engine.hanging = False
        assert await asyncio.gather(*asking) == [None] * 20
        assert engine.probes == 1
        assert await health.why_not_ready() is None
        assert engine.probes == 1
        await health.close()

    asyncio.run(main())


def test_a_key_that_routes_too_fast_is_counted() -> None:
    app = app_of(rate_limit=1)

    async def work(connection: httpx.AsyncClient) -> str:
        body = {"questions": [{"prompt": "Write a title.\nOutput: ", "is_multiple_choice": False}]}
        for _ in range(2):
            await connection.post("/v1/route", json=body)
        return (await connection.get("/metrics")).text

    assert 'shopbench_refused_questions_total{reason="too_fast"} 1.0' in talk(app, work)


def test_the_silence_of_the_engine_is_shown() -> None:
    engine = ScriptedAsyncEngine()
    engine.last_heard = time.monotonic() - 90
    text = call(app_of(engine), "GET", "/metrics").text
    (line,) = [line for line in text.splitlines() if line.startswith("shopbench_engine_silent_seconds")]
    assert 90 <= float(line.split()[1]) < 150


def counted(text: str) -> dict[tuple[str, str], float]:
    found = re.findall(r'^shopbench_questions_total{outcome="(\w+)",task_type="([\w-]+)"} (\S+)', text, re.MULTILINE)
    return {(kind, outcome): float(count) for outcome, kind, count in found}


def test_what_goes_to_the_model_as_it_is_counts_too() -> None:
    async def script(request: GenerationRequest) -> str:
        if request.sampling.seed == 13:
            raise EngineError("dead")
        return "words"

    async def work(connection: httpx.AsyncClient) -> str:
        chat = {"model": "scripted", "messages": [{"role": "user", "content": "Name a chair."}]}
        for more in ({"n": 2, "seed": 1}, {"stream": True}, {"seed": 13}, {"stream": True, "n": 2, "seed": 12}):
            await connection.post("/v1/chat/completions", json=chat | more)
        await connection.post("/v1/chat/completions", json=chat | {"model": "pearl"})
        await connection.post("/v1/completions", json={"model": "scripted", "prompt": ["a", "b"]})
        return (await connection.get("/metrics")).text

    text = talk(app_of(ScriptedAsyncEngine(script)), work)
    found = {name: count for name, count in counted(text).items() if count}
    assert found == {("chat", "clean"): 3, ("chat", "error"): 3, ("completion", "clean"): 2}
    assert 'shopbench_refused_questions_total{reason="no_such_model"} 1.0' in text


def test_what_was_never_counted_is_nought() -> None:
    text = call(app_of(), "GET", "/metrics").text
    kinds = [*TaskType, "none", "chat", "completion"]
    assert counted(text) == {(kind, outcome): 0 for kind in kinds for outcome in Outcome}
    assert 'shopbench_refused_questions_total{reason="overloaded"} 0.0' in text
    assert 'shopbench_batch_lines_total{status="500"} 0.0' in text
    assert 'shopbench_question_seconds_count{task_type="chat"} 0.0' in text


def test_metrics_count_questions_and_requests() -> None:
    app = app_of()

    async def work(connection: httpx.AsyncClient) -> str:
        body = {"questions": [{"prompt": "Write a title.\nOutput: ", "is_multiple_choice": False}]}
        await connection.post("/v1/predict", json=body)
        await connection.request("BREW", "/v1/predict")
        await connection.post("/v1/route", content=b"x", headers={"content-type": "text/plain"})
        await connection.get("/metrics", headers={"host": "evil.example"})
        await connection.get("/nothing")
        return (await connection.get("/metrics")).text

    text = talk(app, work)
    assert 'shopbench_questions_total{outcome="clean",task_type="generation"} 1.0' in text
    assert 'shopbench_http_requests_total{method="POST",route="/v1/predict",status="200"} 1.0' in text
    assert 'method="other",route="/v1/predict",status="405"' in text
    assert 'method="POST",route="/v1/route",status="415"' in text, "refused on the way to its route"
    assert 'method="GET",route="/metrics",status="403"' in text
    assert 'method="GET",route="(none)",status="404"' in text
    assert "shopbench_pending_questions 0.0" in text
    assert 'shopbench_question_seconds_bucket{le="0.005",task_type="generation"}' in text
