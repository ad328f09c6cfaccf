"""What the parts of the change feed's contract share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar, Final

import pytest

from homeport.adapters.memory.clock import ManualClock
from homeport.domain.events import RecordChanged
from homeport.domain.model.data import Data
from homeport.domain.model.record import Key, Record
from homeport.domain.model.writes import Put
from homeport.domain.ports.change_feed import ChangeFeed, Consume
from homeport.domain.ports.deliveries import DeadLetter, Retry
from homeport.domain.ports.record_store import RecordStore
from homeport.testing.contract import Contract

ANNA, BEN = "anna", "ben"
INDEXING, MESSAGING = "indexing", "messaging"
MANY: Final = 1000


class Consumer:
    """Remembers all batches; `fails` says why an event fails, "" where it does not."""

    def __init__(self, fails: Callable[[RecordChanged], str] = lambda event: "") -> None:
        self.batches: list[list[RecordChanged]] = []
        self.fails = fails

    def __call__(self, events: Sequence[RecordChanged]) -> Mapping[int, str]:
        self.batches.append(list(events))
        causes = {place: self.fails(event) for place, event in enumerate(events)}
        return {place: cause for place, cause in causes.items() if cause}

    @property
    def events(self) -> list[RecordChanged]:
        return [event for batch in self.batches for event in batch]

    def of(self, key: Key) -> list[int]:
        """The versions of one record that came, in the order in which they came."""
        return [event.version for event in self.events if event.key == key]


class ChangeFeedSupport(Contract):
    """The fixtures and the retries; see `ChangeFeedContract`."""

    counts_crashes: ClassVar[bool] = False
    """The feed counts an attempt before it hands over an event that goes alone."""
    holds_batches: ClassVar[bool] = False
    """The feed counts no attempt of what is in a batch whose consumer raised."""
    retry: ClassVar[Retry] = Retry(attempts=3, first_wait=2.0, longest_wait=3.0)

    @pytest.fixture
    def store(self, clock: ManualClock) -> RecordStore:
        raise self.missing("store")

    @pytest.fixture
    def feed(self, store: RecordStore, clock: ManualClock) -> ChangeFeed:
        raise self.missing("feed")

    def drain(
        self, feed: ChangeFeed, consumer: Consume, name: str = INDEXING, limit: int = 100
    ) -> None:
        """Deliver until nothing is due."""
        self.settle()
        for _ in range(MANY):
            if not feed.deliver(name, consumer, limit):
                return
        raise AssertionError("the feed never comes to an end")

    def bury(
        self, feed: ChangeFeed, clock: ManualClock, consumer: Consumer | None = None
    ) -> list[DeadLetter]:
        """Fail everything until it is dead."""
        consumer = consumer or Consumer(lambda event: "broken")
        for _ in range(self.retry.attempts):
            self.drain(feed, consumer)
            clock.advance(self.retry.longest_wait)
        clock.advance(-self.retry.longest_wait)
        return feed.dead_letters(INDEXING)


def put(store: RecordStore, key: Key) -> Record:
    (record,) = store.write([Put(key, ANNA, Data.of({"n": 1}))])
    return record


def versions_in(events: Sequence[RecordChanged]) -> list[int]:
    return sorted(event.version for event in events)


def versions_of(records: Sequence[Record]) -> list[int]:
    return sorted(record.version for record in records)
