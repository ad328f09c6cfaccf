"""What is near a place, and what is nearest, on one state of the index.

tantivy knows no distances. Cells that lie within a circle as a whole are terms to it, and of the
documents in the cells at the circle's edge the points are read, so that what is found is exact.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from math import inf, pi, sqrt
from typing import Any, Final, NamedTuple, TypeAlias, cast

import tantivy
from tantivy import Occur, Query

from homeport.adapters.embedded.search_cells import Cover, cover
from homeport.adapters.embedded.search_query import QueryTranslator
from homeport.adapters.embedded.search_schema import (
    PlaceFields,
    SearchSchema,
    has_several,
    place_fields,
)
from homeport.domain.model.place import EARTH_METRES, Place, distance
from homeport.domain.model.query import After, Near


class Distant(NamedTuple):
    """A document, and how far its nearest point is. Those of one `spot` have the same points."""

    metres: float
    spot: int
    address: tantivy.DocAddress


_Spotted: TypeAlias = tuple[int, tantivy.DocAddress]


class _At(NamedTuple):
    """From where distances are reckoned, and to which field."""

    path: str
    fields: PlaceFields
    place: Place


class Places:
    def __init__(
        self, schema: SearchSchema, translator: QueryTranslator, searcher: tantivy.Searcher
    ) -> None:
        self._schema = schema
        self._translator = translator
        self._searcher = searcher

    def circles(self, base: Query, nears: Iterable[Near]) -> Mapping[Near, Query]:
        """For each circle a query that finds, of what `base` finds, what is in it."""
        return {near: self._within(base, near) for near in nears}

    def nearest(
        self, matching: Query, path: str, place: Place, after: After | None, limit: int
    ) -> list[tuple[float | None, tantivy.DocAddress]]:
        """A page: the nearest first, those equally near by key, those without a place last."""
        at = _At(path, place_fields(path), place)
        page: list[tuple[float | None, tantivy.DocAddress]] = []
        if after is None or after.value is not None:
            page += self._placed(matching, at, after, limit)
            after = None
        if len(page) < limit:
            bare = self._translator.without(matching, at.fields.spot)
            found = self._by_key(bare, limit - len(page), after)
            page += [(None, address) for address in found]
        return page

    def _within(self, base: Query, near: Near) -> Query:
        """Documents that only their points can tell of are looked at where they are few; cells
        leave fewer of them, and finer cells fewer still."""
        if near.field not in self._schema.places:
            return Query.empty_query()
        at = _At(near.field, place_fields(near.field), near.place)
        found: list[tuple[Occur, Query]] = []
        unsure = self._translator.having(base, at.fields.spot)
        count, addresses = self._look(unsure, _FEW)
        for edges in (_COARSE, _FINE):
            if count <= _FEW:
                break
            cells = cover(near.place, -inf, near.metres, edges)
            inside = self._in_cells(at, cells.inside)
            found = [(Occur.Should, inside)]
            edge = self._translator.both(base, self._in_cells(at, cells.edge))
            unsure = Query.boolean_query([(Occur.Must, edge), (Occur.MustNot, inside)])
            count, addresses = self._look(unsure, _FEW)
        if count > len(addresses):
            _, addresses = self._look(unsure, count)
        _, metres = self._read(addresses, at)
        spots = [spot for spot in metres if metres[spot] <= near.metres]
        return Query.boolean_query([*found, (Occur.Should, self._at_spots(at, spots))])

    def _placed(
        self, matching: Query, at: _At, after: After | None, limit: int
    ) -> list[tuple[float, tantivy.DocAddress]]:
        low = -inf if after is None else float(after.value or 0.0)
        page: list[tuple[float, tantivy.DocAddress]] = []
        for metres, group in groupby(self._ring(matching, at, low, limit), key=_metres):
            tied = list(group)
            room = limit - len(page)
            if metres > low and len(tied) <= room:
                found = iter(self._in_order_of_keys(tied))
            else:  # a part of them may belong to the page before, or after
                here = self._at_spots(at, {one.spot for one in tied})
                some = self._translator.both(matching, here)
                found = self._by_key(some, room, after if metres == low else None)
            page += [(metres, address) for address in found]
            if len(page) == limit:
                break
        return page

    def _ring(self, matching: Query, at: _At, low: float, limit: int) -> list[Distant]:
        """The documents from `low` metres on, nearest first: `limit` of them or more beyond it,
        or all that there are.

        A ring is wanted that has enough documents and not too many to look at. How wide that
        is, depends on how they lie, so rings are tried: wider until there are enough, and
        narrower again if there are too many then.
        """
        edges, unsure = self._fineness(matching, at, low)
        many = max(_MANY, 4 * limit) + 2 * unsure
        width, narrow, wide = _FIRST_METRES, 0.0, inf
        if self._count(self._translator.having(matching, at.fields.spot)) <= many:
            width = inf
        while True:
            high = max(low, 0.0) + width
            if high >= _FARTHEST:
                high = inf
            cells = cover(at.place, low, high, edges)
            some = self._translator.both(matching, self._in_cells(at, cells.inside + cells.edge))
            count, addresses = self._look(some, many)
            if count > many and width != wide:
                wide = width
            elif count < limit and high < inf:
                narrow = width
            else:
                if count > many:
                    _, addresses = self._look(some, count)
                found = self._between(low, high, *self._read(addresses, at))
                if high == inf or sum(one.metres > low for one in found) >= limit:
                    return found
                narrow, wide = width, wide if wide > width else inf
            if wide == inf:
                width *= 10
            elif wide <= max(_NARROWEST_METRES, 2 * narrow):
                width = wide  # so many are at one place, more or less
            else:
                width = sqrt(max(narrow, wide / 100) * wide)

    def _fineness(self, matching: Query, at: _At, low: float) -> tuple[int, int]:
        """How many cells to have at the edges of rings that begin at `low`, and how many
        documents are in these cells then, some of them before it."""
        edges, unsure = _COARSE, 0
        for edges in (_COARSE, _FINE):
            cells = cover(at.place, low, low, edges) if low > 0 else Cover([], [])
            here = self._in_cells(at, cells.edge)
            unsure = self._count(self._translator.both(matching, here))
            if unsure <= _MANY:
                break
        return edges, unsure

    def _look(self, query: Query, most: int) -> tuple[int, list[tantivy.DocAddress]]:
        """How many documents there are, and where `most` of them are."""
        found = self._searcher.search(query, max(1, most))
        return count_of(found), [address for _, address in found.hits]

    def _read(
        self, addresses: list[tantivy.DocAddress], at: _At
    ) -> tuple[list[_Spotted], dict[int, float]]:
        """The documents, which have a place all, and how far each spot is."""
        latitudes, longitudes, spots = (
            cast("list[Any]", self._searcher.fast_field_values(name, addresses))
            for name in (at.fields.latitude, at.fields.longitude, at.fields.spot)
        )
        metres: dict[int, float] = {}
        points = zip(latitudes, longitudes, strict=True)
        for spot, address, point in zip(spots, addresses, points, strict=True):
            if spot not in metres:
                all_points = self._points(address, at.path) if has_several(spot) else [point]
                metres[spot] = min([distance(at.place, one) for one in all_points])
        return list(zip(spots, addresses, strict=True)), metres

    def _between(
        self, low: float, high: float, documents: list[_Spotted], metres: dict[int, float]
    ) -> list[Distant]:
        """Those so far away, nearest first."""
        found = [
            Distant(metres[spot], spot, address)
            for spot, address in documents
            if low <= metres[spot] <= high
        ]
        return sorted(found, key=_metres)

    def _points(self, address: tantivy.DocAddress, path: str) -> list[tuple[float, float]]:
        (stored,) = self._searcher.doc(address)["points"]
        return [(latitude, longitude) for latitude, longitude in json.loads(stored)[path]]

    def _in_order_of_keys(self, tied: list[Distant]) -> list[tantivy.DocAddress]:
        addresses = [one.address for one in tied]
        if len(addresses) > 1:
            addresses.sort(key=lambda address: self._searcher.doc(address)["key"])
        return addresses

    def _by_key(
        self, query: Query, limit: int, after: After | None
    ) -> Iterator[tantivy.DocAddress]:
        """What comes first by key, beyond the one of `after`."""
        if after is not None:
            query = self._translator.between(query, after.key, None)
        found = self._searcher.search(
            query, limit, count=False, order_by_field="key", order=tantivy.Order.Asc
        )
        return (address for _, address in found.hits)

    def _in_cells(self, at: _At, cells: Sequence[str]) -> Query:
        return Query.term_set_query(self._schema.fields, at.fields.cells, cells)

    def _at_spots(self, at: _At, spots: Iterable[int]) -> Query:
        """A term for each takes less time than a set of them, whose order in the index is by
        chance."""
        terms = [
            (Occur.Should, self._translator.number(at.fields.spot, spot)) for spot in sorted(spots)
        ]
        return Query.const_score_query(Query.boolean_query(terms), 0.0)

    def _count(self, query: Query) -> int:
        return count_of(self._searcher.search(query, 1))


def count_of(found: tantivy.SearchResult) -> int:
    """How many documents match, also beyond those that were asked for."""
    count: int = getattr(found, "count")  # noqa: B009 - missing in tantivy's type stubs
    return count


def _metres(one: Distant) -> float:
    return one.metres


_COARSE: Final = 48
_FINE: Final = 192
"""Cells at the edge of a ring: on 100,000 documents, more of them take longer than they save."""
_FEW: Final = 1500
"""Documents at the edge of a circle that are looked at rather than told apart by finer cells."""
_MANY: Final = 2000
"""Documents of a ring that are looked at: more make it narrower first."""
_FIRST_METRES: Final = 1000.0
_NARROWEST_METRES: Final = 1.0
_FARTHEST: Final = pi * EARTH_METRES + 1
"""Metres: nothing is farther from a place than its antipode."""
