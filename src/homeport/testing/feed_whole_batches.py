"""The change feed's contract: what becomes of a batch whose consumer raises."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, final

import pytest

from homeport.adapters.memory.clock import ManualClock
from homeport.domain.errors import Unavailable
from homeport.domain.events import RecordChanged
from homeport.domain.holding_back import LONGEST_OUTAGE_WAIT
from homeport.domain.model.record import Key
from homeport.domain.ports.change_feed import ChangeFeed
from homeport.domain.ports.record_store import RecordStore
from homeport.testing.contract import skip_unless
from homeport.testing.feed_support import (
    INDEXING,
    MANY,
    MESSAGING,
    ChangeFeedSupport,
    Consumer,
    put,
    versions_in,
    versions_of,
)

_HOLDS: Final = "the feed counts an attempt for each event of a batch whose consumer raised"


def _down(events: Sequence[RecordChanged]) -> Mapping[int, str]:
    raise Unavailable("The server is down.")


class WholeBatchesContract(ChangeFeedSupport):
    """Outages, and errors that nobody expected."""

    @final
    @pytest.mark.parametrize("limit", [1, 2, 100])
    def test_an_outage_costs_no_attempt(
        self, store: RecordStore, feed: ChangeFeed, space: str, clock: ManualClock, limit: int
    ) -> None:
        skip_unless(self.holds_batches, _HOLDS)
        keys = [Key(space, "notes", f"r{n % 2}") for n in range(4)]
        records = [put(store, key) for key in keys]
        self.settle()
        for _ in range(3 * self.retry.attempts):
            self.drain(feed, _down, limit=limit)
            due = feed.next_due(INDEXING)
            assert due is not None
            assert 0 < due <= LONGEST_OUTAGE_WAIT
            clock.advance(due)
        assert feed.dead_letters(INDEXING) == []
        consumer = Consumer()
        clock.advance(LONGEST_OUTAGE_WAIT)
        self.drain(feed, consumer, limit=limit)
        for key in keys:
            assert consumer.of(key) == [one.version for one in records if one.key == key]
        assert feed.next_due(INDEXING) is None

    @final
    def test_after_an_outage_each_event_has_all_its_attempts(
        self, store: RecordStore, feed: ChangeFeed, space: str, clock: ManualClock
    ) -> None:
        skip_unless(self.holds_batches, _HOLDS)
        put(store, Key(space, "notes", "r"))
        self.settle()
        failing = Consumer(lambda event: "broken")
        for attempt in range(1, self.retry.attempts + 1):
            for limit in (1, 100):
                assert feed.deliver(INDEXING, _down, limit) == 0
                clock.advance(LONGEST_OUTAGE_WAIT)
            self.drain(feed, failing)
            assert len(failing.events) == attempt
            clock.advance(self.retry.longest_wait)
        (letter,) = feed.dead_letters(INDEXING)
        assert (letter.cause, letter.attempts) == ("broken", self.retry.attempts)

    @final
    def test_what_comes_during_an_outage_waits_and_other_consumers_go_on(
        self, store: RecordStore, feed: ChangeFeed, space: str, clock: ManualClock
    ) -> None:
        skip_unless(self.holds_batches, _HOLDS)
        records = [put(store, Key(space, "notes", "before"))]
        self.settle()
        assert feed.deliver(INDEXING, _down) == 0
        records.append(put(store, Key(space, "notes", "during")))
        waiting, other = Consumer(), Consumer()
        self.drain(feed, waiting)
        self.drain(feed, other, MESSAGING)
        assert waiting.events == []
        assert versions_in(other.events) == versions_of(records)
        clock.advance(self.retry.wait(1))
        self.drain(feed, waiting)
        assert versions_in(waiting.events) == versions_of(records)

    @final
    def test_waits_begin_anew_after_an_outage(
        self, store: RecordStore, feed: ChangeFeed, space: str, clock: ManualClock
    ) -> None:
        skip_unless(self.holds_batches, _HOLDS)
        for n in range(2):
            put(store, Key(space, "notes", f"r{n}"))
            self.settle()
            for outage in (1, 2, 3):
                assert feed.deliver(INDEXING, _down) == 0
                assert feed.next_due(INDEXING) == pytest.approx(self.retry.wait(outage))
                clock.advance(self.retry.wait(outage))
            self.drain(feed, Consumer())

    @final
    @pytest.mark.parametrize("outside", [False, True])
    def test_an_error_takes_only_the_record_at_fault_along(
        self, store: RecordStore, feed: ChangeFeed, space: str, clock: ManualClock, outside: bool
    ) -> None:
        skip_unless(self.holds_batches, _HOLDS)
        records = [put(store, Key(space, "notes", f"r{n}")) for n in range(9)]
        poisoned = records[5]
        consumer = Consumer()

        def consume(events: Sequence[RecordChanged]) -> Mapping[int, str]:
            if any(event.key == poisoned.key for event in events):
                if outside:
                    return {len(events): "no such place"}
                raise RuntimeError("what is this?")
            return consumer(events)

        self.settle()
        for _ in range(MANY):
            if not feed.deliver(INDEXING, consume):
                due = feed.next_due(INDEXING)
                if due is None:
                    break
                clock.advance(due)
        (letter,) = feed.dead_letters(INDEXING)
        assert poisoned.key.id in letter.body
        assert letter.attempts == self.retry.attempts
        assert versions_in(consumer.events) == versions_of(
            [one for one in records if one is not poisoned]
        )
        later = put(store, Key(space, "notes", "later"))
        self.drain(feed, consumer)
        assert consumer.of(later.key) == [later.version]

    @final
    def test_once_a_record_is_known_to_be_at_fault_others_go_on(
        self, store: RecordStore, feed: ChangeFeed, space: str, clock: ManualClock
    ) -> None:
        skip_unless(self.holds_batches, _HOLDS)
        poisoned = put(store, Key(space, "notes", "poisoned"))

        def explode(events: Sequence[RecordChanged]) -> Mapping[int, str]:
            if any(event.key == poisoned.key for event in events):
                raise RuntimeError("what is this?")
            return consumer(events)

        consumer = Consumer()
        self.settle()
        assert feed.deliver(INDEXING, explode) == 1
        fine = [put(store, Key(space, "notes", f"r{n}")) for n in range(3)]
        self.settle()
        clock.advance(self.retry.wait(1))
        while feed.deliver(INDEXING, explode):
            pass
        assert versions_in(consumer.events) == versions_of(fine)

    @final
    @pytest.mark.parametrize("limit", [1, 100])
    def test_one_that_always_finds_an_outage_holds_up_no_others_and_dies(
        self, store: RecordStore, feed: ChangeFeed, space: str, clock: ManualClock, limit: int
    ) -> None:
        skip_unless(self.holds_batches, _HOLDS)
        records = [put(store, Key(space, "notes", f"r{n}")) for n in range(9)]
        poisoned = records[0]
        consumer = Consumer()

        def consume(events: Sequence[RecordChanged]) -> Mapping[int, str]:
            if any(event.key == poisoned.key for event in events):
                raise Unavailable("This one never works.")
            return consumer(events)

        self.settle()
        begun = clock.now()
        for _ in range(MANY):
            self.drain(feed, consume, limit=limit)
            if feed.dead_letters(INDEXING):
                break
            if clock.now() - begun > 120_000_000:
                assert versions_in(consumer.events) == versions_of(records[1:])
            clock.advance(feed.next_due(INDEXING) or 0)
        assert 180_000_000 < clock.now() - begun < 3_600_000_000
        (letter,) = feed.dead_letters(INDEXING)
        assert (letter.cause, letter.attempts) == ("This one never works.", self.retry.attempts)
        assert feed.next_due(INDEXING) is None

    @final
    @pytest.mark.parametrize("limit", [1, 100])
    def test_an_outage_of_hours_ends_by_itself(
        self, store: RecordStore, feed: ChangeFeed, space: str, clock: ManualClock, limit: int
    ) -> None:
        skip_unless(self.holds_batches, _HOLDS)
        records = []
        for n in range(200):
            records.append(put(store, Key(space, "notes", f"r{n % 20}")))
            self.settle()
            self.drain(feed, _down, limit=limit)
            clock.advance(60)
        consumer = Consumer()
        self.drain(feed, consumer, limit=limit)
        assert feed.dead_letters(INDEXING) == []
        assert set(versions_in(consumer.events)) == set(versions_of(records))
        assert feed.next_due(INDEXING) is None
