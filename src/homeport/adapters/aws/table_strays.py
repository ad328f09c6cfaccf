"""Records that do not stand in the shard where their collection's number of shards has them.

They were written by a definition that had another number, or none. Nothing but a look at every
row tells whether there are any: the names of spaces are kept nowhere. It is the local index that
is looked through, which has no data in it, so that a megabyte holds thousands of rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, NamedTuple

from homeport.adapters.aws.table import INDEX, SEPARATOR, partition, record_key, shard_of
from homeport.adapters.aws.table_calls import Table
from homeport.domain.model.record import Key

_SEGMENTS: Final = 8
"""Parts of the index that are looked through at the same time."""
_TOLD: Final = 10
"""How many of a collection are remembered."""
_NAMES: Final = 100
"""Collections that one request can ask for: its expression has a limit."""


class Stray(NamedTuple):
    """A record, and the partition that it stands in."""

    key: Key
    partition: str


def strays(
    table: Table, spread: Mapping[str, int], segment: int = 0, segments: int = 1
) -> Iterator[list[Stray]]:
    """The strays among the records of collections, page by page of the index: a megabyte each,
    without any as a rule. `spread` has the shards of each collection."""
    names = sorted(spread)
    for first in range(0, len(names), _NAMES):
        request = _request(names[first : first + _NAMES], segment, segments)
        start: Any = {}
        while True:
            items, last = table.scan(**request, **start)
            yield [one for one in map(_stray, items) if not _in_place(one, spread)]
            if not last:
                break
            start = {"ExclusiveStartKey": last}


def all_strays(
    table: Table, spread: Mapping[str, int], advance: Callable[[int], None]
) -> dict[str, list[Stray]]:
    """Some strays of each collection that has any. `advance` hears of each page."""
    found: dict[str, list[Stray]] = {}

    def look(segment: int) -> list[Stray]:
        seen: list[Stray] = []
        for page in strays(table, spread, segment, _SEGMENTS):
            seen += page
            advance(1)
        return seen

    with ThreadPoolExecutor(_SEGMENTS) as pool:
        for seen in pool.map(look, range(_SEGMENTS)):
            for one in seen:
                some = found.setdefault(one.key.collection, [])
                if len(some) < _TOLD:
                    some.append(one)
    return found


def _request(names: list[str], segment: int, segments: int) -> dict[str, Any]:
    values = {f":{n}": {"S": name + SEPARATOR} for n, name in enumerate(names)}
    return {
        "IndexName": INDEX,
        "Segment": segment,
        "TotalSegments": segments,
        "ProjectionExpression": "#0, #1",
        "FilterExpression": " OR ".join(f"begins_with(#1, {value})" for value in values),
        "ExpressionAttributeNames": {"#0": "pk", "#1": "sk"},
        "ExpressionAttributeValues": values,
    }


def _stray(item: dict[str, Any]) -> Stray:
    return Stray(record_key(item), item["pk"]["S"])


def _in_place(one: Stray, spread: Mapping[str, int]) -> bool:
    shard = shard_of(one.key.id, spread[one.key.collection])
    return one.partition == partition(one.key.space, shard)
