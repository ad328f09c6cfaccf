"""Finds records by their content, within what the caller may read.

The index answers with keys; the records come from the store, in one read, so a hit is whole
and current. The caller's scopes are part of the query, and each record is held against them
once more: neither a late index nor an adapter's mistake shows what is not theirs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final, NamedTuple, TypeVar

from homeport.domain import limits
from homeport.domain.access import readable_scopes
from homeport.domain.document_builder import build_document
from homeport.domain.errors import Unavailable
from homeport.domain.facets import Facets, parse_facets
from homeport.domain.filter_parser import Condition, FieldRoles
from homeport.domain.model import names
from homeport.domain.model.collection import Catalog
from homeport.domain.model.identity import Principal
from homeport.domain.model.opaque import digest
from homeport.domain.model.query import (
    After,
    FacetCount,
    Hit,
    Nothing,
    Prefix,
    Scope,
    SearchPage,
    SearchQuery,
)
from homeport.domain.model.record import Key, Record
from homeport.domain.pauses import Pause, go_on
from homeport.domain.ports.record_store import RecordStore
from homeport.domain.ports.search_index import SearchIndex
from homeport.domain.query_parser import parse_query
from homeport.domain.search_cursor import cursor_after, cursor_at, resume
from homeport.domain.search_parameters import (
    check_limit,
    check_match,
    check_text_field,
    parse_filters,
    parse_highlight,
    parse_sort,
)
from homeport.domain.words import as_found, composed, cut_words, one_sigma

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """What a client asks for.

    `q` is the user's words; `space` (`me` for one's own) and `collection` narrow where to
    look; filters are conditions, or their text form; `facets` are fields to count values, ranges
    or stretches of time of, as `homeport.domain.facets` says; `sort` is a declared field, with
    `-` in front for descending, or `field:latitude,longitude` for the nearest first; `highlight`
    are declared text fields; `cursor` is what the page before ended with.
    """

    q: str | None = None
    space: str | None = None
    collection: str | None = None
    filters: tuple[str | Condition, ...] = ()
    facets: tuple[str, ...] = ()
    sort: str | None = None
    highlight: tuple[str, ...] = ()
    limit: int = limits.PAGE_ITEMS_DEFAULT
    cursor: str | None = None


class Found(NamedTuple):
    """A hit. `score` is 1 for the page's best and 0 where sorted; `highlights` maps a field
    to HTML-escaped fragments with `<em>` around what matched; `distance` is in metres, where
    hits are sorted by it and this one has a place."""

    record: Record
    score: float
    highlights: Mapping[str, tuple[str, ...]] = MappingProxyType({})
    distance: float | None = None


@dataclass(frozen=True, slots=True)
class SearchResult:
    """`total` and `facets` count all matches that the caller may read, as the index has them.

    A page can hold fewer hits than asked for while a cursor is present: records deleted a
    moment ago are left out, and a page ends at 4 MB. `cursor` is None on the last page.
    """

    hits: tuple[Found, ...]
    total: int
    facets: Mapping[str, tuple[FacetCount, ...]] = field(default_factory=dict)
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A word that begins as asked, and in how many of the best hits it stands."""

    text: str
    count: int


class Search:
    """A search takes four steps: what may be read, what matches, the records, the answer.

    `pause` is called between them. Each goes through other code and data, more than a
    processor's caches hold: who serves many searches at once can keep them side by side, so
    that each step finds everything at hand.
    """

    def __init__(
        self,
        store: RecordStore,
        index: SearchIndex,
        catalog: Catalog,
        pause: Pause = go_on,
    ) -> None:
        self._store = store
        self._index = index
        self._catalog = catalog
        self._pause = pause

    def search(self, principal: Principal, request: SearchRequest) -> SearchResult:
        """A page of what matches. Raises Invalid, naming each wrong parameter (`filter/2` is the
        third filter), and NotFound where `space` is not one that the caller can see."""
        space = principal.id if request.space == names.ME else request.space
        return self._within(
            _Reach(principal, space, request.collection),
            lambda scopes: self._search(request, space, scopes),
        )

    def _search(
        self, request: SearchRequest, space: str | None, scopes: tuple[Scope, ...]
    ) -> SearchResult:
        roles = FieldRoles(self._catalog, request.collection)
        able = self._index.capabilities
        facets = parse_facets(request.facets, roles)
        match = check_match(parse_query(request.q), able)
        query = SearchQuery(
            match=match,
            scopes=scopes,
            filters=parse_filters(request.filters, roles, able, match),
            highlight=parse_highlight(request.highlight, roles),
            sort=parse_sort(request.sort, roles, able),
            limit=check_limit(request.limit, limits.PAGE_ITEMS),
        )
        of = digest(
            "search", request.q, space, request.collection, request.sort, *map(str, request.filters)
        )
        query = resume(query, request.cursor, of)
        if facets.extents:
            facets = self._with_extents(query, facets)
        query = replace(query, facets=facets.queries)
        page, cursor = self._page(query, of)
        found, looked_at = self._found(page.hits, scopes)
        if query.sort is not None and query.sort.place is not None:
            found = _with_distances(found, page.hits)
        if looked_at < len(page.hits):
            cursor = _cursor(query, page.hits[:looked_at], of)
        return SearchResult(
            hits=tuple(found),
            total=page.total,
            facets=facets.shown(page.facets),
            cursor=cursor,
        )

    def suggest(
        self,
        principal: Principal,
        prefix: str,
        space: str | None = None,
        collection: str | None = None,
        field: str | None = None,
        limit: int = 10,
    ) -> list[Suggestion]:
        """Words that begin with the last word of `prefix`, in what the caller may read.

        They come from the text of the best hits, up to half a megabyte, or from one text
        field of them, the most frequent first. Raises Invalid and NotFound as `search` does.
        """
        space = principal.id if space == names.ME else space
        limit = check_limit(limit, _SUGGESTIONS)
        parse_query(prefix, "prefix")
        if field is not None:
            check_text_field(field, FieldRoles(self._catalog, collection))
        words = cut_words(composed(prefix))
        return self._within(
            _Reach(principal, space, collection),
            lambda scopes: self._suggest(words[-1], field, limit, scopes) if words else [],
        )

    def _suggest(
        self, start: str, field: str | None, limit: int, scopes: tuple[Scope, ...]
    ) -> list[Suggestion]:
        page, _ = self._page(SearchQuery(Prefix(start, field), scopes, limit=limits.PAGE_ITEMS), "")
        counts: Counter[str] = Counter()
        for found in self._found(page.hits, scopes, _SUGGESTED_BYTES)[0]:
            counts.update(self._words(found.record, as_found(start), field))
        best = sorted(counts.items(), key=lambda one: (-one[1], one[0]))
        return [Suggestion(word, count) for word, count in best[:limit]]

    def _within(self, reach: _Reach, ask: Callable[[tuple[Scope, ...]], T]) -> T:
        """What `ask` finds within what the caller may read, from its first look to its last.

        Between the two somebody may have to leave a space in which things go on happening. What
        was found is then asked for once more: nobody sees, or counts, what came after they left.
        Raises Unavailable where memberships change at every look.
        """
        principal, space, collection = reach
        if space is not None:
            names.check_id("space", space)
        if collection is not None:
            names.check_collection(collection)
        self._pause()
        own = space in (principal.id, names.PUBLIC)
        memberships = () if own else tuple(self._store.memberships(principal.id))
        for _ in range(_LOOKS):
            found = ask(readable_scopes(principal, self._catalog, memberships, space, collection))
            if not memberships:
                return found
            before, memberships = memberships, tuple(self._store.memberships(principal.id))
            if set(memberships) == set(before):
                return found
        raise Unavailable("Memberships change all the time. Try again in a moment.")

    def _with_extents(self, query: SearchQuery, facets: Facets) -> Facets:
        """Ask from when to when the dates of all matches are, to cut the time between."""
        asked = SearchQuery(query.match, query.scopes, query.filters, facets.extents, limit=1)
        page, _ = self._page(asked, "")
        return facets.within(page.facets)

    def _page(self, query: SearchQuery, of: str) -> tuple[SearchPage, str | None]:
        """A page, and the cursor of the next one."""
        if not query.scopes or isinstance(query.match, Nothing):
            return SearchPage((), 0, tuple(() for _ in query.facets)), None
        self._pause()
        if query.sort is None:
            page = self._index.search(query)
            reached = query.offset + len(page.hits)
            more = bool(page.hits) and reached < min(page.total, limits.SEARCH_DEPTH)
            return page, _cursor(query, page.hits, of) if more else None
        # One hit more than asked for tells whether there is another page.
        page = self._index.search(replace(query, limit=query.limit + 1))
        if len(page.hits) <= query.limit:
            return page, None
        hits = page.hits[: query.limit]
        return replace(page, hits=hits), _cursor(query, hits, of)

    def _found(
        self, hits: Sequence[Hit], scopes: Sequence[Scope], most: int = limits.PAGE_BYTES
    ) -> tuple[list[Found], int]:
        """The hits' records, until they fill `most` bytes; and how many hits were looked at."""
        if not hits:
            return [], 0
        best = max(hit.score for hit in hits)
        found: list[Found] = []
        size = 0
        self._pause()
        records = self._store.get_many([hit.key for hit in hits])
        self._pause()
        for place, (hit, record) in enumerate(zip(hits, records, strict=True)):
            if record is None or record.data is None:
                continue
            if not _covered(record.key, scopes):
                continue
            text = record.data.text
            size += len(text) if text.isascii() else len(text.encode())
            if found and size > most:
                return found, place
            # Fragments of an older version may show what has been taken back since.
            shown = dict(hit.highlights) if hit.version == record.version else {}
            found.append(Found(record, hit.score / best if best > 0 else 0.0, shown))
        return found, len(hits)

    def _words(self, record: Record, start: str, field: str | None) -> set[str]:
        text = build_document(record, self._catalog).text
        return {
            word
            for path, values in text.items()
            if field in (None, path)
            for value in values
            for word in cut_words(value.lower())
            if one_sigma(word).startswith(start)
        }


class _Reach(NamedTuple):
    """Who searches where; None is everywhere."""

    principal: Principal
    space: str | None
    collection: str | None


def _with_distances(found: Sequence[Found], hits: Sequence[Hit]) -> list[Found]:
    distances = {hit.key: float(hit.sort_value) for hit in hits if hit.sort_value is not None}
    return [one._replace(distance=distances.get(one.record.key)) for one in found]


def _covered(key: Key, scopes: Sequence[Scope]) -> bool:
    for scope in scopes:  # noqa: SIM110 - any() with a generator takes four times as long
        if scope.covers(key):
            return True
    return False


def _cursor(query: SearchQuery, hits: Sequence[Hit], of: str) -> str:
    """Where the search goes on after `hits`, which are the first of its page."""
    if query.sort is None:
        return cursor_at(query.offset + len(hits), of)
    return cursor_after(After(hits[-1].sort_value, hits[-1].key), of)


_LOOKS: Final = 3
"""At the memberships of one caller, for one search."""
_SUGGESTIONS: Final = 20
_SUGGESTED_BYTES: Final = 500_000
"""Cutting more into words would hold everybody up."""
