"""A running server under four times its capacity: python benchmarks/overload.py [--url http://127.0.0.1:8000].

Measures the capacity with 32 clients, then sends questions at a multiple of it, whether answers come or not. Passes
where every accepted request is answered (each other one gets 429), 99 % of the accepted ones within twice the time that
a full queue takes, and the memory of the server's processes stays flat: its median over the last third of the time is
at most 5 % above that over the second. Start the server with a short queue, so that the bound is short too:
SHOPBENCH_SERVER_SETTINGS='{"max_pending": 64}' shopbench serve.
"""

import argparse
import asyncio
import json
import re
import statistics
import time
from collections import Counter
from dataclasses import dataclass, field
from itertools import count
from urllib.parse import urlsplit

import aiohttp
import psutil

QUESTION = "Shop {}. Which of these is sold by its wattage?\n0. bookmark\n1. hair dryer\n2. doormat\nAnswer: "
TICK = 0.02
"""Seconds between two looks at whether this process is held up itself."""


@dataclass
class Load:
    session: aiohttp.ClientSession
    url: str
    numbers: "count[int]" = field(default_factory=count)
    statuses: Counter[int | str] = field(default_factory=Counter)
    accepted: list[float] = field(default_factory=list)
    failed: Counter[str] = field(default_factory=Counter)
    memory: list[float] = field(default_factory=list)
    late: float = 0.0
    """The longest that this process itself stood still, in seconds: so much of any wait is not the server's."""

    async def ask(self) -> None:
        question = {"prompt": QUESTION.format(next(self.numbers)), "is_multiple_choice": True}
        started = time.perf_counter()
        try:
            async with self.session.post(f"{self.url}/v1/predict", json={"questions": [question]}) as response:
                body = await response.read()
                self.statuses[response.status] += 1
        except (aiohttp.ClientError, TimeoutError) as error:
            self.statuses[type(error).__name__] += 1
            self.failed[type(error).__name__] += 1
            return
        if response.status == 200:
            self.accepted.append(time.perf_counter() - started)
            # A question that was accepted and not answered has its error in the body.
            failure = json.loads(body)["predictions"][0].get("error")
            self.failed.update([failure["code"]] if failure else [])
        elif response.status != 429:
            self.failed[str(response.status)] += 1

    async def closed(self, clients: int, seconds: float) -> float:
        """Answers a second of so many clients, each of whom waits for its answer."""
        until = time.perf_counter() + seconds

        async def client() -> None:
            while time.perf_counter() < until:
                await self.ask()

        started = time.perf_counter()
        await asyncio.gather(*(client() for _ in range(clients)))
        return len(self.accepted) / (time.perf_counter() - started)

    async def watch_memory(self) -> None:
        """Bytes of the server's process, and of those below it where they are on this machine."""
        below = engine_processes(self.url)
        while True:
            rest = sum(process.memory_info().rss for process in below)
            self.memory.append(await self.figure("process_resident_memory_bytes") + rest)
            await asyncio.sleep(1)

    async def watch_itself(self) -> None:
        while True:
            before = time.perf_counter()
            await asyncio.sleep(TICK)
            self.late = max(self.late, time.perf_counter() - before - TICK)

    async def opened(self, rate: float, seconds: float) -> None:
        """So many questions a second, whatever becomes of them."""
        started = time.perf_counter()
        asking = []
        for number in range(int(rate * seconds)):
            await asyncio.sleep(max(0.0, started + number / rate - time.perf_counter()))
            asking.append(asyncio.create_task(self.ask()))
        await asyncio.gather(*asking)

    async def figure(self, name: str) -> float:
        async with self.session.get(f"{self.url}/metrics") as response:
            found = re.search(rf"^{name} (\S+)$", await response.text(), re.MULTILINE)
        if found is None:
            raise SystemExit(f"the server has no figure {name}")
        return float(found[1])


def engine_processes(url: str) -> list[psutil.Process]:
    """The processes below the one that listens; none where it runs elsewhere."""
    port = urlsplit(url).port
    for process in psutil.process_iter():
        try:
            links = process.net_connections("tcp")
        except (psutil.AccessDenied, psutil.NoSuchProcess):
            continue
        if any(link.status == psutil.CONN_LISTEN and link.laddr.port == port for link in links):
            return list(process.children(recursive=True))
    return []


async def run(url: str, key: str, times: float, seconds: float) -> bool:
    headers = {"authorization": f"Bearer {key}"} if key else {}
    connections = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connections, headers=headers) as session:
        capacity = await Load(session, url).closed(32, 10)
        queue = await Load(session, url).figure("shopbench_max_pending_questions")
        bound = queue / capacity
        print(f"capacity {capacity:.0f} questions/s; a full queue of {queue:.0f} takes {bound:.2f} s")
        load = Load(session, url)
        watching = [asyncio.create_task(load.watch_memory()), asyncio.create_task(load.watch_itself())]
        started = time.perf_counter()
        await load.opened(times * capacity, seconds)
        took = time.perf_counter() - started
        for watch in watching:
            watch.cancel()
    p99 = statistics.quantiles(load.accepted, n=100)[98]
    third = max(1, len(load.memory) // 3)
    middle, last = statistics.median(load.memory[third : 2 * third]), statistics.median(load.memory[-third:])
    print(f"{times:g} times that for {seconds:g} s: {dict(load.statuses)}; accepted and failed: {dict(load.failed)}")
    print(f"sent {sum(load.statuses.values()) / took:.0f} a second, answered {len(load.accepted) / took:.0f}")
    print(f"accepted: p50 {statistics.median(load.accepted):.2f} s, p99 {p99:.2f} s (allowed {2 * bound:.2f} s)")
    print(f"the longest: {max(load.accepted):.2f} s; this process itself stood still for {load.late:.2f} s at most")
    print(f"memory of the server: {middle / 2**20:.0f} MiB in the middle, {last / 2**20:.0f} MiB at the end")
    return not load.failed and p99 <= 2 * bound and last <= 1.05 * middle


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--key", default="")
    parser.add_argument("--times", type=float, default=4)
    parser.add_argument("--seconds", type=float, default=60)
    given = parser.parse_args()
    passed = asyncio.run(run(given.url, given.key, given.times, given.seconds))
    print("passed" if passed else "FAILED")
    raise SystemExit(not passed)


if __name__ == "__main__":
    main()
