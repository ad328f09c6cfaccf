"""The index comes to equal the store: events that come twice, late and out of order, a rebuild
beside them whose process dies, and another that goes on with it."""

from __future__ import annotations

import os
import random
from collections.abc import Sequence

import pytest

from homeport.adapters.memory.clock import ManualClock
from homeport.adapters.memory.ids import SequentialIds
from homeport.adapters.memory.record_store import MemoryRecordStore
from homeport.adapters.opensearch.lease import LEASE_SECONDS
from homeport.adapters.opensearch.search_index import OpenSearchIndex
from homeport.domain.errors import Conflict, Unavailable
from homeport.domain.events import RecordChanged
from homeport.domain.index_records import Pace
from homeport.domain.indexing import Indexing
from homeport.domain.model.data import Data
from homeport.domain.model.query import Scope, SearchQuery, Words
from homeport.domain.model.record import Key, Record
from homeport.domain.model.writes import Delete, Put
from homeport.testing import CATALOG
from tests.opensearch.between import CUT, Answer, Asked, Between, listening
from tests.opensearch.indexes import STANDARD, ask, clean, index_on, new_prefix

COLORS = ("red", "green", "blue")


class BusyStore(MemoryRecordStore):
    """A store in which others write whenever a page of it has been read."""

    world: World | None = None

    def scan(
        self, segment: int, segments: int, limit: int, after: Key | None = None
    ) -> list[Record]:
        found = super().scan(segment, segments, limit, after)
        if self.world is not None:
            self.world.meanwhile()
        return found


class World:
    """One process follows the stream, and another rebuilds. What each of them asks goes through
    `between`; the stream's process has the server for itself."""

    def __init__(self, url: str, between_url: str, seed: int, *, quick: bool) -> None:
        self.chance = random.Random(seed)
        self.clock = ManualClock()
        self.prefix = new_prefix()
        self._layout = {"tokenizer": STANDARD} if quick else {}
        self._urls = url, between_url
        self.store = BusyStore(self.clock, SequentialIds())
        self.now = 0.0
        self.stream = self._process(0)
        self.waiting: list[RecordChanged] = []
        self.delivered: list[RecordChanged] = []
        self.keys = [Key("anna", "notes", f"n{number}") for number in range(12)]

    def _process(self, way: int) -> OpenSearchIndex:
        return index_on(
            self._urls[way],
            self.clock,
            self.prefix,
            layout=self._layout,
            monotonic=lambda: self.now,
        )

    def rebuilding(self) -> Indexing:
        """A new process, which waits as long as it is told to."""
        return Indexing(self.store, self._process(1), CATALOG, 1, pace=Pace(self.clock, self.pass_))

    def pass_(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.now += seconds

    def meanwhile(self) -> None:
        for _ in range(self.chance.randint(0, 3)):
            self.write()
        self.deliver()

    def write(self) -> None:
        key = self.chance.choice(self.keys)
        held = self.store.get(key)
        if self.chance.random() < 0.3:
            if held is None or held.deleted:
                return
            (record,) = self.store.write([Delete(key, "anna")])
        else:
            title = self.chance.choice(COLORS)
            (record,) = self.store.write([Put(key, "anna", Data.of({"title": title}))])
        self.waiting.append(RecordChanged(key, record.version, None, "anna", record.deleted))

    def deliver(self) -> None:
        """Some of the events, in any order, and some for the second time."""
        self.chance.shuffle(self.waiting)
        some = self.chance.randint(0, len(self.waiting))
        batch, self.waiting = self.waiting[:some], self.waiting[some:]
        again = self.chance.sample(self.delivered, min(len(self.delivered), 3))
        self.delivered += batch
        self._consume([*batch, *again])

    def _consume(self, events: Sequence[RecordChanged]) -> None:
        assert Indexing(self.store, self.stream, CATALOG).consume(events) == {}

    def ends(self) -> None:
        self.store.world = None
        self._consume(self.waiting)
        ask(self._urls[0], "POST", f"/{self.prefix}-0*/_refresh")
        expected = {
            (one.key, one.data["title"])
            for key in self.keys
            if (one := self.store.get(key)) is not None and one.data is not None
        }
        found = {
            (hit.key, color)
            for color in COLORS
            for hit in self.stream.search(
                SearchQuery(Words(color), (Scope("anna"),), limit=100)
            ).hits
        }
        assert found == expected
        assert self.rebuilding().verify().clean


@pytest.mark.parametrize("seed", range(12 if os.environ.get("HOMEPORT_TEST_THOROUGH") else 6))
def test_on_a_quick_server_whose_rebuilds_die(osmem: str, seed: int) -> None:
    between = Between(osmem)
    with listening(between) as url:
        world = World(osmem, url, seed, quick=True)
        try:
            _history(world, between)
        finally:
            clean(osmem, world.prefix)


@pytest.mark.parametrize("seed", range(2))
def test_on_a_real_server_whose_rebuilds_die(opensearch: str, seed: int) -> None:
    between = Between(opensearch)
    with listening(between) as url:
        world = World(opensearch, url, seed, quick=False)
        try:
            _history(world, between)
        finally:
            clean(opensearch, world.prefix)


def _history(world: World, between: Between) -> None:
    for _ in range(world.chance.randint(0, 20)):
        world.write()
    world.deliver()
    world.store.world = world
    for _ in range(2):
        left = [world.chance.randint(3, 40)]

        def before(asked: Asked, left: list[int] = left) -> Answer | None:
            left[0] -= 1
            return CUT if left[0] < 0 else None

        between.before = before
        try:
            world.rebuilding().rebuild()
        except (Unavailable, Conflict):
            world.pass_(LEASE_SECONDS + 1)
        world.meanwhile()
    between.before = lambda asked: None
    world.rebuilding().rebuild()
    assert not world.stream.status().rebuilding
    world.meanwhile()
    world.ends()
