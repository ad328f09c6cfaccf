"""The suites of the record store and the change feed catch adapters broken on purpose."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest

from homeport.adapters.memory.change_feed import MemoryChangeFeed
from homeport.adapters.memory.clock import ManualClock
from homeport.adapters.memory.ids import SequentialIds
from homeport.adapters.memory.record_store import MemoryRecordStore
from homeport.domain.model.writes import (
    Write,
)
from homeport.domain.ports.record_store import RecordStore
from homeport.testing import ChangeFeedContract, RecordStoreContract
from homeport.testing.contract import Contract
from homeport.testing.histories import Commit
from homeport.testing.record_support import RecordStoreSupport
from tests.contract import broken_change_feeds, broken_record_stores
from tests.contract.late_commits import WINDOW, FewTails, LateCommitStore
from tests.contract.teeth import check_teeth


def _store_suite(
    adapter: Callable[..., MemoryRecordStore],
    part: type[RecordStoreSupport] = RecordStoreContract,
) -> type[Contract]:
    class Suite(part):  # type: ignore[valid-type, misc]  # the part is chosen as it runs
        histories = 10

        @pytest.fixture
        def store(self, clock: ManualClock) -> MemoryRecordStore:
            return adapter(clock, SequentialIds())

    return Suite


def _late_store_suite(adapter: Callable[..., LateCommitStore]) -> type[Contract]:
    class Suite(RecordStoreContract):
        commits_late = True
        window = WINDOW

        @pytest.fixture
        def store(self, clock: ManualClock) -> LateCommitStore:
            return adapter(clock, FewTails())

        def stamp_early(self, store: RecordStore, writes: Sequence[Write]) -> Commit:
            assert isinstance(store, LateCommitStore)
            return store.stamp_early(writes)

    return Suite


def _feed_suite(adapter: Callable[..., MemoryChangeFeed]) -> type[Contract]:
    class Suite(ChangeFeedContract):
        @pytest.fixture
        def store(self, clock: ManualClock) -> MemoryRecordStore:
            return MemoryRecordStore(clock, SequentialIds())

        @pytest.fixture
        def feed(self, store: MemoryRecordStore, clock: ManualClock) -> MemoryChangeFeed:
            return adapter(store, clock, self.retry)

    return Suite


def _suites(
    suite_of: Callable[[Any], type[Contract]], adapters: Iterable[type[Any]]
) -> dict[str, type[Contract]]:
    return {adapter.__name__: suite_of(adapter) for adapter in adapters}


def test_the_record_store_suite_bites(tmp_path: Path) -> None:
    broken = {
        store.__name__: _store_suite(store, part)
        for part, stores in broken_record_stores.STORES.items()
        for store in stores
    }
    check_teeth(tmp_path, _store_suite(MemoryRecordStore), broken)


def test_the_record_store_suite_bites_where_commits_are_late(tmp_path: Path) -> None:
    broken = _suites(_late_store_suite, broken_record_stores.LATE_STORES)
    check_teeth(tmp_path, _late_store_suite(LateCommitStore), broken)


def test_the_change_feed_suite_bites(tmp_path: Path) -> None:
    check_teeth(
        tmp_path, _feed_suite(MemoryChangeFeed), _suites(_feed_suite, broken_change_feeds.FEEDS)
    )


def test_the_check_notices_a_suite_without_teeth(tmp_path: Path) -> None:
    sound = _feed_suite(MemoryChangeFeed)
    with pytest.raises(AssertionError, match=r"did not notice: \['nothing wrong'\]"):
        check_teeth(tmp_path, sound, {"nothing wrong": sound})
    with pytest.raises(AssertionError, match="fails without a fault: test_"):
        check_teeth(tmp_path, _feed_suite(broken_change_feeds.LogsAndDrops), {})
