"""Random histories of records and of their index, which ends as the records are.

Records are written and deleted; their changes reach the index twice, late, out of order and once
more from the beginning; a rebuild goes on beside that, dies in the middle, and is gone on with,
or never is. Whoever reads the records may be interrupted by all that, before it applies them.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, ClassVar, Final, final

from homeport.adapters.memory.clock import ManualClock
from homeport.adapters.memory.ids import SequentialIds
from homeport.adapters.memory.record_store import MemoryRecordStore
from homeport.domain.errors import Unavailable
from homeport.domain.events import RecordChanged
from homeport.domain.index_records import Pace, Stage
from homeport.domain.indexing import Indexing
from homeport.domain.model.data import Data
from homeport.domain.model.query import Scope, SearchQuery, Words
from homeport.domain.model.record import Key, Record
from homeport.domain.model.writes import Delete, Put
from homeport.domain.ports.search_index import Rebuild, SearchIndex
from homeport.testing.search_support import CATALOG, DRAFTS, NOTES, SearchIndexSupport


class SearchConvergence(SearchIndexSupport):
    """Run beside `SearchIndexContract`, with the same fixture `index`, which nobody else uses
    meanwhile: each history begins by making the index empty. `histories` is how many there are;
    a slow engine sets it lower. After `settle` the lease of a process that died is over, too."""

    histories: ClassVar[int] = 100
    first_seed: ClassVar[int] = 0

    @final
    def test_the_index_comes_to_equal_the_records(self, index: SearchIndex) -> None:
        crashes = resumed = 0
        for seed in range(self.first_seed, self.first_seed + self.histories):
            world = World(index, seed, self.settle)
            world.run()
            self.settle()
            told = f"seed {seed}"
            drift = world.indexing.verify()
            assert drift.clean, f"{told}: {drift}"
            assert drift.records == len(world.texts()), told
            for text in _TEXTS:
                page = index.search(SearchQuery(Words(text), (Scope(None),), limit=100))
                expected = {key for key, held in world.texts().items() if held == text}
                assert {hit.key for hit in page.hits} == expected, told
            crashes += world.crashes
            resumed += world.resumed
        assert crashes > self.histories // 20
        assert resumed > self.histories // 50


class World:
    """One history; the same seed gives the same one."""

    def __init__(self, index: SearchIndex, seed: int, settle: Callable[[], None]) -> None:
        self.crashes = 0
        self.resumed = 0
        self._chance = random.Random(seed)
        self._settle = settle
        self._clock = ManualClock()
        # Its versions are above those of the histories before, which an index may remember.
        self._clock.advance(100_000.0 * (seed + 1))
        self._store = _Store(self._clock, SequentialIds())
        self._mortal = _Mortal(index)
        pace = Pace(self._clock, self._clock.advance)
        mortal: Any = self._mortal
        self.indexing = Indexing(self._store, mortal, CATALOG, segments=1, pace=pace)
        self._waiting: list[RecordChanged] = []
        self._delivered: list[RecordChanged] = []
        self._busy = False
        self._calm = False
        self.indexing.rebuild(fresh=True)
        settle()

    def run(self) -> None:
        self._store.meanwhile = self._interrupt
        for _ in range(self._chance.randint(4, 10)):
            for _ in range(self._chance.randint(1, 6)):
                self._step()
            if self._chance.random() < 0.4:
                self._rebuild()
        if self._chance.random() < 0.7:
            self._rebuild()
        self._calm = True
        while self._waiting:
            self._deliver()
        self._store.meanwhile = None

    def texts(self) -> dict[Key, str]:
        """What each record that is there says."""
        records = self._store.scan(0, 1, 1000)
        return {one.key: one.data["title"] for one in records if one.data is not None}

    def _step(self) -> None:
        self._clock.advance(self._chance.random())
        writes = 0 if self._calm else 5
        (step,) = self._chance.choices([self._write, self._deliver, self._replay], [writes, 4, 0.2])
        step()

    def _interrupt(self) -> None:
        """What others do between somebody's reading and what they make of it."""
        if self._busy:
            return
        self._busy = True
        try:
            for _ in range(self._chance.choice([0, 0, 1, 3, 6])):
                self._step()
        finally:
            self._busy = False

    def _write(self) -> None:
        collection = self._chance.choice([NOTES, DRAFTS])
        key = Key(self._chance.choice(["anna", "team"]), collection, self._chance.choice("abcde"))
        before = self._store.get(key)
        if self._chance.random() < 0.3:
            if before is None or before.deleted:
                return
            (record,) = self._store.write([Delete(key, "anna")])
        else:
            data = Data.of({"title": self._chance.choice(_TEXTS)})
            (record,) = self._store.write([Put(key, "anna", data)])
        previous = None if before is None else before.version
        change = RecordChanged(key, record.version, previous, "anna", record.deleted)
        self._waiting.append(change)

    def _deliver(self) -> None:
        """Some of what waits, in any order, with some of what came before."""
        self._chance.shuffle(self._waiting)
        some = self._chance.randint(0, len(self._waiting))
        batch, self._waiting = self._waiting[:some], self._waiting[some:]
        again = self._chance.sample(self._delivered, min(len(self._delivered), 1))
        self._delivered += batch
        if batch or again:
            assert self.indexing.consume([*batch, *again]) == {}

    def _replay(self) -> None:
        """All that was ever delivered, from the beginning."""
        if self._delivered:
            assert self.indexing.consume(self._delivered) == {}

    def _rebuild(self) -> None:
        """Two records at a time; it may die after any of its steps."""
        dies = self._chance.random() < 0.5

        def progress(stage: Stage, done: int) -> None:
            self._interrupt()
            if dies and self._chance.random() < 0.15:
                self._mortal.dead = self._chance.random() < 0.7
                raise _Death

        # Whoever cannot end for all that changes meanwhile leaves it to be gone on with, too.
        try:
            with suppress(Unavailable):
                self.resumed += self.indexing.rebuild(progress, rate=2.0).resumed > 0
        except _Death:
            self.crashes += 1
        self._mortal.dead = False
        # A lease that nobody renews is over by then.
        self._clock.advance(100.0)
        self._settle()


class _Death(BaseException):
    """The end of a process, in the middle of what it did."""


class _Store(MemoryRecordStore):
    """After it was read, and before the reader goes on, something else may happen."""

    meanwhile: Callable[[], None] | None = None

    def scan(
        self, segment: int, segments: int, limit: int, after: Key | None = None
    ) -> list[Record]:
        found = super().scan(segment, segments, limit, after)
        self._interrupt()
        return found

    def get_many(self, keys: Sequence[Key]) -> list[Record | None]:
        found = super().get_many(keys)
        self._interrupt()
        return found

    def _interrupt(self) -> None:
        if self.meanwhile is not None:
            self.meanwhile()


class _Mortal:
    """An index whose rebuilds, once the process that did them is `dead`, do nothing any more:
    what was not kept before is lost."""

    def __init__(self, index: SearchIndex) -> None:
        self._index: Final = index
        self.dead = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._index, name)

    def rebuild(self) -> Rebuild:
        rebuild: Any = _MortalRebuild(self._index.rebuild(), self)
        found: Rebuild = rebuild
        return found


class _MortalRebuild:
    def __init__(self, rebuild: Rebuild, index: _Mortal) -> None:
        self._rebuild: Final = rebuild
        self._index: Final = index

    def __getattr__(self, name: str) -> Any:
        return getattr(self._rebuild, name)

    def keep(self, place: str) -> None:
        if not self._index.dead:
            self._rebuild.keep(place)


_TEXTS: Final = ("red", "green", "blue")
