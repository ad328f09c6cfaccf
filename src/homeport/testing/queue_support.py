"""What the parts of the message queue's contract share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar, Final

import pytest

from homeport.adapters.memory.clock import ManualClock
from homeport.domain.ports.deliveries import Retry
from homeport.domain.ports.message_queue import Delivery, MessageQueue, Work
from homeport.testing.contract import Contract

HOLDS: Final = "the queue counts an attempt for each delivery of a batch whose work raised"


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


class MessageQueueSupport(Contract):
    """The fixtures and the retries; see `MessageQueueContract`."""

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
