"""The indexing service: what it makes of changes, and how it rebuilds and verifies."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence

import pytest

from homeport.adapters.memory.clock import ManualClock
from homeport.adapters.memory.ids import SequentialIds
from homeport.adapters.memory.record_store import MemoryRecordStore
from homeport.adapters.memory.search_index import MemoryRebuild, MemorySearchIndex
from homeport.domain.errors import Conflict, Unavailable
from homeport.domain.events import RecordChanged
from homeport.domain.index_records import Stage
from homeport.domain.index_verify import Drift
from homeport.domain.indexing import Indexing
from homeport.domain.model.collection import Catalog
from homeport.domain.model.data import Data
from homeport.domain.model.document import Document, IndexChange, Rejection, Removal
from homeport.domain.model.record import Key, Record
from homeport.domain.model.writes import Delete, Put
from tests.unit.domain.many import write_all


class PickyIndex(MemorySearchIndex):
    """Refuses what its text says."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[Sequence[IndexChange]] = []

    def apply(self, changes: Sequence[IndexChange]) -> list[Rejection]:
        self.batches.append(changes)
        refused = [one for one in changes if _is_refused(one)]
        super().apply([one for one in changes if one not in refused])
        return [Rejection(one.key, "refused") for one in refused]


def _is_refused(change: IndexChange) -> bool:
    return isinstance(change, Document) and "refuse" in change.keyword.get("text", ())


@pytest.fixture
def store() -> MemoryRecordStore:
    return MemoryRecordStore(ManualClock(), SequentialIds())


@pytest.fixture
def index() -> PickyIndex:
    return PickyIndex()


@pytest.fixture
def indexing(store: MemoryRecordStore, index: PickyIndex) -> Indexing:
    return Indexing(store, index, Catalog(), segments=2)


def put(store: MemoryRecordStore, id: str, text: str = "fox", space: str = "anna") -> Record:
    (record,) = store.write([Put(Key(space, "notes", id), space, Data.of({"text": text}))])
    return record


def fill(store: MemoryRecordStore, count: int) -> list[Record]:
    """The records r000, r001, ..."""
    data = Data.of({"text": "fox"})
    keys = [Key("anna", "notes", f"r{number:03}") for number in range(count)]
    return write_all(store, [Put(key, "anna", data) for key in keys])


def delete(store: MemoryRecordStore, id: str) -> Record:
    (record,) = store.write([Delete(Key("anna", "notes", id), "anna")])
    return record


def event(record: Record) -> RecordChanged:
    return RecordChanged(record.key, record.version, None, record.author, record.deleted)


def entries(index: MemorySearchIndex | MemoryRebuild) -> dict[str, int]:
    return {one.key.id: one.version for one in index.entries(10_000)}


def test_it_pauses_after_each_record_of_a_batch(
    store: MemoryRecordStore, index: PickyIndex
) -> None:
    pauses: list[int] = []
    indexing = Indexing(store, index, Catalog(), pause=lambda: pauses.append(len(index.batches)))
    events = [
        RecordChanged(one.key, one.version, None, "anna", False)
        for one in (put(store, "a"), put(store, "b"))
    ]
    assert indexing.consume(events) == {}
    assert pauses == [0, 0]


def test_a_rebuild_in_this_thread_pauses_on_its_way(
    store: MemoryRecordStore, index: PickyIndex
) -> None:
    fill(store, 250)
    threads: list[str] = []
    indexing = Indexing(
        store,
        index,
        Catalog(),
        pause=lambda: threads.append(threading.current_thread().name),
    )
    assert indexing.rebuild(in_this_thread=True).records == 250
    assert set(threads) == {threading.current_thread().name}
    assert len(threads) == 250 + 3 + 3, "after each record, and in both passes that compare"
    assert indexing.verify().clean


def test_what_others_brought_to_the_index_can_be_repeated_for_a_rebuild(
    store: MemoryRecordStore, index: PickyIndex, indexing: Indexing
) -> None:
    old = put(store, "a", "old")
    rebuild = index.rebuild()
    new = put(store, "a", "new")
    indexing.repeat([event(old)], rebuild.apply)
    assert entries(rebuild) == {"a": new.version}
    assert entries(index) == {}


def test_the_record_is_indexed_as_it_is_by_then(
    store: MemoryRecordStore, index: PickyIndex, indexing: Indexing
) -> None:
    old, new = put(store, "a", "old"), put(store, "a", "new")
    assert indexing.consume([event(old)]) == {}
    assert entries(index) == {"a": new.version}
    removed = delete(store, "a")
    indexing.consume([event(new), event(old)])
    assert entries(index) == {}
    assert index.batches[-1] == [Removal(removed.key, removed.version)]


def test_a_key_is_read_once_a_batch_and_large_batches_are_read_in_parts(
    store: MemoryRecordStore, index: PickyIndex, indexing: Indexing
) -> None:
    events = list(map(event, fill(store, 250)))
    assert indexing.consume([*events, *events]) == {}
    assert len(index.batches) == 1
    assert len(index.batches[0]) == len(entries(index)) == 250


def test_hidden_spaces_are_passed_over(
    store: MemoryRecordStore, index: PickyIndex, indexing: Indexing
) -> None:
    assert indexing.consume([event(put(store, "a", space=".anna"))]) == {}
    assert index.batches == []
    indexing.rebuild()
    assert entries(index) == {}
    assert indexing.verify() == Drift()


def test_what_the_index_refuses_is_told_by_its_place(
    store: MemoryRecordStore, index: PickyIndex, indexing: Indexing
) -> None:
    events = [event(put(store, "a")), event(put(store, "b", "refuse")), event(put(store, "c"))]
    assert indexing.consume(events) == {1: "refused"}
    assert set(entries(index)) == {"a", "c"}


def test_trouble_fails_the_batch(store: MemoryRecordStore) -> None:
    class Down(MemorySearchIndex):
        def apply(self, changes: Sequence[IndexChange]) -> list[Rejection]:
            raise Unavailable("It is down.")

    record = put(store, "a")
    with pytest.raises(Unavailable):
        Indexing(store, Down(), Catalog()).consume([event(record)])


def test_a_vanished_record_is_removed_at_its_events_version(
    index: PickyIndex, indexing: Indexing
) -> None:
    key = Key("anna", "notes", "never")
    indexing.consume([RecordChanged(key, 9, None, "anna", True)])
    assert index.batches == [[Removal(key, 9)]]


def test_a_rebuild_brings_everything_in_and_nothing_else(
    store: MemoryRecordStore, index: PickyIndex, indexing: Indexing
) -> None:
    records = {record.key.id: record for record in fill(store, 300)}
    removed = delete(store, "r007")
    index.apply([Document(Key("anna", "notes", "stray"), 1, "anna")])
    done: Counter[Stage] = Counter()

    def progress(stage: Stage, count: int) -> None:
        done[stage] += count

    rebuilt = indexing.rebuild(progress)
    assert (rebuilt.records, rebuilt.rejected, rebuilt.resumed) == (300, (), 0)
    assert done == {Stage.FILLING: 299, Stage.COMPARING: 299, Stage.WALKING: 299}
    del records["r007"]
    assert entries(index) == {id: record.version for id, record in records.items()}
    index.apply([Document(removed.key, removed.version - 1, "anna")])
    assert "r007" not in entries(index)
    assert indexing.verify(progress) == Drift(records=299, entries=299)
    assert done[Stage.COMPARING] == 299 * 2


def test_a_rebuild_goes_on_without_what_the_index_refuses(
    store: MemoryRecordStore, indexing: Indexing
) -> None:
    class PickyRebuild(MemorySearchIndex):
        def rebuild(self) -> MemoryRebuild:
            fresh = super().rebuild()
            apply = fresh.apply

            def picky(changes: Sequence[IndexChange]) -> list[Rejection]:
                apply([one for one in changes if not _is_refused(one)])
                return [Rejection(one.key, "refused") for one in changes if _is_refused(one)]

            fresh.apply = picky  # type: ignore[method-assign]  # broken on purpose
            return fresh

    put(store, "a")
    refused = put(store, "b", "refuse")
    index = PickyRebuild()
    rebuilt = Indexing(store, index, Catalog()).rebuild()
    assert rebuilt.rejected == (Rejection(refused.key, "refused"),)
    assert set(entries(index)) == {"a"}


def test_what_moves_before_the_comparison_is_caught_up_with(store: MemoryRecordStore) -> None:
    """Also where it does not come through the live index: nobody was at the rebuild then."""

    class Busy(MemorySearchIndex):
        def rebuild(self) -> MemoryRebuild:
            fresh = super().rebuild()
            keep = fresh.keep

            def kept(place: str) -> None:
                keep(place)
                put(store, "a", "new")
                put(store, "c")
                delete(store, "b")

            fresh.keep = kept  # type: ignore[method-assign]  # somebody writes meanwhile
            return fresh

    put(store, "a", "old")
    put(store, "b")
    index = Busy()
    indexing = Indexing(store, index, Catalog())
    indexing.rebuild()
    assert indexing.verify().clean
    assert set(entries(index)) == {"a", "c"}


def test_a_rebuild_that_loses_something_is_abandoned(store: MemoryRecordStore) -> None:
    class Lossy(MemorySearchIndex):
        def rebuild(self) -> MemoryRebuild:
            fresh = super().rebuild()
            fresh.apply = lambda changes: []  # type: ignore[method-assign]  # broken on purpose
            return fresh

    index = Lossy()
    record = put(store, "a")
    indexing = Indexing(store, index, Catalog())
    indexing.consume([event(record)])
    for _ in range(2):
        with pytest.raises(Unavailable):
            indexing.rebuild()
    assert entries(index) == {"a": record.version}


def test_one_rebuild_at_a_time(index: PickyIndex, indexing: Indexing) -> None:
    index.rebuild()
    with pytest.raises(Conflict):
        indexing.rebuild()


def test_verify_tells_missing_stale_and_stray(
    store: MemoryRecordStore, index: PickyIndex, indexing: Indexing
) -> None:
    good, stale, missing = (put(store, id) for id in ("good", "stale", "missing"))
    stray = Key("anna", "notes", "stray")
    index.apply(
        [
            Document(good.key, good.version, "anna"),
            Document(stale.key, stale.version - 1, "anna"),
            Document(stray, 1, "anna"),
        ]
    )
    drift = indexing.verify()
    assert drift == Drift(3, 3, 1, 1, 1, (missing.key,), (stale.key,), (stray,))
    assert not drift.clean
