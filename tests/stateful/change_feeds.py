"""Change feeds agree: what each consumer is handed, again after failures, and never.

How events are put into batches is each feed's own affair. Of the events of one record it is not:
so each step delivers until nothing is due, and what came of each record is compared.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeAlias, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import precondition

from homeport.adapters.embedded.change_feed import EmbeddedChangeFeed
from homeport.adapters.embedded.database import Database
from homeport.adapters.embedded.record_store import EmbeddedRecordStore
from homeport.adapters.memory.change_feed import MemoryChangeFeed
from homeport.adapters.memory.record_store import MemoryRecordStore
from homeport.domain.events import RecordChanged
from homeport.domain.model.data import Data
from homeport.domain.model.record import Key
from homeport.domain.model.writes import Delete, Expect, Patch, Put, Write
from homeport.domain.ports.change_feed import ChangeFeed
from homeport.domain.ports.record_store import RecordStore
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

T = TypeVar("T")

CONSUMERS: Final[dict[str, tuple[str, ...] | None]] = {
    "all": None,
    "notes": ("notes",),
    "late": ("notes", "tasks"),
}
KEYS: Final = ("home/notes/a", "home/notes/b", "home/tasks/a", ".hidden/notes/a")

keys = st.sampled_from(KEYS)
failing = st.lists(keys, max_size=2, unique=True)
consumers = st.sampled_from(("all", "notes", "late"))


Done: TypeAlias = defaultdict[str, dict[tuple[Key, int], None]]
"""What each consumer has done, in the order in which it did so last."""


class Feeding(NamedTuple):
    """A store and its feed."""

    store: RecordStore
    feed: ChangeFeed


class Consumer:
    """Fails every event of some records; or, where it `passes_later` ones, of each record only
    the first that comes."""

    def __init__(self, failing: Collection[str], limit: int, how: How, passes_later: bool) -> None:
        self.came: list[tuple[RecordChanged, bool]] = []
        """What came, and whether it failed."""
        self._failing = {Key(*text.split("/")) for text in failing}
        self._limit = limit
        self._how = how
        self._passes_later = passes_later
        self._first: dict[Key, int] = {}

    def __call__(self, events: Sequence[RecordChanged]) -> Mapping[int, str]:
        assert 0 < len(events) <= self._limit, f"a batch of {len(events)} events"
        failed: dict[int, str] = {}
        for place, event in enumerate(events):
            first = self._first.setdefault(event.key, event.version) == event.version
            if event.key in self._failing and (first or not self._passes_later):
                failed[place] = f"no {event.key.id}"
            self.came.append((event, place in failed))
        if failed and self._how == "raised":
            raise Broken(*failed.values())
        return failed


class ChangeFeeds(Agreement[Feeding]):
    """The late consumer comes when others may have passed: the log may be trimmed by then, and
    what it is given first is only compared by the last event of each record."""

    def __init__(self) -> None:
        super().__init__()
        self.joined: set[str] = set()
        self.retrying: set[str] = set()
        """Consumers that may have something held back: how batches are made differs then."""
        self.done: Done = defaultdict(dict)
        self.done_under_test: Done = defaultdict(dict)
        with self.stepping(count=False):
            for name in ("all", "notes"):
                self.drain(consumer=name, limit=1)

    def made(self, ids: StepIds) -> Feeding:
        store = MemoryRecordStore(self.clock, ids)
        return Feeding(store, MemoryChangeFeed(store, self.clock, RETRY))

    def opened(self, ids: StepIds) -> Feeding:
        self.database = Database(self.folder)
        store = EmbeddedRecordStore(self.database, self.clock, ids)
        return Feeding(store, EmbeddedChangeFeed(self.database, self.clock, RETRY))

    def closed(self) -> None:
        self.database.close()

    # Changes

    @step(keys=st.lists(keys, min_size=1, max_size=3, unique=True))
    def put(self, keys: Sequence[str]) -> None:
        self._write([Put(Key(*one.split("/")), "anna", Data.of({"n": 1})) for one in keys])

    @step(key=keys)
    def patch(self, key: str) -> None:
        self._write([Patch(Key(*key.split("/")), "ben", {"n": 2})])

    @step(key=keys, author=st.sampled_from(("anna", "ben")))
    def delete(self, key: str, author: str) -> None:
        self._write([Delete(Key(*key.split("/")), author)])

    @step(key=keys)
    def put_again_and_again(self, key: str) -> None:
        for _ in range(3):
            self._write([Put(Key(*key.split("/")), "ben", Data.of({}), Expect.ANYTHING)])

    def _write(self, writes: Sequence[Write]) -> None:
        self.both(lambda one: one.store.write(writes))

    # Deliveries

    @step(
        consumer=consumers,
        limit=batches,
        failing=failing,
        how=hows,
        passes_later=st.booleans(),
    )
    def drain(
        self,
        consumer: str,
        limit: int,
        failing: Sequence[str] = (),
        how: How = "told",
        passes_later: bool = False,
    ) -> None:
        """Deliver until nothing is due. In larger batches events come before their turn too."""
        late = consumer not in self.joined
        limit = 1 if how == "raised" else limit
        failing = () if late else failing

        def deliver(one: Feeding) -> object:
            work = Consumer(failing, limit, how, passes_later)
            for _ in range(LONG):
                if not one.feed.deliver(consumer, work, limit, CONSUMERS[consumer]):
                    break
            else:
                raise AssertionError("the feed does not come to an end")
            if late:
                return {one.key: self._without_past(one) for one, _ in work.came}
            done = (self.done if one is self.reference else self.done_under_test)[consumer]
            for event, failed in work.came:
                done.pop((event.key, event.version), None)
                if not failed:
                    done[event.key, event.version] = None
            return _by_record(work.came, lambda came: came[0].key) if limit == 1 else None

        self.both(deliver)
        self.joined.add(consumer)
        self._held(consumer)

    @step(consumer=consumers, limit=batches, failing=keys, how=hows, passes_later=st.booleans())
    def bury(
        self, consumer: str, limit: int, failing: str, how: How = "told", passes_later: bool = False
    ) -> None:
        """Fail a record's events until the first is a dead letter, and the moment after."""
        for _ in range(RETRY.attempts):
            self.drain(
                consumer=consumer,
                limit=limit,
                failing=[failing],
                how=how,
                passes_later=passes_later,
            )
            self.clock.advance(RETRY.longest_wait)

    @staticmethod
    def _without_past(event: RecordChanged) -> object:
        return event.key, event.version, event.author, event.deleted

    @precondition(lambda self: set(CONSUMERS) - self.retrying and self.joined)
    @step(consumer=consumers, limit=batches)
    def deliver(self, consumer: str, limit: int) -> None:
        """One batch: where nothing is held back, both make the same."""
        if consumer not in self.joined - self.retrying:
            return

        def deliver(one: Feeding) -> object:
            got: list[list[RecordChanged]] = []

            def work(events: Sequence[RecordChanged]) -> Mapping[int, str]:
                got.append(list(events))
                return {}

            return one.feed.deliver(consumer, work, limit, CONSUMERS[consumer]), got

        self.both(deliver)

    @step(consumer=consumers, limit=batches)
    def crash(self, consumer: str, limit: int) -> None:
        """The process ends while a batch is consumed: all of it comes again, and for an event
        that went alone that was an attempt."""

        def deliver(one: Feeding) -> object:
            def work(events: Sequence[RecordChanged]) -> Mapping[int, str]:
                raise Crash

            try:
                return one.feed.deliver(consumer, work, limit, CONSUMERS[consumer])
            except Crash:
                return "crashed"

        if consumer in self.joined:
            self.both(deliver)
            self.retrying.add(consumer)
            self.look(consumer=consumer)

    @step(consumer=consumers)
    def fail_what_was_not_given(self, consumer: str) -> None:
        """A consumer that fails a place outside its batch is broken: nothing of it is done."""

        def deliver(one: Feeding) -> object:
            def work(events: Sequence[RecordChanged]) -> Mapping[int, str]:
                return {len(events): "no such place"}

            return one.feed.deliver(consumer, work, 1, CONSUMERS[consumer])

        if consumer in self.joined - self.retrying:
            self.both(deliver)
            self._held(consumer)

    def _held(self, consumer: str) -> None:
        given = self.both(lambda one: one.feed.next_due(consumer, CONSUMERS[consumer]))
        assert given is not None
        if given[0] is None:
            self.retrying.discard(consumer)
            ours, theirs = self.done[consumer], self.done_under_test[consumer]
            self.same(*(_by_record(done, lambda one: one[0]) for done in (ours, theirs)))
        else:
            self.retrying.add(consumer)
        self.look(consumer=consumer)

    # Dead letters

    @step(consumer=consumers)
    def look(self, consumer: str) -> None:
        if consumer in self.joined:
            self.both(lambda one: one.feed.next_due(consumer, CONSUMERS[consumer]))
            self.both(lambda one: one.feed.dead_letters(consumer), all_told)

    @step(consumer=consumers, letters=places)
    def redrive(self, consumer: str, letters: Sequence[int]) -> None:
        self.both(
            lambda one: one.feed.redrive(consumer, ids_at(one.feed.dead_letters(consumer), letters))
        )
        self.retrying.add(consumer)
        self.look(consumer=consumer)

    @step(consumer=consumers, key=keys, letters=places, limit=batches)
    def bury_again(self, consumer: str, key: str, letters: Sequence[int], limit: int) -> None:
        """Two changes of a record die, and some of what is dead once more."""
        for _ in range(2):
            self.put(keys=[key])
            self.bury(consumer=consumer, failing=key, limit=limit)
        self.redrive(consumer=consumer, letters=letters)
        self.bury(consumer=consumer, failing=key, limit=limit)

    @step(consumer=consumers, key=keys, limit=batches)
    def redrive_before_what_waits(self, consumer: str, key: str, limit: int) -> None:
        self.put(keys=[key])
        self.drain(consumer=consumer, failing=[key], limit=limit)
        self.redrive(consumer=consumer, letters=[0])

    @step(consumer=consumers, letters=places)
    def drop(self, consumer: str, letters: Sequence[int]) -> None:
        self.both(
            lambda one: one.feed.drop(consumer, ids_at(one.feed.dead_letters(consumer), letters))
        )
        self.look(consumer=consumer)

    @step(seconds=moves)
    def advance(self, seconds: float) -> None:
        self.clock.advance(seconds)

    def compare_all(self) -> Any:
        for consumer in CONSUMERS:
            self.look(consumer=consumer)
            self.drain(consumer=consumer, limit=100)


def _by_record(found: Iterable[T], key_of: Callable[[T], Key]) -> dict[Key, list[T]]:
    records: defaultdict[Key, list[T]] = defaultdict(list)
    for one in found:
        records[key_of(one)].append(one)
    return dict(records)
