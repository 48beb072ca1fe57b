"""A running server under four times its capacity: python benchmarks/overload.py [--url http://127.0.0.1:8000].

Measures the capacity with 32 clients, then sends questions at a multiple of it, whether answers come or not. Passes
where every request ends with 200 or 429, 99 % of the accepted ones within twice the time that a full queue takes, and
the server's memory grows by less than a tenth. Start the server with a short queue, so that the bound is short too:
SHOPBENCH_SERVER_SETTINGS='{"max_pending": 64}' shopbench serve.
"""

import argparse
import asyncio
import re
import statistics
import time
from collections import Counter
from dataclasses import dataclass, field
from itertools import count

import aiohttp

QUESTION = "Shop {}. Which of these is sold by its wattage?\n0. bookmark\n1. hair dryer\n2. doormat\nAnswer: "


@dataclass
class Load:
    session: aiohttp.ClientSession
    url: str
    numbers: "count[int]" = field(default_factory=count)
    statuses: Counter[int | str] = field(default_factory=Counter)
    accepted: list[float] = field(default_factory=list)

    async def ask(self) -> None:
        question = {"prompt": QUESTION.format(next(self.numbers)), "is_multiple_choice": True}
        started = time.perf_counter()
        try:
            async with self.session.post(f"{self.url}/v1/predict", json={"questions": [question]}) as response:
                await response.read()
                self.statuses[response.status] += 1
        except aiohttp.ClientError as error:
            self.statuses[type(error).__name__] += 1
            return
        if response.status == 200:
            self.accepted.append(time.perf_counter() - started)

    async def closed(self, clients: int, seconds: float) -> float:
        """Answers a second of so many clients, each of whom waits for its answer."""
        until = time.perf_counter() + seconds

        async def client() -> None:
            while time.perf_counter() < until:
                await self.ask()

        started = time.perf_counter()
        await asyncio.gather(*(client() for _ in range(clients)))
        return len(self.accepted) / (time.perf_counter() - started)

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


async def run(url: str, key: str, times: float, seconds: float) -> bool:
    headers = {"authorization": f"Bearer {key}"} if key else {}
    connections = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connections, headers=headers) as session:
        capacity = await Load(session, url).closed(32, 10)
        queue = await Load(session, url).figure("shopbench_max_pending_questions")
        bound = queue / capacity
        print(f"capacity {capacity:.0f} questions/s; a full queue of {queue:.0f} takes {bound:.2f} s")
        load = Load(session, url)
        before = await load.figure("process_resident_memory_bytes")
        await load.opened(times * capacity, seconds)
        after = await load.figure("process_resident_memory_bytes")
    p99 = statistics.quantiles(load.accepted, n=100)[98]
    print(f"{times:g} times that for {seconds:g} s: {dict(load.statuses)}")
    print(f"accepted: p50 {statistics.median(load.accepted):.2f} s, p99 {p99:.2f} s (allowed {2 * bound:.2f} s)")
    print(f"memory of the server: {before / 2**20:.0f} MiB before, {after / 2**20:.0f} MiB after")
    return set(load.statuses) <= {200, 429} and p99 <= 2 * bound and after < 1.1 * before


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
