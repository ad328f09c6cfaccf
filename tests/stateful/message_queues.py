"""Message queues agree: what comes out, again after failures, and what never does.

Order and batches are each queue's own affair: each step delivers until nothing is due, and then
what came is compared, with the number of its attempt.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from hypothesis import strategies as st

from homeport.adapters.embedded.database import Database
from homeport.adapters.embedded.message_queue import EmbeddedMessageQueue
from homeport.adapters.memory.message_queue import MemoryMessageQueue
from homeport.domain import limits
from homeport.domain.ports.message_queue import Delivery, MessageQueue
from tests.stateful.agreement import Agreement, StepIds, step
from tests.stateful.deliveries import (
    LONG,
    RETRY,
    Broken,
    Crash,
    How,
    all_told,
    batches,
    hows,
    ids_at,
    moves,
    places,
)

BODIES: Final = ("a", "b", "日本 \x00")

bodies = st.sampled_from(BODIES)


class Worker:
    """Fails some bodies. `came` is what it was given."""

    def __init__(self, failing: Collection[str], limit: int, how: How) -> None:
        self.came: list[tuple[str, int]] = []
        self._failing = failing
        self._limit = limit
        self._how = how

    def __call__(self, deliveries: Sequence[Delivery]) -> Mapping[str, str]:
        assert 0 < len(deliveries) <= self._limit, f"a batch of {len(deliveries)}"
        self.came += [(one.body, one.attempt) for one in deliveries]
        failed = {one.id: f"no {one.body}" for one in deliveries if one.body in self._failing}
        if failed and self._how == "raised":
            raise Broken(*failed.values())
        return failed


class MessageQueues(Agreement[MessageQueue]):
    def made(self, ids: StepIds) -> MessageQueue:
        return MemoryMessageQueue(self.clock, RETRY)

    def opened(self, ids: StepIds) -> MessageQueue:
        self.database = Database(self.folder)
        return EmbeddedMessageQueue(self.database, self.clock, RETRY)

    def closed(self) -> None:
        self.database.close()

    @step(body=bodies, delay=st.sampled_from((0.0, 0.0, 0.5, 2.0, 60.0, -1.0, 900.5)))
    def enqueue(self, body: str, delay: float) -> None:
        self.both(lambda queue: queue.enqueue(body, delay))
        self.look()

    @step(body=bodies, more=st.sampled_from((0, 1)))
    def enqueue_much(self, body: str, more: int) -> None:
        """As much as a body may hold, or one byte more."""
        much = body * ((limits.QUEUE_BODY_BYTES + more) // len(body.encode()) + more)
        self.both(lambda queue: queue.enqueue(much))
        self.drain(limit=100)

    @step(limit=batches, failing=st.lists(bodies, max_size=2, unique=True), how=hows)
    def drain(self, limit: int, failing: Sequence[str] = (), how: How = "told") -> None:
        limit = 1 if how == "raised" else limit

        def deliver(queue: MessageQueue) -> object:
            worker = Worker(failing, limit, how)
            for _ in range(LONG):
                if not queue.deliver(worker, limit):
                    return sorted(worker.came)
            raise AssertionError("the queue does not come to an end")

        self.both(deliver)
        self.look()

    @step(limit=batches, failing=bodies, how=hows)
    def bury(self, limit: int, failing: str, how: How = "told") -> None:
        """Fail a body until it is a dead letter."""
        for _ in range(RETRY.attempts):
            self.drain(limit=limit, failing=[failing], how=how)
            self.clock.advance(RETRY.longest_wait)

    @step(body=bodies)
    def crash(self, body: str) -> None:
        """The process ends at this body; what comes before it is done."""

        def work(deliveries: Sequence[Delivery]) -> Mapping[str, str]:
            if any(one.body == body for one in deliveries):
                raise Crash
            return {}

        def deliver(queue: MessageQueue) -> str:
            try:
                while queue.deliver(work, 1):
                    pass
            except Crash:
                return "crashed"
            return "done"

        self.both(deliver)
        self.restart()
        self.drain(limit=100)

    @step()
    def look(self) -> None:
        self.both(lambda queue: queue.next_due())
        self.both(lambda queue: queue.dead_letters(), all_told)

    @step(letters=places)
    def redrive(self, letters: Sequence[int]) -> None:
        self.both(lambda queue: queue.redrive(ids_at(queue.dead_letters(), letters)))
        self.look()

    @step(letters=places)
    def drop(self, letters: Sequence[int]) -> None:
        self.both(lambda queue: queue.drop(ids_at(queue.dead_letters(), letters)))
        self.look()

    @step(seconds=moves)
    def advance(self, seconds: float) -> None:
        self.clock.advance(seconds)

    def compare_all(self) -> None:
        self.look()
        self.clock.advance(limits.QUEUE_DELAY_SECONDS)
        self.drain(limit=100)
        self.look()
