"""The index comes to equal the store, though its engine knows no versions and no order.

Two processes write to one domain: one follows the stream, whose events come twice, late, out of
order and from the beginning again; the other rebuilds from pages that it read a while ago. What
each does is cut in two by the other wherever that can be: after it has read the store, and
while it waits for its second to pass.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from homeport.adapters.aws.search_documents import document_id
from homeport.adapters.memory.clock import ManualClock
from homeport.adapters.memory.ids import SequentialIds
from homeport.adapters.memory.record_store import MemoryRecordStore
from homeport.domain.document_builder import build_document
from homeport.domain.errors import Unavailable
from homeport.domain.events import RecordChanged
from homeport.domain.indexing import Indexing
from homeport.domain.model import names
from homeport.domain.model.data import Data
from homeport.domain.model.document import IndexChange, Removal
from homeport.domain.model.query import All, Scope, SearchQuery, Words
from homeport.domain.model.record import Key, Record
from homeport.domain.model.writes import Delete, Put
from homeport.testing import CATALOG
from homeport.testing.cloudsearch import CloudSearchEmulator
from tests.aws.search_domains import domain, index_on

COLORS = ("red", "green", "blue")


class Interrupted(MemoryRecordStore):
    """A store after whose reads something else may happen, before the reader goes on."""

    interrupt: Callable[[], None] | None = None

    def get_many(self, keys: Sequence[Key]) -> list[Record | None]:
        found = super().get_many(keys)
        if self.interrupt is not None:
            self.interrupt()
        return found


class Process:
    """One process with an index of its own on the domain, doing one thing at a time."""

    def __init__(self, world: World, store: MemoryRecordStore) -> None:
        self._world = world
        self.busy = False
        self.index = index_on(world.emulator, world.clock, lambda: store, sleep=self._sleep)
        self.indexing = Indexing(store, self.index, CATALOG)

    def _sleep(self, seconds: float) -> None:
        before = self._world.chance.uniform(0, seconds)
        self._world.clock.advance(before)
        self._world.interrupt()
        self._world.clock.advance(seconds - before)


class World:
    def __init__(self, seed: int, emulator: CloudSearchEmulator, clock: ManualClock) -> None:
        self.chance = random.Random(seed)
        self.emulator = emulator
        self.clock = clock
        self.store = Interrupted(clock, SequentialIds())
        self.store.interrupt = self.interrupt
        self.stream = Process(self, self.store)
        self.rebuilding = Process(self, self.store)
        self.waiting: list[RecordChanged] = []
        self.delivered: list[RecordChanged] = []
        self.unscanned: list[Record] = []
        self.calm = False
        self.keys = [Key("anna", "notes", id) for id in "abcde"]

    def run(self) -> None:
        for _ in range(self.chance.randint(5, 12)):
            self.step()
        self.calm = True
        while self.waiting or self.unscanned:
            self.deliver()
            if self.unscanned:
                self.scan()
        self.emulator.settle()

    def step(self) -> None:
        self.chance.choice([self.write, self.write, self.deliver, self.scan])()
        self.clock.advance(self.chance.uniform(0, 0.3))

    def interrupt(self) -> None:
        """What others do meanwhile."""
        for _ in range(self.chance.choice([0, 0, 1, 3])):
            if not self.calm:
                self.step()

    def write(self) -> None:
        key = self.chance.choice(self.keys)
        held = self.store.get(key)
        before = None if held is None else held.version
        if self.chance.random() < 0.3:
            if held is None or held.deleted:
                return
            (record,) = self.store.write([Delete(key, "anna")])
        else:
            color = self.chance.choice(COLORS)
            (record,) = self.store.write([Put(key, "anna", Data.of({"title": color}))])
        self.waiting.append(RecordChanged(key, record.version, before, "anna", record.deleted))

    def deliver(self) -> None:
        """Some of the events, in any order, and some for the second time."""
        if self.stream.busy:
            return
        self.chance.shuffle(self.waiting)
        some = self.chance.randint(0, len(self.waiting))
        batch, self.waiting = self.waiting[:some], self.waiting[some:]
        again = self.chance.sample(self.delivered, min(len(self.delivered), 2))
        self.delivered += batch
        self._alone(self.stream, lambda: self.stream.indexing.consume([*batch, *again]))

    def scan(self) -> None:
        """The next page of a rebuild; it was read when the rebuild began."""
        if self.rebuilding.busy:
            return
        if not self.unscanned:
            self.unscanned = self.store.scan(0, 1, 100)
            return
        page, self.unscanned = self.unscanned[:3], self.unscanned[3:]
        changes: list[IndexChange] = [
            Removal(one.key, one.version) if one.deleted else build_document(one, CATALOG)
            for one in page
        ]
        try:
            self._alone(self.rebuilding, lambda: self.rebuilding.index.apply_whole(changes))
        except Unavailable:
            self.unscanned += page

    def _alone(self, process: Process, work: Callable[[], Any]) -> None:
        process.busy = True
        try:
            work()
        finally:
            process.busy = False

    def expected(self) -> dict[str, list[str]]:
        """Document id -> version and title, of every record that is there."""
        held = (self.store.get(key) for key in self.keys)
        return {
            document_id(one.key): [f"{one.version:019}", one.data["title"]]
            for one in held
            if one is not None and one.data is not None
        }

    def shown(self) -> dict[str, list[str]]:
        return {
            id: [*held["version"], *held["words"]] for id, held in self.emulator.documents().items()
        }


@pytest.mark.parametrize("seed", range(20))
def test_the_index_comes_to_equal_the_store(seed: int) -> None:
    clock = ManualClock()
    with domain(clock, delay=3.0, seed=seed) as emulator:
        world = World(seed, emulator, clock)
        world.run()
        assert world.shown() == world.expected()
        world.store.interrupt = None
        assert world.stream.indexing.verify().clean


@pytest.mark.parametrize("seconds", [0.0, 3.0], ids=["in one second", "seconds later"])
@pytest.mark.parametrize("seed", range(4))
def test_what_was_read_before_a_change_and_sent_behind_it_is_sent_anew(
    seed: int, seconds: float
) -> None:
    clock = ManualClock()
    with domain(clock, seed=seed) as emulator:
        store = Interrupted(clock, SequentialIds())
        rebuilding = index_on(emulator, clock, lambda: store)
        stream = Indexing(store, index_on(emulator, clock, lambda: store, sleep=_at_once), CATALOG)
        key = Key("anna", "notes", "a")
        (old,) = store.write([Put(key, "anna", Data.of({"title": "red"}))])

        def change_meanwhile() -> None:
            store.interrupt = None
            (new,) = store.write([Put(key, "anna", Data.of({"title": "blue"}))])
            event = RecordChanged(key, new.version, old.version, "anna", deleted=False)
            assert stream.consume([event]) == {}
            clock.advance(seconds)

        fresh = rebuilding.rebuild()
        store.interrupt = change_meanwhile
        assert fresh.apply([build_document(old, CATALOG)]) == []
        fresh.commit()
        emulator.settle()
        held = [one["words"] for one in emulator.documents().values() if "words" in one]
        assert held == [["blue"]]


def _at_once(seconds: float) -> None:
    """The other process's wait, which is over by when it matters."""


def test_a_record_that_changes_all_the_time_ends_a_rebuild_and_not_the_stream() -> None:
    clock = ManualClock()
    with domain(clock) as emulator:
        store = Interrupted(clock, SequentialIds())
        index = index_on(emulator, clock, lambda: store)
        key = Key("anna", "notes", "a")
        (record,) = store.write([Put(key, "anna", Data.of({"count": 0}))])
        document = build_document(record, CATALOG)

        def count() -> None:
            store.write([Put(key, "anna", Data.of({"count": 1}))])

        store.interrupt = count
        assert index.apply([document]) == []
        with pytest.raises(Unavailable, match="faster than they can be indexed"):
            index.rebuild().apply([document])


@pytest.mark.parametrize("replicas", [1, 3])
def test_a_rebuild_removes_what_the_store_does_not_have(replicas: int) -> None:
    clock = ManualClock()
    with domain(clock, delay=3.0, replicas=replicas) as emulator:
        store = MemoryRecordStore(clock, SequentialIds())
        index = index_on(emulator, clock, lambda: store)
        lost, other = Key("anna", "notes", "lost"), Key("anna", "notes", "other")
        store.write([Put(one, "anna", Data.of({"title": "red"})) for one in (lost, other)])
        indexing = Indexing(store, index, CATALOG, segments=1)
        assert indexing.rebuild().records == 2
        forgetful = MemoryRecordStore(clock, SequentialIds())
        forgetful.write([Put(other, "anna", Data.of({"title": "blue"}))])
        again = index_on(emulator, clock, lambda: forgetful)
        indexing = Indexing(forgetful, again, CATALOG, segments=1)
        assert indexing.verify().stray == (lost,)
        assert indexing.rebuild().rejected == ()
        emulator.settle()
        assert indexing.verify().clean
        assert [hit.key for hit in again.search(SearchQuery(All(), (Scope("anna"),))).hits] == [
            other
        ]


def test_what_is_no_longer_there_is_never_sent() -> None:
    """An event of long ago finds a tombstone, or nothing once that has expired."""
    clock = ManualClock()
    with domain(clock) as emulator:
        store = MemoryRecordStore(clock, SequentialIds())
        index = index_on(emulator, clock, lambda: store)
        indexing = Indexing(store, index, CATALOG)
        key, expired = Key("anna", "notes", "a"), Key("anna", "notes", "b")
        (record,) = store.write([Put(key, "anna", Data.of({"title": "red"}))])
        store.write([Delete(key, "anna")])
        created = RecordChanged(key, record.version, None, "anna", deleted=False)
        indexing.consume([created, RecordChanged(expired, 1, None, "anna", deleted=False)])
        emulator.settle()
        assert emulator.documents() == {}
        assert index.search(SearchQuery(Words("red"), (Scope("anna"),))).total == 0


def test_hidden_spaces_are_never_sent() -> None:
    clock = ManualClock()
    with domain(clock) as emulator:
        store = MemoryRecordStore(clock, SequentialIds())
        indexing = Indexing(store, index_on(emulator, clock, lambda: store), CATALOG)
        key = Key(names.hidden_space("anna"), "devices", "a")
        indexing.consume([RecordChanged(key, 1, None, "anna", deleted=False)])
        assert emulator.requests == []
