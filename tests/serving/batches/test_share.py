import asyncio
import random

from app.serving.admission import Admission
from app.serving.batches.share import Share


def test_places_are_given_in_order_and_none_is_lost() -> None:
    async def main() -> None:
        rng = random.Random(3)
        admission = Admission(100)
        share = Share(4, admission)
        started: list[int] = []
        cancelled: list[int] = []

        async def work(number: int) -> None:
            await share.take()
            try:
                started.append(number)
                assert share.in_use <= 4
                for _ in range(rng.randint(0, 3)):
                    await asyncio.sleep(0)
            finally:
                share.give_back()

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
            await share.take()
            waiting = asyncio.create_task(share.take())
            await asyncio.sleep(0)
            assert not waiting.done()
        await waiting
        assert share.in_use == 2

    asyncio.run(main())
