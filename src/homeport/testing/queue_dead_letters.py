"""The message queue's contract: what becomes of what cannot be delivered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import final

import pytest

from homeport.adapters.memory.clock import ManualClock
from homeport.adapters.memory.faults import Crash
from homeport.domain.errors import Unavailable
from homeport.domain.ports.message_queue import Delivery, MessageQueue
from homeport.testing.contract import skip_unless
from homeport.testing.queue_support import HOLDS, MessageQueueSupport, Worker


class DeadLettersContract(MessageQueueSupport):
    """Dead letters."""

    @final
    def test_one_that_always_finds_an_outage_holds_up_no_others_and_dies(
        self, queue: MessageQueue, clock: ManualClock
    ) -> None:
        skip_unless(self.holds_batches, HOLDS)
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
        skip_unless(self.holds_batches, HOLDS)
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
