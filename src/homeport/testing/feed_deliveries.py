"""The change feed's contract: what reaches a consumer, and what comes again after a failure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import final

import pytest

from homeport.adapters.memory.clock import ManualClock
from homeport.adapters.memory.faults import Crash
from homeport.domain.events import RecordChanged
from homeport.domain.model.data import Data
from homeport.domain.model.record import Key, Record
from homeport.domain.model.writes import Delete, Patch, Put, WriteRefused
from homeport.domain.ports.change_feed import ChangeFeed
from homeport.domain.ports.record_store import RecordStore
from homeport.testing.feed_support import (
    ANNA,
    BEN,
    INDEXING,
    MANY,
    MESSAGING,
    ChangeFeedSupport,
    Consumer,
    put,
    versions_in,
    versions_of,
)


class DeliveriesContract(ChangeFeedSupport):
    """Deliveries, and the ones that fail."""

    # What comes

    @final
    def test_every_change_comes_with_its_facts(
        self, store: RecordStore, feed: ChangeFeed, space: str
    ) -> None:
        key = Key(space, "notes", "r")
        first = put(store, key)
        (second,) = store.write([Patch(key, BEN, {"n": 2})])
        (third,) = store.write([Delete(key, BEN)])
        (fourth,) = store.write([Put(key, BEN, Data.of({}))])
        consumer = Consumer()
        self.drain(feed, consumer)
        assert consumer.events == [
            RecordChanged(key, first.version, None, ANNA, deleted=False),
            RecordChanged(key, second.version, first.version, ANNA, deleted=False),
            RecordChanged(key, third.version, second.version, ANNA, deleted=True),
            RecordChanged(key, fourth.version, third.version, BEN, deleted=False),
        ]

    @final
    def test_changes_come_as_they_go_on(
        self, store: RecordStore, feed: ChangeFeed, space: str
    ) -> None:
        consumer = Consumer()
        for n in range(3):
            record = put(store, Key(space, "notes", f"r{n}"))
            self.drain(feed, consumer)
            assert [event.version for event in consumer.batches[-1]] == [record.version]
        assert len(consumer.events) == 3

    @final
    def test_all_of_a_batch_comes_in_hidden_spaces_too(
        self, store: RecordStore, feed: ChangeFeed, space: str
    ) -> None:
        keys = [Key(owner, "notes", "r") for owner in (space, f".{space}", f"{space}2")]
        records = store.write([Put(key, ANNA, Data.of({})) for key in keys])
        consumer = Consumer()
        self.drain(feed, consumer)
        assert versions_in(consumer.events) == versions_of(records)

    @final
    def test_a_refused_write_is_no_change(
        self, store: RecordStore, feed: ChangeFeed, space: str
    ) -> None:
        record = put(store, Key(space, "notes", "r"))
        with pytest.raises(WriteRefused):
            store.write(
                [
                    Put(Key(space, "notes", "s"), ANNA, Data.of({})),
                    Put(record.key, ANNA, Data.of({}), 1),
                ]
            )
        consumer = Consumer()
        self.drain(feed, consumer)
        assert versions_in(consumer.events) == versions_of([record])

    @final
    @pytest.mark.parametrize("limit", [1, 3, 100])
    def test_changes_of_a_record_come_in_order(
        self, store: RecordStore, feed: ChangeFeed, space: str, limit: int
    ) -> None:
        keys = [Key(space, "notes", f"r{n}") for n in range(3)]
        records = [put(store, keys[n % 3]) for n in range(12)]
        consumer = Consumer()
        self.drain(feed, consumer, limit=limit)
        assert all(len(batch) <= limit for batch in consumer.batches)
        for key in keys:
            assert consumer.of(key) == [one.version for one in records if one.key == key]

    @final
    def test_consumers_do_not_know_each_other(
        self, store: RecordStore, feed: ChangeFeed, space: str
    ) -> None:
        records = [put(store, Key(space, "notes", f"r{n}")) for n in range(3)]
        indexing, messaging = Consumer(), Consumer(lambda event: "no")
        self.drain(feed, indexing, INDEXING)
        self.drain(feed, messaging, MESSAGING)
        records.append(put(store, Key(space, "notes", "last")))
        self.drain(feed, indexing, INDEXING)
        assert versions_in(indexing.events) == versions_of(records)
        assert versions_in(messaging.events) == versions_of(records[:3])

    @final
    def test_a_late_consumer_learns_of_every_record(
        self, store: RecordStore, feed: ChangeFeed, space: str
    ) -> None:
        keys = [Key(space, "notes", f"r{n}") for n in range(3)]
        current = {key: put(store, key) for key in keys}
        current[keys[0]] = put(store, keys[0])
        (current[keys[1]],) = store.write([Delete(keys[1], ANNA)])
        self.drain(feed, Consumer(), INDEXING)
        late = Consumer()
        self.drain(feed, late, "late", limit=2)
        assert {key: late.of(key)[-1] for key in keys} == {
            key: record.version for key, record in current.items()
        }

    @final
    def test_a_consumer_of_some_collections_gets_only_theirs(
        self, store: RecordStore, feed: ChangeFeed, space: str
    ) -> None:
        consumer = Consumer()
        wanted = ("sent", "drafts")
        assert feed.next_due("some", wanted) is None
        put(store, Key(space, "notes", "r1"))
        self.settle()
        assert feed.next_due("some", wanted) is None
        assert feed.deliver("some", consumer, 2, wanted) == 0
        records = [
            put(store, Key(space, collection, f"r{n}"))
            for n, collection in enumerate(("sent", "notes", "drafts", "notes", "notes", "sent"))
        ]
        self.settle()
        assert feed.next_due("some", wanted) == 0
        while feed.deliver("some", consumer, 2, wanted):
            pass
        assert versions_in(consumer.events) == versions_of(
            [one for one in records if one.key.collection in wanted]
        )
        assert feed.next_due("some", wanted) is None

    @final
    def test_deliver_says_how_many_and_does_nothing_for_none(
        self, store: RecordStore, feed: ChangeFeed, space: str
    ) -> None:
        consumer = Consumer()
        assert feed.deliver(INDEXING, consumer) == 0
        assert consumer.batches == []
        for n in range(5):
            put(store, Key(space, "notes", f"r{n}"))
        self.settle()
        counts = []
        while count := feed.deliver(INDEXING, consumer, 3):
            counts.append(count)
        assert counts == [len(batch) for batch in consumer.batches]
        assert sum(counts) == 5
        assert feed.deliver(INDEXING, consumer) == 0

    @final
    def test_a_consumer_may_write_itself(
        self, store: RecordStore, feed: ChangeFeed, space: str
    ) -> None:
        answer = Key(space, "answers", "r")

        def fails(event: RecordChanged) -> str:
            if event.key.collection == "notes":
                put(store, answer)
            return ""

        consumer = Consumer(fails)
        put(store, Key(space, "notes", "r"))
        self.drain(feed, consumer)
        self.drain(feed, consumer)
        assert len(consumer.of(answer)) == 1

    @final
    def test_nothing_is_lost_beside_writers(
        self, store: RecordStore, feed: ChangeFeed, space: str
    ) -> None:
        def write(writer: int) -> list[Record]:
            return [put(store, Key(space, "notes", f"r{n % 4}-{writer % 2}")) for n in range(20)]

        consumer = Consumer()
        with ThreadPoolExecutor(3) as pool:
            writers = [pool.submit(write, number) for number in range(3)]
            while not all(writer.done() for writer in writers):
                feed.deliver(INDEXING, consumer, 7)
        self.drain(feed, consumer)
        records = [record for writer in writers for record in writer.result()]
        assert versions_in(consumer.events) == versions_of(records)
        for key in {record.key for record in records}:
            assert consumer.of(key) == sorted(consumer.of(key))

    # When it fails

    @final
    def test_only_what_failed_comes_again_and_not_at_once(
        self, store: RecordStore, feed: ChangeFeed, space: str, clock: ManualClock
    ) -> None:
        records = [put(store, Key(space, "notes", f"r{n}")) for n in range(3)]
        consumer = Consumer(lambda event: "broken" if event.key.id == "r1" else "")
        self.drain(feed, consumer)
        assert len(consumer.events) == 3
        consumer.fails = lambda event: ""
        clock.advance(self.retry.wait(1) - 0.001)
        assert feed.deliver(INDEXING, consumer) == 0
        clock.advance(0.001)
        assert feed.deliver(INDEXING, consumer) == 1
        assert consumer.events[-1].version == records[1].version
        clock.advance(MANY)
        assert feed.deliver(INDEXING, consumer) == 0

    @final
    def test_a_batch_whose_consumer_raised_comes_again(
        self, store: RecordStore, feed: ChangeFeed, space: str, clock: ManualClock
    ) -> None:
        records = [put(store, Key(space, "notes", f"r{n}")) for n in range(3)]

        def explode(events: Sequence[RecordChanged]) -> Mapping[int, str]:
            raise RuntimeError("no index")

        self.settle()
        assert feed.deliver(INDEXING, explode) == 3
        self.drain(feed, explode)
        consumer = Consumer()
        self.drain(feed, consumer)
        assert consumer.events == []
        clock.advance(self.retry.wait(1))
        self.drain(feed, consumer)
        assert versions_in(consumer.events) == versions_of(records)

    @final
    @pytest.mark.parametrize("place", [-1, 3])
    def test_failing_a_place_outside_the_batch_fails_it_whole(
        self, store: RecordStore, feed: ChangeFeed, space: str, clock: ManualClock, place: int
    ) -> None:
        records = [put(store, Key(space, "notes", f"r{n}")) for n in range(3)]
        self.settle()
        assert feed.deliver(INDEXING, lambda events: {place: "no such place"}, 3) == 3
        clock.advance(self.retry.wait(1))
        consumer = Consumer()
        self.drain(feed, consumer)
        assert versions_in(consumer.events) == versions_of(records)

    @final
    def test_a_crash_repeats_the_batch(
        self, store: RecordStore, feed: ChangeFeed, space: str, clock: ManualClock
    ) -> None:
        records = [put(store, Key(space, "notes", f"r{n}")) for n in range(3)]
        seen = Consumer()

        def crash(events: Sequence[RecordChanged]) -> Mapping[int, str]:
            seen(events)
            raise Crash

        self.settle()
        with pytest.raises(Crash):
            feed.deliver(INDEXING, crash, 2)
        assert len(seen.events) == 2
        clock.advance(self.retry.longest_wait)
        consumer = Consumer()
        self.drain(feed, consumer)
        assert versions_in(consumer.events) == versions_of(records)

    @final
    @pytest.mark.parametrize("limit", [1, 2, 100])
    def test_later_changes_of_a_record_wait_behind_a_failed_one(
        self, store: RecordStore, feed: ChangeFeed, space: str, clock: ManualClock, limit: int
    ) -> None:
        stuck, other = Key(space, "notes", "stuck"), Key(space, "notes", "other")
        of_stuck = [put(store, stuck).version]
        first = of_stuck[0]
        consumer = Consumer(lambda event: "broken" if event.version == first else "")
        self.drain(feed, consumer, limit=limit)
        of_other = []
        for _ in range(4):
            of_stuck.append(put(store, stuck).version)
            of_other.append(put(store, other).version)
        self.drain(feed, consumer, limit=limit)
        assert consumer.of(stuck) == [first]
        assert consumer.of(other) == of_other
        consumer.fails = lambda event: ""
        clock.advance(self.retry.wait(1))
        self.drain(feed, consumer, limit=limit)
        assert consumer.of(stuck) == [first, *of_stuck]
        assert consumer.of(other) == of_other

    @final
    def test_later_changes_in_the_same_batch_come_again_too(
        self, store: RecordStore, feed: ChangeFeed, space: str, clock: ManualClock
    ) -> None:
        key = Key(space, "notes", "r")
        versions = [put(store, key).version for _ in range(3)]
        consumer = Consumer(lambda event: "broken" if event.version == versions[0] else "")
        self.drain(feed, consumer)
        consumer.fails = lambda event: ""
        clock.advance(self.retry.wait(1))
        self.drain(feed, consumer)
        assert consumer.of(key)[-3:] == versions

    @final
    def test_the_wait_grows_up_to_the_longest(
        self, store: RecordStore, feed: ChangeFeed, space: str, clock: ManualClock
    ) -> None:
        put(store, Key(space, "notes", "r"))
        consumer = Consumer(lambda event: "broken")
        self.drain(feed, consumer)
        for attempt in range(1, self.retry.attempts):
            wait = self.retry.wait(attempt)
            assert feed.next_due(INDEXING) == pytest.approx(wait)
            clock.advance(wait - 0.001)
            assert feed.deliver(INDEXING, consumer) == 0
            clock.advance(0.001)
            assert feed.deliver(INDEXING, consumer) == 1
        assert len(consumer.events) == self.retry.attempts

    @final
    def test_next_due(
        self, store: RecordStore, feed: ChangeFeed, space: str, clock: ManualClock
    ) -> None:
        assert feed.next_due(INDEXING) is None
        key = Key(space, "notes", "r")
        put(store, key)
        self.settle()
        assert feed.next_due(INDEXING) == 0
        consumer = Consumer(lambda event: "broken" if event.key == key else "")
        self.drain(feed, consumer)
        clock.advance(0.5)
        assert feed.next_due(INDEXING) == pytest.approx(self.retry.wait(1) - 0.5)
        put(store, key)
        self.settle()
        assert feed.next_due(INDEXING) == pytest.approx(self.retry.wait(1) - 0.5)
        put(store, Key(space, "notes", "other"))
        self.settle()
        assert feed.next_due(INDEXING) == 0
        clock.advance(MANY)
        assert feed.next_due(INDEXING) == 0
        consumer.fails = lambda event: ""
        self.drain(feed, consumer)
        assert feed.next_due(INDEXING) is None
