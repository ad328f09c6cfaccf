"""Every search index of ours keeps the contract."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from homeport.adapters.embedded.search_index import EmbeddedSearchIndex
from homeport.adapters.memory.search_index import MemorySearchIndex
from homeport.testing import CATALOG, SearchIndexContract


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedSearchIndex]:
    """One index for many tests, as an engine that runs already would be."""
    index = EmbeddedSearchIndex(tmp_path_factory.mktemp("search"), CATALOG)
    yield index
    index.close()


class TestMemorySearchIndex(SearchIndexContract):
    histories = 100

    @pytest.fixture
    def index(self) -> MemorySearchIndex:
        return MemorySearchIndex()


class TestEmbeddedSearchIndex(SearchIndexContract):
    stems = True
    histories = 5

    @pytest.fixture
    def index(self, running: EmbeddedSearchIndex) -> EmbeddedSearchIndex:
        return running
