"""How the real server ends. Last of its folder: the first test stops the server that the others share."""

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.serve.conftest import MINI
from tests.serve.live_batch import chat_lines, contents, start, wait
from tests.serve.live_server import LONG, SERVE, SLOW_CHAT, UVICORN, LiveServer, live_server, settle

pytestmark = pytest.mark.timeout(600, func_only=True)


def ask_and_stop(server: LiveServer, stop: Callable[[], None], beside: int = 0) -> list[int | str]:
    """What became of eight requests, when the server was stopped with some of them in the engine, `beside` others."""
    statuses: list[int | str] = []

    def ask(_: int) -> None:
        with server.connect() as connection:
            try:
                statuses.append(connection.post("/v1/predict", json={"questions": [LONG] * 8}).status_code)
            except httpx.ConnectError:
                statuses.append("not accepted")
            except httpx.ReadError:
                statuses.append("reset")

    with ThreadPoolExecutor(8) as pool:
        asking = [pool.submit(ask, number) for number in range(8)]
        while server.running() < 8 + beside and not all(one.done() for one in asking):
            time.sleep(0.05)
        stop()
        for one in asking:
            one.result()
    return statuses


LINES = 4
ANSWERS = 8
"""Of one line (`SLOW_CHAT`)."""


@dataclass(frozen=True)
class Stopped:
    """What is known of the shared server after SIGTERM came in the middle of requests and of a batch."""

    folder: Path
    batch: str
    statuses: list[int | str]
    log: str


@pytest.fixture(scope="module")
def stopped(server: LiveServer) -> Stopped:
    # Lines with so many answers go one by one beside requests: the last is far from its end when these are at it.
    batch = start(server, chat_lines(*[SLOW_CHAT] * LINES))
    while server.running() < ANSWERS:
        time.sleep(0.05)
    statuses = ask_and_stop(server, lambda: server.process.send_signal(signal.SIGTERM), beside=ANSWERS)
    server.process.wait(60)
    return Stopped(server.log.parent, batch.id, statuses, server.log.read_text())


def test_sigterm_loses_no_accepted_request(stopped: Stopped) -> None:
    assert stopped.statuses.count(200) >= 1
    assert set(stopped.statuses) <= {200, "not accepted"}
    assert "unexpected error" not in stopped.log


@pytest.fixture(scope="module")
def two_servers(
    stopped: Stopped, adapter: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[LiveServer, LiveServer]]:
    """One by `shopbench serve`, which goes on after the stopped one, and one by uvicorn itself, side by side."""
    with ExitStack() as stack, ThreadPoolExecutor(2) as pool:
        starts = [
            live_server(MINI, stopped.folder, SERVE, {"coral": adapter}, max_timeout=1),
            live_server(MINI, tmp_path_factory.mktemp("ending"), UVICORN),
        ]
        first, second = pool.map(stack.enter_context, starts)
        yield first, second


def test_lines_in_the_engine_are_asked_again_after_a_restart_and_late_ones_are_504(
    two_servers: tuple[LiveServer, LiveServer], stopped: Stopped
) -> None:
    server, _ = two_servers
    done = wait(server, stopped.batch)
    answered, late = contents(server, done.output_file_id), contents(server, done.error_file_id)
    assert done.status == "completed"
    assert len(late) >= 1, "all was answered before the server had ended"
    assert len(answered) + len(late) == LINES
    codes = {(line["response"]["status_code"], line["response"]["body"]["code"]) for line in late}
    # Such is the time of this server, and not what the one before left behind.
    assert codes == {(504, "timeout")}
    metrics = server.connect().get("/metrics").text
    assert f'shopbench_batch_lines_total{{status="504"}} {len(late)}.0\n' in metrics
    settle(server)


def test_an_engine_killed_under_load_fails_every_waiting_request_and_readiness(
    two_servers: tuple[LiveServer, LiveServer],
) -> None:
    server, _ = two_servers
    results: list[int] = []

    def ask() -> None:
        with server.connect() as connection:
            results.append(connection.post("/v1/chat/completions", json=SLOW_CHAT).status_code)

    asking = [threading.Thread(target=ask) for _ in range(8)]
    for one in asking:
        one.start()
    while server.running() < 8:
        time.sleep(0.05)
    os.kill(server.engine_pid(), signal.SIGKILL)
    killed = time.monotonic()
    while httpx.get(f"{server.url}/readyz", timeout=10).status_code == 200:
        assert time.monotonic() - killed < 10
    for one in asking:
        one.join(10)
    assert results == [503] * 8
    assert httpx.get(f"{server.url}/livez").status_code == 503
    assert server.process.wait(60) == 3


def test_ctrl_c_finishes_what_was_accepted(two_servers: tuple[LiveServer, LiveServer]) -> None:
    """A terminal sends the signal to every process of the group, vLLM's among them."""
    _, server = two_servers
    statuses = ask_and_stop(server, lambda: os.killpg(server.process.pid, signal.SIGINT))
    assert statuses.count(200) >= 1
    # uvicorn by itself resets connections whose request it has not read. What it has read is in the log.
    assert set(statuses) <= {200, "not accepted", "reset"}
    server.process.wait(60)
    logged = server.log.read_text()
    assert "Traceback" not in logged
    records = [json.loads(line) for line in logged.splitlines() if line.startswith("{")]
    accepted = [record["status"] for record in records if record.get("path") == "/v1/predict"]
    assert accepted == [200] * statuses.count(200)
