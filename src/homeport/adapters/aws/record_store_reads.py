"""Pages, changes and scans of the table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from homeport.adapters.aws.items import record_of
from homeport.adapters.aws.record_store_merging import Merged, Span, is_by_id, is_forward, merged
from homeport.adapters.aws.record_store_outline import outlined
from homeport.adapters.aws.table import (
    BEYOND,
    index_key,
    partition,
    primary_key,
    sort_key,
)
from homeport.adapters.aws.table_calls import Table
from homeport.adapters.aws.table_layout import Layout, Shards
from homeport.domain.errors import Overloaded, Unavailable
from homeport.domain.model import versions
from homeport.domain.model.record import Key, Position, Record
from homeport.domain.ports.record_store import Order

_LEAST: Final = "!"
"""Sorts between the separator's end of a key and every character of an id: `key!` is the first
place after `key`."""
_LAST_VERSION: Final = (1 << 63) - 1
_TRIES: Final = 3


class RecordReads:
    """Reads of more than some records."""

    def __init__(self, table: Table, layout: Layout) -> None:
        self._table = table
        self._layout = layout

    def page(
        self, space: str, collection: str, order: Order, limit: int, after: Position | None
    ) -> Merged:
        """Records without tombstones, beyond the place `after`, in the order."""
        bounds = _id_bounds if is_by_id(order) else _updated_bounds
        low, high = bounds(collection, after, forward=is_forward(order))
        shards = self._layout.shards(collection)
        spans = [
            Span(partition(space, shard), low, high, order, alive_only=True)
            for shard in range(shards.of(collection))
        ]
        return merged(self._table, spans, limit)

    def changes(
        self,
        space: str,
        collection: str | None,
        after: Position,
        limit: int,
        through: int | None,
        besides: frozenset[str],
    ) -> Merged:
        """Changes after a position, of one collection or of all, up to a version."""
        high = _LAST_VERSION if through is None else through
        if collection is not None:
            spans = _spans(
                self._layout.shards_for_changes(collection), space, [collection], after, high
            )
            return merged(self._table, spans, limit)
        for _ in range(_TRIES):
            shards = self._layout.shards_for_changes()
            outline = outlined(self._table, space, shards.spread())
            wanted = [name for name in outline.large if name not in besides]
            spans = _spans(shards, space, wanted, after, high)
            small = sorted(
                one
                for one in outline.small
                if one > after and one.version <= high and one.collection not in besides
            )
            records = self._as_outlined(space, small[:limit])
            read_to = small[limit - 1] if len(small) > limit else None
            found = merged(self._table, spans, limit, records, read_to)
            if found.records or found.next is None:
                return found
        raise Overloaded("The records of this space change faster than they can be read.")

    def _as_outlined(self, space: str, places: Sequence[Position]) -> list[Record]:
        """The records at these places, but for those that have moved on since: they stand
        further behind now."""
        if not places:
            return []
        keys = [primary_key(Key(space, one.collection, one.id), 1) for one in places]
        items = self._table.get_many(keys)
        records = [record_of(item) for item in items if item is not None]
        return [record for record in records if record.position in set(places)]

    def scan(self, segment: int, segments: int, limit: int, after: Key | None) -> list[Record]:
        """As the port's: a page is empty only at the end, whatever else the table holds."""
        start: Any = None if after is None else self._place(after)
        while True:
            request: dict[str, Any] = {
                "Segment": segment,
                "TotalSegments": segments,
                "Limit": limit,
                "FilterExpression": "attribute_exists(#0)",
                "ExpressionAttributeNames": {"#0": "lk"},
            }
            if start is not None:
                request["ExclusiveStartKey"] = start
            items, start = self._table.scan(**request)
            if items or not start:
                return [record_of(item) for item in items]

    def _place(self, key: Key) -> dict[str, Any]:
        """Where a record stands that a scan has met, which meets strays as well."""
        shards = self._layout.shards(key.collection).of(key.collection)
        place, other = primary_key(key, shards), primary_key(key, 1)
        if place == other:
            return place
        found, stray = self._table.get_many([place, other])
        if found is not None and stray is not None:
            raise Unavailable(
                f"The record {'/'.join(key)} stands in the table twice: delete the older one of "
                f"the two items, whose pk are {place['pk']['S']} and {other['pk']['S']}."
            )
        return place if stray is None else other


def _spans(
    shards: Shards, space: str, collections: Sequence[str], after: Position, high: int
) -> list[Span]:
    return [
        Span(
            partition(space, shard),
            _change_after(name, after),
            _beyond_version(name, high),
            Order.UPDATED,
        )
        for name in collections
        for shard in range(shards.of(name))
    ]


def _id_bounds(collection: str, after: Position | None, *, forward: bool) -> tuple[str, str]:
    low, high = sort_key(collection, ""), collection + BEYOND
    if after is None:
        return low, high
    place = sort_key(collection, after.id)
    return (place + _LEAST, high) if forward else (low, _before(place))


def _updated_bounds(collection: str, after: Position | None, *, forward: bool) -> tuple[str, str]:
    low, high = sort_key(collection, ""), collection + BEYOND
    if after is None:
        return low, high
    place = index_key(collection, after.version, after.id)
    return (place + _LEAST, high) if forward else (low, _before(place))


def _change_after(collection: str, after: Position) -> str:
    """Where a collection's changes go on after a position in the order of the whole space."""
    if collection == after.collection:
        return index_key(collection, after.version, after.id) + _LEAST
    if collection > after.collection:
        return index_key(collection, after.version, "") + _LEAST
    return _beyond_version(collection, after.version)


def _beyond_version(collection: str, version: int) -> str:
    return sort_key(collection, versions.to_text(version)) + BEYOND


def _before(place: str) -> str:
    """The last place before a key: nothing that can be a key stands between the two."""
    return place[:-1] + chr(ord(place[-1]) - 1) + "\x7f"
