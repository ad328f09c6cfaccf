"""The index on OpenSearch keeps the contract: on a real server, and on a quick one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from homeport.adapters.memory.clock import ManualClock
from homeport.adapters.opensearch.search_index import OpenSearchIndex
from homeport.testing import SearchIndexContract
from tests.opensearch.indexes import STANDARD, ask, clean, index_on, new_prefix


class _OnOpenSearch(SearchIndexContract):
    stems = True
    histories = 6
    _url: str
    _prefix: str

    def settle(self) -> None:
        ask(self._url, "POST", f"/{self._prefix}-0*/_refresh")


class TestOpenSearch(_OnOpenSearch):
    @pytest.fixture
    def index(self, opensearch: str, clock: ManualClock) -> Iterator[OpenSearchIndex]:
        self._url, self._prefix = opensearch, new_prefix()
        index = index_on(opensearch, clock, self._prefix)
        yield index
        index.close()
        clean(opensearch, self._prefix)


class TestQuickServer(_OnOpenSearch):
    @pytest.fixture
    def index(self, osmem: str, clock: ManualClock) -> Iterator[OpenSearchIndex]:
        self._url, self._prefix = osmem, new_prefix()
        index = index_on(osmem, clock, self._prefix, layout={"tokenizer": STANDARD})
        yield index
        index.close()
        clean(osmem, self._prefix)
