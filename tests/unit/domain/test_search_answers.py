"""What an answer holds and in which order: filters, facets, sorting, pages, suggestions."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from homeport.adapters.memory.clock import ManualClock
from homeport.adapters.memory.ids import SequentialIds
from homeport.adapters.memory.record_store import MemoryRecordStore
from homeport.adapters.memory.search_index import MemorySearchIndex
from homeport.domain.errors import Invalid
from homeport.domain.events import RecordChanged
from homeport.domain.filter_parser import parse_condition
from homeport.domain.indexing import Indexing
from homeport.domain.model.collection import Catalog, Collection, FieldDeclaration, FieldRole
from homeport.domain.model.data import Data
from homeport.domain.model.identity import Kind, Principal
from homeport.domain.model.query import FacetCount, Hit, Prefix, SearchPage, SearchQuery
from homeport.domain.model.record import Key
from homeport.domain.model.writes import Delete, Put
from homeport.domain.search import Search, SearchRequest, SearchResult, Suggestion
from tests.unit.domain.many import write_all
from tests.unit.domain.tables import check, check_each, pointers

ANN = Principal("ann", Kind.USER)
CATALOG = Catalog(
    [
        Collection(
            "books",
            fields={
                "title": FieldDeclaration(FieldRole.TEXT),
                "kind": FieldDeclaration(FieldRole.KEYWORD),
                "pages": FieldDeclaration(FieldRole.NUMBER),
                "seen": FieldDeclaration(FieldRole.DATE),
            },
        ),
    ]
)


class Index(MemorySearchIndex):
    """Keeps what it was asked, and answers with `leaked` before all else."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[SearchQuery] = []
        self.leaked: tuple[Hit, ...] = ()

    def search(self, query: SearchQuery) -> SearchPage:
        self.asked.append(query)
        page = super().search(query)
        return SearchPage(self.leaked + page.hits, page.total, page.facets)


class Backend:
    def __init__(self) -> None:
        self.store = MemoryRecordStore(ManualClock(), SequentialIds())
        self.index = Index()
        self.service = Search(self.store, self.index, CATALOG)

    def put(self, *data: dict[str, Any], collection: str = "books") -> None:
        """Records with the ids 0, 1, ..."""
        keys = [Key("ann", collection, str(number)) for number in range(len(data))]
        puts = [Put(key, "ann", Data.of(one)) for key, one in zip(keys, data, strict=True)]
        records = write_all(self.store, puts)
        events = [
            RecordChanged(one.key, one.version, None, "ann", deleted=False) for one in records
        ]
        Indexing(self.store, self.index, CATALOG).consume(events)

    def search(self, q: str | None = None, collection: str = "books", **more: Any) -> SearchResult:
        return self.service.search(ANN, SearchRequest(q, None, collection, **more))

    def ids(self, **request: Any) -> list[str]:
        return [hit.record.key.id for hit in self.search(**request).hits]


@pytest.fixture
def backend() -> Backend:
    return Backend()


def test_every_filter_has_to_hold(backend: Backend) -> None:
    backend.put(*({"kind": kind, "pages": pages} for kind in "ab" for pages in (1, 2)))
    assert backend.ids(filters=("kind:a", "pages:2")) == ["1"]
    assert backend.ids(filters=("pages:2", "kind:a")) == ["1"]
    assert backend.ids(filters=(parse_condition("pages:>1"), "kind:b")) == ["3"]


def test_sixteen_filters_and_ten_facets_are_the_most(backend: Backend) -> None:
    backend.put({"kind": "a"})
    assert backend.ids(filters=("kind:a",) * 16) == ["0"]
    assert len(backend.search(facets=tuple("abcdefghij")).facets) == 10


def test_sorting_goes_by_the_field_both_ways(backend: Backend) -> None:
    backend.put(*({"pages": pages, "kind": str(9 - pages)} for pages in (3, 1, 2)))
    assert backend.ids(sort="pages") == ["1", "2", "0"]
    assert backend.ids(sort="-pages") == ["0", "2", "1"]
    assert backend.ids(sort="kind") == ["0", "2", "1"]


def test_a_full_last_page_has_no_cursor(backend: Backend) -> None:
    backend.put({"pages": 1}, {"pages": 2})
    assert backend.search(sort="pages", limit=2).cursor is None
    assert backend.search(limit=2).cursor is None


def test_a_cursor_is_of_one_order(backend: Backend) -> None:
    backend.put({"pages": 1}, {"pages": 2})
    cursor = backend.search(sort="pages", limit=1).cursor
    with pytest.raises(Invalid) as caught:
        backend.search(sort="-pages", limit=1, cursor=cursor)
    assert [one.pointer for one in caught.value.faults] == ["cursor"]


def test_a_forged_place_of_another_type_is_refused(backend: Backend) -> None:
    backend.put(*[{"kind": "a", "pages": 1, "seen": "2025-01-01"}] * 2)

    def forge(case: tuple[str, object]) -> SearchResult:
        sort, value = case
        cursor = backend.search(sort=sort, limit=1).cursor
        assert cursor is not None
        real = json.loads(base64.urlsafe_b64decode(cursor + "=="))
        text = json.dumps([real[0], value, *real[2:]])
        forged = base64.urlsafe_b64encode(text.encode()).decode()
        return backend.search(sort=sort, cursor=forged)

    check_each(
        pointers(forge), [("kind", 1), ("seen", "x"), ("seen", 1 << 63), ("pages", "1")], ["cursor"]
    )


def test_facets_begin_with_the_most_frequent_then_go_by_value(backend: Backend) -> None:
    pages = [10, 10, 9, 100, 7, 7]
    backend.put(*({"pages": one, "kind": f"k{one}"} for one in pages))
    facets = backend.search(facets=("pages", "kind")).facets
    assert facets["pages"] == tuple(
        FacetCount(value, count) for value, count in ((7, 2), (10, 2), (9, 1), (100, 1))
    )
    assert facets["kind"] == tuple(
        FacetCount(value, count) for value, count in (("k10", 2), ("k7", 2), ("k100", 1), ("k9", 1))
    )


def test_a_facet_has_ten_values_at_most(backend: Backend) -> None:
    backend.put(*({"pages": pages} for pages in range(12)))
    counts = backend.search(facets=("pages",)).facets["pages"]
    assert [one.value for one in counts] == list(range(10))


def test_what_is_left_out_of_a_page_ends_it_not(backend: Backend) -> None:
    backend.put(*[{"title": "fox"}] * 3)
    backend.index.leaked = (Hit(Key("bob", "books", "x"), 1, 1.0),)
    backend.store.write([Put(Key("bob", "books", "x"), "bob", Data.of({"title": "fox"}))])
    backend.store.write([Delete(Key("ann", "books", "1"), "ann")])
    assert backend.ids(q="fox") == ["0", "2"]


class TestSuggestions:
    def test_ten_unless_asked_otherwise(self, backend: Backend) -> None:
        backend.put({"title": " ".join(f"fo{letter}" for letter in "abcdefghijkl")})
        assert len(backend.service.suggest(ANN, "fo")) == 10
        assert len(backend.service.suggest(ANN, "fo", limit=12)) == 12

    def test_from_one_collection(self, backend: Backend) -> None:
        backend.put({"title": "fox"})
        backend.put({"title": "form"}, collection="notes")
        assert backend.service.suggest(ANN, "fo", collection="books") == [Suggestion("fox", 1)]
        with pytest.raises(Invalid) as caught:
            backend.service.suggest(ANN, "fo", collection="No")
        assert [one.pointer for one in caught.value.faults] == ["collection"]

    def test_from_one_field(self, backend: Backend) -> None:
        backend.put({"title": "fox"})
        backend.service.suggest(ANN, "fo", field="title")
        assert backend.index.asked[-1].match == Prefix("fo", "title")

    def test_from_the_hundred_best_hits(self, backend: Backend) -> None:
        backend.put(*[{"title": "fox"}] * 101)
        assert backend.service.suggest(ANN, "fo") == [Suggestion("fox", 100)]

    def test_from_500_000_bytes(self) -> None:
        def suggested(case: tuple[str, int]) -> list[Suggestion]:
            letter, each = case
            backend = Backend()
            # All that a record holds counts, also what is in no index.
            name = letter * (each - len('{"title":"fox","":null}'))
            backend.put(*[{"title": "fox", name: None}] * 2)
            return backend.service.suggest(ANN, "fo")

        table = [(("x", 250_000), 2), (("x", 250_001), 1), (("ä", 130_000), 1)]
        check(suggested, [(case, [Suggestion("fox", counted)]) for case, counted in table])
