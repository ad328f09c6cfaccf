"""The contract of the message queue."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar, Final, final

import pytest

from homeport.adapters.memory.clock import ManualClock
from homeport.domain.errors import Invalid, TooLarge, Unavailable
from homeport.domain.holding_back import LONGEST_OUTAGE_WAIT
from homeport.domain.ports.deliveries import Retry
from homeport.domain.ports.message_queue import Delivery, MessageQueue, Work
from homeport.testing.contract import Contract, skip_unless

_HOLDS: Final = "the queue counts an attempt for each delivery of a batch whose work raised"


class Worker:
    """Works on what it gets, and keeps it. Fails the bodies in `fails`."""

    def __init__(self, *fails: str) -> None:
        self.fails = set(fails)
        self.got: list[Delivery] = []

    def __call__(self, deliveries: Sequence[Delivery]) -> Mapping[str, str]:
        self.got += deliveries
        return {one.id: f"no {one.body}" for one in deliveries if one.body in self.fails}

    def but_for(self, body: str, error: Exception) -> Work:
        """The same, but that `error` is raised where `body` is among what it gets."""

        def work(deliveries: Sequence[Delivery]) -> Mapping[str, str]:
            if any(one.body == body for one in deliveries):
                raise error
            return self(deliveries)

        return work

    @property
    def bodies(self) -> list[str]:
        """What it got, sorted: a queue has no order."""
        return sorted(one.body for one in self.got)


class Crash(BaseException):
    """The process dies."""


class MessageQueueContract(Contract):
    """What `homeport.domain.ports.message_queue.MessageQueue` promises.

    Override the fixture `queue` with an empty one. Hand it the fixture `clock`, and the
    suite's `retry` where it takes one; else set `retry` to what it does. A queue which knows
    that something waits, but not until when, sets `tells_when_due` to False: its `next_due`
    is then when to look again. One that counts no attempt where `work` raises Unavailable, and
    hands out alone what was in a batch that raised anything else, sets `holds_batches`.
    """

    retry: ClassVar[Retry] = Retry()
    holds_batches: ClassVar[bool] = False
    tells_when_due: ClassVar[bool] = True

    @pytest.fixture
    def queue(self, clock: ManualClock) -> Iterator[MessageQueue]:
        raise self.missing("queue")

    def drain(self, queue: MessageQueue, worker: Work, limit: int = 10) -> None:
        """Deliver until nothing is due."""
        self.settle()
        while queue.deliver(worker, limit):
            self.settle()

    def bury(self, queue: MessageQueue, clock: ManualClock, *bodies: str) -> None:
        """Let these bodies fail until they are dead letters."""
        for body in bodies:
            queue.enqueue(body)
        for _ in range(self.retry.attempts):
            self.drain(queue, Worker(*bodies))
            clock.advance(self.retry.longest_wait)

    def check_due_in(self, queue: MessageQueue, seconds: float) -> None:
        """What waits is due in so many seconds, and not now."""
        due = queue.next_due()
        if self.tells_when_due:
            assert due == pytest.approx(seconds)
        else:
            assert due is not None
            assert due > 0

    @final
    def test_an_empty_queue_has_nothing(self, queue: MessageQueue) -> None:
        worker = Worker()
        assert queue.deliver(worker) == 0
        assert worker.got == []
        assert queue.next_due() is None
        assert queue.dead_letters() == []

    @final
    @pytest.mark.parametrize("body", ["", '{"a": "ü𝄞"}', "line\nline\0", "x" * 256 * 1024])
    def test_a_body_comes_out_as_it_went_in(self, queue: MessageQueue, body: str) -> None:
        queue.enqueue(body)
        worker = Worker()
        self.drain(queue, worker)
        assert [(one.body, one.attempt) for one in worker.got] == [(body, 1)]

    @final
    def test_what_was_done_is_forgotten(self, queue: MessageQueue, clock: ManualClock) -> None:
        queue.enqueue("a")
        self.drain(queue, Worker())
        clock.advance(3600)
        worker = Worker()
        self.drain(queue, worker)
        assert worker.got == []
        assert queue.next_due() is None

    @final
    def test_everything_arrives_in_batches_of_at_most_the_limit(self, queue: MessageQueue) -> None:
        bodies = sorted(f"body {number}" for number in range(25))
        for body in bodies:
            queue.enqueue(body)
        self.settle()
        worker = Worker()
        while count := queue.deliver(worker, 10):
            assert count <= 10
            self.settle()
        assert worker.bodies == bodies
        assert len({one.id for one in worker.got}) == 25

    @final
    def test_equal_bodies_are_two_deliveries(self, queue: MessageQueue) -> None:
        queue.enqueue("same")
        queue.enqueue("same")
        worker = Worker()
        self.drain(queue, worker)
        assert worker.bodies == ["same", "same"]

    @final
    def test_a_delay_is_kept(self, queue: MessageQueue, clock: ManualClock) -> None:
        queue.enqueue("later", 60)
        worker = Worker()
        self.drain(queue, worker)
        assert worker.got == []
        self.check_due_in(queue, 60)
        clock.advance(59)
        self.drain(queue, worker)
        assert worker.got == []
        self.check_due_in(queue, 1)
        clock.advance(1)
        assert queue.next_due() == 0
        self.drain(queue, worker)
        assert worker.bodies == ["later"]

    @final
    def test_what_waits_does_not_hold_up_what_is_due(self, queue: MessageQueue) -> None:
        queue.enqueue("later", 900)
        queue.enqueue("now")
        worker = Worker()
        self.drain(queue, worker)
        assert worker.bodies == ["now"]

    @final
    def test_an_outage_costs_no_attempt(self, queue: MessageQueue, clock: ManualClock) -> None:
        skip_unless(self.holds_batches, _HOLDS)

        def down(deliveries: Sequence[Delivery]) -> Mapping[str, str]:
            raise Unavailable("The server is down.")

        for body in ("a", "b"):
            queue.enqueue(body)
        for outage in range(1, 3 * self.retry.attempts):
            self.drain(queue, down)
            wait = min(LONGEST_OUTAGE_WAIT, self.retry.wait(outage))
            self.check_due_in(queue, wait)
            clock.advance(wait)
        clock.advance(LONGEST_OUTAGE_WAIT)
        assert queue.dead_letters() == []
        worker = Worker()
        self.drain(queue, worker)
        assert sorted((one.body, one.attempt) for one in worker.got) == [("a", 1), ("b", 1)]
        assert queue.next_due() is None

    @final
    def test_one_that_always_finds_an_outage_holds_up_no_others_and_dies(
        self, queue: MessageQueue, clock: ManualClock
    ) -> None:
        skip_unless(self.holds_batches, _HOLDS)
        worker = Worker()
        work = worker.but_for("poison", Unavailable("This one never works."))
        for body in ("poison", "a", "b", "c"):
            queue.enqueue(body)
        begun = clock.now()
        for _ in range(1000):
            self.drain(queue, work)
            if queue.dead_letters():
                break
            if clock.now() - begun > 120_000_000:
                assert worker.bodies == ["a", "b", "c"]
            clock.advance(queue.next_due() or 0)
        assert 180_000_000 < clock.now() - begun < 3_600_000_000
        (letter,) = queue.dead_letters()
        assert (letter.cause, letter.attempts) == ("This one never works.", self.retry.attempts)
        assert queue.next_due() is None

    @final
    def test_an_error_takes_only_the_delivery_at_fault_along(
        self, queue: MessageQueue, clock: ManualClock
    ) -> None:
        skip_unless(self.holds_batches, _HOLDS)
        worker = Worker()
        work = worker.but_for("poison", RuntimeError("what is this?"))
        for body in ("a", "poison", "b"):
            queue.enqueue(body)
        for _ in range(self.retry.attempts):
            self.drain(queue, work)
            clock.advance(self.retry.longest_wait)
        assert worker.bodies == ["a", "b"]
        (letter,) = queue.dead_letters()
        assert (letter.body, letter.attempts) == ("poison", self.retry.attempts)

    @final
    def test_next_due_is_never_negative(self, queue: MessageQueue, clock: ManualClock) -> None:
        queue.enqueue("a")
        clock.advance(100)
        assert queue.next_due() == 0

    @final
    def test_too_much_is_refused(self, queue: MessageQueue) -> None:
        with pytest.raises(TooLarge):
            queue.enqueue("ü" * (128 * 1024) + "x")
        with pytest.raises(Invalid):
            queue.enqueue("a", 901)
        with pytest.raises(Invalid):
            queue.enqueue("a", -1)
        assert queue.next_due() is None

    @final
    def test_only_what_failed_comes_again(self, queue: MessageQueue, clock: ManualClock) -> None:
        for body in ("bad", "good", "worse"):
            queue.enqueue(body)
        self.drain(queue, Worker("bad", "worse"))
        clock.advance(self.retry.wait(1))
        worker = Worker()
        self.drain(queue, worker)
        assert worker.bodies == ["bad", "worse"]
        assert {one.attempt for one in worker.got} == {2}

    @final
    def test_raising_fails_the_whole_batch(self, queue: MessageQueue, clock: ManualClock) -> None:
        def work(deliveries: Sequence[Delivery]) -> Mapping[str, str]:
            raise ValueError("broken")

        queue.enqueue("a")
        queue.enqueue("b")
        self.settle()
        assert queue.deliver(work) == 2
        clock.advance(self.retry.wait(1))
        worker = Worker()
        self.drain(queue, worker)
        assert worker.bodies == ["a", "b"]
        assert {one.attempt for one in worker.got} == {2}

    @final
    def test_each_failure_makes_the_wait_longer(
        self, queue: MessageQueue, clock: ManualClock
    ) -> None:
        queue.enqueue("bad")
        for attempt in range(1, self.retry.attempts):
            worker = Worker("bad")
            self.drain(queue, worker)
            assert [one.attempt for one in worker.got] == [attempt]
            self.check_due_in(queue, self.retry.wait(attempt))
            clock.advance(self.retry.wait(attempt) - 0.5)
            self.drain(queue, worker)
            assert len(worker.got) == 1, "it came too early"
            clock.advance(0.5)

    @final
    def test_failing_does_not_hold_up_others(self, queue: MessageQueue) -> None:
        queue.enqueue("bad")
        self.drain(queue, Worker("bad"))
        queue.enqueue("good")
        worker = Worker()
        self.drain(queue, worker)
        assert worker.bodies == ["good"]

    @final
    def test_failing_what_was_not_delivered_means_nothing(self, queue: MessageQueue) -> None:
        queue.enqueue("a")
        self.settle()
        assert queue.deliver(lambda _: {"no such delivery": "what?"}) == 1
        assert queue.next_due() is None

    @final
    def test_the_last_failure_makes_a_dead_letter(
        self, queue: MessageQueue, clock: ManualClock
    ) -> None:
        queue.enqueue("bad")
        queue.enqueue("good")
        died = 0
        for _ in range(self.retry.attempts):
            assert queue.dead_letters() == []
            died = clock.now()
            self.drain(queue, Worker("bad"))
            clock.advance(self.retry.longest_wait)
        (letter,) = queue.dead_letters()
        assert (letter.body, letter.cause) == ("bad", "no bad")
        assert (letter.attempts, letter.died) == (self.retry.attempts, died)
        worker = Worker()
        self.drain(queue, worker)
        assert worker.got == []
        assert queue.next_due() is None

    @final
    def test_dead_letters_stand_in_the_order_of_their_deaths(
        self, queue: MessageQueue, clock: ManualClock
    ) -> None:
        self.bury(queue, clock, "first")
        self.bury(queue, clock, "second")
        assert [one.body for one in queue.dead_letters()] == ["first", "second"]

    @final
    def test_an_error_is_told_as_the_cause(self, queue: MessageQueue, clock: ManualClock) -> None:
        def work(deliveries: Sequence[Delivery]) -> Mapping[str, str]:
            raise ValueError("broken")

        queue.enqueue("a")
        for _ in range(self.retry.attempts):
            self.settle()
            queue.deliver(work)
            clock.advance(self.retry.longest_wait)
        (letter,) = queue.dead_letters()
        assert "ValueError" in letter.cause
        assert "broken" in letter.cause

    @final
    def test_redriven_letters_have_all_their_attempts(
        self, queue: MessageQueue, clock: ManualClock
    ) -> None:
        self.bury(queue, clock, "a", "b")
        letters = {one.body: one.id for one in queue.dead_letters()}
        assert queue.redrive([letters["a"]]) == 1
        assert [one.body for one in queue.dead_letters()] == ["b"]
        worker = Worker("a")
        self.drain(queue, worker)
        assert [(one.body, one.attempt) for one in worker.got] == [("a", 1)]
        clock.advance(self.retry.longest_wait)
        self.drain(queue, Worker())
        assert queue.next_due() is None

    @final
    def test_dropped_letters_are_gone(self, queue: MessageQueue, clock: ManualClock) -> None:
        self.bury(queue, clock, "a", "b")
        letters = {one.body: one.id for one in queue.dead_letters()}
        assert queue.drop([letters["a"], letters["a"]]) == 1
        assert [one.body for one in queue.dead_letters()] == ["b"]
        assert queue.redrive([letters["a"]]) == 0
        assert queue.next_due() is None

    @final
    def test_letters_that_are_not_there_count_for_nothing(self, queue: MessageQueue) -> None:
        for ids in ([], ["1", "-1", "nonsense", "9" * 30, "²"]):
            assert queue.redrive(ids) == 0
            assert queue.drop(ids) == 0

    @final
    def test_a_crash_at_work_loses_nothing(self, queue: MessageQueue, clock: ManualClock) -> None:
        def work(deliveries: Sequence[Delivery]) -> Mapping[str, str]:
            raise Crash

        queue.enqueue("a")
        self.settle()
        with pytest.raises(Crash):
            queue.deliver(work)
        clock.advance(self.retry.longest_wait)
        worker = Worker()
        self.drain(queue, worker)
        assert worker.bodies == ["a"]

    @final
    def test_what_crashes_each_time_becomes_a_dead_letter(
        self, queue: MessageQueue, clock: ManualClock
    ) -> None:
        def work(deliveries: Sequence[Delivery]) -> Mapping[str, str]:
            raise Crash

        queue.enqueue("deadly")
        self.settle()
        for _ in range(self.retry.attempts):
            with pytest.raises(Crash):
                queue.deliver(work)
            clock.advance(self.retry.longest_wait)
        worker = Worker()
        self.drain(queue, worker)
        assert worker.got == []
        (letter,) = queue.dead_letters()
        assert (letter.body, letter.attempts) == ("deadly", self.retry.attempts)
        assert queue.next_due() is None

    @final
    def test_work_may_enqueue(self, queue: MessageQueue) -> None:
        def work(deliveries: Sequence[Delivery]) -> Mapping[str, str]:
            queue.enqueue("more")
            return {}

        queue.enqueue("a")
        self.settle()
        assert queue.deliver(work) == 1
        worker = Worker()
        self.drain(queue, worker)
        assert worker.bodies == ["more"]

    @final
    def test_several_workers_lose_nothing(self, queue: MessageQueue) -> None:
        bodies = {f"body {number}" for number in range(40)}
        for body in bodies:
            queue.enqueue(body)
        self.settle()
        workers = [Worker() for _ in range(4)]
        threads = [
            threading.Thread(target=self.drain, args=(queue, worker, 3)) for worker in workers
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert {one.body for worker in workers for one in worker.got} == bodies
        assert queue.next_due() is None
