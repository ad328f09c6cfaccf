"""From the domain's facets to OpenSearch's aggregations, and back from their counts."""

from __future__ import annotations

import math
from typing import Any, Final

from homeport.adapters.opensearch import layout as fields
from homeport.adapters.opensearch.query import Clause
from homeport.domain import dates
from homeport.domain.model.collection import FieldRole
from homeport.domain.model.query import Counted, Extent, Facet, FacetCount, Range, RangeFacet


def aggregation(facet: Counted) -> Clause:
    name = fields.values_field(facet.role, facet.field)
    match facet:
        case RangeFacet():
            ranges = [{"key": str(n), **_half_open(one)} for n, one in enumerate(facet.ranges)]
            return {"range": {"field": name, "keyed": True, "ranges": ranges}}
        case Extent():
            return {"stats": {"field": name}}
        case Facet():
            return {
                "terms": {
                    "field": name,
                    "size": facet.size,
                    # So many from each shard that a value which is frequent in all is not lost
                    # in one.
                    "shard_size": max(facet.size, _FROM_SHARD),
                    "order": [{"_count": "desc"}, {"_key": "asc"}],
                }
            }


def counted(facet: Counted, found: Any) -> tuple[FacetCount, ...]:
    """`found` is what OpenSearch says of an aggregation, {} where it says nothing."""
    match facet:
        case RangeFacet():
            buckets = found.get("buckets", {})
            counts = (buckets.get(str(n), {}) for n in range(len(facet.ranges)))
            return tuple(
                FacetCount(n, int(one.get("doc_count", 0))) for n, one in enumerate(counts)
            )
        case Extent():
            if not found.get("count"):
                return ()
            ends = (found["min"], found["max"])
            if facet.role is FieldRole.DATE:  # rounded to doubles, they may be beyond all dates
                ends = tuple(min(max(end, dates.FIRST), dates.LAST) for end in ends)
            return tuple(FacetCount(_value(facet.role, end), 0) for end in ends)
        case Facet():
            return tuple(
                FacetCount(_value(facet.role, one["key"]), int(one["doc_count"]))
                for one in found.get("buckets", ())
            )


def _half_open(bounds: Range) -> dict[str, float]:
    """With the next number where OpenSearch, which counts from `from` up to but without `to`,
    has it the other way round."""
    found: dict[str, float] = {}
    low, high = bounds.low, bounds.high
    if low is not None:
        found["from"] = low if bounds.include_low else _next(bounds.role, low)
    if high is not None:
        found["to"] = _next(bounds.role, high) if bounds.include_high else high
    finite = {end: value for end, value in found.items() if math.isfinite(value)}
    # A range has to have a bound.
    return finite or {"from": -_GREATEST}


def _next(role: FieldRole, value: float) -> float:
    return value + 1 if role is FieldRole.DATE else math.nextafter(value, math.inf)


def _value(role: FieldRole, key: Any) -> str | float | int:
    if role is FieldRole.KEYWORD:
        return str(key)
    return float(key) if role is FieldRole.NUMBER else int(key)


_FROM_SHARD: Final = 1000
_GREATEST: Final = 1.7976931348623157e308
