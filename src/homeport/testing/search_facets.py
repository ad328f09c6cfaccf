"""The search index's contract: counts of ranges, and from where to where values go."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Final, final

import pytest

from homeport.domain.errors import Invalid
from homeport.domain.model.collection import FieldRole
from homeport.domain.model.place import Place
from homeport.domain.model.query import (
    After,
    All,
    Counted,
    Extent,
    Facet,
    FacetCount,
    Fuzzy,
    Near,
    Range,
    RangeFacet,
    Scope,
    SearchQuery,
    Sort,
    Term,
    Words,
)
from homeport.domain.ports.search_index import SearchIndex
from homeport.testing.contract import skip_unless
from homeport.testing.search_support import (
    DRAFTS,
    NOTES,
    SearchIndexSupport,
    day,
    key,
    microseconds,
    note,
)

_PAGES: Final = FieldRole.NUMBER, "pages"
_SIZE: Final = FieldRole.NUMBER, "size"
_SEEN: Final = FieldRole.DATE, "seen"
_READ: Final = FieldRole.DATE, "read"
_BEFORE_1970: Final = datetime(1969, 12, 31, 23, 59, 59, 500_000, tzinfo=UTC)

_RANGES: Final[list[tuple[Range, int]]] = [
    (Range(*_PAGES), 4),
    (Range(*_PAGES, 10, 20), 2),
    (Range(*_PAGES, 10, 20, include_low=False), 1),
    (Range(*_PAGES, 10, 20, include_high=False), 2),
    (Range(*_PAGES, 10, 20, False, False), 0),
    (Range(*_PAGES, high=10, include_high=False), 1),
    (Range(*_PAGES, low=20, include_low=False), 1),
    (Range(*_PAGES, 21, 29), 0),
    (Range(*_PAGES, -1.5, -1.5), 1),
    (Range(*_SIZE, 0, 1), 2),
    (Range(*_SIZE, 0.25, 0.5, False, False), 0),
    (Range(*_SEEN, microseconds(day(1)), microseconds(day(2))), 2),
    (Range(*_SEEN, microseconds(day(1)), microseconds(day(2)), include_high=False), 1),
    (Range(*_SEEN, microseconds(day(1)), None, include_low=False), 2),
    (Range(*_SEEN, microseconds(day(1)) + 1, microseconds(day(2)) - 1), 0),
    (Range(*_READ, high=0, include_high=False), 1),
    (Range(*_READ, -1_000_000, 0), 1),
    (Range(FieldRole.NUMBER, "nowhere", 0), 0),
]


class FacetsContract(SearchIndexSupport):
    """`RangeFacet` and `Extent`, and what an index without a capability says."""

    @final
    def test_each_range_is_counted_as_a_filter_finds_it(
        self, index: SearchIndex, space: str
    ) -> None:
        self._fill(index, space)
        facets = tuple(RangeFacet(one.role, one.field, (one,)) for one, _ in _RANGES)
        query = SearchQuery(Words("fox"), (Scope(space),), facets=facets, limit=1)
        assert index.search(query).facets == tuple((FacetCount(0, count),) for _, count in _RANGES)
        for one, count in _RANGES:
            found = index.search(replace(query, filters=(one,), facets=()))
            assert (one, found.total) == (one, count)

    @final
    def test_ranges_of_one_facet_keep_their_order_and_may_overlap(
        self, index: SearchIndex, space: str
    ) -> None:
        self._fill(index, space)
        ranges = (
            Range(*_PAGES, 20),
            Range(*_PAGES, 0, 100),
            Range(*_PAGES, 1000),
            Range(*_PAGES, high=0),
        )
        assert self._counted(index, RangeFacet(*_PAGES, ranges), Scope(space)) == [2, 3, 0, 1]

    @final
    def test_a_record_counts_once_in_each_range(self, index: SearchIndex, space: str) -> None:
        self.put(
            index,
            note(key(space, "a"), title="fox", pages=[1, 2, 3, 20], size=[1, 2], seen=day(1)),
            note(key(space, "b"), title="fox", pages=2, seen=[day(1), day(2), day(9)]),
        )
        for role, path, low, high, count in (
            (*_PAGES, 0, 10, 2),
            (*_PAGES, 10, 30, 1),
            (*_SIZE, 0, 5, 1),
            (*_SEEN, microseconds(day(1)), microseconds(day(3)), 2),
        ):
            facet = RangeFacet(role, path, (Range(role, path, low, high),))
            assert self._counted(index, facet, Scope(space)) == [count]

    @final
    def test_many_ranges_side_by_side(self, index: SearchIndex, space: str) -> None:
        """As many as a year has days."""
        start, length = microseconds(day(1)), 86_400_000_000
        self.put(
            index,
            note(key(space, "a"), title="fox", seen=[day(1), day(31)]),
            note(key(space, "b"), title="fox", seen=datetime(2025, 12, 31, 23, tzinfo=UTC)),
        )
        days = tuple(
            Range(*_SEEN, start + n * length, start + (n + 1) * length, include_high=False)
            for n in range(366)
        )
        facet = RangeFacet(*_SEEN, days)
        counts = self._counted(index, facet, Scope(space))
        assert [place for place, count in enumerate(counts) if count] == [0, 30, 364]
        assert len(counts) == 366
        assert sum(counts) == 3
        # Of records with one value each, engines may have a quicker way.
        self.put(
            index,
            note(key(space, "a"), 2, title="fox", seen=day(31)),
            note(key(space, "c"), title="fox", seen=datetime(2026, 1, 1, 23, 59, 59, tzinfo=UTC)),
            note(key(space, "d"), title="fox", seen=datetime(2026, 1, 2, tzinfo=UTC)),
            note(key(space, "e"), title="fox", seen=datetime(2024, 12, 31, 23, tzinfo=UTC)),
            note(key(space, "f"), title="fox"),
        )
        counts = self._counted(index, facet, Scope(space))
        found = {place: count for place, count in enumerate(counts) if count}
        assert (len(counts), found) == (366, {30: 1, 364: 1, 365: 1})

    @final
    def test_extents_are_the_least_and_the_greatest(self, index: SearchIndex, space: str) -> None:
        self._fill(index, space)
        self.put(index, note(key(space, "e", DRAFTS), title="hound", seen=day(30), pages=1e6))
        facets = (Extent(*_PAGES), Extent(*_SEEN), Extent(FieldRole.DATE, "seen"))
        query = SearchQuery(Words("fox"), (Scope(space),), facets=facets, limit=1)
        assert index.search(query).facets == (
            (FacetCount(-1.5, 0), FacetCount(30.0, 0)),
            (FacetCount(microseconds(day(1)), 0), FacetCount(microseconds(day(3)), 0)),
            (FacetCount(microseconds(day(1)), 0), FacetCount(microseconds(day(3)), 0)),
        )
        nothing = replace(query, match=Words("nowhere"))
        assert index.search(nothing).facets == ((), (), ())

    @final
    def test_ranges_and_extents_heed_scopes_and_filters(
        self, index: SearchIndex, space: str
    ) -> None:
        other = f"{space}-other"
        self.put(
            index,
            note(key(space, "a"), title="fox", kind="x", pages=10),
            note(key(space, "b"), title="fox", kind="y", pages=20),
            note(key(space, "c", DRAFTS), title="fox", kind="x", pages=90),
            note(key(other, "d"), title="fox", kind="x", pages=99),
        )
        facets = (RangeFacet(*_PAGES, (Range(*_PAGES, 0), Range(*_PAGES, 15))), Extent(*_PAGES))
        novel = (Term(FieldRole.KEYWORD, "kind", "x"),)
        for scopes, filters, ranges, extent in (
            ((Scope(space),), (), [3, 2], [10, 90]),
            ((Scope(space, NOTES),), (), [2, 1], [10, 20]),
            ((Scope(space, NOTES),), novel, [1, 0], [10, 10]),
            ((Scope(f"{space}-nobody"),), (), [0, 0], []),
            ((), (), [0, 0], []),
        ):
            query = SearchQuery(All(), scopes, filters, facets)
            counts, ends = index.search(query).facets
            assert [one.count for one in counts] == ranges
            assert [one.value for one in ends] == extent

    @final
    def test_facets_of_every_kind_stand_beside_each_other(
        self, index: SearchIndex, space: str
    ) -> None:
        """Also of one field, and on the page after a place."""
        self._fill(index, space)
        facets: tuple[Counted, ...] = (
            Facet(*_PAGES),
            RangeFacet(*_PAGES, (Range(*_PAGES, 15), Range(*_PAGES, high=15))),
            Extent(*_PAGES),
            RangeFacet(*_PAGES, (Range(*_PAGES, 0),)),
        )
        query = SearchQuery(All(), (Scope(space),), facets=facets, limit=1)
        pages = [index.search(query)]
        sort = Sort(FieldRole.NUMBER, "pages")
        pages.append(index.search(replace(query, sort=sort)))
        last = pages[-1].hits[0]
        pages.append(
            index.search(replace(query, sort=sort, after=After(last.sort_value, last.key)))
        )
        for page in pages:
            values, ranges, extent, more = page.facets
            assert [(one.value, one.count) for one in values] == [
                (10, 2),
                (-1.5, 1),
                (20, 1),
                (30, 1),
            ]
            assert ranges == (FacetCount(0, 2), FacetCount(1, 3))
            assert [one.value for one in extent] == [-1.5, 30]
            assert more == (FacetCount(0, 3),)

    @final
    def test_what_needs_the_capability_fuzzy_is_refused_without_it(
        self, index: SearchIndex, space: str
    ) -> None:
        skip_unless(not self.fuzzy, "this index finds what is nearly so")
        with pytest.raises(Invalid):
            index.search(SearchQuery(Fuzzy("foxes"), (Scope(space),)))
        with pytest.raises(Invalid):
            index.search(SearchQuery(All(), (Scope(space),), (Fuzzy("foxes", "title"),)))

    @final
    def test_what_needs_the_capability_geo_is_refused_without_it(
        self, index: SearchIndex, space: str
    ) -> None:
        skip_unless(not self.geo, "this index knows distances")
        with pytest.raises(Invalid):
            index.search(SearchQuery(All(), (Scope(space),), (Near("home", Place(0, 0), 1.0),)))
        sort = Sort(FieldRole.GEO, "home", place=Place(0, 0))
        with pytest.raises(Invalid):
            index.search(SearchQuery(All(), (Scope(space),), sort=sort))

    def _counted(self, index: SearchIndex, facet: RangeFacet, *scopes: Scope) -> list[int]:
        (counts,) = index.search(SearchQuery(Words("fox"), scopes, facets=(facet,))).facets
        assert [one.value for one in counts] == list(range(len(facet.ranges)))
        return [one.count for one in counts]

    def _fill(self, index: SearchIndex, space: str) -> None:
        self.put(
            index,
            note(key(space, "a"), title="fox", pages=10, size=0.25, seen=day(1)),
            note(key(space, "b"), title="fox", pages=[10, 20], size=[0.5, -3], seen=day(2)),
            note(key(space, "c"), title="fox", pages=30, seen=day(3), read=_BEFORE_1970),
            note(key(space, "d"), title="fox", pages=-1.5, read=day(2)),
            note(key(space, "e"), title="fox"),
            note(key(space, "f"), title="hound"),
        )
