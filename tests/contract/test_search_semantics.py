"""Searches mean the same on the indexes of ours."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from homeport.adapters.embedded.search_index import EmbeddedSearchIndex
from homeport.adapters.memory.search_index import MemorySearchIndex
from homeport.testing import CATALOG, SearchSemantics
from homeport.testing.search_semantics_corpus import corpus
from homeport.testing.search_semantics_table import ROWS, markdown


class TestMemorySemantics(SearchSemantics):
    @pytest.fixture(scope="class")
    @classmethod
    def index(cls) -> MemorySearchIndex:
        return MemorySearchIndex()


class TestEmbeddedSemantics(SearchSemantics):
    stems = True

    @pytest.fixture(scope="class")
    @classmethod
    def index(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedSearchIndex]:
        folder: Path = tmp_path_factory.mktemp("search")
        index = EmbeddedSearchIndex(folder, CATALOG)
        yield index
        index.close()


def test_the_documents_show_the_table() -> None:
    page = Path(__file__).parents[2] / "docs" / "search-semantics.md"
    table = "\n".join(markdown()).strip()
    assert page.read_text().endswith(f"\n\n{table}\n")


def test_the_table_asks_for_each_of_anns_notes() -> None:
    found = {id for row in ROWS for id in row.finds.split()}
    unfound = {one.id for one in corpus() if one.space == "ann"} - found
    assert unfound == set()
