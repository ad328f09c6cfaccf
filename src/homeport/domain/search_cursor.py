"""Where a search goes on: an opaque text of a position and a digest of the query.

It gives no access to anything: space, collection and scopes come from each request anew.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, Final

from homeport.domain import limits
from homeport.domain.errors import Fault, Invalid
from homeport.domain.model import names
from homeport.domain.model.collection import FieldRole
from homeport.domain.model.opaque import seal, unseal
from homeport.domain.model.query import After, SearchQuery
from homeport.domain.model.record import Key


def cursor_at(offset: int, of: str) -> str:
    """For searches by relevance. `of` is the digest of everything that decides what is found,
    and in which order."""
    return seal(of, [offset])


def cursor_after(place: After, of: str) -> str:
    """For searches that sort by a field."""
    return seal(of, [place.value, *place.key])


def resume(query: SearchQuery, cursor: str | None, of: str) -> SearchQuery:
    """`query` at the place of `cursor`. Raises Invalid for another query's cursor, or none."""
    if cursor is None:
        return query
    try:
        if query.sort is None:
            return _at(query, unseal(of, cursor, int))
        return _after(query, unseal(of, cursor, object, str, str, str), query.sort.role)
    except (Invalid, ValueError, OverflowError):
        raise Invalid(
            "The page cannot be continued.", (Fault("cursor", "not a cursor of this search"),)
        ) from None


def _at(query: SearchQuery, place: list[Any] | None) -> SearchQuery:
    if place is None or not 0 < place[0] < limits.SEARCH_DEPTH:
        raise ValueError
    limit = min(query.limit, limits.SEARCH_DEPTH - place[0])
    return replace(query, offset=place[0], limit=limit)


def _after(query: SearchQuery, place: list[Any] | None, role: FieldRole) -> SearchQuery:
    if place is None:
        raise ValueError
    value, space, collection, id = place
    key = Key(
        names.check_id("space", space),
        names.check_collection(collection),
        names.check_id("id", id),
    )
    return replace(query, after=After(None if value is None else _value(value, role), key))


def _value(value: Any, role: FieldRole) -> str | float | int:
    if role is FieldRole.KEYWORD and isinstance(value, str):
        return value
    if role in _NUMBERS and type(value) in (int, float) and math.isfinite(value):
        return float(value)
    if role is FieldRole.DATE and type(value) is int and not abs(value) >> 63:
        return value
    raise ValueError


_NUMBERS: Final = frozenset({FieldRole.NUMBER, FieldRole.GEO})
"""A distance is one too."""
