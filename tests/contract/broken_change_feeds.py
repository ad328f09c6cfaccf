"""Change feeds that were broken on purpose: each breaks one promise of the port."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Final, TypeAlias

from homeport.adapters.memory.change_feed import MemoryChangeFeed, _Consumer
from homeport.adapters.memory.clock import ManualClock
from homeport.adapters.memory.record_store import MemoryRecordStore
from homeport.domain.errors import Unavailable
from homeport.domain.events import RecordChanged
from homeport.domain.holding_back import HoldingBack
from homeport.domain.ports.change_feed import ChangeFeed, Consume
from homeport.domain.ports.deliveries import DeadLetter, Retry
from tests.contract.mutants import breaks

Wanted: TypeAlias = Collection[str] | None


class LogsAndDrops(MemoryChangeFeed):
    def deliver(
        self, consumer: str, consume: Consume, limit: int = 100, collections: Wanted = None
    ) -> int:
        def swallow(events: Sequence[RecordChanged]) -> Mapping[int, str]:
            with contextlib.suppress(Exception):
                consume(events)
            return {}

        return super().deliver(consumer, swallow, limit, collections)


class MovesOnFirst(MemoryChangeFeed):
    def deliver(
        self, consumer: str, consume: Consume, limit: int = 100, collections: Wanted = None
    ) -> int:
        taken: list[RecordChanged] = []

        def take(events: Sequence[RecordChanged]) -> Mapping[int, str]:
            taken.extend(events)
            return {}

        super().deliver(consumer, take, limit, collections)
        if taken:
            consume(taken)
        return len(taken)


class _ChangesOutcome(MemoryChangeFeed):
    """Delivers, and makes something else of what failed."""

    def change(
        self, events: Sequence[RecordChanged], failed: Mapping[int, str]
    ) -> Mapping[int, str]:
        raise NotImplementedError

    def deliver(
        self, consumer: str, consume: Consume, limit: int = 100, collections: Wanted = None
    ) -> int:
        return super().deliver(
            consumer, lambda events: self.change(events, consume(events)), limit, collections
        )


class FailsTheWholeBatch(_ChangesOutcome):
    def change(
        self, events: Sequence[RecordChanged], failed: Mapping[int, str]
    ) -> Mapping[int, str]:
        return dict.fromkeys(range(len(events)), "one of them") if failed else {}


class ForgetsTheCause(_ChangesOutcome):
    def change(
        self, events: Sequence[RecordChanged], failed: Mapping[int, str]
    ) -> Mapping[int, str]:
        return dict.fromkeys(failed, "something")


class DeliversBackwards(MemoryChangeFeed):
    def deliver(
        self, consumer: str, consume: Consume, limit: int = 100, collections: Wanted = None
    ) -> int:
        def backwards(events: Sequence[RecordChanged]) -> Mapping[int, str]:
            failed = consume(events[::-1])
            return {len(events) - 1 - place: cause for place, cause in failed.items()}

        return super().deliver(consumer, backwards, limit, collections)


class DeliversEverythingAtOnce(MemoryChangeFeed):
    def deliver(
        self, consumer: str, consume: Consume, limit: int = 100, collections: Wanted = None
    ) -> int:
        return super().deliver(consumer, consume, 1000, collections)


class DeliversEmptyBatches(MemoryChangeFeed):
    def deliver(
        self, consumer: str, consume: Consume, limit: int = 100, collections: Wanted = None
    ) -> int:
        count = super().deliver(consumer, consume, limit, collections)
        if not count:
            consume([])
        return count


class SkipsHiddenSpaces(MemoryChangeFeed):
    def deliver(
        self, consumer: str, consume: Consume, limit: int = 100, collections: Wanted = None
    ) -> int:
        return super().deliver(
            consumer,
            lambda events: consume([one for one in events if not one.key.space.startswith(".")]),
            limit,
            collections,
        )


class KnowsOneConsumer(MemoryChangeFeed):
    def deliver(
        self, consumer: str, consume: Consume, limit: int = 100, collections: Wanted = None
    ) -> int:
        return super().deliver("all", consume, limit, collections)


class DeliversOtherCollections(MemoryChangeFeed):
    def deliver(
        self, consumer: str, consume: Consume, limit: int = 100, collections: Wanted = None
    ) -> int:
        return super().deliver(consumer, consume, limit)


class IsDueForOtherCollections(MemoryChangeFeed):
    def next_due(self, consumer: str, collections: Wanted = None) -> float | None:
        return super().next_due(consumer)


class LetsLaterOnesPass(MemoryChangeFeed):
    """Does not hold back what comes behind a failed change of the same record."""

    def deliver(
        self, consumer: str, consume: Consume, limit: int = 100, collections: Wanted = None
    ) -> int:
        state = self._consumer(consumer)
        waiting = [entry for entry in state.waiting if entry.due > self._clock.now()]
        state.waiting = [entry for entry in state.waiting if entry not in waiting]
        count = super().deliver(consumer, consume, limit, collections)
        state.waiting[:0] = waiting
        return count


class ForgetsCrashes(MemoryChangeFeed):
    def deliver(
        self, consumer: str, consume: Consume, limit: int = 100, collections: Wanted = None
    ) -> int:
        try:
            return super().deliver(consumer, consume, limit, collections)
        except BaseException:
            for entry in self._consumer(consumer).waiting:
                entry.attempts = 0
            raise


class HoldsEverythingBack(MemoryChangeFeed):
    def deliver(
        self, consumer: str, consume: Consume, limit: int = 100, collections: Wanted = None
    ) -> int:
        state = self._consumer(consumer)
        if any(entry.due > self._clock.now() for entry in state.waiting):
            return 0
        return super().deliver(consumer, consume, limit, collections)


class CountsOutages(MemoryChangeFeed):
    def deliver(
        self, consumer: str, consume: Consume, limit: int = 100, collections: Wanted = None
    ) -> int:
        def told(events: Sequence[RecordChanged]) -> Mapping[int, str]:
            try:
                return consume(events)
            except Unavailable as exc:
                return dict.fromkeys(range(len(events)), str(exc))

        return super().deliver(consumer, told, limit, collections)


class _Patient(HoldingBack):
    def unavailable(self, *deliveries: int) -> bool:
        self._hold(1.0)
        return False


@breaks(ChangeFeed.deliver)
class WaitsForOneForEver(MemoryChangeFeed):
    """Takes what one change finds for an outage, always."""

    def _known(self, name: str) -> _Consumer:
        patient = _Consumer(_Patient(self._retry, self._clock.now))
        return self._consumers.setdefault(name, patient)


class BuriesWholeBatches(MemoryChangeFeed):
    def deliver(
        self, consumer: str, consume: Consume, limit: int = 100, collections: Wanted = None
    ) -> int:
        def told(events: Sequence[RecordChanged]) -> Mapping[int, str]:
            try:
                return consume(events)
            except RuntimeError as exc:
                return dict.fromkeys(range(len(events)), str(exc))

        return super().deliver(consumer, told, limit, collections)


class IsDueInAnOutage(MemoryChangeFeed):
    def next_due(self, consumer: str, collections: Wanted = None) -> float | None:
        due = super().next_due(consumer, collections)
        return 0.0 if self._consumer(consumer).holding.left() else due


@breaks(ChangeFeed.deliver)
class _Retries(MemoryChangeFeed):
    """Tries again otherwise than it was told to."""

    def otherwise(self, retry: Retry) -> Retry:
        raise NotImplementedError

    def __init__(self, store: MemoryRecordStore, clock: ManualClock, retry: Retry) -> None:
        super().__init__(store, clock, self.otherwise(retry))


class RetriesAtOnce(_Retries):
    def otherwise(self, retry: Retry) -> Retry:
        return replace(retry, first_wait=0.0)


class RetriesForEver(_Retries):
    def otherwise(self, retry: Retry) -> Retry:
        return replace(retry, attempts=1_000_000)


class GivesUpEarly(_Retries):
    def otherwise(self, retry: Retry) -> Retry:
        return replace(retry, attempts=retry.attempts - 1)


class WaitsEverLonger(_Retries):
    def otherwise(self, retry: Retry) -> Retry:
        return replace(retry, longest_wait=3600.0)


class NeverKnowsWhatIsDue(MemoryChangeFeed):
    def next_due(self, consumer: str, collections: Wanted = None) -> float | None:
        return 0.0 if super().next_due(consumer, collections) == 0 else None


class ThinksAllIsDue(MemoryChangeFeed):
    def next_due(self, consumer: str, collections: Wanted = None) -> float | None:
        return None if super().next_due(consumer, collections) is None else 0.0


class KeepsWhatWasDropped(MemoryChangeFeed):
    def drop(self, consumer: str, ids: Sequence[str]) -> int:
        return len({letter.id for letter in self.dead_letters(consumer)}.intersection(ids))


class RedrivesToNowhere(MemoryChangeFeed):
    def redrive(self, consumer: str, ids: Sequence[str]) -> int:
        return self.drop(consumer, ids)


class RedrivesOnce(MemoryChangeFeed):
    def redrive(self, consumer: str, ids: Sequence[str]) -> int:
        count = super().redrive(consumer, ids)
        for entry in self._consumer(consumer).waiting[:count]:
            entry.attempts = self._retry.attempts - 1
        return count


class ListsTheNewestFirst(MemoryChangeFeed):
    def dead_letters(self, consumer: str) -> list[DeadLetter]:
        return super().dead_letters(consumer)[::-1]


FEEDS: Final[Sequence[type[MemoryChangeFeed]]] = (
    LogsAndDrops,
    MovesOnFirst,
    FailsTheWholeBatch,
    ForgetsTheCause,
    DeliversBackwards,
    DeliversEverythingAtOnce,
    DeliversEmptyBatches,
    SkipsHiddenSpaces,
    KnowsOneConsumer,
    DeliversOtherCollections,
    IsDueForOtherCollections,
    LetsLaterOnesPass,
    ForgetsCrashes,
    HoldsEverythingBack,
    CountsOutages,
    WaitsForOneForEver,
    BuriesWholeBatches,
    IsDueInAnOutage,
    RetriesAtOnce,
    RetriesForEver,
    GivesUpEarly,
    WaitsEverLonger,
    NeverKnowsWhatIsDue,
    ThinksAllIsDue,
    KeepsWhatWasDropped,
    RedrivesToNowhere,
    RedrivesOnce,
    ListsTheNewestFirst,
)
