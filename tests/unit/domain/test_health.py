"""What is asked of whom to tell that the backend is ready."""

from __future__ import annotations

import pytest

from homeport.adapters.memory.clock import ManualClock
from homeport.adapters.memory.ids import SequentialIds
from homeport.adapters.memory.record_store import MemoryRecordStore
from homeport.adapters.memory.search_index import MemorySearchIndex
from homeport.domain.errors import Unavailable
from homeport.domain.health import ALIVE, Health
from homeport.domain.model.query import SearchPage, SearchQuery
from homeport.domain.model.record import Key, Record
from homeport.domain.model.writes import Guard


class SilentStore(MemoryRecordStore):
    def get(self, key: Key, guard: Guard | None = None) -> Record | None:
        raise Unavailable("The disk is gone.")


class SilentIndex(MemorySearchIndex):
    def search(self, query: SearchQuery) -> SearchPage:
        raise Unavailable("The search index does not answer.")


def store(kind: type[MemoryRecordStore] = MemoryRecordStore) -> MemoryRecordStore:
    return kind(ManualClock(), SequentialIds())


def test_ready() -> None:
    health = Health(store(), "1.2.3")
    health.needs(MemorySearchIndex())
    assert health.check() == {"status": "ok", "version": "1.2.3"}


def test_without_its_store_it_is_alive_and_not_ready() -> None:
    health = Health(store(SilentStore), "1.2.3")
    with pytest.raises(Unavailable, match="the record store: The disk is gone"):
        health.check()
    assert health.check(ALIVE) == {"status": "alive", "version": "1.2.3"}


def test_an_index_counts_where_one_process_does_everything() -> None:
    health = Health(store(), "1.2.3")
    assert health.check()["status"] == "ok"
    health.needs(SilentIndex())
    with pytest.raises(Unavailable, match="the search index: The search index does not answer"):
        health.check()
    assert health.check(ALIVE)["status"] == "alive"


@pytest.mark.parametrize("error", [Unavailable(""), OSError("/a/path/that/is/nobody's/business")])
def test_a_part_that_fails_in_any_way_does_not_answer(error: Exception) -> None:
    name = type(error).__name__

    class BrokenStore(MemoryRecordStore):
        def get(self, key: Key, guard: Guard | None = None) -> Record | None:
            raise error

    with pytest.raises(Unavailable, match=f"the record store: It fails with {name}.$"):
        Health(store(BrokenStore), "1.2.3").check()


def test_all_that_is_silent_is_named() -> None:
    health = Health(store(SilentStore), "1.2.3")
    health.needs(SilentIndex())
    with pytest.raises(Unavailable) as caught:
        health.check()
    assert "record store" in caught.value.detail
    assert "search index" in caught.value.detail
