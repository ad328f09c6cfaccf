"""From the domain's facets to CloudSearch's facets and statistics, and back from their counts.

A request has one facet for each field: facets of one field beyond that go into requests of
their own.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, Final

from homeport.adapters.aws import search_fields as fields
from homeport.adapters.aws.search_query import bucket
from homeport.domain.model.collection import FieldRole
from homeport.domain.model.query import Counted, Extent, Facet, FacetCount, RangeFacet


def asked_facets(facets: Sequence[Counted]) -> list[dict[str, str]]:
    """The parameters `facet` and `stats` of each request that it takes."""
    return [
        {
            name: json.dumps({_field(one): _options(one) for one in group})
            for name, group in (
                ("facet", [one for one in each if not isinstance(one, Extent)]),
                ("stats", [one for one in each if isinstance(one, Extent)]),
            )
            if group
        }
        for each in _groups(facets)
    ]


def read_facets(
    facets: Sequence[Counted], answers: Sequence[Any]
) -> tuple[tuple[FacetCount, ...], ...]:
    """The counts, from the answers to the requests of `asked_facets`."""
    found = {
        one: tuple(_read(one, answer))
        for group, answer in zip(_groups(facets), answers, strict=False)
        for one in group
    }
    return tuple(found[one] for one in facets)


def _groups(facets: Sequence[Counted]) -> list[list[Counted]]:
    """Those that go into one request together."""
    groups: list[list[Counted]] = []
    taken: list[set[tuple[bool, str]]] = []
    for one in dict.fromkeys(facets):
        place = (isinstance(one, Extent), _field(one))
        for group, places in zip(groups, taken, strict=True):
            if place not in places:
                group.append(one)
                places.add(place)
                break
        else:
            groups.append([one])
            taken.append({place})
    return groups


def _field(facet: Counted) -> str:
    return fields.values_field(facet.role, facet.field)


def _options(facet: Counted) -> dict[str, Any]:
    match facet:
        case Facet():
            return {"sort": "count", "size": max(facet.size, _VALUES)}
        case RangeFacet():
            # Of overlapping buckets, `interval` would count into one alone.
            return {"buckets": list(dict.fromkeys(_buckets(facet))), "method": "filter"}
        case Extent():
            return {}


def _buckets(facet: RangeFacet) -> Iterator[str]:
    for one in facet.ranges:
        yield bucket(one) or _NOWHERE[facet.role]


def _read(facet: Counted, answer: Any) -> Iterator[FacetCount]:
    if isinstance(facet, Extent):
        found = answer.get("stats", {}).get(_field(facet), {})
        if "min" in found and found.get("count"):
            yield from (FacetCount(_value(facet.role, found[end]), 0) for end in ("min", "max"))
        return
    held = answer.get("facets", {}).get(_field(facet), {}).get("buckets", ())
    if isinstance(facet, Facet):
        yield from _most_frequent(facet, held)
        return
    counts = {one["value"]: int(one["count"]) for one in held}
    for place, one in enumerate(_buckets(facet)):
        yield FacetCount(place, counts.get(one, 0))


def _most_frequent(facet: Facet, held: Any) -> list[FacetCount]:
    """CloudSearch breaks ties in an order of its own."""
    counts = [
        FacetCount(_value(facet.role, one["value"]), int(one["count"]))
        for one in held
        if int(one["count"]) > 0
    ]
    counts.sort(key=lambda one: one.value)
    counts.sort(key=lambda one: -one.count)
    return counts[: facet.size]


def _value(role: FieldRole, text: str) -> Any:
    if role is FieldRole.KEYWORD:
        return fields.from_exact(text)
    return float(text) if role is FieldRole.NUMBER else int(float(text))


_VALUES: Final = 1000
"""Enough values to find, among those that are equally frequent, the ones that come first."""
_NOWHERE: Final = {FieldRole.NUMBER: "{0.0,0.0}", FieldRole.DATE: "{0,0}"}
"""Ranges that nothing is in."""
