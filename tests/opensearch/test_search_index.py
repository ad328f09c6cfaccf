"""The index on OpenSearch keeps the contract: on a real server, and on a quick one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Final

import pytest

from homeport.adapters.memory.clock import ManualClock
from homeport.adapters.opensearch.lease import LEASE_SECONDS
from homeport.adapters.opensearch.search_index import OpenSearchIndex
from homeport.testing import SearchIndexContract
from homeport.testing.search_convergence import SearchConvergence
from tests.opensearch.indexes import STANDARD, ask, clean, index_on, new_prefix

_HISTORIES: Final = int(os.environ.get("CONVERGENCE_HISTORIES", "0"))
_SEED: Final = int(os.environ.get("CONVERGENCE_SEED", "0"))


class _OnOpenSearch(SearchIndexContract):
    """One index for all tests, since making one takes a server half a second. None of them
    leaves a rebuild behind."""

    stems = True
    geo = True
    fuzzy = True
    _url: str
    _prefix: str

    def settle(self) -> None:
        ask(self._url, "POST", f"/{self._prefix}-0*/_refresh")

    def _left_by(self, index: OpenSearchIndex) -> None:
        if index.status().rebuilding:
            index.rebuild().abandon()
        index.close()


class TestOpenSearch(_OnOpenSearch):
    histories = 5

    @pytest.fixture(scope="class")
    @classmethod
    def prefix(cls, opensearch: str) -> Iterator[str]:
        prefix = new_prefix()
        yield prefix
        clean(opensearch, prefix)

    @pytest.fixture
    def index(self, opensearch: str, prefix: str, clock: ManualClock) -> Iterator[OpenSearchIndex]:
        self._url, self._prefix = opensearch, prefix
        index = index_on(opensearch, clock, prefix)
        yield index
        self._left_by(index)


class TestQuickServer(_OnOpenSearch):
    """It heeds no `char_filter`, and has a tokenizer of its own."""

    letters = False
    marks = False
    signs = False
    histories = 10

    @pytest.fixture(scope="class")
    @classmethod
    def prefix(cls, osmem: str) -> Iterator[str]:
        prefix = new_prefix()
        yield prefix
        clean(osmem, prefix)

    @pytest.fixture
    def index(self, osmem: str, prefix: str, clock: ManualClock) -> Iterator[OpenSearchIndex]:
        self._url, self._prefix = osmem, prefix
        index = index_on(osmem, clock, prefix, layout={"tokenizer": STANDARD})
        yield index
        self._left_by(index)


class TestOpenSearchConvergence(SearchConvergence):
    histories = _HISTORIES or 4
    first_seed = _SEED
    stems = True

    @pytest.fixture
    def index(self, opensearch: str, clock: ManualClock) -> Iterator[OpenSearchIndex]:
        self._url, self._prefix, self._clock = opensearch, new_prefix(), clock
        index = index_on(opensearch, clock, self._prefix)
        yield index
        index.close()
        clean(opensearch, self._prefix)

    def settle(self) -> None:
        self._clock.advance(LEASE_SECONDS + 1)
        ask(self._url, "POST", f"/{self._prefix}-0*/_refresh")


class TestQuickServerConvergence(SearchConvergence):
    histories = _HISTORIES or 20
    first_seed = _SEED
    stems = True

    @pytest.fixture
    def index(self, osmem: str, clock: ManualClock) -> Iterator[OpenSearchIndex]:
        self._clock = clock
        prefix = new_prefix()
        index = index_on(osmem, clock, prefix, layout={"tokenizer": STANDARD})
        yield index
        index.close()
        clean(osmem, prefix)

    def settle(self) -> None:
        self._clock.advance(LEASE_SECONDS + 1)
