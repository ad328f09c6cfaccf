"""Every record store of ours keeps the contract."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from homeport.adapters.embedded.database import Database
from homeport.adapters.embedded.record_store import EmbeddedRecordStore
from homeport.adapters.memory.clock import ManualClock
from homeport.adapters.memory.ids import SequentialIds
from homeport.adapters.memory.record_store import MemoryRecordStore
from homeport.domain import limits
from homeport.domain.errors import TooLarge
from homeport.domain.model.writes import Expect, Write, WriteRefused
from homeport.domain.ports.record_store import RecordStore
from homeport.testing import RecordStoreContract
from homeport.testing.histories import Commit
from homeport.testing.record_support import delete, do, key, pages, put
from tests.contract.late_commits import WINDOW, FewTails, LateCommitStore


class TestMemoryRecordStore(RecordStoreContract):
    histories = 300

    @pytest.fixture
    def store(self, clock: ManualClock) -> MemoryRecordStore:
        return MemoryRecordStore(clock, SequentialIds())

    def test_a_page_looks_at_a_thousand_records_at_most(self, store: MemoryRecordStore) -> None:
        """As the embedded store and DynamoDB do, so that tests come upon short pages."""
        for place in range(0, 2_100, 50):
            keys = [key("space", f"n{n:04}") for n in range(place, place + 50)]
            store.write([put(one) for one in keys])
            store.write([delete(one) for one in keys])
        found = list(pages(store, "space"))
        assert found == [[], [], []]


class TestEmbeddedRecordStore(RecordStoreContract):
    @pytest.fixture
    def database(self, tmp_path: Path) -> Iterator[Database]:
        database = Database(tmp_path)
        yield database
        database.close()

    @pytest.fixture
    def store(self, clock: ManualClock, database: Database) -> EmbeddedRecordStore:
        return EmbeddedRecordStore(database, clock, SequentialIds())

    @pytest.mark.parametrize("expect", [Expect.NEVER, Expect.ABSENT])
    def test_a_creation_is_told_that_it_came_before_and_not_that_it_is_too_large(
        self, store: EmbeddedRecordStore, expect: Expect
    ) -> None:
        """As the memory store does: whoever repeats a creation with other data hears of that."""
        record = do(store, put(key("space"), expect=expect))
        large = {"text": "x" * limits.RECORD_BYTES}
        with pytest.raises(WriteRefused):
            do(store, put(key("space"), large, expect))
        with pytest.raises(TooLarge):
            do(store, put(key("space", "other"), large, expect))
        assert list(pages(store, "space")) == [[record]]


class TestLateCommitStore(RecordStoreContract):
    """Tries the suite itself on commits that come late and stamps that are alike."""

    histories = 300
    commits_late = True
    window = WINDOW

    @pytest.fixture
    def store(self, clock: ManualClock) -> LateCommitStore:
        return LateCommitStore(clock, FewTails())

    def stamp_early(self, store: RecordStore, writes: Sequence[Write]) -> Commit:
        assert isinstance(store, LateCommitStore)
        return store.stamp_early(writes)
