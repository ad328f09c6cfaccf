"""The order of hits, and cursors into it."""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cmp_to_key
from typing import Final

from homeport.testing.cloudsearch.documents import Document
from homeport.testing.cloudsearch.errors import NotEmulated, SearchRefused
from homeport.testing.cloudsearch.expressions import Expression
from homeport.testing.cloudsearch.schema import Schema

MAX_KEYS: Final = 10


@dataclass(frozen=True, slots=True)
class Hit:
    document: Document
    score: float


_Key = float | str | None
_Place = Sequence[_Key]
"""A hit's value of each key, and at last what decides among equals."""


@dataclass(frozen=True, slots=True)
class Order:
    """Sorts hits. Those without a value come last, whatever the direction.

    CloudSearch promises no order among equals; here it is an arbitrary one that stays.
    """

    keys: Sequence[Callable[[Hit], _Key]]
    descending: Sequence[bool]

    def sorted(self, hits: Sequence[Hit]) -> list[Hit]:
        key = cmp_to_key(self._compare)
        return sorted(hits, key=lambda hit: key(self.place(hit)))

    def place(self, hit: Hit) -> _Place:
        lot = zlib.crc32(hit.document.id.encode())
        return [*(key(hit) for key in self.keys), float(lot), hit.document.id]

    def after(self, hits: Sequence[Hit], place: _Place) -> list[Hit]:
        """The hits behind a place, sorted."""
        behind = (hit for hit in hits if self._compare(self.place(hit), place) > 0)
        return self.sorted(list(behind))

    def _compare(self, left: _Place, right: _Place) -> int:
        directions = [*self.descending, False, False]
        for one, other, descending in zip(left, right, directions, strict=True):
            if one == other:
                continue
            if one is None or other is None:
                return 1 if one is None else -1
            greater = one > other  # type: ignore[operator]  # two values of one key
            return -1 if greater == descending else 1
        return 0


def read(text: str, schema: Schema, expressions: Mapping[str, Expression]) -> Order:
    """Read the parameter `sort`: `year desc,_score desc`."""
    keys: list[Callable[[Hit], _Key]] = []
    descending: list[bool] = []
    parts = text.split(",")
    if len(parts) > MAX_KEYS:
        raise SearchRefused(f"Hits are sorted by at most {MAX_KEYS} keys, not {len(parts)}")
    for part in parts:
        name, _, direction = part.strip().partition(" ")
        if direction.strip() not in {"asc", "desc"}:
            raise SearchRefused(f"sort: {part.strip()!r} is no name with asc or desc")
        keys.append(_key(name, schema, expressions))
        descending.append(direction.strip() == "desc")
    return Order(keys, descending)


def _key(name: str, schema: Schema, expressions: Mapping[str, Expression]) -> Callable[[Hit], _Key]:
    if name == "_score":
        return lambda hit: hit.score
    if name == "_version":
        raise NotEmulated("sorting by _version")
    if name in expressions:
        return lambda hit: expressions[name].of(hit.document, hit.score)
    field = schema.resolve(name)
    if field is None:
        raise SearchRefused(f"sort: field ({name}) does not exist.")
    if not field.sort or field.base == "latlon":
        raise SearchRefused(f"Field ({name}) of type {field.type} is not sort enabled.")

    def first(hit: Hit) -> _Key:
        values = hit.document.get(name)
        return values[0] if values else None  # type: ignore[return-value]  # no latlon

    return first


def cursor(query: str, passed: int, place: _Place | None) -> str:
    """A cursor behind `place`, for the same query only. `passed`: hits before it."""
    held = json.dumps([zlib.crc32(query.encode()), passed, place])
    return base64.urlsafe_b64encode(held.encode()).decode().rstrip("=")


def resume(text: str, query: str) -> tuple[int, _Place | None]:
    """How many hits a cursor has passed, and the place behind which it goes on."""
    if text == "initial":
        return 0, None
    try:
        held = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        made_for, passed, place = json.loads(held)
    except (binascii.Error, ValueError, TypeError) as exc:
        raise SearchRefused("The cursor is none that this domain gave") from exc
    if made_for != zlib.crc32(query.encode()):
        raise SearchRefused("The cursor belongs to another query")
    return passed, place
