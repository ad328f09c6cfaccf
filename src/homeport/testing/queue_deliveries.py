"""The message queue's contract: what is delivered, when, and what comes again."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import final

import pytest

from homeport.adapters.memory.clock import ManualClock
from homeport.adapters.memory.faults import Crash
from homeport.domain.errors import Invalid, TooLarge, Unavailable
from homeport.domain.holding_back import LONGEST_OUTAGE_WAIT
from homeport.domain.ports.message_queue import Delivery, MessageQueue
from homeport.testing.contract import skip_unless
from homeport.testing.queue_support import HOLDS, MessageQueueSupport, Worker


class DeliveriesContract(MessageQueueSupport):
    """Deliveries."""

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
        skip_unless(self.holds_batches, HOLDS)

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
