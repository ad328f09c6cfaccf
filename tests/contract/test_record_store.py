"""Every record store of ours keeps the contract."""

from __future__ import annotations

import pytest

from homeport.adapters.memory.clock import ManualClock
from homeport.adapters.memory.ids import SequentialIds
from homeport.adapters.memory.record_store import MemoryRecordStore
from homeport.testing import RecordStoreContract


class TestMemoryRecordStore(RecordStoreContract):
    @pytest.fixture
    def store(self, clock: ManualClock) -> MemoryRecordStore:
        return MemoryRecordStore(clock, SequentialIds())
