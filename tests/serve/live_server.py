"""The real server, as a user starts it, in a process of its own."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx

from app.settings import ROOT

SERVE = ("app", "serve", "--port", "0")
UVICORN = ("uvicorn", "--factory", "app.serve.app:create_app", "--port", "0")
STARTS_WITHIN = 900.0
KEY = "a-secret-for-tests"
HEADERS = {"authorization": f"Bearer {KEY}"}
LONG = {"prompt": "Write a long description of a blue cotton shirt.\nOutput: ", "is_multiple_choice": False}
SLOW_CHAT = {
    "model": "mini",
    "messages": [{"role": "user", "content": "Tell me a long story."}],
    "max_completion_tokens": 900,
    "n": 8,
    # Nothing else makes sure that no answer ends early.
    "structured_outputs": {"regex": "[a-z]{1000}"},
}


@dataclass(frozen=True)
class LiveServer:
    process: subprocess.Popen[bytes]
    url: str
    log: Path

    def connect(self, timeout: float = 120) -> httpx.Client:
        return httpx.Client(base_url=self.url, headers=HEADERS, timeout=timeout)

    def engine_pid(self) -> int:
        """The process that holds the model: the descendant that vLLM has named so."""
        listed = subprocess.run(["ps", "-eo", "pid=,ppid=,args="], capture_output=True, text=True, check=True).stdout
        rows = [line.split(None, 2) for line in listed.splitlines()]
        family = {self.process.pid}
        for _ in range(4):
            family |= {int(pid) for pid, parent, *_ in rows if int(parent) in family}
        (found,) = [int(pid) for pid, _, args in rows if int(pid) in family and "EngineCore" in args]
        return found

    def running(self) -> int:
        """Requests that vLLM works on or has waiting, by its own count."""
        text = self.connect().get("/metrics").text
        lines = [
            line
            for line in text.splitlines()
            if line.startswith(("vllm:num_requests_running", "vllm:num_requests_waiting{"))
        ]
        assert lines, text
        return int(sum(float(line.rsplit(" ", 1)[1]) for line in lines))


def settle(server: LiveServer, within: float = 15) -> None:
    """Wait until the engine has nothing to do."""
    until = time.monotonic() + within
    while server.running():
        assert time.monotonic() < until, "the engine still works for nobody"
        time.sleep(0.2)


@contextmanager
def live_server(
    checkpoint: Path,
    folder: Path,
    command: Sequence[str] = SERVE,
    adapters: Mapping[str, Path] | None = None,
    **settings: object,
) -> Iterator[LiveServer]:
    """A server that keeps its files and batches in the folder, so that another one there goes on with them."""
    log = folder / "server.log"
    settings |= {"canary_timeout": 3, "model_name": "mini", "data_dir": str(folder / "data")}
    engine_settings = {"adapters": {name: str(path) for name, path in (adapters or {}).items()}}
    environment = os.environ | {
        "SHOPBENCH_API_KEYS": f"tests:{KEY}",
        "SHOPBENCH_MODEL": str(checkpoint),
        "SHOPBENCH_SERVER_SETTINGS": json.dumps(settings),
        "SHOPBENCH_ENGINE_SETTINGS": json.dumps(engine_settings),
    }
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", *command],
            cwd=ROOT,
            env=environment,
            stdout=file,
            stderr=file,
            start_new_session=True,
        )
    try:
        server = LiveServer(process, _url(process, log), log)
        _wait(server)
        yield server
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        # What it has started must not outlive the test, however it ended.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def _url(process: "subprocess.Popen[bytes]", log: Path) -> str:
    until = time.monotonic() + STARTS_WITHIN
    while process.poll() is None and time.monotonic() < until:
        if found := re.search(r'"url": "(http://[^"]+)/"|Uvicorn running on (http://\S+)', log.read_text()):
            return found[1] or found[2]
        time.sleep(0.2)
    raise RuntimeError(f"the server names no address:\n{log.read_text()[-3000:]}")


def _wait(server: LiveServer) -> None:
    until = time.monotonic() + STARTS_WITHIN
    while time.monotonic() < until:
        if server.process.poll() is not None:
            raise RuntimeError(f"the server ended with {server.process.returncode}:\n{server.log.read_text()[-3000:]}")
        try:
            if httpx.get(f"{server.url}/readyz", timeout=10).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.5)
    raise RuntimeError(f"the server is not ready after {STARTS_WITHIN:g} s:\n{server.log.read_text()[-3000:]}")
