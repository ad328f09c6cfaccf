"""Every change feed of ours keeps the contract."""

from __future__ import annotations

import pytest

from homeport.adapters.memory.change_feed import MemoryChangeFeed
from homeport.adapters.memory.clock import ManualClock
from homeport.adapters.memory.ids import SequentialIds
from homeport.adapters.memory.record_store import MemoryRecordStore
from homeport.testing import ChangeFeedContract


class TestMemoryChangeFeed(ChangeFeedContract):
    @pytest.fixture
    def store(self, clock: ManualClock) -> MemoryRecordStore:
        return MemoryRecordStore(clock, SequentialIds())

    @pytest.fixture
    def feed(self, store: MemoryRecordStore, clock: ManualClock) -> MemoryChangeFeed:
        return MemoryChangeFeed(store, clock, self.retry)
