"""Rebuilds that are interrupted, slowed down, waited for, or taken up by somebody else."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import pairwise
from threading import Barrier, Lock, current_thread
from time import sleep as pause

import pytest

from homeport.adapters.memory.clock import ManualClock
from homeport.adapters.memory.ids import SequentialIds
from homeport.adapters.memory.record_store import MemoryRecordStore
from homeport.adapters.memory.search_index import MemoryRebuild, MemorySearchIndex
from homeport.domain import index_rebuild
from homeport.domain.errors import Invalid, Unavailable
from homeport.domain.index_records import Pace, Stage
from homeport.domain.indexing import Indexing
from homeport.domain.model.collection import Catalog
from homeport.domain.model.data import Data
from homeport.domain.model.document import IndexChange, Rejection
from homeport.domain.model.record import Key, Record
from homeport.domain.model.writes import Delete, Put
from homeport.domain.ports.search_index import ANY_PORTION
from tests.unit.domain.many import write_all


class Watched(MemorySearchIndex):
    """Notes what its rebuilds are given, and fails after so many batches."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__()
        self.clock = clock
        self.applied: list[tuple[float, int]] = []
        self.kept: list[str] = []
        self.grace: list[float] = []
        self.head_start = 0.0
        self.portion = 1_000
        self.fails_after: int | None = None
        self.counting = Lock()

    def rebuild(self) -> MemoryRebuild:
        sound = super().rebuild()
        index = self

        class Watching(MemoryRebuild):
            @property
            def head_start(self) -> float:
                return index.head_start

            @property
            def portion(self) -> int:
                return index.portion

            def apply(self, changes: Sequence[IndexChange]) -> list[Rejection]:
                with index.counting:
                    if index.fails_after is not None and len(index.applied) >= index.fails_after:
                        raise Unavailable("The disk is full.")
                    index.applied.append((index.clock.now() / 1e6, len(changes)))
                return super().apply(changes)

            def keep(self, place: str) -> None:
                index.kept.append(place)
                super().keep(place)

            def commit(self, grace: float = 0.0) -> None:
                index.grace.append(grace)
                super().commit(grace)

        return Watching(sound._lock, sound._fresh, sound._finish)


@pytest.fixture(autouse=True)
def _small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fraction of what a page is: the same in less time."""
    monkeypatch.setattr(index_rebuild, "_PAGE", 10)
    monkeypatch.setattr(index_rebuild, "_SMALL_PAGE", 6)
    monkeypatch.setattr(index_rebuild, "PAGES", 4)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def store(clock: ManualClock) -> MemoryRecordStore:
    return MemoryRecordStore(clock, SequentialIds())


@pytest.fixture
def index(clock: ManualClock) -> Watched:
    return Watched(clock)


def fill(store: MemoryRecordStore, count: int) -> list[Record]:
    data = Data.of({"text": "fox"})
    keys = [Key("anna", "notes", f"r{number:05}") for number in range(count)]
    return write_all(store, [Put(key, "anna", data) for key in keys])


def indexing(
    store: MemoryRecordStore, index: Watched, segments: int = 1, lag: float = 0.0
) -> Indexing:
    pace = Pace(index.clock, index.clock.advance, lambda: lag)
    return Indexing(store, index, Catalog(), segments, pace)


def test_one_that_failed_is_gone_on_with(store: MemoryRecordStore, index: Watched) -> None:
    fill(store, 44)
    index.fails_after = 2
    with pytest.raises(Unavailable, match="disk is full"):
        indexing(store, index).rebuild()
    assert index.status().rebuilding
    assert index.entries(1) == []
    index.fails_after = None
    rebuilt = indexing(store, index).rebuild()
    assert (rebuilt.records, rebuilt.resumed) == (44, 20)
    assert [count for _, count in index.applied] == [10, 10, 10, 10, 4]
    assert indexing(store, index).verify().clean


def test_it_is_kept_after_each_portion(store: MemoryRecordStore, index: Watched) -> None:
    fill(store, 100)
    index.portion = 25
    indexing(store, index).rebuild()
    assert [json.loads(one)["records"] for one in index.kept] == [30, 60, 90, 100]


def test_the_parts_are_those_that_it_began_with(store: MemoryRecordStore, index: Watched) -> None:
    fill(store, 44)
    index.fails_after = 3
    with pytest.raises(Unavailable):
        indexing(store, index, segments=2).rebuild()
    assert len(json.loads(index.kept[-1])["after"]) == 2
    index.fails_after = None
    rebuilt = indexing(store, index, segments=5).rebuild()
    assert (rebuilt.records, rebuilt.resumed) == (44, sum(n for _, n in index.applied[:3]))
    assert indexing(store, index).verify().clean


@pytest.mark.parametrize(
    "place", ["halfway", "[]", '{"after": 3}', '{"after": [["a"]], "records": 1}', "{}"]
)
def test_a_place_that_another_version_wrote_begins_anew(
    store: MemoryRecordStore, index: Watched, place: str
) -> None:
    fill(store, 10)
    left = index.rebuild()
    left.keep(place)
    left.leave()
    assert indexing(store, index).rebuild().records == 10
    assert indexing(store, index).verify().clean


def test_what_was_left_can_be_thrown_away(store: MemoryRecordStore, index: Watched) -> None:
    fill(store, 30)
    index.fails_after = 1
    with pytest.raises(Unavailable):
        indexing(store, index).rebuild()
    index.fails_after = None
    rebuilt = indexing(store, index).rebuild(fresh=True)
    assert (rebuilt.records, rebuilt.resumed) == (30, 0)


def test_what_changed_while_nobody_was_at_it_is_found(
    store: MemoryRecordStore, index: Watched
) -> None:
    fill(store, 60)
    index.fails_after = 2
    with pytest.raises(Unavailable):
        indexing(store, index).rebuild()
    store.write([Delete(Key("anna", "notes", "r00000"), "anna")])
    store.write([Put(Key("anna", "notes", "r00001"), "anna", Data.of({"text": "new"}))])
    store.write([Put(Key("anna", "notes", "a"), "anna", Data.of({"text": "before all"}))])
    index.fails_after = None
    indexing(store, index).rebuild()
    drift = indexing(store, index).verify()
    assert drift.clean
    assert drift.records == 60


def test_an_interruption_keeps_what_was_done(store: MemoryRecordStore, index: Watched) -> None:
    fill(store, 24)

    def interrupt(stage: Stage, count: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        indexing(store, index).rebuild(interrupt)
    rebuilt = indexing(store, index).rebuild()
    assert (rebuilt.records, rebuilt.resumed) == (24, 10)


@pytest.mark.parametrize("rate", [1, 10, 50])
def test_a_rate_bounds_what_is_read_in_a_second(
    store: MemoryRecordStore, index: Watched, rate: int
) -> None:
    fill(store, 20 if rate < 50 else 65)
    indexing(store, index).rebuild(rate=rate)
    times = [time for time, _ in index.applied]
    counts = [count for _, count in index.applied]
    assert max(counts) <= rate
    for place, time in enumerate(times):
        within = [n for when, n in index.applied[place:] if when < time + 1]
        assert sum(within) <= rate + counts[place]
    assert times[-1] - times[0] == pytest.approx(sum(counts[:-1]) / rate)


def test_a_slow_one_stops_soon(store: MemoryRecordStore, index: Watched) -> None:
    fill(store, 40)
    asleep = Barrier(2)
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 1:
            asleep.wait(10)
            raise KeyboardInterrupt
        if len(slept) == 2:
            asleep.wait(10)  # two of three are asleep when one of them is interrupted
        pause(0.01)

    slow = Indexing(store, index, Catalog(), 3, Pace(index.clock, sleep))
    with pytest.raises(KeyboardInterrupt):
        slow.rebuild(rate=0.1)
    assert max(slept) <= 1
    assert sum(slept) < 20  # seconds that the other one had still to wait
    assert sum(count for _, count in index.applied) == 1


@pytest.mark.parametrize("rate", [0, -1.0])
def test_no_rate_is_no_rate(store: MemoryRecordStore, index: Watched, rate: float) -> None:
    with pytest.raises(Invalid):
        indexing(store, index).rebuild(rate=rate)


def test_a_slow_one_says_that_it_is_still_at_it(store: MemoryRecordStore, index: Watched) -> None:
    fill(store, 100)
    started = index.clock.now() / 1e6
    indexing(store, index).rebuild(rate=1)
    assert index.clock.now() / 1e6 - started >= 99
    assert len(index.kept) >= 10
    counts = [json.loads(one)["records"] for one in index.kept]
    assert all(later - earlier <= 11 for earlier, later in pairwise(counts))


@pytest.mark.parametrize(
    ("portion", "kept"),
    [(40, [40, 80, 100]), (ANY_PORTION, [30, 50, 70, 90, 100])],
    ids=["by portions, where these count", "else by time too"],
)
def test_one_that_rests_is_kept(
    store: MemoryRecordStore, index: Watched, portion: int, kept: list[int]
) -> None:
    fill(store, 100)
    index.portion = portion

    def rest(stage: Stage, _: int) -> None:
        if stage is Stage.FILLING:
            index.clock.advance(6.0)

    indexing(store, index).rebuild(rest)
    assert [json.loads(one)["records"] for one in index.kept] == kept


def test_in_this_thread_it_goes_on_with_what_was_begun_in_parts(
    store: MemoryRecordStore, index: Watched
) -> None:
    fill(store, 64)
    index.fails_after = 3
    with pytest.raises(Unavailable):
        indexing(store, index, segments=4).rebuild()
    index.fails_after = None
    threads = set[str]()

    def look(_: Stage, __: int) -> None:
        threads.add(current_thread().name)

    rebuilt = indexing(store, index, segments=4).rebuild(look, in_this_thread=True)
    assert rebuilt.records == 64
    assert 0 < rebuilt.resumed < 64
    assert threads == {current_thread().name}
    assert indexing(store, index).verify().clean


@pytest.mark.parametrize(
    ("portion", "segments", "in_this_thread", "page"),
    [
        (1_000, 1, False, 10),
        (32, 1, False, 8),
        (32, 4, False, 6),
        (ANY_PORTION, 8, False, 10),
        (1_000, 1, True, 6),
        (16, 4, True, 4),
        (1, 1, True, 1),
    ],
)
def test_pages_are_small_beside_a_portion(
    store: MemoryRecordStore,
    index: Watched,
    portion: int,
    segments: int,
    in_this_thread: bool,
    page: int,
) -> None:
    fill(store, 200)
    index.portion = portion
    indexing(store, index, segments).rebuild(in_this_thread=in_this_thread)
    assert max(count for _, count in index.applied) == page


def test_the_records_are_read_after_the_head_start_and_the_lag(
    store: MemoryRecordStore, index: Watched
) -> None:
    fill(store, 10)
    index.head_start = 15.0
    started = index.clock.now() / 1e6
    waited: list[int] = []

    def progress(stage: Stage, count: int) -> None:
        if stage is Stage.WAITING:
            waited.append(count)

    indexing(store, index, lag=30.0).rebuild(progress)
    assert index.applied[0][0] - started == pytest.approx(45)
    assert sum(waited) == 45
    assert len(index.kept) >= 4


def test_nobody_waits_for_the_lag_on_one_machine(store: MemoryRecordStore, index: Watched) -> None:
    fill(store, 10)
    started = index.clock.now()
    indexing(store, index, lag=30.0).rebuild(grace=7.0)
    assert index.clock.now() == started
    assert index.grace == [7.0]
