"""A server puts its search index together anew, beside all that goes on meanwhile."""

from __future__ import annotations

import itertools
import json
import logging
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest

from homeport.adapters.embedded import search_index
from homeport.adapters.embedded.search_beside import EmbeddedIndexBeside
from homeport.adapters.embedded.search_index import EmbeddedSearchIndex
from homeport.adapters.memory.clock import ManualClock
from homeport.adapters.memory.ids import SequentialIds
from homeport.adapters.memory.record_store import MemoryRecordStore
from homeport.adapters.system import SystemClock
from homeport.container import Backend
from homeport.definition import Adapters, Definition
from homeport.domain import indexing as domain
from homeport.domain.errors import Unavailable
from homeport.domain.events import RecordChanged
from homeport.domain.index_rebuild import Rebuilt
from homeport.domain.index_records import Progress, Stage
from homeport.domain.model.collection import Catalog
from homeport.domain.model.data import Data
from homeport.domain.model.record import Key, Record
from homeport.domain.model.writes import Delete, Put
from homeport.entrypoints.local import compaction
from homeport.entrypoints.local.compaction import Compaction
from homeport.entrypoints.local.indexing import Indexing, Take
from tests.gateways import PATIENCE, eventually
from tests.integration.test_gateway_backend import guest, running_backend

EMBEDDED = Adapters.of(dict.fromkeys(Adapters.names(), "embedded"))


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fraction of what it takes to be worth it, and of the time."""
    monkeypatch.setattr(compaction, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(compaction, "CALM_SECONDS", 0.05)
    monkeypatch.setattr(search_index, "_MANY", 20)
    monkeypatch.setattr(search_index, "_PIECES", 4)
    monkeypatch.setattr(search_index, "_OUTSIDE", 0.0)


@dataclass
class World:
    """A backend whose index is scattered until it was put together."""

    is_scattered: bool = True
    rebuilding: bool = False
    has_room_to_rebuild: bool = True
    adapters: Adapters = EMBEDDED
    done: threading.Event = field(default_factory=threading.Event)
    went_on: int = 0
    failure: Exception | None = None
    forgotten: int = 0
    rebuilt: int = 0
    left: bool = False

    @property
    def definition(self) -> World:
        return self

    index = indexing = definition

    def status(self) -> World:
        return self

    def forget_left(self) -> None:
        self.forgotten += 1
        self.rebuilding = False

    def rebuild(self, progress: Progress, *, in_this_thread: bool) -> Rebuilt:
        assert in_this_thread
        assert threading.current_thread().name == "homeport-compaction"
        if self.failure is not None:
            self.done.set()
            raise self.failure
        try:
            while not self.done.wait(0.001):
                progress(Stage.FILLING, 1)
                self.went_on += 1
        except BaseException:
            self.left = True
            raise
        self.rebuilt += 1
        return Rebuilt(self.went_on)

    @contextmanager
    def compacting(self, served: Callable[[], int] = lambda: 0) -> Iterator[Compaction]:
        made = Compaction(cast(Backend, self), served, lambda: 0.0)
        made.start()
        try:
            yield made
        finally:
            made.ask_to_stop()
            assert made.join(PATIENCE)


def test_it_is_done_once_and_said(caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    with caplog.at_level(logging.INFO, "homeport.gateway"), world.compacting():
        assert eventually(lambda: world.went_on > 3)
        world.done.set()
        assert eventually(lambda: len(caplog.messages) == 2)
    began, ended = caplog.messages
    assert began == "the search index is put together anew"
    assert ended.startswith(f"the search index was put together anew: {world.went_on} records in ")


def test_it_waits_until_little_is_asked_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compaction, "CALM_SECONDS", 0.25)
    world = World()
    asked = 0
    rush = itertools.cycle([0, 0, 1_000_000])  # one look in three finds many
    calm = threading.Event()

    def served() -> int:
        nonlocal asked
        asked += 0 if calm.is_set() else next(rush)
        return asked

    with world.compacting(served):
        assert eventually(lambda: asked > 60_000_000)
        assert world.went_on == 0
        calm.set()
        assert eventually(lambda: world.went_on > 0)
        world.done.set()


@pytest.mark.parametrize(
    "world",
    [
        World(is_scattered=False),
        World(adapters=Adapters.of({**dict.fromkeys(Adapters.names(), "memory")})),
        World(adapters=Adapters.of({"search_index": "memory"})),
        World(adapters=Adapters.of({"record_store": "memory"})),
    ],
    ids=["one that is whole", "no data folder", "another index", "other records"],
)
def test_it_leaves_alone(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compaction, "CALM_SECONDS", 0.001)
    with world.compacting() as made:
        assert not made.join(0.05) or world.adapters != EMBEDDED
    assert world.went_on == 0


def test_a_stop_leaves_what_was_done() -> None:
    world = World()
    with world.compacting():
        assert eventually(lambda: world.went_on > 0)
    assert world.left
    assert world.forgotten == 0


def test_what_was_left_is_gone_on_with() -> None:
    world = World(is_scattered=False, rebuilding=True)
    with world.compacting():
        assert eventually(lambda: world.went_on > 0)


def test_what_was_left_goes_where_there_is_no_room_for_more(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = World(is_scattered=False, rebuilding=True, has_room_to_rebuild=False)
    with world.compacting():
        assert eventually(lambda: world.forgotten == 1)
    assert world.went_on == 0
    assert "no room" in caplog.text


def test_it_rests_after_that(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    world.done.set()
    with world.compacting():
        assert eventually(lambda: world.rebuilt == 1)
        time.sleep(0.3)
        assert world.rebuilt == 1, "it is as scattered as before"
    monkeypatch.setattr(compaction, "AGAIN_SECONDS", 0.01)
    with world.compacting():
        assert eventually(lambda: world.rebuilt > 3)
    world.done.clear()
    monkeypatch.setattr(compaction, "AGAIN_TIMES", 1e6)
    before = world.rebuilt
    with world.compacting():
        assert eventually(lambda: world.went_on > 0)
        world.done.set()
        assert eventually(lambda: world.rebuilt == before + 1)
        time.sleep(0.3)
        assert world.rebuilt == before + 1, "it took long"


@pytest.mark.parametrize(
    ("failure", "level", "said"),
    [
        (Unavailable("The disk is full."), "WARNING", ": The disk is full."),
        (ZeroDivisionError(), "ERROR", ""),
    ],
    ids=["trouble", "a fault"],
)
def test_what_fails_is_thrown_away_and_not_tried_again_soon(
    failure: Exception, level: str, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    world = World(failure=failure)
    with world.compacting():
        assert eventually(lambda: world.forgotten == 1)
        world.done.clear()
        assert not world.done.wait(0.2)
    (told,) = caplog.records
    expected = f"the search index could not be put together anew{said}"
    assert (told.levelname, told.getMessage()) == (level, expected)


def current(folder: Path) -> int:
    said = json.loads((folder / "index" / "CURRENT").read_text())
    return int(said["generation"])


def test_a_server_does_it_beside_writes_and_searches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compaction, "AGAIN_SECONDS", 0.05)
    definition = Definition(data_folder=tmp_path, adapters=EMBEDDED)
    with running_backend(definition) as served:
        caller = guest(served)
        generations, number = set[int](), 0
        while len(generations) < 4:
            number += 1
            assert number < 2_000, "it does not"
            created = caller.send("POST", "/v1/records/me/notes", {"title": f"fox {number}"})
            assert created.status == 201
            assert served.gateway.pumps.wait_until_idle(PATIENCE)
            assert caller.get("/v1/search?q=fox&limit=1").json()["total"] == number
            generations.add(current(tmp_path))
        assert eventually(lambda: "was put together anew: " in served.log.getvalue())


def test_a_server_goes_on_with_what_its_stop_has_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    definition = Definition(data_folder=tmp_path, adapters=EMBEDDED)
    said = tmp_path / "index" / "REBUILD"
    go_on = Compaction._go_on

    def stay(self: Compaction, stage: Stage, done: int) -> None:
        self._stopping.wait(PATIENCE)
        go_on(self, stage, done)

    with monkeypatch.context() as patched, running_backend(definition) as served:
        patched.setattr(Compaction, "_go_on", stay)
        caller = guest(served)
        for number in range(40):
            caller.send("POST", "/v1/records/me/notes", {"title": f"fox {number}"})
            assert served.gateway.pumps.wait_until_idle(PATIENCE)
            if said.exists():
                break
        assert eventually(said.exists)
    left = json.loads(said.read_text())
    assert json.loads(left["place"])["records"] > 0
    mark = tmp_path / "index" / str(left["generation"]) / "mark"
    mark.touch()
    with running_backend(definition) as served:
        assert eventually(lambda: not said.exists())
        assert mark.exists(), "it is the same one"
        assert current(tmp_path) == left["generation"]


class Slow:
    """Records that are read one by one, so that much happens between."""

    def __init__(self, store: MemoryRecordStore) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def scan(self, segment: int, segments: int, limit: int, after: Key | None = None) -> Any:
        return self._store.scan(segment, segments, min(limit, 3), after)


@dataclass
class Shared:
    """A backend whose index is written by another process, or what is as good as one."""

    index: EmbeddedSearchIndex
    indexing: domain.Indexing


def test_nothing_is_lost_while_a_worker_writes_and_rebuilds_begin_and_end(
    tmp_path: Path,
) -> None:
    chance = random.Random(7)
    store = MemoryRecordStore(ManualClock(), SequentialIds())
    index = EmbeddedSearchIndex(tmp_path / "index", Catalog())
    index.rebuild().commit()
    worker = EmbeddedIndexBeside(tmp_path / "index", Catalog(), clock=SystemClock())
    slow = cast(Any, Slow(store))
    theirs = domain.Indexing(store, worker, Catalog())
    ours = domain.Indexing(slow, index, Catalog())
    batch: list[RecordChanged] = []

    def take(_: list[bytes]) -> dict[int, str]:
        return dict(theirs.consume(batch))

    stop, ended = threading.Event(), 0

    def compact() -> None:
        nonlocal ended
        while not stop.is_set():
            ours.rebuild(in_this_thread=True)
            ended += 1

    thread = threading.Thread(target=compact)
    thread.start()
    feed = Indexing(cast(Backend, Shared(index, ours)), lambda: cast(Take, take))
    rounds = 0
    try:
        while ended < 12 and thread.is_alive():
            rounds += 1
            assert rounds < 20_000
            batch[:] = [_event(_change(store, chance)) for _ in range(chance.randrange(1, 4))]
            feed.consume(batch)
            if rounds % 10 == 0:
                drift = domain.Indexing(store, index, Catalog()).verify()
                assert drift.clean
    finally:
        stop.set()
        thread.join(PATIENCE)
    assert rounds > ended
    assert domain.Indexing(store, index, Catalog()).verify().clean
    assert domain.Indexing(store, worker, Catalog()).verify().clean
    worker.close()
    index.close()


def _change(store: MemoryRecordStore, chance: random.Random) -> Record:
    key = Key("anna", "notes", f"r{chance.randrange(200):03}")
    (known,) = store.get_many([key])
    if known is not None and known.data is not None and chance.random() < 0.3:
        (record,) = store.write([Delete(key, "anna")])
    else:
        (record,) = store.write([Put(key, "anna", Data.of({"text": "fox"}))])
    return record


def _event(record: Record) -> RecordChanged:
    return RecordChanged(record.key, record.version, None, record.author, record.deleted)
