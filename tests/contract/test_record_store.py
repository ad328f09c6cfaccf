"""Every record store of ours keeps the contract."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from homeport.adapters.embedded.database import Database
from homeport.adapters.embedded.record_store import EmbeddedRecordStore
from homeport.adapters.memory.clock import ManualClock
from homeport.adapters.memory.ids import SequentialIds
from homeport.adapters.memory.record_store import MemoryRecordStore
from homeport.testing import RecordStoreContract


class TestMemoryRecordStore(RecordStoreContract):
    @pytest.fixture
    def store(self, clock: ManualClock) -> MemoryRecordStore:
        return MemoryRecordStore(clock, SequentialIds())


class TestEmbeddedRecordStore(RecordStoreContract):
    @pytest.fixture
    def database(self, tmp_path: Path) -> Iterator[Database]:
        database = Database(tmp_path)
        yield database
        database.close()

    @pytest.fixture
    def store(self, clock: ManualClock, database: Database) -> EmbeddedRecordStore:
        return EmbeddedRecordStore(database, clock, SequentialIds())
