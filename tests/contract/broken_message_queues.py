"""Queues that were broken on purpose: each breaks one promise of the port."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from homeport.adapters.memory.clock import ManualClock
from homeport.adapters.memory.message_queue import MemoryMessageQueue
from homeport.domain.errors import Unavailable
from homeport.domain.ports.deliveries import DeadLetter, Retry
from homeport.domain.ports.message_queue import Delivery, MessageQueue, Work
from tests.contract.mutants import breaks


class ForgetsBeforeWork(MemoryMessageQueue):
    def deliver(self, work: Work, limit: int = 10) -> int:
        batch = self._take(limit)
        self._settle(batch, {})
        if batch:
            work(batch)
        return len(batch)


class IgnoresDelays(MemoryMessageQueue):
    def enqueue(self, body: str, delay: float = 0.0) -> None:
        super().enqueue(body)


class IgnoresTheLimit(MemoryMessageQueue):
    def deliver(self, work: Work, limit: int = 10) -> int:
        return super().deliver(work, 100)


@breaks(MessageQueue.deliver)
class FailsTheWholeBatch(MemoryMessageQueue):
    def _settle(self, batch: Sequence[Delivery], failed: Mapping[str, str]) -> None:
        cause = next(iter(failed.values()), None)
        super()._settle(batch, {} if cause is None else {one.id: cause for one in batch})


class CountsOutages(MemoryMessageQueue):
    def deliver(self, work: Work, limit: int = 10) -> int:
        def told(deliveries: Sequence[Delivery]) -> Mapping[str, str]:
            try:
                return work(deliveries)
            except Unavailable as exc:
                return {one.id: str(exc) for one in deliveries}

        return super().deliver(told, limit)


@breaks(MessageQueue.deliver)
class NeverGivesUp(MemoryMessageQueue):
    def __init__(self, clock: ManualClock) -> None:
        super().__init__(clock, Retry(attempts=1_000))


@breaks(MessageQueue.deliver)
class WaitsTheSameTimeAlways(MemoryMessageQueue):
    def __init__(self, clock: ManualClock) -> None:
        super().__init__(clock, Retry(longest_wait=1.0))


@breaks(MessageQueue.deliver)
class RetriesAtOnce(MemoryMessageQueue):
    def __init__(self, clock: ManualClock) -> None:
        super().__init__(clock, Retry(first_wait=0.0))


class DropsDeadLetters(MemoryMessageQueue):
    def dead_letters(self) -> list[DeadLetter]:
        return []


class RedrivesForOneAttempt(MemoryMessageQueue):
    def redrive(self, ids: Sequence[str]) -> int:
        count = super().redrive(ids)
        for one in self._waiting.values():
            one.attempts = self._retry.attempts - 1
        return count


class RedrivesAndKeeps(MemoryMessageQueue):
    def redrive(self, ids: Sequence[str]) -> int:
        before = dict(self._dead)
        count = super().redrive(ids)
        self._dead = before
        return count


class MergesEqualBodies(MemoryMessageQueue):
    def enqueue(self, body: str, delay: float = 0.0) -> None:
        if all(one.body != body for one in self._waiting.values()):
            super().enqueue(body, delay)


class TakesAnySize(MemoryMessageQueue):
    def enqueue(self, body: str, delay: float = 0.0) -> None:
        super().enqueue(body[: 64 * 1024], delay)


class LosesWhatCrashed(MemoryMessageQueue):
    """What was taken when the process died is never given out again."""

    def deliver(self, work: Work, limit: int = 10) -> int:
        def careful(batch: Sequence[Delivery]) -> Mapping[str, str]:
            try:
                return work(batch)
            except Exception:
                raise
            except BaseException:
                for one in batch:
                    del self._waiting[one.id]
                raise

        return super().deliver(careful, limit)


class IsDueAtOnce(MemoryMessageQueue):
    def next_due(self) -> float | None:
        return None if super().next_due() is None else 0.0


class IsDueInThePast(MemoryMessageQueue):
    def next_due(self) -> float | None:
        dues = [one.due for one in self._waiting.values()]
        return (min(dues) - self._clock.now()) / 1_000_000 if dues else None


class KeepsWhatWasDropped(MemoryMessageQueue):
    def drop(self, ids: Sequence[str]) -> int:
        return len(self._dead.keys() & set(ids))


class DropsEverything(MemoryMessageQueue):
    def drop(self, ids: Sequence[str]) -> int:
        return super().drop(list(self._dead)) if ids else 0


QUEUES: Final[Sequence[type[MemoryMessageQueue]]] = (
    ForgetsBeforeWork,
    IgnoresDelays,
    IgnoresTheLimit,
    FailsTheWholeBatch,
    CountsOutages,
    NeverGivesUp,
    WaitsTheSameTimeAlways,
    RetriesAtOnce,
    DropsDeadLetters,
    RedrivesForOneAttempt,
    RedrivesAndKeeps,
    MergesEqualBodies,
    TakesAnySize,
    LosesWhatCrashed,
    IsDueAtOnce,
    IsDueInThePast,
    KeepsWhatWasDropped,
    DropsEverything,
)
