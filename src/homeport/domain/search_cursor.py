"""Where a search goes on: an opaque text of a position and a digest of the query.

It gives no access to anything: space, collection and scopes come from each request anew.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
from dataclasses import replace
from typing import Any

from homeport.domain import limits
from homeport.domain.errors import Fault, Invalid
from homeport.domain.model import names
from homeport.domain.model.collection import FieldRole
from homeport.domain.model.query import After, SearchQuery
from homeport.domain.model.record import Key


def digest_of(*parts: str | None) -> str:
    """A digest of everything that decides what is found, and in which order."""
    text = json.dumps(parts, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=9).hexdigest()


def cursor_at(offset: int, digest: str) -> str:
    """For searches by relevance."""
    return _encode({"of": digest, "offset": offset})


def cursor_after(place: After, digest: str) -> str:
    """For searches that sort by a field."""
    return _encode({"of": digest, "after": [place.value, *place.key]})


def resume(query: SearchQuery, cursor: str | None, digest: str) -> SearchQuery:
    """`query` at the place of `cursor`. Raises Invalid for another query's cursor, or none."""
    if cursor is None:
        return query
    try:
        place = json.loads(base64.b64decode(cursor.encode() + b"===", b"-_"))
        of = place["of"]
        if of == digest and query.sort is None:
            return _at(query, place["offset"])
        if of == digest and query.sort is not None:
            return replace(query, after=_after(place["after"], query.sort.role))
    except (Invalid, ValueError, KeyError, TypeError, OverflowError, RecursionError):
        raise _unusable("this is not a cursor of ours") from None
    raise _unusable("this cursor belongs to another search")


def _at(query: SearchQuery, offset: Any) -> SearchQuery:
    if type(offset) is not int or not 0 < offset < limits.SEARCH_DEPTH:
        raise ValueError
    limit = min(query.limit, limits.SEARCH_DEPTH - offset)
    return replace(query, offset=offset, limit=limit)


def _after(place: Any, role: FieldRole) -> After:
    value, space, collection, id = place
    key = Key(
        names.check_id("space", space),
        names.check_collection(collection),
        names.check_id("id", id),
    )
    return After(None if value is None else _value(value, role), key)


def _value(value: Any, role: FieldRole) -> str | float | int:
    if role is FieldRole.KEYWORD and isinstance(value, str):
        return value
    if role is FieldRole.NUMBER and type(value) in (int, float) and math.isfinite(value):
        return float(value)
    if role is FieldRole.DATE and type(value) is int and not abs(value) >> 63:
        return value
    raise ValueError


def _encode(place: dict[str, Any]) -> str:
    text = json.dumps(place, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _unusable(detail: str) -> Invalid:
    return Invalid("The page cannot be continued.", (Fault("cursor", detail),))
