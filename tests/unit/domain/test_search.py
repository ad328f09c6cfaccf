"""The search service: what a request becomes, and what of the answer reaches whom."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from itertools import product
from typing import Any

import pytest

from homeport.adapters.memory.clock import ManualClock
from homeport.adapters.memory.ids import SequentialIds
from homeport.adapters.memory.record_store import MemoryRecordStore
from homeport.adapters.memory.search_index import MemorySearchIndex
from homeport.domain.errors import Invalid, NotFound, Unavailable
from homeport.domain.events import RecordChanged
from homeport.domain.indexing import Indexing
from homeport.domain.model.collection import (
    Access,
    Catalog,
    Collection,
    FieldDeclaration,
    FieldRole,
)
from homeport.domain.model.data import Data
from homeport.domain.model.document import IndexChange
from homeport.domain.model.identity import Kind, Principal
from homeport.domain.model.membership import Membership, Role
from homeport.domain.model.query import FacetCount, Hit, SearchPage, SearchQuery
from homeport.domain.model.record import Key
from homeport.domain.model.writes import Delete, Put
from homeport.domain.search import Search, SearchRequest, SearchResult, Suggestion
from tests.unit.domain.tables import check, check_each, pointers

ANNA, BEN = Principal("anna", Kind.USER), Principal("ben", Kind.USER)
GUEST = Principal("guest", Kind.GUEST)
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
        Collection("films", fields={"pages": FieldDeclaration(FieldRole.KEYWORD)}),
        Collection("staff", read=Access.ADMIN),
        Collection("members_only", read=Access.SIGNED_IN),
    ]
)


class Backend:
    """A store, an index and the search over them."""

    def __init__(self) -> None:
        self.store = MemoryRecordStore(ManualClock(), SequentialIds())
        self.index = MemorySearchIndex()
        self.indexing = Indexing(self.store, self.index, CATALOG)
        self.service = Search(self.store, self.index, CATALOG)

    def put(self, place: str, **data: Any) -> Key:
        space, collection, id = place.split("/")
        key = Key(space, collection, id)
        (record,) = self.store.write([Put(key, "anna", Data.of(data))])
        self.indexing.consume([RecordChanged(key, record.version, None, "anna", deleted=False)])
        return key

    def delete_unnoticed(self, key: Key) -> None:
        self.store.write([Delete(key, "anna")])

    def search(
        self, principal: Principal = ANNA, q: str | None = None, **more: Any
    ) -> SearchResult:
        return self.service.search(principal, SearchRequest(q, **more))


@pytest.fixture
def backend() -> Backend:
    return Backend()


def ids(result: SearchResult) -> list[str]:
    return [hit.record.key.id for hit in result.hits]


def faults(backend: Backend, **request: Any) -> list[str]:
    with pytest.raises(Invalid) as refused:
        backend.search(**request)
    return [fault.pointer for fault in refused.value.faults]


# What may be seen


def test_everything_that_one_may_read_and_nothing_else(backend: Backend) -> None:
    for place in (
        "anna/notes/own",
        "ben/notes/bens",
        "public/books/public",
        "public/staff/staff",
        "public/members_only/signed",
        "team/notes/team",
        "other/notes/other",
    ):
        backend.put(place, text="secret fox")
    backend.store.put_membership(Membership("team", "anna", Role.READER))
    seen = {
        ANNA: {"own", "public", "signed", "team"},
        BEN: {"bens", "public", "signed"},
        GUEST: {"public"},
        Principal("root", Kind.USER, ("admin",)): {"public", "signed", "staff"},
    }
    for principal, expected in seen.items():
        for q in (None, "secret", "sec*", "-nothing"):
            result = backend.search(principal, q, facets=("text",))
            assert set(ids(result)) == expected
            assert result.total == len(expected)
            assert result.facets == {"text": (FacetCount("secret fox", len(expected)),)}
        suggested = backend.service.suggest(principal, "sec")
        assert suggested == [Suggestion("secret", len(expected))]


def test_a_space_that_one_may_not_see_does_not_exist(backend: Backend) -> None:
    backend.put("ben/notes/a", text="fox")
    for space in ("ben", "nobody"):
        with pytest.raises(NotFound):
            backend.search(GUEST, space=space)
        with pytest.raises(NotFound):
            backend.service.suggest(GUEST, "fo", space=space)
        # Whoever signed in may read `members_only`, in which there is nothing, everywhere.
        assert backend.search(ANNA, space=space) == SearchResult((), 0)


def test_me_is_ones_own_space(backend: Backend) -> None:
    backend.put("anna/notes/own", text="fox")
    backend.put("public/books/public", text="fox")
    assert ids(backend.search(space="me")) == ["own"]
    assert ids(backend.search(space="public")) == ["public"]
    assert ids(backend.search(collection="books")) == ["public"]
    assert backend.service.suggest(ANNA, "f", "me") == [Suggestion("fox", 1)]


def test_what_was_deleted_meanwhile_is_left_out(backend: Backend) -> None:
    keys = [backend.put(f"anna/notes/n{number}", text="fox") for number in range(3)]
    backend.delete_unnoticed(keys[1])
    result = backend.search(limit=2)
    assert ids(result) == ["n0"]
    assert result.cursor is not None
    assert ids(backend.search(cursor=result.cursor)) == ["n2"]


def test_an_index_that_leaks_shows_nothing(backend: Backend) -> None:
    key = backend.put("ben/notes/secret", text="fox")

    class Leaky(MemorySearchIndex):
        def search(self, query: SearchQuery) -> SearchPage:
            return SearchPage((Hit(key, 1, 1.0), Hit(Key("anna", "notes", "gone"), 1, 1.0)), 2)

    assert Search(backend.store, Leaky(), CATALOG).search(ANNA, SearchRequest("fox")).hits == ()


def test_fragments_of_an_older_version_are_not_shown(backend: Backend) -> None:
    key = backend.put("anna/books/a", title="a fox")
    request: dict[str, Any] = {"q": "fox", "collection": "books", "highlight": ("title",)}
    assert backend.search(**request).hits[0].highlights == {"title": ("a <em>fox</em>",)}
    backend.store.write([Put(key, "anna", Data.of({"title": "withdrawn"}))])
    (hit,) = backend.search(**request).hits
    assert hit.record.data == {"title": "withdrawn"}
    assert hit.highlights == {}


# What an answer holds


def test_scores_are_relative_to_the_best(backend: Backend) -> None:
    backend.put("anna/notes/once", text="fox and many other words besides")
    backend.put("anna/notes/often", text="fox fox fox")
    hits = backend.search(q="fox").hits
    assert [hit.record.key.id for hit in hits] == ["often", "once"]
    assert hits[0].score == 1.0
    assert 0 < hits[1].score < 1
    backend.put("anna/books/b", title="fox", pages=1)
    (only,) = backend.search(q="fox", collection="books", sort="pages").hits
    assert only.score == 0.0


def test_no_word_finds_nothing(backend: Backend) -> None:
    backend.put("anna/notes/a", text="fox")
    result = backend.search(q="!!!", facets=("text",))
    assert result == SearchResult((), 0, {"text": ()}, None)


def test_filters_and_facets_of_every_kind(backend: Backend) -> None:
    backend.put("anna/books/a", title="Fox", kind="novel", pages=7, seen="2025-01-31", tag=[7, "x"])
    backend.put("anna/books/b", title="Fox", kind="poem", pages=8.5, seen="2025-02-01", tag="7")
    result = backend.search(collection="books", facets=("kind", "pages", "seen", "tag"))
    assert result.facets == {
        "kind": (FacetCount("novel", 1), FacetCount("poem", 1)),
        "pages": (FacetCount(7, 1), FacetCount(8.5, 1)),
        "seen": (FacetCount("2025-01-31T00:00:00Z", 1), FacetCount("2025-02-01T00:00:00Z", 1)),
        "tag": (FacetCount(7, 1), FacetCount("7", 1), FacetCount("x", 1)),
    }
    for text, expected in {
        "kind:novel": ["a"],
        "pages:>7": ["b"],
        "seen:..2025-01-31": ["a"],
        "title~fox": ["a", "b"],
        "tag:7": ["a", "b"],
        "tag:x": ["a"],
    }.items():
        assert ids(backend.search(collection="books", filters=(text,))) == expected


def test_suggestions_are_words_of_ones_own_by_frequency(backend: Backend) -> None:
    backend.put("anna/notes/a", text="running runner", note="runway run.away")
    backend.put("anna/notes/b", text="Running fast")
    backend.put("ben/notes/c", text="runaways")
    suggest = backend.service.suggest
    assert suggest(ANNA, "Run") == [
        Suggestion("running", 2),
        Suggestion("run", 1),
        Suggestion("runner", 1),
        Suggestion("runway", 1),
    ]
    assert suggest(ANNA, "fast runn", limit=1) == [Suggestion("running", 2)]
    assert suggest(ANNA, "run", field="note") == [Suggestion("run", 1), Suggestion("runway", 1)]
    assert suggest(ANNA, "") == suggest(ANNA, "!!!") == []


def test_suggestions_keep_marks_with_their_letters(backend: Backend) -> None:
    backend.put("anna/notes/a", text="हिन्दी भाषा ΟΔΟΣ")
    backend.put("anna/notes/b", text="cafe\u0301s \u0130stanbul οδος")
    table: list[tuple[str, list[str]]] = [
        ("भाष", ["भाषा"]),
        ("हिन्", ["हिन्दी"]),
        ("cafe\u0301s", ["caf\u00e9s"]),
        ("caf\u00e9", ["caf\u00e9s"]),
        ("\u0130st", ["i\u0307stanbul"]),
        ("i\u0307st", ["i\u0307stanbul"]),
        ("ist", []),
        ("ΟΔΟΣ", ["οδος"]),
    ]
    check(lambda prefix: [one.text for one in backend.service.suggest(ANNA, prefix)], table)


def test_suggestions_come_from_half_a_megabyte_of_text(backend: Backend) -> None:
    for number in range(5):
        backend.put(f"anna/books/{number}", **{"title": "fox", "x" * 200_000: None})
    assert backend.service.suggest(ANNA, "fo") == [Suggestion("fox", 2)]


# Pages


def test_cursors_lead_through_all_pages(backend: Backend) -> None:
    for number in range(5):
        data: dict[str, Any] = {"title": "fox"}
        if number % 2:
            data |= {"pages": 1.5, "kind": "x", "seen": "2025-01-01"}
        backend.put(f"anna/books/n{number}", **data)

    def leads_through(case: tuple[str | None, int]) -> None:
        sort, limit = case
        found: list[str] = []
        cursor = None
        for _ in range(6):
            result = backend.search(collection="books", sort=sort, limit=limit, cursor=cursor)
            assert result.total == 5
            found += ids(result)
            cursor = result.cursor
            if cursor is None:
                break
        assert cursor is None
        whole = ids(backend.search(collection="books", sort=sort))
        assert found == whole
        assert len(set(found)) == 5

    check_each(leads_through, product([None, "pages", "-pages", "kind", "-seen"], [1, 2, 100]))


def test_paging_by_relevance_ends_at_ten_thousand(backend: Backend) -> None:
    asked: list[SearchQuery] = []

    class Endless(MemorySearchIndex):
        def apply(self, changes: Sequence[IndexChange]) -> list[Any]:
            return []

        def search(self, query: SearchQuery) -> SearchPage:
            asked.append(query)
            hits = (Hit(Key("anna", "notes", "x"), 1, 1.0),) * query.limit
            return SearchPage(hits, 1_000_000)

    service = Search(backend.store, Endless(), CATALOG)
    cursor, pages = None, 0
    while pages == 0 or cursor is not None:
        cursor = service.search(ANNA, SearchRequest("fox", limit=99, cursor=cursor)).cursor
        pages += 1
    assert pages == 102
    assert asked[-1].offset + asked[-1].limit == 10_000


def test_a_foreign_or_broken_cursor_is_refused(backend: Backend) -> None:
    for number in range(3):
        backend.put(f"anna/books/n{number}", title="fox", pages=number)
    by_offset = backend.search(q="fox", limit=1).cursor
    by_field = backend.search(collection="books", sort="pages", limit=1).cursor
    assert by_offset and by_field
    for request in (
        {"q": "hound"},
        {"q": "fox", "space": "me"},
        {"q": "fox", "collection": "books"},
        {"q": "fox", "filters": ("pages:1",)},
        {"q": "fox", "collection": "books", "sort": "pages"},
    ):
        assert faults(backend, cursor=by_offset, **request) == ["cursor"]
    assert faults(backend, collection="books", cursor=by_field) == ["cursor"]
    for cursor in ("", "x", "é", "\ud800", "bnVsbA", "W10", "e30", "A" * 5000, by_offset[:-3]):
        assert faults(backend, q="fox", cursor=cursor) == ["cursor"]


def test_a_forged_offset_is_refused() -> None:
    places: list[list[Any]] = [
        ["1"],
        [-1],
        [0],
        [True],
        [10_000],
        [1e3],
        [],
    ]
    check_each(lambda place: _forged(place, q="fox"), places, ["cursor"])


def test_a_forged_place_is_refused() -> None:
    places: list[list[Any]] = [
        [1],
        ["x", "anna", "books", "a"],
        [True, "anna", "books", "a"],
        [float("inf"), "anna", "books", "a"],
        [10**400, "anna", "books", "a"],
        [1, "an na", "books", "a"],
        [1, "anna", "books TO *", "a"],
        [1, "anna", "books", "] OR *"],
        [1, "anna", "books", None],
        [None],
        [],
    ]
    check_each(lambda after: _forged(after, collection="books", sort="pages"), places, ["cursor"])


def _forged(place: list[Any], **request: Any) -> list[str]:
    backend = Backend()
    for number in range(2):
        backend.put(f"anna/books/n{number}", title="fox", pages=number)
    cursor = backend.search(**request, limit=1).cursor
    assert cursor is not None
    real = json.loads(base64.urlsafe_b64decode(cursor + "=="))
    text = json.dumps([real[0], *place])
    request["cursor"] = base64.urlsafe_b64encode(text.encode()).decode()
    return faults(backend, **request)


# Bad requests


def test_a_fault_names_its_parameter(backend: Backend) -> None:
    requests: list[tuple[dict[str, Any], str]] = [
        ({"q": "x" * 1025}, "q"),
        ({"space": "a/b"}, "space"),
        ({"collection": "A"}, "collection"),
        ({"limit": 0}, "limit"),
        ({"limit": 101}, "limit"),
        ({"filters": ("nonsense",)}, "filter/0"),
        ({"filters": ("kind:a", "title:>3"), "collection": "books"}, "filter/1"),
        ({"filters": ("a:b",) * 17}, "filter"),
        ({"facets": ("kind", "kind", "title"), "collection": "books"}, "facet/2"),
        ({"facets": tuple("abcdefghijk")}, "facet"),
        ({"facets": ("",)}, "facet/0"),
        ({"sort": "unknown"}, "sort"),
        ({"sort": "title", "collection": "books"}, "sort"),
        ({"sort": "kind", "collection": "undeclared"}, "sort"),
        ({"sort": "pages"}, "sort"),
        ({"sort": ""}, "sort"),
        ({"highlight": ("title", "kind"), "collection": "books"}, "highlight/1"),
        ({"highlight": ("unknown",)}, "highlight/0"),
        ({"cursor": "nonsense"}, "cursor"),
    ]
    check(
        lambda request: faults(backend, **request),
        [(request, [parameter]) for request, parameter in requests],
    )


def test_so_does_one_of_a_suggestion(backend: Backend) -> None:
    def suggest(arguments: dict[str, Any]) -> list[Suggestion]:
        return backend.service.suggest(ANNA, **arguments)

    requests: list[tuple[dict[str, Any], str]] = [
        ({"prefix": "x" * 1025}, "prefix"),
        ({"prefix": "x", "limit": 0}, "limit"),
        ({"prefix": "x", "field": "kind", "collection": "books"}, "field"),
        ({"prefix": "x", "field": ""}, "field"),
        ({"prefix": "x", "space": "a/b"}, "space"),
    ]
    check(pointers(suggest), [(arguments, [parameter]) for arguments, parameter in requests])


def test_what_is_written_after_somebody_had_to_leave_is_not_shown() -> None:
    class Farewell(MemorySearchIndex):
        """Between the look at who is a member and the read of the records, one leaves."""

        def search(self, query: SearchQuery) -> SearchPage:
            page = super().search(query)
            backend.store.remove_membership("club", "anna")
            backend.store.write([Put(key, "ben", Data.of({"title": "a fox, and a secret"}))])
            return page

    backend = Backend()
    backend.store.put_membership(Membership("club", "anna", Role.READER))
    key = backend.put("club/books/one", title="a fox", kind="secret")
    own = backend.put("anna/books/two", title="a fox")
    backend.index = Farewell()
    Indexing(backend.store, backend.index, CATALOG).rebuild()
    service = Search(backend.store, backend.index, CATALOG)
    shown = service.search(ANNA, SearchRequest("fox", facets=("kind",)))
    assert [one.record.key for one in shown.hits] == [own]
    assert (shown.total, shown.facets) == (1, {"kind": ()})
    backend.store.put_membership(Membership("club", "anna", Role.READER))
    assert service.search(ANNA, SearchRequest("fox", space="club")).hits == ()


def test_somebody_who_comes_and_goes_all_the_time_is_told_to_come_later() -> None:
    store = Backend().store

    class Restless(MemorySearchIndex):
        def search(self, query: SearchQuery) -> SearchPage:
            if store.membership("club", "anna") is None:
                store.put_membership(Membership("club", "anna", Role.READER))
            else:
                store.remove_membership("club", "anna")
            return super().search(query)

    for space in ("club", "team"):
        store.put_membership(Membership(space, "anna", Role.READER))
    service = Search(store, Restless(), CATALOG)
    with pytest.raises(Unavailable):
        service.search(ANNA, SearchRequest("fox"))
    with pytest.raises(Unavailable):
        service.suggest(ANNA, "fox")
