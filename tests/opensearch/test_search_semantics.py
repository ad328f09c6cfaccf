"""Searches mean the same on OpenSearch: on a real server, and on a quick one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from homeport.adapters.memory.clock import ManualClock
from homeport.adapters.opensearch.search_index import OpenSearchIndex
from homeport.testing import SearchSemantics
from tests.opensearch.indexes import STANDARD, ask, clean, index_on, new_prefix


class TestOpenSearchSemantics(SearchSemantics):
    stems = True
    _url: str
    _prefix: str

    @pytest.fixture(scope="class")
    @classmethod
    def index(cls, opensearch: str) -> Iterator[OpenSearchIndex]:
        cls._url, cls._prefix = opensearch, new_prefix()
        index = index_on(opensearch, ManualClock(), cls._prefix)
        yield index
        index.close()
        clean(opensearch, cls._prefix)

    def settle(self) -> None:
        ask(self._url, "POST", f"/{self._prefix}-0*/_refresh")


class TestQuickServerSemantics(SearchSemantics):
    stems = True

    @pytest.fixture(scope="class")
    @classmethod
    def index(cls, osmem: str) -> Iterator[OpenSearchIndex]:
        prefix = new_prefix()
        index = index_on(osmem, ManualClock(), prefix, layout={"tokenizer": STANDARD})
        yield index
        index.close()
        clean(osmem, prefix)
