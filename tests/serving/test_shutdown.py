"""How the real server ends. Last of its folder: the first test stops the server that the others share."""

import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.serving.live_server import LONG, SLOW_CHAT, LiveServer, live_server

pytestmark = pytest.mark.timeout(600)


def test_sigterm_loses_no_accepted_request(server: LiveServer) -> None:
    statuses: list[int | str] = []

    def ask(_: int) -> None:
        with server.connect() as connection:
            try:
                statuses.append(connection.post("/v1/predict", json={"questions": [LONG] * 8}).status_code)
            except httpx.ConnectError:
                statuses.append("not accepted")

    with ThreadPoolExecutor(8) as pool:
        asking = [pool.submit(ask, number) for number in range(8)]
        while server.running() < 8 and not all(one.done() for one in asking):
            time.sleep(0.05)
        server.process.send_signal(signal.SIGTERM)
        for one in asking:
            one.result()
    assert statuses.count(200) >= 1
    assert set(statuses) <= {200, "not accepted"}
    server.process.wait(60)
    assert "unexpected error" not in server.log.read_text()


def test_an_engine_killed_under_load_fails_every_waiting_request_and_readiness(
    checkpoint: Path, tmp_path: Path
) -> None:
    with live_server(checkpoint, tmp_path, '{"model_name": "mini"}') as server:
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
