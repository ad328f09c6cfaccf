"""Verifying while records are written, and mending what differs."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from homeport.adapters.memory.clock import ManualClock
from homeport.adapters.memory.ids import SequentialIds
from homeport.adapters.memory.record_store import MemoryRecordStore
from homeport.adapters.memory.search_index import MemorySearchIndex
from homeport.domain import index_verify
from homeport.domain.index_records import Pace
from homeport.domain.index_verify import Difference, Drift, _Found
from homeport.domain.indexing import Indexing
from homeport.domain.model.collection import Catalog
from homeport.domain.model.data import Data
from homeport.domain.model.document import Document, IndexChange, Rejection, Removal
from homeport.domain.model.record import Key, Record
from homeport.domain.model.writes import Delete, Put
from tests.unit.domain.many import write_all


class World:
    """Records, an index of theirs, and somebody who follows the changes, when asked to."""

    def __init__(self, index: MemorySearchIndex | None = None, lag: float = 0.0) -> None:
        self.clock = ManualClock()
        self.store = MemoryRecordStore(self.clock, SequentialIds())
        self.index = index or MemorySearchIndex()
        self.meanwhile: list[Callable[[], object]] = []
        self.slept = 0.0
        pace = Pace(self.clock, self.sleep, lambda: lag)
        self.indexing = Indexing(self.store, self.index, Catalog(), 2, pace)

    def sleep(self, seconds: float) -> None:
        self.slept += seconds
        for one in self.meanwhile[:1]:
            self.meanwhile.remove(one)
            one()
        self.clock.advance(seconds)

    def put(self, id: str, text: str = "fox") -> Record:
        return self.store.write([Put(key(id), "anna", Data.of({"text": text}))])[0]

    def delete(self, id: str) -> Record:
        return self.store.write([Delete(key(id), "anna")])[0]

    def follow(self, *ids: str) -> None:
        """What the stream does."""
        for id in ids:
            record = self.store.get(key(id))
            assert record is not None
            self.index.apply([change_of(record)])

    def old(self) -> None:
        """Let all that was written be older than any lag."""
        self.clock.advance(3600)


def key(id: str) -> Key:
    return Key("anna", "notes", id)


def change_of(record: Record) -> IndexChange:
    if record.data is None:
        return Removal(record.key, record.version)
    return Document(record.key, record.version, record.author)


@pytest.fixture
def world() -> World:
    """A record that is right, one missing, one stale, and a stray of each kind."""
    world = World()
    for id in ("right", "stale", "gone"):
        world.put(id)
        world.follow(id)
    world.put("stale", "new")
    world.put("missing")
    world.delete("gone")
    world.index.apply([Document(key("never"), 7, "anna")])
    world.index.apply([Document(Key(".anna", "notes", "hidden"), 7, "anna")])
    world.old()
    return world


def test_every_kind_of_difference_is_told(world: World) -> None:
    drift = world.indexing.verify()
    assert drift == Drift(
        records=3,
        entries=5,
        missing_count=1,
        stale_count=1,
        stray_count=3,
        missing=(key("missing"),),
        stale=(key("stale"),),
        stray=(Key(".anna", "notes", "hidden"), key("gone"), key("never")),
    )
    assert (drift.count, drift.left, drift.clean) == (5, 5, False)
    assert world.slept == 0


def test_a_repair_mends_just_those(world: World) -> None:
    before = {one.key: one.version for one in world.index.entries(100)}
    applied: list[Key] = []
    apply = world.index.apply

    def noted(changes: Sequence[IndexChange]) -> list[Rejection]:
        applied.extend(one.key for one in changes)
        return apply(changes)

    world.index.apply = noted  # type: ignore[method-assign]  # to see what it is given
    drift = world.indexing.verify(repair=True)
    assert (drift.count, drift.mended, drift.left) == (5, 5, 0)
    hidden = Key(".anna", "notes", "hidden")
    assert sorted(applied) == sorted([hidden, *map(key, ("missing", "stale", "gone", "never"))])
    assert world.indexing.verify().clean
    assert {one.key.id for one in world.index.entries(100)} == {"missing", "right", "stale"}
    assert world.index.versions([key("right")]) == [before[key("right")]]


def test_what_is_mended_can_be_written_again(world: World) -> None:
    world.indexing.verify(repair=True)
    for id in ("gone", "never"):
        world.put(id)
        world.follow(id)
    world.old()
    assert world.indexing.verify().clean


def test_an_index_ahead_of_the_records_cannot_be_mended() -> None:
    world = World()
    record, removed = world.put("a"), world.put("b")
    world.delete("b")
    ahead = removed.version + (1 << 40)
    world.index.apply([Document(record.key, ahead, "anna"), Document(removed.key, ahead, "anna")])
    world.old()
    drift = world.indexing.verify(repair=True)
    assert (drift.stale, drift.stray) == ((key("a"),), (key("b"),))
    assert (drift.mended, drift.left) == (0, 2)


def test_a_young_difference_counts_where_it_stays() -> None:
    world = World(lag=20.0)
    world.put("a")
    drift = world.indexing.verify()
    assert drift.missing == (key("a"),)
    assert world.slept >= 20


def test_a_young_difference_that_the_stream_mends_does_not_count() -> None:
    world = World()
    for id in ("new", "changed", "gone"):
        world.put(id)
    world.follow("changed", "gone")
    world.old()
    world.put("new")
    world.put("changed", "again")
    world.delete("gone")
    world.meanwhile.append(lambda: world.follow("new", "changed", "gone"))
    assert world.indexing.verify(repair=True) == Drift(records=2, entries=2)
    assert world.slept > 0


def test_a_record_that_moves_all_the_time_is_no_difference_while_the_index_follows() -> None:
    world = World()
    world.put("hot")
    world.follow("hot")

    def move() -> None:
        world.follow("hot")
        world.put("hot", "again")

    world.put("hot", "again")
    world.meanwhile += [move] * 10
    assert world.indexing.verify().clean


def test_a_record_that_moves_all_the_time_and_never_comes_through_counts() -> None:
    world = World()
    world.put("hot")
    world.meanwhile += [lambda: world.put("hot", "again")] * 10
    drift = world.indexing.verify()
    assert (drift.missing_count, drift.missing) == (1, (key("hot"),))


def test_what_the_index_refuses_is_told() -> None:
    class Picky(MemorySearchIndex):
        def apply(self, changes: Sequence[IndexChange]) -> list[Rejection]:
            refused = [Rejection(one.key, "too odd") for one in changes if one.key.id == "odd"]
            super().apply([one for one in changes if one.key.id != "odd"])
            return refused

    world = World(Picky())
    world.put("odd")
    world.put("even")
    world.old()
    drift = world.indexing.verify(repair=True)
    assert drift.rejected == (Rejection(key("odd"), "too odd"),)
    assert (drift.count, drift.mended, drift.rejected_count, drift.left) == (2, 1, 1, 0)


def test_samples_end_at_a_hundred_and_counts_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_verify, "_ENTRIES", 60)
    monkeypatch.setattr(index_verify, "_SUSPECTS", 100)
    world = World()
    keys = [key(f"r{number:04}") for number in range(134)]
    data = Data.of({"text": "fox"})
    write_all(world.store, [Put(one, "anna", data) for one in keys])
    world.old()
    drift = world.indexing.verify()
    assert (drift.missing_count, len(set(drift.missing)), len(drift.missing)) == (134, 100, 100)
    repaired = world.indexing.verify(repair=True)
    assert (repaired.missing_count, repaired.mended) == (134, 134)
    write_all(world.store, [Delete(one, "anna") for one in keys])
    world.old()
    assert world.indexing.verify().stray_count == 134


def test_an_engine_without_versions_is_sent_again_what_moved_meanwhile() -> None:
    class InPlace(MemorySearchIndex):
        """While it takes a change, the record changes, three times."""

        writes = 3

        @property
        def in_place(self) -> bool:
            return True

        def apply(self, changes: Sequence[IndexChange]) -> list[Rejection]:
            rejections = super().apply(changes)
            if self.writes:
                self.writes -= 1
                changing.put("a", f"text {self.writes}")
            return rejections

    world = changing = World(InPlace())
    world.put("a")
    world.old()
    assert world.indexing.verify(repair=True).mended == 1
    record = world.store.get(key("a"))
    assert record is not None
    assert world.index.versions([key("a")]) == [record.version]


def test_a_stray_that_both_passes_see_is_counted_once() -> None:
    found = _Found()
    keys = [Key("anna", "notes", f"r{number}") for number in range(250)]
    assert all(found.add(key, Difference.STRAY) for key in keys)
    assert not any(found.add(key, Difference.STRAY) for key in keys)
    assert found.drift().stray_count == 250
    assert len(found.drift().stray) == 100
