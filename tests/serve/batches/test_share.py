import asyncio
import random

from app.serve.admission import Admission
from app.serve.batches.asking import Share


def test_places_are_given_in_order_and_none_is_lost() -> None:
    async def main() -> None:
        rng = random.Random(3)
        admission = Admission(100)
        share = Share(4, admission)
        started: list[int] = []
        cancelled: list[int] = []

        async def work(number: int) -> None:
            places = number % 7 + 1
            await share.take(places)
            try:
                started.append(number)
                assert share.in_use <= 4 or share.in_use == places
                for _ in range(rng.randint(0, 3)):
                    await asyncio.sleep(0)
            finally:
                share.give_back(places)

        tasks = [asyncio.create_task(work(number)) for number in range(300)]
        for _ in range(60):
            await asyncio.sleep(0)
            number = rng.randrange(300)
            if not tasks[number].done() and number not in started:
                tasks[number].cancel()
                cancelled.append(number)
        await asyncio.gather(*tasks, return_exceptions=True)
        assert share.in_use == 0
        assert started == sorted(started)
        assert set(started) | set(cancelled) == set(range(300))

    asyncio.run(main())


def test_online_questions_leave_at_least_one_place() -> None:
    admission = Admission(100)
    share = Share(4, admission)
    assert share.places == 4
    with admission.enter(2):
        assert share.places == 2
        with admission.enter(50):
            assert share.places == 1
    assert share.places == 4


def test_a_waiting_batch_goes_on_when_online_questions_are_answered() -> None:
    async def main() -> None:
        admission = Admission(100)
        share = Share(2, admission)
        with admission.enter(5):
            await share.take(1)
            waiting = asyncio.create_task(share.take(1))
            await asyncio.sleep(0)
            assert not waiting.done()
        await waiting
        assert share.in_use == 2

    asyncio.run(main())


def test_who_needs_more_than_there_is_goes_alone() -> None:
    async def main() -> None:
        share = Share(4, Admission(100))
        await share.take(2)
        heavy = asyncio.create_task(share.take(256))
        light = asyncio.create_task(share.take(1))
        await asyncio.sleep(0)
        assert not heavy.done()
        assert not light.done(), "places are given in order"
        share.give_back(2)
        await heavy
        assert share.in_use == 256
        await asyncio.sleep(0)
        assert not light.done()
        share.give_back(256)
        await light
        assert share.in_use == 1

    asyncio.run(main())


def test_who_gives_up_waiting_lets_the_next_one_go() -> None:
    async def main() -> None:
        share = Share(4, Admission(100))
        await share.take(2)
        heavy = asyncio.create_task(share.take(3))
        light = asyncio.create_task(share.take(1))
        await asyncio.sleep(0)
        heavy.cancel()
        async with asyncio.timeout(5):
            await light
        assert share.in_use == 3

    asyncio.run(main())
