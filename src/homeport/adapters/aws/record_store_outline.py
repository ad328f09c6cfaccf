"""Which collections a space has, and where the changes of the small ones stand.

The local index holds a space's collections one after the other. It is read by keys, a few rows
at a time: a collection that ends within them is known whole; one that does not is large, and the
reading skips to its end. So a space of small collections is known after a query or two, and
each large one costs one more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from homeport.adapters.aws.items import Item
from homeport.adapters.aws.table import BEYOND, INDEX, SEPARATOR, partition
from homeport.adapters.aws.table_calls import Table
from homeport.domain.model.record import Position

_FEWEST: Final = 16
"""Rows of the index that one read unit holds."""
_MOST: Final = 256


@dataclass(frozen=True, slots=True)
class Outline:
    """The places of all records in small collections, and the names of the others."""

    small: list[Position]
    large: list[str]


def outlined(table: Table, space: str, spread: Mapping[str, int]) -> Outline:
    """The outline of a space. Collections that are `spread` over several shards are large."""
    small: list[Position] = []
    large = list(spread)
    start, rows = "", _FEWEST
    while True:
        items, last = table.query(**_keys(space, start, rows))
        groups = [
            (name, list(places))
            for name, places in groupby(map(_position, items), key=lambda one: one.collection)
        ]
        cut = groups.pop() if last and groups else None
        for name, places in groups:
            if name not in spread:
                small += places
        if cut is None:
            return Outline(small, large)
        if groups:  # once more from the start of the one that was cut, with room for more
            start, rows = groups[-1][0] + BEYOND, min(2 * rows, _MOST)
        else:
            start = cut[0] + BEYOND
            if cut[0] not in spread:
                large.append(cut[0])


def _keys(space: str, start: str, rows: int) -> dict[str, object]:
    """A query of the index by its keys, from `start` on."""
    values = {":0": {"S": partition(space, 0)}}
    condition = "#0 = :0"
    if start:
        values[":1"] = {"S": start}
        condition += " AND #1 > :1"
    return {
        "IndexName": INDEX,
        "KeyConditionExpression": condition,
        "ProjectionExpression": "#1",
        "ExpressionAttributeNames": {"#0": "pk", "#1": "lk"},
        "ExpressionAttributeValues": values,
        "Limit": rows,
    }


def _position(item: Item) -> Position:
    collection, version, record_id = item["lk"]["S"].split(SEPARATOR)
    return Position(int(version, 16), collection, record_id)
