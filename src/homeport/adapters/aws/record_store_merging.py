"""Pages out of several sorted sources: the shards of a collection, the collections of a space.

Each source is read a piece at a time. Rows beyond the lowest place up to which every source has
been read wait for the next page: another source may have rows before them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from homeport.adapters.aws.items import Item, record_of
from homeport.adapters.aws.table import INDEX, SEPARATOR
from homeport.adapters.aws.table_calls import Table
from homeport.domain import limits
from homeport.domain.model import versions
from homeport.domain.model.data import encode
from homeport.domain.model.record import Position, Record
from homeport.domain.ports.record_store import Order

_ROUNDS: Final = 3
"""How many queries a page may make of one source."""
_TOMBSTONES_PASSED: Final = 1_000
"""Rows that the last of them looks at: a page then ends early, on a long row of tombstones."""


def is_by_id(order: Order) -> bool:
    return order in (Order.ID, Order.ID_DESCENDING)


def is_forward(order: Order) -> bool:
    return order in (Order.ID, Order.UPDATED)


def _places(order: Order) -> Callable[[Position], tuple[Any, ...]]:
    """What rows are sorted by: the id, or the place in the order of changes."""
    return (lambda position: (position.id,)) if is_by_id(order) else tuple


@dataclass(frozen=True, slots=True)
class Span:
    """Part of one partition in one order: sort keys from `low` to `high`, both included."""

    partition: str
    low: str
    high: str
    order: Order
    alive_only: bool = False

    @property
    def by_id(self) -> bool:
        return is_by_id(self.order)

    def position_of(self, item: Item) -> Position:
        """Where an item stands, by the keys alone; by id the version does not matter."""
        if self.by_id:
            collection, _, record_id = item["sk"]["S"].partition(SEPARATOR)
            return Position(versions.NEVER, collection, record_id)
        collection, version, record_id = item["lk"]["S"].split(SEPARATOR)
        return Position(int(version, 16), collection, record_id)

    def query(self, limit: int, start: Item | None) -> dict[str, Any]:
        names = {"#0": "pk", "#1": "sk" if self.by_id else "lk"}
        request: dict[str, Any] = {
            "KeyConditionExpression": "#0 = :0 AND #1 BETWEEN :1 AND :2",
            "ExpressionAttributeNames": names,
            "ExpressionAttributeValues": {
                ":0": {"S": self.partition},
                ":1": {"S": self.low},
                ":2": {"S": self.high},
            },
            "ScanIndexForward": is_forward(self.order),
            "Limit": limit,
        }
        if not self.by_id:
            request |= {"IndexName": INDEX, "Select": "ALL_ATTRIBUTES"}
        if self.alive_only:
            names["#2"] = "t"
            request["FilterExpression"] = "attribute_not_exists(#2)"
        if start is not None:
            request["ExclusiveStartKey"] = start
        return request


@dataclass
class _Source:
    """A span as far as it has been read: to its end where `last` is None."""

    span: Span
    records: list[Record] = field(default_factory=list)
    last: Item | None = None
    rounds: int = 0

    @property
    def reached(self) -> Position | None:
        return None if self.last is None else self.span.position_of(self.last)

    def read(self, table: Table, limit: int) -> None:
        items, self.last = table.query(**self.span.query(limit, self.last))
        self.records += [record_of(item) for item in items]
        self.rounds += 1


@dataclass(frozen=True, slots=True)
class Merged:
    """Rows in order, and where the next page begins; None where nothing follows."""

    records: tuple[Record, ...]
    next: Position | None


def merged(
    table: Table,
    spans: Sequence[Span],
    limit: int,
    given: Sequence[Record] = (),
    given_to: Position | None = None,
) -> Merged:
    """Up to `limit` records of all spans, which are of one order, in that order.

    Fewer where they hold a megabyte, where a source has not been read as far as the others, or
    where three queries of a source met tombstones only. Records that are `given`, in the order
    of changes, are one source more, to its end or as far as `given_to`.
    """
    sources = [_Source(span) for span in spans if span.low <= span.high]
    order = spans[0].order if spans else Order.UPDATED
    place_of, forward = _places(order), is_forward(order)
    share = min(limit + 1, 2 * -(-(limit + 1) // max(1, len(sources))) + 4)
    behind = sources
    while True:
        for source in behind:
            source.read(table, _piece(source, limit, share))
        reached = [given_to, *(one.reached for one in sources)]
        bound = _bound(reached, place_of, forward=forward)
        rows = sorted(
            (*given, *(record for source in sources for record in source.records)),
            key=lambda record: place_of(record.position),
            reverse=not forward,
        )
        ready = rows if bound is None else _up_to(rows, bound, place_of, forward=forward)
        taken = _cut(ready, limit)
        if len(taken) < len(ready):
            return Merged(taken, taken[-1].position)
        if bound is None:
            return Merged(taken, None)
        if taken and len(ready) < len(rows):
            return Merged(taken, bound)
        behind = [one for one in sources if one.last and one.reached == bound]
        if not behind or any(one.rounds == _ROUNDS for one in behind):
            return Merged(taken, bound)


def _piece(source: _Source, limit: int, share: int) -> int:
    if source.rounds == 0:
        return share
    if source.rounds == 1 or not source.span.alive_only:
        return max(limit + 1, limits.PAGE_ITEMS)
    return _TOMBSTONES_PASSED


def _bound(
    reached: Sequence[Position | None],
    place_of: Callable[[Position], tuple[Any, ...]],
    *,
    forward: bool,
) -> Position | None:
    """The place up to which every source has been read; None where all were, to their ends."""
    places = [one for one in reached if one is not None]
    if not places:
        return None
    return min(places, key=place_of) if forward else max(places, key=place_of)


def _up_to(
    rows: Sequence[Record],
    bound: Position,
    place_of: Callable[[Position], tuple[Any, ...]],
    *,
    forward: bool,
) -> list[Record]:
    end = place_of(bound)
    return [
        row
        for row in rows
        if (place_of(row.position) <= end if forward else place_of(row.position) >= end)
    ]


def _cut(rows: Sequence[Record], limit: int) -> tuple[Record, ...]:
    """The first `limit`, or fewer once they hold a megabyte."""
    size = 0
    for place, row in enumerate(rows[:limit]):
        if size >= limits.STORE_PAGE_BYTES:
            return tuple(rows[:place])
        size += _bytes(row)
    return tuple(rows[:limit])


def _bytes(record: Record) -> int:
    if record.data is None:
        return len(encode(record.key))
    text = record.data.text
    return len(text) if text.isascii() else len(text.encode())
