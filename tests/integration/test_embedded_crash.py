"""A process that is killed in the middle of its writes loses nothing that it acknowledged."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from homeport.adapters.embedded.change_feed import EmbeddedChangeFeed
from homeport.adapters.embedded.database import Database
from homeport.adapters.embedded.record_store import EmbeddedRecordStore
from homeport.adapters.memory.clock import ManualClock
from homeport.adapters.memory.ids import SequentialIds
from homeport.domain.events import RecordChanged
from homeport.domain.model.data import Data
from homeport.domain.model.record import Key, Record
from homeport.domain.model.writes import Put

WRITERS = 16
WRITE = f"""
import os, sys, pathlib
from functools import partial
from homeport.adapters.embedded.database import Database
from homeport.adapters.embedded.record_store import EmbeddedRecordStore
from homeport.adapters.system import SystemClock, SystemIds
from homeport.domain.model.data import Data
from homeport.domain.model.record import Key
from homeport.domain.model.writes import Delete, Put
from tests.loops import Loop

database = Database(pathlib.Path(sys.argv[1]))
store = EmbeddedRecordStore(database, SystemClock(), SystemIds())
loop = Loop()
loop.attach(database)

def write(writer):
    for number in range(1_000_000):
        keys = [Key("space", "notes", f"{{writer}}-{{number}}-{{half}}") for half in "ab"]
        puts = [Put(key, "anna", Data.of({{"number": number, "pad": "x" * 500}})) for key in keys]
        first, second = store.write(puts)
        if number % 3 == 0:
            second = store.write([Delete(keys[1], "anna")])[0]
        for one in (first, second):
            os.write(1, f"{{one.key.id}} {{one.version}} {{one.deleted}}\\n".encode())

for running in [loop.start(partial(write, writer)) for writer in range({WRITERS})]:
    running.result()
"""


def write_until_killed(folder: Path, lines: int) -> dict[str, tuple[int, bool]]:
    """What the process acknowledged: id -> version and whether it was deleted."""
    root = Path(__file__).parents[2]
    with subprocess.Popen(
        [sys.executable, "-c", WRITE, str(folder)], stdout=subprocess.PIPE, text=True, cwd=root
    ) as process:
        assert process.stdout is not None
        told = [process.stdout.readline() for _ in range(lines)]
        process.kill()
        told += process.stdout.readlines()
    whole = [line.split() for line in told if line.endswith("\n")]
    return {name: (int(version), deleted == "True") for name, version, deleted in whole}


def everything(store: EmbeddedRecordStore) -> dict[str, Record]:
    found: dict[str, Record] = {}
    after: Key | None = None
    while records := store.scan(0, 1, 1000, after):
        found.update((record.key.id, record) for record in records)
        after = records[-1].key
    return found


@pytest.mark.parametrize("lines", [1, 150, 700])
def test_acknowledged_writes_survive_kill_9(tmp_path: Path, lines: int) -> None:
    acknowledged = write_until_killed(tmp_path / "data", lines)
    database = Database(tmp_path / "data")
    store = EmbeddedRecordStore(database, ManualClock(), SequentialIds())
    found = everything(store)
    for name, (version, deleted) in acknowledged.items():
        assert found[name].version == version
        assert found[name].deleted == deleted
    # All or none: the halves of a batch are both there.
    assert {name[:-2] for name in found if name.endswith("a")} == {
        name[:-2] for name in found if name.endswith("b")
    }
    assert database.read("PRAGMA integrity_check") == [("ok",)]
    highest = max(record.version for record in found.values())
    # This clock is behind the killed process's: versions go on from the store's own last.
    fresh = store.write([Put(Key("space", "notes", "fresh"), "anna", Data.of({}))])[0]
    assert fresh.version == highest + 1

    delivered: dict[str, int] = {}

    def consume(events: object) -> dict[int, str]:
        assert isinstance(events, tuple)
        for event in events:
            assert isinstance(event, RecordChanged)
            assert event.version > delivered.get(event.key.id, 0)
            delivered[event.key.id] = event.version
        return {}

    feed = EmbeddedChangeFeed(database, ManualClock())
    while feed.deliver("indexing", consume, 1000):
        pass
    assert delivered == {name: one.version for name, one in everything(store).items()}
    database.close()
