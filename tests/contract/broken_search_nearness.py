"""Search indexes that count ranges wrongly, or are wrong about what is near, on purpose."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final, TypeAlias

from homeport.adapters.memory.search_index import MemorySearchIndex
from homeport.domain.model.document import Document
from homeport.domain.model.place import Place, distance
from homeport.domain.model.query import (
    All,
    Counted,
    Extent,
    FacetCount,
    Filter,
    Fuzzy,
    Hit,
    Near,
    Node,
    Not,
    Prefix,
    RangeFacet,
    SearchPage,
    SearchQuery,
    Words,
)
from homeport.domain.ports.search_index import Capability

Counts: TypeAlias = tuple[FacetCount, ...]


def _counting(change: Callable[[Counted, Counts], Counts]) -> type[MemorySearchIndex]:
    class Miscounts(MemorySearchIndex):
        def search(self, query: SearchQuery) -> SearchPage:
            page = super().search(query)
            changed = map(change, query.facets, page.facets)
            return replace(page, facets=tuple(changed))

    return Miscounts


def _by_count(facet: Counted, counts: Counts) -> Counts:
    if isinstance(facet, RangeFacet):
        return tuple(sorted(counts, key=lambda one: -one.count))
    return counts


def _without_zeros(facet: Counted, counts: Counts) -> Counts:
    if isinstance(facet, RangeFacet):
        return tuple(one for one in counts if one.count)
    return counts


def _ends_backwards(facet: Counted, counts: Counts) -> Counts:
    return counts[::-1] if isinstance(facet, Extent) else counts


def _extent_from_nothing(facet: Counted, counts: Counts) -> Counts:
    if isinstance(facet, Extent) and not counts:
        return FacetCount(0, 0), FacetCount(0, 0)
    return counts


def _ranging(change: Callable[[RangeFacet], RangeFacet]) -> type[MemorySearchIndex]:
    class Misreads(MemorySearchIndex):
        def search(self, query: SearchQuery) -> SearchPage:
            facets = tuple(
                change(one) if isinstance(one, RangeFacet) else one for one in query.facets
            )
            return super().search(replace(query, facets=facets))

    return Misreads


def _half_open(facet: RangeFacet) -> RangeFacet:
    ranges = [replace(one, include_low=True, include_high=False) for one in facet.ranges]
    return replace(facet, ranges=tuple(ranges))


def _inclusive(facet: RangeFacet) -> RangeFacet:
    ranges = [replace(one, include_low=True, include_high=True) for one in facet.ranges]
    return replace(facet, ranges=tuple(ranges))


class CountsValuesInRanges(MemorySearchIndex):
    """A record counts as often as it has values there."""

    def search(self, query: SearchQuery) -> SearchPage:
        page = super().search(query)
        found = [self._live.entries_by_key[hit.key] for hit in self._all(query)]
        facets = list(page.facets)
        for place, facet in enumerate(query.facets):
            if isinstance(facet, RangeFacet):
                facets[place] = tuple(
                    FacetCount(
                        n,
                        sum(
                            (one.low is None or value >= one.low)
                            and (one.high is None or value <= one.high)
                            for entry in found
                            for value in entry.values(one.role, one.field)
                            if not isinstance(value, str)
                        ),
                    )
                    for n, one in enumerate(facet.ranges)
                )
        return replace(page, facets=tuple(facets))

    def _all(self, query: SearchQuery) -> tuple[Hit, ...]:
        return super().search(replace(query, limit=10_000, offset=0, after=None, facets=())).hits


class CountsRangesOfThePage(MemorySearchIndex):
    def search(self, query: SearchQuery) -> SearchPage:
        page = super().search(query)
        facets = tuple(
            tuple(replace(one, count=min(one.count, len(page.hits))) for one in counts)
            for counts in page.facets
        )
        return replace(page, facets=facets)


class FindsNearInASquare(MemorySearchIndex):
    """By degrees, which are shorter the farther one is from the equator."""

    def search(self, query: SearchQuery) -> SearchPage:
        nears = [one for one in query.filters if isinstance(one, Near)]
        others = tuple(one for one in query.filters if not isinstance(one, Near))
        page = super().search(replace(query, filters=others))
        hits = tuple(hit for hit in page.hits if all(self._inside(hit, one) for one in nears))
        return replace(page, hits=hits, total=len(hits) if nears else page.total)

    def _inside(self, hit: Hit, near: Near) -> bool:
        degrees = near.metres / 111_195
        return any(
            abs(latitude - near.place.latitude) <= degrees
            and abs(longitude - near.place.longitude) <= degrees
            for latitude, longitude in self._points(hit, near)
        )

    def _points(self, hit: Hit, near: Near) -> tuple[tuple[float, float], ...]:
        return self._live.entries_by_key[hit.key].document.geo.get(near.field, ())


class KnowsFirstPointsOnly(MemorySearchIndex):
    def search(self, query: SearchQuery) -> SearchPage:
        for entry in self._live.entries_by_key.values():
            entry.document = _with_first_points(entry.document)
        return super().search(query)


def _with_first_points(document: Document) -> Document:
    return replace(document, geo={path: points[:1] for path, points in document.geo.items()})


class SortsTheFarthestFirst(MemorySearchIndex):
    def search(self, query: SearchQuery) -> SearchPage:
        if query.sort is not None and query.sort.place is not None:
            query = replace(query, sort=replace(query.sort, descending=True))
        return super().search(query)


class TellsDistancesInKilometres(MemorySearchIndex):
    def search(self, query: SearchQuery) -> SearchPage:
        if query.sort is None or query.sort.place is None:
            return super().search(query)
        if query.after is not None and isinstance(query.after.value, float):
            query = replace(query, after=replace(query.after, value=query.after.value * 1000))
        page = super().search(query)
        hits = tuple(
            hit._replace(sort_value=hit.sort_value / 1000)
            if isinstance(hit.sort_value, float)
            else hit
            for hit in page.hits
        )
        return replace(page, hits=hits)


class LeavesOutWhatHasNoPlace(MemorySearchIndex):
    def search(self, query: SearchQuery) -> SearchPage:
        page = super().search(query)
        if query.sort is None or query.sort.place is None:
            return page
        return replace(page, hits=tuple(hit for hit in page.hits if hit.sort_value is not None))


class ScoresTheLikeAlike(MemorySearchIndex):
    """A word counts for no more than what resembles it."""

    def search(self, query: SearchQuery) -> SearchPage:
        page = super().search(query)
        if not isinstance(query.match, Fuzzy):
            return page
        hits = sorted(page.hits, key=lambda hit: hit.key)
        return replace(page, hits=tuple(hit._replace(score=1.0) for hit in hits))


class IgnoresWhatItCannot(MemorySearchIndex):
    """It claims no capability, and answers as if nothing were asked of it."""

    @property
    def capabilities(self) -> frozenset[Capability]:
        return frozenset()


def _near(change: Callable[[Near], Near]) -> type[MemorySearchIndex]:
    def changed(one: Filter) -> Filter:
        return change(one) if isinstance(one, Near) else one

    class Misjudges(MemorySearchIndex):
        def search(self, query: SearchQuery) -> SearchPage:
            return super().search(replace(query, filters=tuple(map(changed, query.filters))))

    return Misjudges


def _in_kilometres(near: Near) -> Near:
    return replace(near, metres=near.metres * 1000)


def _west_of_the_line(near: Near) -> Near:
    """Nothing lies beyond the 180th meridian."""
    latitude, longitude = near.place
    line = Place(latitude, 180.0 if longitude > 0 else -180.0)
    return replace(near, metres=min(near.metres, max(1.0, distance(near.place, line))))


def _fuzzy(change: Callable[[Fuzzy], Node]) -> type[MemorySearchIndex]:
    def changed(node: Node) -> Node:
        if isinstance(node, All):
            return All(tuple(map(changed, node.nodes)))
        if isinstance(node, Not):
            return Not(changed(node.node))
        return change(node) if isinstance(node, Fuzzy) else node

    class Misspells(MemorySearchIndex):
        def search(self, query: SearchQuery) -> SearchPage:
            return super().search(replace(query, match=changed(query.match)))

    return Misspells


class _OneEdit(Fuzzy):
    __slots__ = ()

    @property
    def edits(self) -> int:
        return min(1, super().edits)


class _TwoEdits(Fuzzy):
    __slots__ = ()

    @property
    def edits(self) -> int:
        return 2


class _HoweverLong(Fuzzy):
    __slots__ = ()

    @property
    def edits(self) -> int:
        return min(2, len(self.text) // 3)


NEARNESS: Final[dict[str, type[MemorySearchIndex]]] = {
    "orders ranges by count": _counting(_by_count),
    "leaves out empty ranges": _counting(_without_zeros),
    "tells extents backwards": _counting(_ends_backwards),
    "has an extent of nothing": _counting(_extent_from_nothing),
    "takes every range for half open": _ranging(_half_open),
    "takes every range for closed": _ranging(_inclusive),
    "counts values in ranges": CountsValuesInRanges,
    "counts ranges of the page": CountsRangesOfThePage,
    "finds near in a square": FindsNearInASquare,
    "takes metres for kilometres": _near(_in_kilometres),
    "ends at the 180th meridian": _near(_west_of_the_line),
    "knows first points only": KnowsFirstPointsOnly,
    "sorts the farthest first": SortsTheFarthestFirst,
    "tells distances in kilometres": TellsDistancesInKilometres,
    "leaves out what has no place": LeavesOutWhatHasNoPlace,
    "scores the like alike": ScoresTheLikeAlike,
    "takes what is nearly so for a word": _fuzzy(lambda node: Words(node.text, node.field)),
    "takes what is nearly so for a prefix": _fuzzy(lambda node: Prefix(node.text, node.field)),
    "ignores the field of what is nearly so": _fuzzy(lambda node: Fuzzy(node.text)),
    "forgives one letter only": _fuzzy(lambda node: _OneEdit(node.text, node.field)),
    "forgives two letters always": _fuzzy(lambda node: _TwoEdits(node.text, node.field)),
    "forgives in words however long": _fuzzy(lambda node: _HoweverLong(node.text, node.field)),
    "ignores what it cannot": IgnoresWhatItCannot,
}
