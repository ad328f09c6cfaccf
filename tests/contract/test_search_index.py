"""Every search index of ours keeps the contract."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import pytest

from homeport.adapters.embedded.search_index import EmbeddedSearchIndex
from homeport.adapters.memory.search_index import MemorySearchIndex
from homeport.domain.errors import Unavailable
from homeport.domain.index_shadow import ShadowedIndex
from homeport.domain.model.document import IndexChange, Rejection
from homeport.domain.model.query import SearchPage, SearchQuery
from homeport.testing import CATALOG, SearchIndexContract
from homeport.testing.search_support import microseconds


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedSearchIndex]:
    """One index for many tests, as an engine that runs already would be."""
    index = EmbeddedSearchIndex(tmp_path_factory.mktemp("search"), CATALOG)
    yield index
    index.close()


def test_moments_before_1970_are_negative_to_the_microsecond() -> None:
    assert microseconds(datetime(1970, 1, 1, 0, 0, 1, 500_000, tzinfo=UTC)) == 1_500_000
    assert microseconds(datetime(1969, 12, 31, 23, 59, 58, 500_000, tzinfo=UTC)) == -1_500_000
    assert microseconds(datetime(1, 1, 1, 0, 0, 0, 1, tzinfo=UTC)) == -62_135_596_799_999_999


class TestMemorySearchIndex(SearchIndexContract):
    geo = True
    fuzzy = True
    histories = 100

    @pytest.fixture
    def index(self) -> MemorySearchIndex:
        return MemorySearchIndex()


class TestEmbeddedSearchIndex(SearchIndexContract):
    stems = True
    geo = True
    fuzzy = True
    histories = 5

    @pytest.fixture
    def index(self, running: EmbeddedSearchIndex) -> EmbeddedSearchIndex:
        return running


class DownIndex(MemorySearchIndex):
    """Takes nothing, and answers nothing."""

    def apply(self, changes: Sequence[IndexChange]) -> list[Rejection]:
        raise Unavailable("It is down.")

    def search(self, query: SearchQuery) -> SearchPage:
        raise Unavailable("It is down.")


class TestShadowedIndex(SearchIndexContract):
    """It keeps the whole contract, with a second that is no good."""

    geo = True
    fuzzy = True
    histories = 20

    @pytest.fixture
    def index(self) -> Iterator[ShadowedIndex]:
        both = ShadowedIndex(MemorySearchIndex(), DownIndex())
        yield both
        both.close()
