"""What a search means, as a table of queries that every index answers alike.

The corpus and the table are modules of their own. Queries go through the search service, from
what a user types to what they get to see, so the access filter is the real one. Engines differ in
whether they go by stems, which the table says, and in the order by relevance, which is not held
against it.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import ClassVar, Final, final

import pytest

from homeport.adapters.memory.clock import ManualClock
from homeport.adapters.memory.ids import SequentialIds
from homeport.adapters.memory.record_store import MemoryRecordStore
from homeport.domain.document_builder import build_document
from homeport.domain.errors import Invalid
from homeport.domain.model.collection import Access, Catalog, Collection
from homeport.domain.model.data import Data
from homeport.domain.model.document import Document, Removal
from homeport.domain.model.identity import Kind, Principal
from homeport.domain.model.membership import Membership, Role
from homeport.domain.model.record import Key
from homeport.domain.model.writes import Delete, Put
from homeport.domain.ports.search_index import Capability, SearchIndex
from homeport.domain.search import Found, Search, SearchRequest, SearchResult
from homeport.testing.contract import skip_unless
from homeport.testing.search_semantics_corpus import corpus
from homeport.testing.search_semantics_table import ROWS, Row, markdown
from homeport.testing.search_support import CATALOG, SearchIndexSupport

_CATALOG: Final = Catalog([*CATALOG.declared(), Collection("minutes", read=Access.OWNER)])
_SPACES: Final = {name: f"semantics-{name}" for name in ("ann", "ben", "eve", "guest", "team")}
_NEAREST: Final = "home:48.2082,16.3738"
_SORTS: Final = ("pages", "-pages", "kind", "-kind", "seen", "-seen", _NEAREST)


class SearchSemantics(SearchIndexSupport):
    """Run beside `SearchIndexContract`, with the same fixture `index`. What one test has put in
    may still be there for the next one: they all use the same notes."""

    keeps_views: ClassVar[bool] = False
    """Whether pages that sort by a field show the index as it was when the first was asked for:
    then what changes meanwhile moves nowhere."""

    @final
    @pytest.mark.parametrize("row", ROWS, ids=[f"{n}-{one.part}" for n, one in enumerate(ROWS)])
    def test_it_finds_what_the_table_says(self, index: SearchIndex, row: Row) -> None:
        search = Search(self._filled(index), index, _CATALOG)
        caller, asked = person(row.who), _in_the_suites_spaces(row.asked)
        if row.needs is not None and row.needs not in index.capabilities:
            with pytest.raises(Invalid):
                search.search(caller, asked)
            return
        result = search.search(caller, replace(asked, limit=100))
        ids = [hit.record.key.id for hit in result.hits]
        expected = row.found(stems=self.stems)
        if asked.sort is None:
            assert sorted(ids) == sorted(expected)
            scores = [hit.score for hit in result.hits]
            assert scores == sorted(scores, reverse=True)
            assert not scores or scores[0] in (0.0, 1.0)
        else:
            assert ids == expected
            assert {hit.score for hit in result.hits} == {0.0}
        assert result.total == len(expected)
        assert result.cursor is None
        counted = {
            name: ", ".join(f"{one.value} {one.count}" for one in counts)
            for name, counts in result.facets.items()
        }
        assert counted == row.facets
        shown = {
            hit.record.key.id: " ... ".join(hit.highlights["title"])
            for hit in result.hits
            if hit.highlights
        }
        assert shown == row.highlights

    @final
    @pytest.mark.parametrize("limit", [1, 4, 25])
    @pytest.mark.parametrize("sort", _SORTS)
    def test_pages_by_a_field_are_the_whole_in_parts(
        self, index: SearchIndex, sort: str, limit: int
    ) -> None:
        _needs_what_it_takes_to_sort(index, sort)
        search = Search(self._filled(index), index, _CATALOG)
        asked = SearchRequest(space="me", collection="notes", sort=sort, facets=("done",))
        whole = search.search(person("ann"), replace(asked, limit=100))
        pages = self._pages(search, person("ann"), replace(asked, limit=limit), lambda: None)
        assert [hit.record.key for page in pages for hit in page.hits] == [
            hit.record.key for hit in whole.hits
        ]
        assert [len(page.hits) for page in pages[:-1]] == [limit] * (len(pages) - 1)
        assert {page.total for page in pages} == {26}
        assert all(page.facets == whole.facets for page in pages)

    @final
    @pytest.mark.parametrize("limit", [4, 25])
    def test_pages_by_relevance_are_the_whole_in_parts(
        self, index: SearchIndex, limit: int
    ) -> None:
        search = Search(self._filled(index), index, _CATALOG)
        for q in ("text", "n*", None):
            asked = SearchRequest(q=q)
            whole = search.search(person("ann"), replace(asked, limit=100))
            pages = self._pages(search, person("ann"), replace(asked, limit=limit), lambda: None)
            assert sorted(hit.record.key for page in pages for hit in page.hits) == sorted(
                hit.record.key for hit in whole.hits
            )
            assert {page.total for page in pages} == {whole.total}

    @final
    @pytest.mark.parametrize("sort", _SORTS)
    def test_pages_by_a_field_skip_and_repeat_nothing_beside_writes(
        self, index: SearchIndex, space: str, sort: str
    ) -> None:
        """Records come, go and move between pages; each of the others is there once."""
        _needs_what_it_takes_to_sort(index, sort)
        writer = _Writer(index, space, sort)
        writer.write([f"still-{number:02}" for number in range(24)])
        writer.write([f"moving-{number}" for number in range(12)])
        self.settle()

        def meanwhile() -> None:
            writer.disturb()
            self.settle()

        search = Search(writer.store, index, _CATALOG)
        me = Principal(space, Kind.USER)
        before = search.search(me, SearchRequest(space="me", sort=sort, limit=100)).hits
        asked = SearchRequest(space="me", collection="notes", sort=sort, limit=5)
        pages = self._pages(search, me, asked, meanwhile)
        found = [hit.record.key.id for page in pages for hit in page.hits]
        still = [id for id in found if id.startswith("still")]
        assert still == [id for id in _ids(before) if id.startswith("still")]
        assert writer.disturbed > 5
        if self.keeps_views:
            there = set(found)
            assert found == [id for id in _ids(before) if id in there]
            assert there == set(_ids(before)) - writer.deleted

    @final
    def test_a_cursor_gives_no_access(self, index: SearchIndex, space: str) -> None:
        search = Search(self._filled(index), index, _CATALOG)
        for sort in (None, *_sorts_of(index)):
            asked = SearchRequest(collection="notes", sort=sort, limit=3)
            cursor = search.search(person("ann"), asked).cursor
            assert cursor is not None
            others = search.search(
                Principal(space, Kind.USER), replace(asked, cursor=cursor, limit=100)
            )
            assert {hit.record.key.space for hit in others.hits} == {"public"}
            assert others.total == 11
            with pytest.raises(Invalid):
                search.search(person("ann"), replace(asked, cursor=cursor, filters=("done:true",)))

    def _filled(self, index: SearchIndex) -> MemoryRecordStore:
        """The store with the notes, which the index has too."""
        store, documents = library()
        ends = (documents[0], documents[-1])
        if index.versions([one.key for one in ends]) != [one.version for one in ends]:
            self.put(index, *documents)
        return store

    def _pages(
        self,
        search: Search,
        caller: Principal,
        asked: SearchRequest,
        meanwhile: Callable[[], None],
    ) -> list[SearchResult]:
        pages = [search.search(caller, asked)]
        while (cursor := pages[-1].cursor) is not None:
            assert len(pages) < 200, "it does not end"
            meanwhile()
            pages.append(search.search(caller, replace(asked, cursor=cursor)))
        return pages


class _Writer:
    """Writes notes of one space, and their index with them."""

    def __init__(self, index: SearchIndex, space: str, seed: str) -> None:
        self.store: Final = MemoryRecordStore(ManualClock(), SequentialIds())
        self.disturbed = 0
        self.deleted: set[str] = set()
        self._index = index
        self._space = space
        self._chance = random.Random(seed)

    def write(self, ids: list[str]) -> None:
        self._index_of([Put(self._key(id), self._space, self._note()) for id in ids])

    def disturb(self) -> None:
        """Something new, something that moves, something that goes."""
        self.disturbed += 1
        moving = [f"moving-{number}" for number in range(12)]
        left = [id for id in moving if id not in self.deleted]
        gone = left.pop(self._chance.randrange(len(left)))
        if len(left) > 5:
            self.deleted.add(gone)
            self._index_of([Delete(self._key(gone), self._space)])
        self.write([f"new-{self.disturbed}", *self._chance.sample(left, 3)])

    def _index_of(self, writes: list[Put] | list[Delete]) -> None:
        written = self.store.write(writes)
        changes = [
            Removal(one.key, one.version) if one.deleted else build_document(one, _CATALOG)
            for one in written
        ]
        assert self._index.apply(changes) == []

    def _key(self, id: str) -> Key:
        return Key(self._space, "notes", id)

    def _note(self) -> Data:
        """Few values, so that many are equal, and some have none."""
        pick = self._chance.choice
        found = {
            "kind": pick(["a", "b", "c", None]),
            "pages": pick([-1.5, 0, 7, 7.25, None]),
            "seen": pick(["2024-01-05", "2024-02-29", "1969-07-20", None]),
            "home": pick([{"lat": 48.2, "lon": 16.4}, {"lat": -16, "lon": 180}, None]),
        }
        return Data.of({name: value for name, value in found.items() if value is not None})


@cache
def library() -> tuple[MemoryRecordStore, list[Document]]:
    """A store with the notes, of the same versions each time, and what an index gets of them.
    No test changes either."""
    store = MemoryRecordStore(ManualClock(), SequentialIds())
    notes = [
        Put(
            Key(_SPACES.get(one.space, one.space), one.collection, one.id), "ann", Data.of(one.data)
        )
        for one in corpus()
    ]
    store.write(notes)
    for name, role in (("ann", Role.OWNER), ("ben", Role.READER)):
        store.put_membership(Membership(_SPACES["team"], _SPACES[name], role))
    records = store.get_many([one.key for one in notes])
    return store, [build_document(one, _CATALOG) for one in records if one is not None]


def person(name: str) -> Principal:
    return Principal(_SPACES[name], Kind.GUEST if name == "guest" else Kind.USER)


def _sorts_of(index: SearchIndex) -> list[str]:
    able = Capability.GEO in index.capabilities
    return [one for one in _SORTS if able or one != _NEAREST]


def _needs_what_it_takes_to_sort(index: SearchIndex, sort: str) -> None:
    skip_unless(sort in _sorts_of(index), "this index knows no distances")


def _in_the_suites_spaces(asked: SearchRequest) -> SearchRequest:
    return replace(asked, space=_SPACES.get(asked.space or "", asked.space))


def _ids(hits: tuple[Found, ...]) -> list[str]:
    return [hit.record.key.id for hit in hits]


def main() -> None:
    """Print the table."""
    sys.stdout.writelines(f"{line}\n" for line in markdown())


if __name__ == "__main__":
    main()
