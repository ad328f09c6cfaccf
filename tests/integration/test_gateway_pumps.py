"""Pumps over deliveries made for the test. Threads are real; what they do is waited for."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from itertools import count

import pytest

from homeport.entrypoints.local import pacing
from homeport.entrypoints.local.pacing import BUSY, BUSY_DUTY, SHORTEST_SPAN, SLICE
from homeport.entrypoints.local.pauses import pause
from homeport.entrypoints.local.pumps import Pump, Pumps

PATIENCE = 10.0


class Work:
    """So many things to deliver, a batch of up to 10 at a time."""

    def __init__(self) -> None:
        self.due = 0
        self.later: float | None = None
        self.batches: list[int] = []
        self.errors: list[Exception] = []
        self.lock = threading.Lock()
        self.looked = threading.Semaphore(0)

    def deliver(self) -> int:
        with self.lock:
            if self.errors:
                raise self.errors.pop()
            count = min(self.due, 10)
            self.due -= count
            if count:
                self.batches.append(count)
        self.looked.release()
        return count

    def next_due(self) -> float | None:
        with self.lock:
            return 0.0 if self.due or self.errors else self.later

    def add(self, count: int) -> None:
        with self.lock:
            self.due += count


@pytest.fixture
def work() -> Work:
    return Work()


@pytest.fixture
def pumps(work: Work) -> Iterator[Pumps]:
    made = Pumps([Pump("test", work.deliver, work.next_due, lambda: 0)])
    yield made
    made.stop(PATIENCE)


def test_all_that_is_there_at_the_start_is_delivered(work: Work, pumps: Pumps) -> None:
    work.add(25)
    pumps.start()
    assert pumps.wait_until_idle(PATIENCE)
    assert work.batches == [10, 10, 5]
    assert pumps.lag()[0].delivered == 25


def test_a_wake_up_is_enough(work: Work, pumps: Pumps) -> None:
    pumps.start()
    assert pumps.wait_until_idle(PATIENCE)
    for _ in range(3):
        work.add(1)
        pumps.wake()
        assert pumps.wait_until_idle(PATIENCE)
    assert sum(work.batches) == 3


def test_it_wakes_by_itself_when_something_falls_due(work: Work, pumps: Pumps) -> None:
    work.later = 0.02
    pumps.start()
    for _ in range(3):
        assert work.looked.acquire(timeout=PATIENCE)


def test_what_is_due_later_is_not_lag(work: Work, pumps: Pumps) -> None:
    work.later = 3600.0
    pumps.start()
    assert pumps.wait_until_idle(PATIENCE)


def test_what_waits_for_an_outage_to_end_is_lag(work: Work) -> None:
    work.later = 3600.0
    down = {"test"}
    pumps = Pumps([Pump("test", work.deliver, work.next_due, lambda: 0, is_down=down.__contains__)])
    pumps.start()
    assert work.looked.acquire(timeout=PATIENCE)
    assert not pumps.wait_until_idle(0.05)
    down.clear()
    assert pumps.wait_until_idle(PATIENCE)
    assert pumps.stop(PATIENCE)


def test_stores_that_wake_nobody_are_looked_at_again(work: Work) -> None:
    pumps = Pumps([Pump("test", work.deliver, work.next_due, lambda: 0, poll=0.01)])
    pumps.start()
    for _ in range(3):
        assert work.looked.acquire(timeout=PATIENCE)
    assert pumps.stop(PATIENCE)


def test_an_error_is_logged_and_the_pump_goes_on(
    work: Work, pumps: Pumps, caplog: pytest.LogCaptureFixture
) -> None:
    work.errors = [RuntimeError("once"), OSError("twice")]
    work.add(3)
    with caplog.at_level(logging.ERROR, "homeport.pumps"):
        pumps.start()
        assert pumps.wait_until_idle(PATIENCE)
    assert work.batches == [3]
    assert pumps.lag()[0].failures == 2
    assert [record.exc_info is not None for record in caplog.records] == [True, True]


def test_a_stop_waits_for_the_batch_at_hand() -> None:
    entered, go_on = threading.Event(), threading.Event()
    finished = []

    def deliver() -> int:
        entered.set()
        go_on.wait(PATIENCE)
        finished.append(True)
        return 0

    pumps = Pumps([Pump("test", deliver, lambda: None, lambda: 0)])
    pumps.start()
    assert entered.wait(PATIENCE)
    assert not pumps.idle()
    assert not pumps.stop(0.0)
    go_on.set()
    assert pumps.stop(PATIENCE)
    assert finished


def test_pumps_that_never_started_stop_too(work: Work) -> None:
    assert Pumps([Pump("test", work.deliver, work.next_due, lambda: 0)]).stop(0.0)


class Batch:
    """One batch that takes `seconds` of the processor, a step at a time."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.begun = threading.Event()

    def deliver(self) -> int:
        until = time.thread_time() + self.seconds
        while time.thread_time() < until:
            self.begun.set()
            pause()
        self.seconds = 0.0
        return 0

    def next_due(self) -> float | None:
        return 0.0 if self.seconds else None


class Rests:
    """What pumps asked how long to rest: how long they worked, for which share of the time. They
    rest for `seconds` then."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds
        self.asked: list[tuple[float, float]] = []

    def __call__(self, worked: float, duty: float, shortest: float) -> float:
        self.asked.append((worked, duty))
        return self.seconds


@pytest.fixture
def flood() -> Callable[[], int]:
    """A counter of requests that grows faster than any server could serve."""
    served = count(BUSY * 3600, BUSY * 3600)
    return lambda: next(served)


def test_a_batch_is_taken_in_slices(
    monkeypatch: pytest.MonkeyPatch, flood: Callable[[], int]
) -> None:
    rests = Rests()
    monkeypatch.setattr(pacing, "rest_after", rests)
    batch = Batch(10 * SLICE + 2 * SHORTEST_SPAN)
    pumps = Pumps([Pump("test", batch.deliver, batch.next_due, flood)])
    pumps.start()
    assert pumps.wait_until_idle(PATIENCE)
    assert pumps.stop(PATIENCE)
    within = rests.asked[:10]
    assert len(within) == 10
    assert min(worked for worked, _ in within) >= SLICE
    assert {duty for _, duty in rests.asked} == {1.0, BUSY_DUTY}, "measured anew on the way"


def test_where_few_requests_come_it_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    rests = Rests()
    monkeypatch.setattr(pacing, "rest_after", rests)
    batch = Batch(10 * SLICE + 2 * SHORTEST_SPAN)
    pumps = Pumps([Pump("test", batch.deliver, batch.next_due, lambda: 0)])
    pumps.start()
    assert pumps.wait_until_idle(PATIENCE)
    assert pumps.stop(PATIENCE)
    assert {duty for _, duty in rests.asked} == {1.0}


def test_waiting_is_no_work(monkeypatch: pytest.MonkeyPatch) -> None:
    rests = Rests()
    monkeypatch.setattr(pacing, "rest_after", rests)
    waited = threading.Event()

    def deliver() -> int:
        if not waited.is_set():
            time.sleep(20 * SLICE)
            pause()
            waited.set()
        return 0

    pumps = Pumps([Pump("test", deliver, lambda: None if waited.is_set() else 0.0, lambda: 0)])
    pumps.start()
    assert pumps.wait_until_idle(PATIENCE)
    assert pumps.stop(PATIENCE)
    assert max(worked for worked, _ in rests.asked) < 20 * SLICE


def test_a_stop_ends_the_rests_of_a_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pacing, "rest_after", Rests(10 * PATIENCE))
    batch = Batch(5 * SLICE)
    pumps = Pumps([Pump("test", batch.deliver, batch.next_due, lambda: 0)])
    pumps.start()
    assert batch.begun.wait(PATIENCE)
    assert pumps.stop(PATIENCE)
    assert batch.seconds == 0.0, "it was done to its end"
