"""Jobs in pooled greenlets on a loop of the test's own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import TypeAlias

import pytest

from homeport.entrypoints.local import greenlets

Job: TypeAlias = Callable[[], None]


def run(*jobs: Job, until: Callable[[], bool]) -> None:
    """Serve the jobs on a fresh loop until `until` holds."""

    async def main() -> None:
        pool: greenlets.Pool[Job] = greenlets.Pool(asyncio.get_running_loop(), _call, 2)
        for job in jobs:
            pool.submit(job)
        async with asyncio.timeout(10):
            while not until():  # noqa: ASYNC110  # each turn of the loop may be the one
                await asyncio.sleep(0)
        pool.close()

    asyncio.run(main())


def _call(job: Job) -> None:
    job()


def test_jobs_that_wait_do_not_hold_up_others() -> None:
    happened: list[str] = []
    futures: list[asyncio.Future[str]] = []

    def waits() -> None:
        future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        futures.append(future)
        happened.append("waits")
        happened.append(greenlets.wait(future))

    def wakes() -> None:
        happened.append("wakes")
        futures[0].set_result("goes on")

    run(waits, wakes, until=lambda: len(happened) == 3)
    assert happened == ["waits", "wakes", "goes on"]


def test_what_a_future_raises_comes_out_of_wait() -> None:
    raised: list[BaseException] = []

    def waits() -> None:
        future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(future.set_exception, OSError("no"))
        with pytest.raises(OSError, match="no") as caught:
            greenlets.wait(future)
        raised.append(caught.value)

    run(waits, until=lambda: bool(raised))


def test_more_jobs_than_a_turn_takes() -> None:
    done: list[int] = []

    def job(number: int) -> Job:
        def waits_sometimes() -> None:
            if number % 7 == 0:
                future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
                asyncio.get_running_loop().call_soon(future.set_result, None)
                greenlets.wait(future)
            done.append(number)

        return waits_sometimes

    count = 5 * greenlets.JOBS_A_TURN
    run(*(job(number) for number in range(count)), until=lambda: len(done) == count)
    assert sorted(done) == list(range(count))


def test_offload_runs_in_another_thread_and_keeps_results_apart() -> None:
    results: list[tuple[int, int]] = []

    def job(number: int) -> Job:
        def offloads() -> None:
            def slow(factor: int, *, plus: int) -> int:
                assert threading.get_ident() != here
                return number * factor + plus

            results.append((number, greenlets.offload(slow, 10, plus=1)))

        return offloads

    here = threading.get_ident()
    run(*(job(number) for number in range(20)), until=lambda: len(results) == 20)
    assert sorted(results) == [(number, number * 10 + 1) for number in range(20)]


def test_outside_of_a_pool_offload_just_calls() -> None:
    assert greenlets.offload(threading.get_ident) == threading.get_ident()


def test_outside_of_a_pool_nobody_can_wait() -> None:
    async def main() -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        with pytest.raises(RuntimeError, match="only a job"):
            greenlets.wait(future)

    asyncio.run(main())


def test_jobs_that_pause_take_each_step_together() -> None:
    happened: list[str] = []

    def job(name: str) -> Job:
        def steps() -> None:
            for step in (1, 2, 3):
                happened.append(f"{name}{step}")
                greenlets.pause()
            happened.append(f"{name} ends")

        return steps

    run(*(job(name) for name in "abc"), until=lambda: "c ends" in happened)
    # The last to come finds nobody behind it, but others to keep step with.
    assert happened == [
        *("a1", "b1", "c1", "a2", "b2", "c2", "a3", "b3", "c3"),
        *("a ends", "b ends", "c ends"),
    ]


def test_a_job_alone_does_not_pause() -> None:
    turns: list[int] = []

    def alone() -> None:
        asyncio.get_running_loop().call_soon(turns.append, 1)
        greenlets.pause()
        turns.append(0)

    run(alone, until=lambda: len(turns) == 2)
    assert turns == [0, 1]


def test_other_jobs_and_the_loop_have_their_turn_between_steps() -> None:
    happened: list[str] = []

    def pauses() -> None:
        asyncio.get_running_loop().call_soon(happened.append, "loop")
        greenlets.pause()
        greenlets.pause()
        happened.append("paused")

    run(pauses, lambda: happened.append("other"), until=lambda: "paused" in happened)
    assert happened == ["other", "loop", "paused"]


def test_more_jobs_that_pause_than_a_cohort_holds() -> None:
    count = 5 * greenlets.JOBS_A_TURN
    under_way: set[int] = set()
    most: list[int] = []
    done: list[int] = []

    def job(number: int) -> Job:
        def steps() -> None:
            under_way.add(number)
            most.append(len(under_way))
            greenlets.pause()
            if number % 5 == 0:  # out of step with the others
                future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
                asyncio.get_running_loop().call_soon(future.set_result, None)
                greenlets.wait(future)
            greenlets.pause()
            under_way.remove(number)
            done.append(number)

        return steps

    run(*(job(number) for number in range(count)), until=lambda: len(done) == count)
    assert sorted(done) == list(range(count))
    assert max(most) <= 3 * greenlets.COHORT


def test_nobody_joins_a_cohort_that_is_under_way() -> None:
    happened: list[str] = []
    pools: list[greenlets.Pool[Job]] = []

    def job(name: str, then: Job | None = None) -> Job:
        def steps() -> None:
            for _ in range(3):
                greenlets.pause()
            happened.append(name)
            if then is not None:
                pools[0].submit(then)

        return steps

    async def main() -> None:
        pool: greenlets.Pool[Job] = greenlets.Pool(asyncio.get_running_loop(), _call, 2)
        pools.append(pool)
        late = job("late", job("latest", job("last")))
        pool.submit(job("a", late))
        pool.submit(job("b"))
        # It comes when these two have left: those that begin as they end come after it.
        asyncio.get_running_loop().call_soon(pool.submit, job("next"))
        async with asyncio.timeout(10):
            while "last" not in happened:  # noqa: ASYNC110  # each turn of the loop may be the one
                await asyncio.sleep(0)
        pool.close()

    asyncio.run(main())
    assert happened == ["a", "b", "next", "late", "latest", "last"]


def test_a_job_that_breaks_its_promise_not_to_raise_stops_no_other() -> None:
    done: list[str] = []
    complaints: list[object] = []

    def breaks() -> None:
        greenlets.pause()
        raise SystemError("on purpose")

    def job(name: str) -> Job:
        def steps() -> None:
            greenlets.pause()
            greenlets.pause()
            done.append(name)

        return steps

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: complaints.append(context["exception"]))
        pool: greenlets.Pool[Job] = greenlets.Pool(loop, _call, 2)
        for one in (job("a"), breaks, job("b"), job("c")):
            pool.submit(one)
        async with asyncio.timeout(10):
            while len(done) < 3:  # noqa: ASYNC110  # each turn of the loop may be the one
                await asyncio.sleep(0)
        pool.close()

    asyncio.run(main())
    assert sorted(done) == ["a", "b", "c"]
    assert [str(one) for one in complaints] == ["on purpose"]


def test_outside_of_a_pool_a_pause_is_none() -> None:
    greenlets.pause()
