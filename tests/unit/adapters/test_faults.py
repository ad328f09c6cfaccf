"""Faults on demand do what they say, over any port."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

import pytest

from homeport.adapters.memory.change_feed import MemoryChangeFeed
from homeport.adapters.memory.clock import ManualClock
from homeport.adapters.memory.faults import (
    Crash,
    crashing,
    delayed,
    replayed,
    shuffled,
    twice,
    with_faults,
)
from homeport.adapters.memory.ids import SequentialIds
from homeport.adapters.memory.message_queue import MemoryMessageQueue
from homeport.adapters.memory.record_store import MemoryRecordStore
from homeport.domain.errors import OutcomeUnknown, Unavailable
from homeport.domain.events import RecordChanged
from homeport.domain.model.data import Data
from homeport.domain.model.record import Key, Record
from homeport.domain.model.writes import Expect, Put, Reason, WriteRefused
from homeport.domain.ports.message_queue import Delivery
from homeport.domain.ports.record_store import RecordStore

KEY = Key("space", "notes", "r")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def store(clock: ManualClock) -> MemoryRecordStore:
    return MemoryRecordStore(clock, SequentialIds())


def _put(store: RecordStore, key: Key = KEY, expect: Expect = Expect.ANYTHING) -> Record:
    (record,) = store.write([Put(key, "anna", Data.of({"n": 1}), expect)])
    return record


class Seen:
    """A consumer that remembers the order in which events came."""

    def __init__(self) -> None:
        self.events: list[RecordChanged] = []

    def __call__(self, events: Sequence[RecordChanged]) -> Mapping[int, str]:
        self.events += events
        return {}

    def of(self, key: Key) -> list[int]:
        return [event.version for event in self.events if event.key == key]


class TestAroundAPort:
    def test_without_faults_nothing_is_different(self, store: MemoryRecordStore) -> None:
        same, _ = with_faults(store)
        assert _put(same) == store.get(KEY) == same.get(KEY)

    def test_calls_fail_as_often_as_planned_and_do_nothing(self, store: MemoryRecordStore) -> None:
        faulty, faults = with_faults(store)
        faults.fail("write", times=2)
        for _ in range(2):
            with pytest.raises(Unavailable):
                _put(faulty)
        assert store.get(KEY) is None
        _put(faulty)
        assert store.get(KEY) is not None

    def test_a_call_fails_with_a_given_error(self, store: MemoryRecordStore) -> None:
        faulty, faults = with_faults(store)
        faults.fail("get", OutcomeUnknown("lost"))
        with pytest.raises(OutcomeUnknown):
            faulty.get(KEY)

    def test_an_answer_is_lost_after_the_work_was_done(self, store: MemoryRecordStore) -> None:
        faulty, faults = with_faults(store)
        faults.lose_answer("write")
        with pytest.raises(Crash):
            _put(faulty)
        assert store.get(KEY) is not None
        faults.lose_answer("write", OutcomeUnknown("lost"))
        with pytest.raises(OutcomeUnknown):
            _put(faulty)

    def test_somebody_else_comes_first(self, store: MemoryRecordStore) -> None:
        faulty, faults = with_faults(store)
        faults.interrupt("write", lambda: _put(store))
        with pytest.raises(WriteRefused) as refused:
            _put(faulty, expect=Expect.ABSENT)
        assert refused.value.reason is Reason.EXISTS

    def test_it_works_over_another_port(self, clock: ManualClock) -> None:
        queue, faults = with_faults(MemoryMessageQueue(clock))
        faults.fail("enqueue")
        with pytest.raises(Unavailable):
            queue.enqueue("a")
        assert queue.next_due() is None


class TestAroundAConsumer:
    @pytest.fixture
    def feed(self, store: MemoryRecordStore, clock: ManualClock) -> MemoryChangeFeed:
        return MemoryChangeFeed(store, clock)

    def test_every_batch_comes_twice(
        self, store: MemoryRecordStore, feed: MemoryChangeFeed
    ) -> None:
        _put(store)
        seen = Seen()
        feed.deliver("test", twice(seen))
        assert len(seen.events) == 2

    def test_a_batch_comes_late(
        self, store: MemoryRecordStore, feed: MemoryChangeFeed, clock: ManualClock
    ) -> None:
        _put(store)
        seen = Seen()
        late = delayed(seen)
        feed.deliver("test", late)
        assert seen.events == []
        clock.advance(60)
        feed.deliver("test", late)
        assert len(seen.events) == 1

    def test_a_crash_after_the_work_repeats_it(
        self, store: MemoryRecordStore, feed: MemoryChangeFeed
    ) -> None:
        _put(store)
        seen = Seen()
        consume = crashing(seen)
        with pytest.raises(Crash):
            feed.deliver("test", consume)
        feed.deliver("test", consume)
        assert len(seen.events) == 2

    def test_records_are_shuffled_and_each_keeps_its_order(
        self, store: MemoryRecordStore, feed: MemoryChangeFeed
    ) -> None:
        keys = [KEY._replace(id=f"r{n % 4}") for n in range(20)]
        records = [_put(store, key) for key in keys]
        seen = Seen()
        feed.deliver("test", shuffled(seen, random.Random(1)))
        assert [event.key for event in seen.events] != keys
        for key in set(keys):
            assert seen.of(key) == [one.version for one in records if one.key == key]

    def test_a_failure_in_a_shuffled_batch_is_that_of_its_event(
        self, store: MemoryRecordStore, feed: MemoryChangeFeed, clock: ManualClock
    ) -> None:
        for n in range(10):
            _put(store, KEY._replace(id=f"r{n}"))

        def fail_one(events: Sequence[RecordChanged]) -> Mapping[int, str]:
            return {place: "no" for place, one in enumerate(events) if one.key.id == "r3"}

        feed.deliver("test", shuffled(fail_one, random.Random(1)))
        clock.advance(60)
        seen = Seen()
        feed.deliver("test", seen)
        assert [event.key.id for event in seen.events] == ["r3"]

    def test_old_events_come_again(self, store: MemoryRecordStore, feed: MemoryChangeFeed) -> None:
        seen = Seen()
        consume = replayed(seen, random.Random(1))
        versions = []
        for _ in range(3):
            versions.append(_put(store).version)
            feed.deliver("test", consume)
        came = seen.of(KEY)
        assert set(came) == set(versions) and len(came) > 3
        assert came != sorted(came)

    def test_a_worker_of_a_queue_is_troubled_alike(self, clock: ManualClock) -> None:
        queue = MemoryMessageQueue(clock)
        queue.enqueue("body")
        bodies: list[str] = []

        def work(deliveries: Sequence[Delivery]) -> Mapping[str, str]:
            bodies.extend(one.body for one in deliveries)
            return {}

        with pytest.raises(Crash):
            queue.deliver(crashing(twice(work)))
        queue.deliver(work)
        assert bodies == ["body"] * 3
