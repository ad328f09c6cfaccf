"""The record store's contract once more, as a server runs it: on the loop, with group commit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from homeport.adapters.embedded.change_feed import EmbeddedChangeFeed
from homeport.adapters.embedded.database import Database
from homeport.adapters.embedded.record_store import EmbeddedRecordStore
from homeport.adapters.memory.clock import ManualClock
from homeport.adapters.memory.ids import SequentialIds
from homeport.domain.ports.record_store import RecordStore
from homeport.testing import ChangeFeedContract, RecordStoreContract
from tests.loops import Loop, OnLoop, running


@pytest.fixture(scope="module")
def loop() -> Iterator[Loop]:
    with running() as loop:
        yield loop


class Served:
    @pytest.fixture
    def database(self, tmp_path: Path, loop: Loop) -> Iterator[Database]:
        database = Database(tmp_path)
        loop.attach(database)
        yield database
        database.close()


class TestServedRecordStore(Served, RecordStoreContract):
    """Every call is a request's: in a greenlet on the loop."""

    @pytest.fixture
    def store(self, database: Database, clock: ManualClock, loop: Loop) -> RecordStore:
        store = EmbeddedRecordStore(database, clock, SequentialIds())
        return cast("RecordStore", OnLoop(loop, store))


class TestServedChangeFeed(Served, ChangeFeedContract):
    """The feed is called in a pump's thread, the store as by requests."""

    @pytest.fixture
    def store(self, database: Database, clock: ManualClock, loop: Loop) -> RecordStore:
        store = EmbeddedRecordStore(database, clock, SequentialIds())
        return cast("RecordStore", OnLoop(loop, store))

    @pytest.fixture
    def feed(self, database: Database, clock: ManualClock) -> EmbeddedChangeFeed:
        return EmbeddedChangeFeed(database, clock, self.retry)
