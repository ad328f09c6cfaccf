"""The change feed's contract: what becomes of what cannot be delivered."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping, Sequence
from typing import Final, final

import pytest

from homeport.adapters.memory.clock import ManualClock
from homeport.adapters.memory.faults import Crash
from homeport.domain.events import RecordChanged
from homeport.domain.model.record import Key
from homeport.domain.ports.change_feed import ChangeFeed
from homeport.domain.ports.record_store import RecordStore
from homeport.testing.contract import skip_unless
from homeport.testing.feed_support import (
    ANNA,
    INDEXING,
    MANY,
    MESSAGING,
    ChangeFeedSupport,
    Consumer,
    put,
)

_COUNTS: Final = "the feed counts no attempt before it has ended"


class DeadLettersContract(ChangeFeedSupport):
    """Dead letters."""

    @final
    def test_what_always_fails_becomes_a_dead_letter(
        self, store: RecordStore, feed: ChangeFeed, space: str, clock: ManualClock
    ) -> None:
        record = put(store, Key(space, "notes", "poisoned"))
        (letter,) = self.bury(feed, clock)
        assert (letter.source, letter.cause) == (INDEXING, "broken")
        assert letter.attempts == self.retry.attempts
        assert letter.died == clock.now()
        assert isinstance(json.loads(letter.body), dict)
        assert space in letter.body and "poisoned" in letter.body
        clock.advance(MANY)
        consumer = Consumer()
        self.drain(feed, consumer)
        assert consumer.of(record.key) == []
        assert feed.next_due(INDEXING) is None
        assert feed.dead_letters(MESSAGING) == []

    @final
    def test_what_ends_the_process_each_time_becomes_a_dead_letter(
        self, store: RecordStore, feed: ChangeFeed, space: str, clock: ManualClock
    ) -> None:
        skip_unless(self.counts_crashes, _COUNTS)
        deadly, other = (Key(space, "notes", name) for name in ("deadly", "other"))
        first, later, fine = put(store, deadly), put(store, deadly), put(store, other)
        consumer = Consumer()
        crashes = 0

        def consume(events: Sequence[RecordChanged]) -> Mapping[int, str]:
            nonlocal crashes
            if events[0].version == first.version:
                crashes += 1
                raise Crash
            return consumer(events)

        self.settle()
        for _ in range(MANY):
            with contextlib.suppress(Crash):
                if not feed.deliver(INDEXING, consume, 1):
                    break
        assert crashes == self.retry.attempts
        (letter,) = feed.dead_letters(INDEXING)
        assert (letter.source, letter.attempts) == (INDEXING, self.retry.attempts)
        assert letter.died == clock.now()
        assert consumer.of(deadly) == [later.version]
        assert consumer.of(other) == [fine.version]
        assert feed.next_due(INDEXING) is None
        assert feed.redrive(INDEXING, [letter.id]) == 1
        self.drain(feed, consumer, limit=1)
        assert consumer.of(deadly) == [later.version, first.version]

    @final
    def test_a_crash_is_one_attempt_among_others(
        self, store: RecordStore, feed: ChangeFeed, space: str, clock: ManualClock
    ) -> None:
        skip_unless(self.counts_crashes, _COUNTS)
        key = Key(space, "notes", "r")
        put(store, key)

        def crash(events: Sequence[RecordChanged]) -> Mapping[int, str]:
            raise Crash

        self.settle()
        with pytest.raises(Crash):
            feed.deliver(INDEXING, crash, 1)
        assert feed.next_due(INDEXING) == 0
        failing = Consumer(lambda event: "broken")
        for attempt in range(2, self.retry.attempts + 1):
            self.drain(feed, failing, limit=1)
            assert len(failing.events) == attempt - 1
            clock.advance(self.retry.wait(attempt))
        (letter,) = feed.dead_letters(INDEXING)
        assert (letter.cause, letter.attempts) == ("broken", self.retry.attempts)

    @final
    def test_dead_letters_stand_in_the_order_of_their_deaths(
        self, store: RecordStore, feed: ChangeFeed, space: str, clock: ManualClock
    ) -> None:
        for name in ("c", "a", "b"):
            put(store, Key(space, "notes", f"{name}-{space}"))
            self.bury(feed, clock)
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
        put(store, Key(space, "notes", "r"))

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
        first = put(store, key).version
        consumer = Consumer(lambda event: "broken" if event.version == first else "")
        self.drain(feed, consumer)
        later = [put(store, key).version for _ in range(3)]
        for _ in range(self.retry.attempts):
            clock.advance(self.retry.longest_wait)
            self.drain(feed, consumer)
        assert consumer.of(key)[-3:] == later
        assert len(feed.dead_letters(INDEXING)) == 1
        assert feed.next_due(INDEXING) is None

    @final
    def test_what_failed_behind_a_failed_one_has_all_its_attempts(
        self, store: RecordStore, feed: ChangeFeed, space: str, clock: ManualClock
    ) -> None:
        key = Key(space, "notes", "r")
        put(store, key)
        put(store, key)
        assert len(self.bury(feed, clock)) == 1
        clock.advance(MANY)
        letters = self.bury(feed, clock)
        assert [letter.attempts for letter in letters] == [self.retry.attempts] * 2

    @final
    def test_a_redriven_letter_has_all_its_attempts_again(
        self, store: RecordStore, feed: ChangeFeed, space: str, clock: ManualClock
    ) -> None:
        record = put(store, Key(space, "notes", "r"))
        (letter,) = self.bury(feed, clock)
        assert feed.redrive(INDEXING, [letter.id]) == 1
        assert feed.dead_letters(INDEXING) == []
        self.settle()
        assert feed.next_due(INDEXING) == 0
        consumer = Consumer(lambda event: "broken")
        (again,) = self.bury(feed, clock, consumer)
        assert len(consumer.events) == self.retry.attempts
        assert again.attempts == self.retry.attempts
        assert feed.redrive(INDEXING, [again.id]) == 1
        healed = Consumer()
        self.drain(feed, healed)
        assert healed.events == [RecordChanged(record.key, record.version, None, ANNA, False)]
        assert feed.next_due(INDEXING) is None
        assert feed.dead_letters(INDEXING) == []

    @final
    def test_redriven_letters_of_a_record_come_in_the_order_of_its_changes(
        self, store: RecordStore, feed: ChangeFeed, space: str, clock: ManualClock
    ) -> None:
        key = Key(space, "notes", "r")
        versions = [put(store, key).version for _ in range(2)]
        self.bury(feed, clock)
        clock.advance(MANY)
        first, _ = self.bury(feed, clock)
        clock.advance(MANY)
        feed.redrive(INDEXING, [first.id])
        letters = self.bury(feed, clock)
        assert feed.redrive(INDEXING, [letter.id for letter in letters]) == 2
        consumer = Consumer()
        self.drain(feed, consumer)
        assert consumer.of(key) == versions

    @final
    def test_a_dropped_letter_is_forgotten(
        self, store: RecordStore, feed: ChangeFeed, space: str, clock: ManualClock
    ) -> None:
        for n in range(3):
            put(store, Key(space, "notes", f"r{n}"))
        letters = self.bury(feed, clock)
        assert feed.drop(INDEXING, [letters[0].id, letters[2].id]) == 2
        assert feed.dead_letters(INDEXING) == [letters[1]]
        assert feed.next_due(INDEXING) is None
        assert feed.redrive(INDEXING, [letters[0].id]) == 0

    @final
    def test_unknown_letters_and_those_of_others_do_not_count(
        self, store: RecordStore, feed: ChangeFeed, space: str, clock: ManualClock
    ) -> None:
        put(store, Key(space, "notes", "r"))
        (letter,) = self.bury(feed, clock)
        for act in (feed.redrive, feed.drop):
            assert act(INDEXING, []) == 0
            assert act(INDEXING, ["999999", "none", "9" * 30, f"0{letter.id}"]) == 0
            assert act(MESSAGING, [letter.id]) == 0
        assert feed.dead_letters(INDEXING) == [letter]
        assert feed.drop(INDEXING, [letter.id, letter.id]) == 1
