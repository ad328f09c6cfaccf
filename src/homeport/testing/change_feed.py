"""The contract of the change feed."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import ClassVar, Final, final

import pytest

from homeport.adapters.memory.clock import ManualClock
from homeport.domain.events import RecordChanged
from homeport.domain.model.data import Data
from homeport.domain.model.record import Key, Record
from homeport.domain.model.writes import Delete, Patch, Put, WriteRefused
from homeport.domain.ports.change_feed import ChangeFeed
from homeport.domain.ports.deliveries import DeadLetter, Retry
from homeport.domain.ports.record_store import RecordStore
from homeport.testing.contract import Contract

ANNA, BEN = "anna", "ben"
INDEXING, MESSAGING = "indexing", "messaging"
_MANY: Final = 1000


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


class Crash(BaseException):
    """The end of the process, as far as a test can have it."""


class ChangeFeedContract(Contract):
    """What `homeport.domain.ports.change_feed.ChangeFeed` promises.

    Override the fixtures `store`, a record store without records, and `feed`, its change feed,
    made with the fixture `clock` and with `retry`.
    """

    retry: ClassVar[Retry] = Retry(attempts=3, first_wait=2.0, longest_wait=3.0)

    @pytest.fixture
    def store(self, clock: ManualClock) -> RecordStore:
        raise self.missing("store")

    @pytest.fixture
    def feed(self, store: RecordStore, clock: ManualClock) -> ChangeFeed:
        raise self.missing("feed")

    # What comes

    @final
    def test_every_change_comes_with_its_facts(
        self, store: RecordStore, feed: ChangeFeed, space: str
    ) -> None:
        key = Key(space, "notes", "r")
        first = _put(store, key)
        (second,) = store.write([Patch(key, BEN, {"n": 2})])
        (third,) = store.write([Delete(key, BEN)])
        (fourth,) = store.write([Put(key, BEN, Data.of({}))])
        consumer = Consumer()
        self._drain(feed, consumer)
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
            record = _put(store, Key(space, "notes", f"r{n}"))
            self._drain(feed, consumer)
            assert [event.version for event in consumer.batches[-1]] == [record.version]
        assert len(consumer.events) == 3

    @final
    def test_all_of_a_batch_comes_in_hidden_spaces_too(
        self, store: RecordStore, feed: ChangeFeed, space: str
    ) -> None:
        keys = [Key(owner, "notes", "r") for owner in (space, f".{space}", f"{space}2")]
        records = store.write([Put(key, ANNA, Data.of({})) for key in keys])
        consumer = Consumer()
        self._drain(feed, consumer)
        assert _versions(consumer.events) == _versions_of(records)

    @final
    def test_a_refused_write_is_no_change(
        self, store: RecordStore, feed: ChangeFeed, space: str
    ) -> None:
        record = _put(store, Key(space, "notes", "r"))
        with pytest.raises(WriteRefused):
            store.write(
                [
                    Put(Key(space, "notes", "s"), ANNA, Data.of({})),
                    Put(record.key, ANNA, Data.of({}), 1),
                ]
            )
        consumer = Consumer()
        self._drain(feed, consumer)
        assert _versions(consumer.events) == _versions_of([record])

    @final
    @pytest.mark.parametrize("limit", [1, 3, 100])
    def test_changes_of_a_record_come_in_order(
        self, store: RecordStore, feed: ChangeFeed, space: str, limit: int
    ) -> None:
        keys = [Key(space, "notes", f"r{n}") for n in range(3)]
        records = [_put(store, keys[n % 3]) for n in range(12)]
        consumer = Consumer()
        self._drain(feed, consumer, limit=limit)
        assert all(len(batch) <= limit for batch in consumer.batches)
        for key in keys:
            assert consumer.of(key) == [one.version for one in records if one.key == key]

    @final
    def test_consumers_do_not_know_each_other(
        self, store: RecordStore, feed: ChangeFeed, space: str
    ) -> None:
        records = [_put(store, Key(space, "notes", f"r{n}")) for n in range(3)]
        indexing, messaging = Consumer(), Consumer(lambda event: "no")
        self._drain(feed, indexing, INDEXING)
        self._drain(feed, messaging, MESSAGING)
        records.append(_put(store, Key(space, "notes", "last")))
        self._drain(feed, indexing, INDEXING)
        assert _versions(indexing.events) == _versions_of(records)
        assert _versions(messaging.events) == _versions_of(records[:3])

    @final
    def test_a_late_consumer_learns_of_every_record(
        self, store: RecordStore, feed: ChangeFeed, space: str
    ) -> None:
        keys = [Key(space, "notes", f"r{n}") for n in range(3)]
        current = {key: _put(store, key) for key in keys}
        current[keys[0]] = _put(store, keys[0])
        (current[keys[1]],) = store.write([Delete(keys[1], ANNA)])
        self._drain(feed, Consumer(), INDEXING)
        late = Consumer()
        self._drain(feed, late, "late", limit=2)
        assert {key: late.of(key)[-1] for key in keys} == {
            key: record.version for key, record in current.items()
        }

    @final
    def test_deliver_says_how_many_and_does_nothing_for_none(
        self, store: RecordStore, feed: ChangeFeed, space: str
    ) -> None:
        consumer = Consumer()
        assert feed.deliver(INDEXING, consumer) == 0
        assert consumer.batches == []
        for n in range(5):
            _put(store, Key(space, "notes", f"r{n}"))
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
                _put(store, answer)
            return ""

        consumer = Consumer(fails)
        _put(store, Key(space, "notes", "r"))
        self._drain(feed, consumer)
        self._drain(feed, consumer)
        assert len(consumer.of(answer)) == 1

    @final
    def test_nothing_is_lost_beside_writers(
        self, store: RecordStore, feed: ChangeFeed, space: str
    ) -> None:
        def write(writer: int) -> list[Record]:
            return [_put(store, Key(space, "notes", f"r{n % 4}-{writer % 2}")) for n in range(20)]

        consumer = Consumer()
        with ThreadPoolExecutor(3) as pool:
            writers = [pool.submit(write, number) for number in range(3)]
            while not all(writer.done() for writer in writers):
                feed.deliver(INDEXING, consumer, 7)
        self._drain(feed, consumer)
        records = [record for writer in writers for record in writer.result()]
        assert _versions(consumer.events) == _versions_of(records)
        for key in {record.key for record in records}:
            assert consumer.of(key) == sorted(consumer.of(key))

    # When it fails

    @final
    def test_only_what_failed_comes_again_and_not_at_once(
        self, store: RecordStore, feed: ChangeFeed, space: str, clock: ManualClock
    ) -> None:
        records = [_put(store, Key(space, "notes", f"r{n}")) for n in range(3)]
        consumer = Consumer(lambda event: "broken" if event.key.id == "r1" else "")
        self._drain(feed, consumer)
        assert len(consumer.events) == 3
        consumer.fails = lambda event: ""
        clock.advance(self.retry.wait(1) - 0.001)
        assert feed.deliver(INDEXING, consumer) == 0
        clock.advance(0.001)
        assert feed.deliver(INDEXING, consumer) == 1
        assert consumer.events[-1].version == records[1].version
        clock.advance(_MANY)
        assert feed.deliver(INDEXING, consumer) == 0

    @final
    def test_a_batch_whose_consumer_raised_comes_again(
        self, store: RecordStore, feed: ChangeFeed, space: str, clock: ManualClock
    ) -> None:
        records = [_put(store, Key(space, "notes", f"r{n}")) for n in range(3)]

        def explode(events: Sequence[RecordChanged]) -> Mapping[int, str]:
            raise RuntimeError("no index")

        self.settle()
        assert feed.deliver(INDEXING, explode) == 3
        consumer = Consumer()
        self._drain(feed, consumer)
        assert consumer.events == []
        clock.advance(self.retry.wait(1))
        self._drain(feed, consumer)
        assert _versions(consumer.events) == _versions_of(records)

    @final
    def test_a_crash_repeats_the_batch(
        self, store: RecordStore, feed: ChangeFeed, space: str, clock: ManualClock
    ) -> None:
        records = [_put(store, Key(space, "notes", f"r{n}")) for n in range(3)]
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
        self._drain(feed, consumer)
        assert _versions(consumer.events) == _versions_of(records)

    @final
    @pytest.mark.parametrize("limit", [1, 2, 100])
    def test_later_changes_of_a_record_wait_behind_a_failed_one(
        self, store: RecordStore, feed: ChangeFeed, space: str, clock: ManualClock, limit: int
    ) -> None:
        stuck, other = Key(space, "notes", "stuck"), Key(space, "notes", "other")
        of_stuck = [_put(store, stuck).version]
        first = of_stuck[0]
        consumer = Consumer(lambda event: "broken" if event.version == first else "")
        self._drain(feed, consumer, limit=limit)
        of_other = []
        for _ in range(4):
            of_stuck.append(_put(store, stuck).version)
            of_other.append(_put(store, other).version)
        self._drain(feed, consumer, limit=limit)
        assert consumer.of(stuck) == [first]
        assert consumer.of(other) == of_other
        consumer.fails = lambda event: ""
        clock.advance(self.retry.wait(1))
        self._drain(feed, consumer, limit=limit)
        assert consumer.of(stuck) == [first, *of_stuck]
        assert consumer.of(other) == of_other

    @final
    def test_later_changes_in_the_same_batch_come_again_too(
        self, store: RecordStore, feed: ChangeFeed, space: str, clock: ManualClock
    ) -> None:
        key = Key(space, "notes", "r")
        versions = [_put(store, key).version for _ in range(3)]
        consumer = Consumer(lambda event: "broken" if event.version == versions[0] else "")
        self._drain(feed, consumer)
        consumer.fails = lambda event: ""
        clock.advance(self.retry.wait(1))
        self._drain(feed, consumer)
        assert consumer.of(key)[-3:] == versions

    @final
    def test_the_wait_grows_up_to_the_longest(
        self, store: RecordStore, feed: ChangeFeed, space: str, clock: ManualClock
    ) -> None:
        _put(store, Key(space, "notes", "r"))
        consumer = Consumer(lambda event: "broken")
        self._drain(feed, consumer)
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
        _put(store, key)
        self.settle()
        assert feed.next_due(INDEXING) == 0
        consumer = Consumer(lambda event: "broken" if event.key == key else "")
        self._drain(feed, consumer)
        clock.advance(0.5)
        assert feed.next_due(INDEXING) == pytest.approx(self.retry.wait(1) - 0.5)
        _put(store, key)
        self.settle()
        assert feed.next_due(INDEXING) == pytest.approx(self.retry.wait(1) - 0.5)
        _put(store, Key(space, "notes", "other"))
        self.settle()
        assert feed.next_due(INDEXING) == 0
        clock.advance(_MANY)
        assert feed.next_due(INDEXING) == 0
        consumer.fails = lambda event: ""
        self._drain(feed, consumer)
        assert feed.next_due(INDEXING) is None

    # Dead letters

    @final
    def test_what_always_fails_becomes_a_dead_letter(
        self, store: RecordStore, feed: ChangeFeed, space: str, clock: ManualClock
    ) -> None:
        record = _put(store, Key(space, "notes", "poisoned"))
        (letter,) = self._bury(feed, clock)
        assert (letter.source, letter.cause) == (INDEXING, "broken")
        assert letter.attempts == self.retry.attempts
        assert letter.died == clock.now()
        assert isinstance(json.loads(letter.body), dict)
        assert space in letter.body and "poisoned" in letter.body
        clock.advance(_MANY)
        consumer = Consumer()
        self._drain(feed, consumer)
        assert consumer.of(record.key) == []
        assert feed.next_due(INDEXING) is None
        assert feed.dead_letters(MESSAGING) == []

    @final
    def test_dead_letters_stand_in_the_order_of_their_deaths(
        self, store: RecordStore, feed: ChangeFeed, space: str, clock: ManualClock
    ) -> None:
        for name in ("c", "a", "b"):
            _put(store, Key(space, "notes", f"{name}-{space}"))
            self._bury(feed, clock)
        letters = feed.dead_letters(INDEXING)
        assert [
            letter.body.count(f"{name}-{space}")
            for letter, name in zip(letters, "cab", strict=True)
        ] == [1] * 3
        assert [letter.died for letter in letters] == sorted(letter.died for letter in letters)
        assert len({letter.id for letter in letters}) == 3

    @final
    def test_an_error_is_the_cause_of_a_dead_letter(
        self, store: RecordStore, feed: ChangeFeed, space: str, clock: ManualClock
    ) -> None:
        _put(store, Key(space, "notes", "r"))

        def explode(events: Sequence[RecordChanged]) -> Mapping[int, str]:
            raise RuntimeError("the index is on fire")

        self.settle()
        for _ in range(self.retry.attempts):
            assert feed.deliver(INDEXING, explode) == 1
            clock.advance(self.retry.longest_wait)
        (letter,) = feed.dead_letters(INDEXING)
        assert "the index is on fire" in letter.cause

    @final
    def test_later_changes_go_on_behind_a_dead_letter(
        self, store: RecordStore, feed: ChangeFeed, space: str, clock: ManualClock
    ) -> None:
        key = Key(space, "notes", "r")
        first = _put(store, key).version
        consumer = Consumer(lambda event: "broken" if event.version == first else "")
        self._drain(feed, consumer)
        later = [_put(store, key).version for _ in range(3)]
        for _ in range(self.retry.attempts):
            clock.advance(self.retry.longest_wait)
            self._drain(feed, consumer)
        assert consumer.of(key)[-3:] == later
        assert len(feed.dead_letters(INDEXING)) == 1
        assert feed.next_due(INDEXING) is None

    @final
    def test_a_redriven_letter_has_all_its_attempts_again(
        self, store: RecordStore, feed: ChangeFeed, space: str, clock: ManualClock
    ) -> None:
        record = _put(store, Key(space, "notes", "r"))
        (letter,) = self._bury(feed, clock)
        assert feed.redrive(INDEXING, [letter.id]) == 1
        assert feed.dead_letters(INDEXING) == []
        self.settle()
        assert feed.next_due(INDEXING) == 0
        consumer = Consumer(lambda event: "broken")
        (again,) = self._bury(feed, clock, consumer)
        assert len(consumer.events) == self.retry.attempts
        assert again.attempts == self.retry.attempts
        assert feed.redrive(INDEXING, [again.id]) == 1
        healed = Consumer()
        self._drain(feed, healed)
        assert healed.events == [RecordChanged(record.key, record.version, None, ANNA, False)]
        assert feed.next_due(INDEXING) is None
        assert feed.dead_letters(INDEXING) == []

    @final
    def test_a_dropped_letter_is_forgotten(
        self, store: RecordStore, feed: ChangeFeed, space: str, clock: ManualClock
    ) -> None:
        for n in range(3):
            _put(store, Key(space, "notes", f"r{n}"))
        letters = self._bury(feed, clock)
        assert feed.drop(INDEXING, [letters[0].id, letters[2].id]) == 2
        assert feed.dead_letters(INDEXING) == [letters[1]]
        assert feed.next_due(INDEXING) is None
        assert feed.redrive(INDEXING, [letters[0].id]) == 0

    @final
    def test_unknown_letters_and_those_of_others_do_not_count(
        self, store: RecordStore, feed: ChangeFeed, space: str, clock: ManualClock
    ) -> None:
        _put(store, Key(space, "notes", "r"))
        (letter,) = self._bury(feed, clock)
        for act in (feed.redrive, feed.drop):
            assert act(INDEXING, []) == 0
            assert act(INDEXING, ["999999", "none"]) == 0
            assert act(MESSAGING, [letter.id]) == 0
        assert feed.dead_letters(INDEXING) == [letter]
        assert feed.drop(INDEXING, [letter.id, letter.id]) == 1

    def _drain(
        self, feed: ChangeFeed, consumer: Consumer, name: str = INDEXING, limit: int = 100
    ) -> None:
        """Deliver until nothing is due."""
        self.settle()
        for _ in range(_MANY):
            if not feed.deliver(name, consumer, limit):
                return
        raise AssertionError("the feed never comes to an end")

    def _bury(
        self, feed: ChangeFeed, clock: ManualClock, consumer: Consumer | None = None
    ) -> list[DeadLetter]:
        """Fail everything until it is dead."""
        consumer = consumer or Consumer(lambda event: "broken")
        for _ in range(self.retry.attempts):
            self._drain(feed, consumer)
            clock.advance(self.retry.longest_wait)
        clock.advance(-self.retry.longest_wait)
        return feed.dead_letters(INDEXING)


def _put(store: RecordStore, key: Key) -> Record:
    (record,) = store.write([Put(key, ANNA, Data.of({"n": 1}))])
    return record


def _versions(events: Sequence[RecordChanged]) -> list[int]:
    return sorted(event.version for event in events)


def _versions_of(records: Sequence[Record]) -> list[int]:
    return sorted(record.version for record in records)
