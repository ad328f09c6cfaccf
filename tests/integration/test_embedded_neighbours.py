"""Two at one database: the process that serves it, and a command that writes beside it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import apsw
import pytest

from homeport.adapters.embedded import engine, neighbours
from homeport.adapters.embedded.change_feed import EmbeddedChangeFeed
from homeport.adapters.embedded.database import Database
from homeport.adapters.embedded.folder import FolderInUse, FolderUnusable, NewerSchema
from homeport.adapters.embedded.migrations import MIGRATIONS
from homeport.adapters.embedded.record_store import EmbeddedRecordStore
from homeport.adapters.system import SystemClock, SystemIds
from homeport.domain.errors import Unavailable
from homeport.domain.events import RecordChanged
from homeport.domain.model.data import Data
from homeport.domain.model.record import Key, Record
from homeport.domain.model.writes import Put
from tests.loops import Loop, running

_SECONDS = 20
_WRITES = 60


@pytest.fixture
def loop() -> Iterator[Loop]:
    with running() as loop:
        yield loop


@pytest.fixture
def served(tmp_path: Path, loop: Loop) -> Iterator[Database]:
    database = Database(tmp_path)
    loop.attach(database)
    yield database
    database.close()


@pytest.fixture
def beside(tmp_path: Path, served: Database) -> Iterator[Database]:
    database = Database(tmp_path, beside=True)
    yield database
    database.close()


def store_of(database: Database) -> EmbeddedRecordStore:
    return EmbeddedRecordStore(database, SystemClock(), SystemIds())


def put(store: EmbeddedRecordStore, id: str, value: int = 0) -> Record:
    data = Data.of({"value": value})
    return store.write([Put(Key("anna", "notes", id), "anna", data)])[0]


def test_both_write_at_once_and_nothing_is_lost(
    loop: Loop, served: Database, beside: Database
) -> None:
    """Neither refuses a write of its own because the other is at it."""
    there, here = store_of(served), store_of(beside)

    def serve(n: int) -> Record:
        return loop.call(lambda: put(there, f"served-{n}"))

    with ThreadPoolExecutor(9) as threads:
        theirs = [threads.submit(serve, n) for n in range(_WRITES * 4)]
        ours = [threads.submit(put, here, f"beside-{n}") for n in range(_WRITES)]
        records = [one.result(_SECONDS) for one in (*theirs, *ours)]
    assert len({one.version for one in records}) == _WRITES * 5
    for one in records:
        assert loop.call(lambda key=one.key: there.get(key)) == one  # type: ignore[misc]
        assert here.get(one.key) == one
    found: list[RecordChanged] = []
    feed = EmbeddedChangeFeed(served, SystemClock())

    def consume(events: Sequence[RecordChanged]) -> dict[int, str]:
        found.extend(events)
        return {}

    for _ in range(_WRITES):
        feed.deliver("all", consume)
    assert {one.key for one in found} == {one.key for one in records}


def test_a_served_write_waits_for_one_that_takes_long(
    loop: Loop, served: Database, beside: Database
) -> None:
    began, done = threading.Event(), threading.Event()

    def slowly(connection: apsw.Connection) -> None:
        connection.execute("INSERT INTO settings VALUES ('slow', '')")
        began.set()
        done.wait(_SECONDS)

    thread = threading.Thread(target=beside.write, args=(slowly,))
    thread.start()
    assert began.wait(_SECONDS)
    written = loop.start(lambda: put(store_of(served), "waits"))
    timer = threading.Timer(0.2, done.set)
    timer.start()
    assert written.result(_SECONDS).key.id == "waits"
    assert done.is_set()
    thread.join()
    timer.join()


def test_a_served_database_sees_what_was_written_beside_it(
    loop: Loop, served: Database, beside: Database
) -> None:
    """Also where nothing else is written, and reads keep a snapshot open."""
    there, here = store_of(served), store_of(beside)
    woken = threading.Event()
    served.listeners.append(woken.set)
    first = put(here, "seen", 1)
    for value in (2, 3):
        assert woken.wait(_SECONDS)
        assert loop.call(lambda: there.get(first.key)) is not None
        woken.clear()
        newer = put(here, "seen", value)
        assert woken.wait(_SECONDS)
        assert loop.call(lambda: there.get(first.key)) == newer
    served.listeners.remove(woken.set)


def test_own_writes_are_no_news(loop: Loop, served: Database) -> None:
    commits: list[None] = []
    served.listeners.append(lambda: commits.append(None))
    for n in range(3):
        loop.call(lambda n=n: put(store_of(served), f"own-{n}"))  # type: ignore[misc]
    looked = threading.Event()
    loop.plainly(lambda: loop.loop.call_later(2.5 * neighbours.LOOK_SECONDS, looked.set))
    assert looked.wait(_SECONDS)
    assert len(commits) == 3


def test_nothing_is_made_where_there_is_nothing(tmp_path: Path) -> None:
    with pytest.raises(FolderUnusable):
        Database(tmp_path / "data", beside=True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("schema", "error"), [(0, FolderInUse), (len(MIGRATIONS) + 1, NewerSchema)]
)
def test_another_schema_stays_as_it_is(tmp_path: Path, schema: int, error: type[Exception]) -> None:
    Database(tmp_path).close()
    file = apsw.Connection(str(tmp_path / "homeport.db"))
    file.execute(f"PRAGMA user_version = {schema}")
    with pytest.raises(error):
        Database(tmp_path, beside=True)
    assert file.execute("PRAGMA user_version").get == schema
    file.close()


def test_a_command_does_not_wait_for_ever(
    served: Database, beside: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(neighbours, "PATIENCE_SECONDS", 0.05)
    other = engine.open_writer(served._folder.database)
    other.execute("BEGIN IMMEDIATE")
    began = time.monotonic()
    with pytest.raises(Unavailable, match="locked by another process"):
        put(store_of(beside), "late")
    assert time.monotonic() - began < _SECONDS
    other.execute("ROLLBACK")
    other.close()
    assert put(store_of(beside), "late").key.id == "late"
