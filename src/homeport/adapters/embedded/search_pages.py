"""Runs one query on one state of the index and reads the answer."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import groupby, pairwise
from typing import Any, Final, TypeAlias

import tantivy
from tantivy import Query

from homeport.adapters.embedded.search_by_key import ByKey
from homeport.adapters.embedded.search_highlights import Highlighter, leaves
from homeport.adapters.embedded.search_places import Places, count_of
from homeport.adapters.embedded.search_query import QueryTranslator, circles_of
from homeport.adapters.embedded.search_schema import (
    SearchSchema,
    all_values,
    field_name,
    first_value,
    from_json,
    from_sortable,
    key_of,
)
from homeport.domain.errors import Invalid
from homeport.domain.model.collection import FieldRole
from homeport.domain.model.document import IndexEntry
from homeport.domain.model.query import (
    Counted,
    Extent,
    Facet,
    FacetCount,
    Highlights,
    Hit,
    Node,
    Range,
    RangeFacet,
    SearchPage,
    SearchQuery,
    Sort,
)
from homeport.domain.model.record import Key

Value: TypeAlias = "str | float | int | None"


class PageReader:
    def __init__(
        self, schema: SearchSchema, translator: QueryTranslator, searcher: tantivy.Searcher
    ) -> None:
        self._schema = schema
        self._translator = translator
        self._searcher = searcher
        self._places = Places(schema, translator, searcher)
        self._by_key = ByKey(translator, searcher)

    def page(self, query: SearchQuery) -> SearchPage:
        matching = self._matching(query)
        highlighter = Highlighter(self._schema, self._translator, query)
        if query.sort is not None:
            total = count_of(self._searcher.search(matching, 1))
            hits = self._sorted(matching, query, query.sort, highlighter)
        elif _has_words(query.match):
            found = self._searcher.search(matching, query.limit, offset=query.offset)
            total = count_of(found)
            hits = [self._hit(address, highlighter, score=score) for score, address in found.hits]
        else:
            # Without a word to score by, everything is alike, and comes by key.
            addresses, total = self._by_key.page(matching, query.offset, query.limit)
            hits = [self._hit(address, highlighter, score=1.0) for address in addresses]
        return SearchPage(tuple(hits), total, self._facets(matching, query.facets))

    def entries(self, limit: int, after: Key | None) -> list[IndexEntry]:
        return self._by_key.entries(limit, after)

    def documents(self) -> int:
        """How many there are, markers not counted."""
        return count_of(self._searcher.search(self._translator.live(), 1))

    def versions(self, keys: Sequence[str], *, markers: bool = True) -> dict[str, int]:
        """The version of each key's document or, with `markers`, of what stays of a removal; the
        lowest, should there be two. So a comparison with the records finds that one."""
        if not keys:
            return {}
        wanted = self._translator.keys(keys)
        if not markers:
            wanted = self._translator.both(wanted, self._translator.live())
        found = self._searcher.search(wanted, 2 * len(keys), count=False)
        versions: dict[str, int] = {}
        for _, address in found.hits:
            stored = self._searcher.doc(address)
            key, version = stored["key"][0], stored["version"][0]
            versions[key] = min(version, versions.get(key, version))
        return versions

    def _matching(self, query: SearchQuery) -> Query:
        circles = circles_of(query.filters)
        if not circles:
            return self._translator.matching(query, {})
        others = tuple(one for one in query.filters if not circles_of([one]))
        base = self._translator.matching(replace(query, filters=others), {})
        return self._translator.matching(query, self._places.circles(base, circles))

    def _sorted(
        self, matching: Query, query: SearchQuery, sort: Sort, highlighter: Highlighter
    ) -> list[Hit]:
        """A page by value, then key. tantivy orders by one field only, so the ties with the
        last value, which the page may cut, are asked for once more by key."""
        nearest = sort.place is not None and sort.field in self._schema.places
        if not nearest and (sort.role, sort.field) not in self._schema.columns:
            raise Invalid(f"{sort.field} is not declared, so it cannot be sorted by.")
        if sort.place is not None:
            page = self._places.nearest(matching, sort.field, sort.place, query.after, query.limit)
            return [self._hit(address, highlighter, value=metres) for metres, address in page]
        if query.after is not None:
            matching = self._translator.beyond(matching, sort, query.after)
        found = self._searcher.search(
            matching,
            query.limit,
            count=False,
            order_by_field=first_value(sort.role, sort.field),
            order=tantivy.Order.Desc if sort.descending else tantivy.Order.Asc,
        ).hits
        if not found:
            return []
        last = found[-1][0]
        whole = [one for one in found if one[0] != last]
        hits = [self._hit(address, highlighter, value=_value(value)) for value, address in whole]
        tied = self._searcher.search(
            self._translator.tied(matching, sort, _value(last)),
            query.limit - len(whole),
            count=False,
            order_by_field="key",
            order=tantivy.Order.Asc,
        ).hits
        hits += [self._hit(address, highlighter, value=_value(last)) for _, address in tied]
        return [
            hit
            for _, ties in groupby(hits, key=lambda hit: hit.sort_value)
            for hit in sorted(ties, key=lambda hit: hit.key)
        ]

    def _hit(
        self,
        address: tantivy.DocAddress,
        highlighter: Highlighter,
        score: float = 0.0,
        value: Value = None,
    ) -> Hit:
        stored = self._searcher.doc(address)
        highlights: Highlights = ()
        if highlighter.wanted:
            shown = stored.get_first("shown")
            highlights = highlighter.of(shown) if shown else ()
        return Hit(key_of(stored["key"][0]), stored["version"][0], score, value, highlights)

    def _facets(
        self, matching: Query, facets: Sequence[Counted]
    ) -> tuple[tuple[FacetCount, ...], ...]:
        wanted: dict[str, Any] = {}
        for place, one in enumerate(facets):
            if isinstance(one, Facet):
                wanted[str(place)] = {"terms": {"field": self._counted(one), **_BUCKETS}}
            elif isinstance(one, Extent):
                for end in _ENDS:
                    wanted[f"{place} {end}"] = {end: {"field": self._counted(one)}}
        answer = self._searcher.aggregate(matching, wanted) if wanted else {}
        return tuple(
            self._within(matching, one)
            if isinstance(one, RangeFacet)
            else self._ends(matching, one, [answer[f"{place} {end}"]["value"] for end in _ENDS])
            if isinstance(one, Extent)
            else self._counts(one, answer[str(place)]["buckets"])
            for place, one in enumerate(facets)
        )

    def _within(self, matching: Query, facet: RangeFacet) -> tuple[FacetCount, ...]:
        """Range by range: tantivy's own aggregation counts values, not the records that have
        one, and wants ranges that do not overlap. Where that is the same, many are counted so:
        the days of a year take a hundred queries' time otherwise."""
        if len(facet.ranges) > _FEW and _side_by_side(facet.ranges):
            found = self._side_by_side(matching, facet)
            if found is not None:
                return found
        counts = (
            count_of(self._searcher.search(self._translator.within(matching, one), 1))
            for one in facet.ranges
        )
        return tuple(FacetCount(place, count) for place, count in enumerate(counts))

    def _side_by_side(self, matching: Query, facet: RangeFacet) -> tuple[FacetCount, ...] | None:
        """None where the field is not declared, or some record has several values."""
        if (facet.role, facet.field) not in self._schema.columns:
            return None
        name = all_values(facet.role, facet.field)
        ranges = [
            {"key": str(place), "from": one.low, "to": one.high}
            for place, one in enumerate(facet.ranges)
        ]
        wanted = {
            "values": {"value_count": {"field": name}},
            "ranges": {"range": {"field": name, "ranges": ranges}},
        }
        answer = self._searcher.aggregate(matching, wanted)
        having = self._translator.within(matching, Range(facet.role, facet.field))
        if answer["values"]["value"] != count_of(self._searcher.search(having, 1)):
            return None
        counts = {one["key"]: one["doc_count"] for one in answer["ranges"]["buckets"]}
        return tuple(FacetCount(n, counts.get(str(n), 0)) for n in range(len(ranges)))

    def _counts(self, facet: Facet, buckets: Sequence[Mapping[str, Any]]) -> tuple[FacetCount, ...]:
        as_value = _AS_VALUE[facet.role]
        if facet.role is FieldRole.KEYWORD and not self._is_column(facet):
            as_value = from_json
        counts = [(as_value(one["key"]), one["doc_count"]) for one in buckets]
        counts.sort(key=lambda one: (-one[1], one[0]))
        return tuple(FacetCount(value, count) for value, count in counts[: facet.size])

    def _ends(
        self, matching: Query, extent: Extent, found: Sequence[float | None]
    ) -> tuple[FacetCount, ...]:
        """tantivy has no least and no greatest where there is no value."""
        least, greatest = found
        if least is None or greatest is None:
            return ()
        if extent.role is FieldRole.DATE:
            least = self._date_at(matching, extent, least, "asc")
            greatest = self._date_at(matching, extent, greatest, "desc")
        return FacetCount(least, 0), FacetCount(greatest, 0)

    def _date_at(self, matching: Query, extent: Extent, end: float, order: str) -> int:
        """The very date at one end: tantivy tells ends as doubles, which leave out microseconds
        before 1684 and beyond 2255. So it is the first of all dates of what has one nearby."""
        if abs(end) < _DOUBLES:
            return int(end)
        step = math.ulp(end)
        near = Range(extent.role, extent.field, end - step, end + step)
        first = {"terms": {"field": self._counted(extent), "size": 1, "order": {"_key": order}}}
        answer = self._searcher.aggregate(self._translator.within(matching, near), {"first": first})
        return int(answer["first"]["buckets"][0]["key"])

    def _is_column(self, facet: Facet | Extent) -> bool:
        return (facet.role, facet.field) in self._schema.columns

    def _counted(self, facet: Facet | Extent) -> str:
        """Where tantivy finds the values to count."""
        if self._is_column(facet):
            return all_values(facet.role, facet.field)
        if facet.role is FieldRole.DATE:
            raise Invalid(f"{facet.field} is not declared, so its dates cannot be counted.")
        return f"{facet.role}.{field_name(facet.field)}"


def _has_words(node: Node) -> bool:
    return any(True for _ in leaves(node))


def _value(value: Any) -> Value:
    """A sort value as tantivy gives it, as the domain's."""
    if isinstance(value, str):
        return from_sortable(value)
    found: float | int | None = value
    return found


def _side_by_side(ranges: Sequence[Range]) -> bool:
    """Whether each begins where the one before has ended."""
    return all(
        one.include_low and not one.include_high and one.low is not None and one.high is not None
        for one in ranges
    ) and all(one.high == other.low for one, other in pairwise(ranges))


_FEW: Final = 20
_ENDS: Final = ("min", "max")
_DOUBLES: Final = 2.0**53
"""Every whole number up to here is a double."""
_AS_VALUE: Final[Mapping[FieldRole, Callable[[Any], Any]]] = {
    FieldRole.KEYWORD: str,
    FieldRole.NUMBER: float,
    FieldRole.DATE: int,
}
_BUCKETS: Final = {"size": 1000, "segment_size": 10_000}
"""tantivy breaks ties in its own order: enough values to find those that come first. Where one of
its segments has more different ones than `segment_size`, rare values are lacking or counted too
low. To look at all of 300,000 takes thirty times as long."""
