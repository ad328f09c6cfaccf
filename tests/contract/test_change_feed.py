"""Every change feed of ours keeps the contract."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from homeport.adapters.embedded.change_feed import EmbeddedChangeFeed
from homeport.adapters.embedded.database import Database
from homeport.adapters.embedded.record_store import EmbeddedRecordStore
from homeport.adapters.memory.change_feed import MemoryChangeFeed
from homeport.adapters.memory.clock import ManualClock
from homeport.adapters.memory.ids import SequentialIds
from homeport.adapters.memory.record_store import MemoryRecordStore
from homeport.testing import ChangeFeedContract


class TestMemoryChangeFeed(ChangeFeedContract):
    counts_crashes = True
    holds_batches = True

    @pytest.fixture
    def store(self, clock: ManualClock) -> MemoryRecordStore:
        return MemoryRecordStore(clock, SequentialIds())

    @pytest.fixture
    def feed(self, store: MemoryRecordStore, clock: ManualClock) -> MemoryChangeFeed:
        return MemoryChangeFeed(store, clock, self.retry)


class TestEmbeddedChangeFeed(ChangeFeedContract):
    counts_crashes = True
    holds_batches = True

    @pytest.fixture
    def database(self, tmp_path: Path) -> Iterator[Database]:
        database = Database(tmp_path)
        yield database
        database.close()

    @pytest.fixture
    def store(self, clock: ManualClock, database: Database) -> EmbeddedRecordStore:
        return EmbeddedRecordStore(database, clock, SequentialIds())

    @pytest.fixture
    def feed(self, database: Database, clock: ManualClock) -> EmbeddedChangeFeed:
        return EmbeddedChangeFeed(database, clock, self.retry)
