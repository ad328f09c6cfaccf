"""How much stands in each partition of the table: counted, since DynamoDB tells of the whole alone.

As the table has a local index, all items of one partition key together with their rows of the
index may have 10 GB, and no write gets in beyond. A write could ask for the size of what it writes
to, in whole gigabytes; whoever only looks has no way to ask, and the names of spaces are kept
nowhere. So `count` reads the table once from its beginning to its end. A scan goes through one
partition after the other, and each page of it, of a megabyte, says what was read: large partitions
fill pages of their own, and what is said of them is right to a page or two.

What was found is noted in the table. What the table has grown by since is a hint of what a
partition has: as tombstones end by time to live, one partition may have grown by more than all of
the table. So a count is good for a week, and only while the table is not smaller than it was then.
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from homeport.adapters.aws.table import LAYOUT, SEPARATOR, item_key
from homeport.adapters.aws.table_calls import Busy, Lost, Table

LIMIT: Final = 10 * 2**30
"""Bytes of one partition key, its rows of the index included."""
WARN_AT: Final = 0.7
GOOD_FOR: Final = 7
"""Days for which a count tells something."""
RATE: Final = 1000.0
"""Read units a second that `count` takes: a third of what one partition has for its readers."""

_DAY: Final = 24 * 3600 * 1_000_000
_NOTE: Final = (LAYOUT[0], "#sizes")
_TOLD: Final = 10
"""Partitions that are told though they are small."""
_UNIT: Final = 8192
"""Bytes that a read unit reads where the read is not consistent."""
_INDEX_ROW: Final = 6 + 17
"""Bytes of an index row beside its partition key and twice its sort key: the keys' names, and the
version that stands in the index key."""


@dataclass(frozen=True, slots=True)
class Size:
    """What one partition key has, in bytes, and the collection that has most of it: "" where
    these are no records."""

    partition: str
    bytes: int
    collection: str

    @property
    def share(self) -> float:
        """Of what a partition key may have."""
        return self.bytes / LIMIT


@dataclass(frozen=True, slots=True)
class Noted:
    """What a count has found as of a moment in microseconds since 1970, and how many bytes
    DynamoDB said then that the whole table has."""

    as_of: int
    table_bytes: int
    largest: Size

    def grown(self, table_bytes: int, now: int) -> int | None:
        """What the table, which has so many bytes by `now`, has grown by. None where that says
        nothing of a partition any more: the table is smaller, or the count is old."""
        grown = table_bytes - self.table_bytes
        is_old = now - self.as_of > GOOD_FOR * _DAY
        return None if grown < 0 or is_old else grown


def whole(description: Mapping[str, Any]) -> int:
    """Bytes of a table and its local index as DescribeTable tells them, some hours old."""
    indexes = description.get("LocalSecondaryIndexes", ())
    return int(
        description.get("TableSizeBytes", 0) + sum(one.get("IndexSizeBytes", 0) for one in indexes)
    )


def count(
    table: Table,
    now: int,
    advance: Callable[[int], None],
    rate: float = RATE,
    sleep: Callable[[float], None] = time.sleep,
) -> list[Size]:
    """Read the whole table, and note the largest partition in it, as of `now`.

    Returns every partition with 70 % of its limit and some others, the largest first. `advance`
    hears of each page, a megabyte or less. Takes `rate` read units a second, one for 8 KB.
    """
    described = whole(table.describe())
    found = measured(_pages(table, advance, rate, sleep))
    note(table, Noted(now, described, found[0] if found else Size("", 0, "")))
    return found


def noted(table: Table) -> Noted | None:
    """What the last count has noted; None where there was none."""
    item = table.get(item_key(*_NOTE))
    if item is None:
        return None
    largest = Size(item["p"]["S"], int(item["b"]["N"]), item["c"]["S"])
    return Noted(int(item["n"]["N"]), int(item["w"]["N"]), largest)


def note(table: Table, found: Noted) -> None:
    """Keep what a count has found."""
    request = {
        "Key": item_key(*_NOTE),
        "UpdateExpression": "SET #0 = :0, #1 = :1, #2 = :2, #3 = :3, #4 = :4",
        "ExpressionAttributeNames": {"#0": "n", "#1": "w", "#2": "p", "#3": "b", "#4": "c"},
        "ExpressionAttributeValues": {
            ":0": {"N": str(found.as_of)},
            ":1": {"N": str(found.table_bytes)},
            ":2": {"S": found.largest.partition},
            ":3": {"N": str(found.largest.bytes)},
            ":4": {"S": found.largest.collection},
        },
    }
    patience = table.patience()
    while True:
        try:
            table.update(request)
        except Busy as busy:
            patience.after(busy)
        except Lost as lost:  # to say it twice does no harm
            patience.after_trouble(lost.error)
        else:
            return


class Page(NamedTuple):
    """The keys of some neighbouring items, and how many bytes these have without the index."""

    keys: list[tuple[str, str]]
    bytes: int


def measured(pages: Iterable[Page]) -> list[Size]:
    """The partitions that `count` tells of."""
    small: list[tuple[int, str, str]] = []
    large: list[Size] = []
    for size in _sizes(pages):
        if size.share >= WARN_AT:
            large.append(size)
            continue
        heapq.heappush(small, (size.bytes, size.partition, size.collection))
        if len(small) > _TOLD:
            heapq.heappop(small)
    others = [Size(partition, bytes_, name) for bytes_, partition, name in small]
    return sorted([*large, *others], key=lambda size: size.bytes, reverse=True)


def _sizes(pages: Iterable[Page]) -> Iterator[Size]:
    """Each partition's. Those of its collections come one after the other too."""
    partition, name = "", ""
    of_all = of_one = 0.0
    most = (0.0, "")
    for page in pages:
        for pk, sk in page.keys:
            is_record = _has_records(pk)
            collection = sk.partition(SEPARATOR)[0] if is_record else ""
            if pk != partition:
                if partition:
                    yield Size(partition, round(of_all), max(most, (of_one, name))[1])
                partition, name, of_all, of_one, most = pk, collection, 0.0, 0.0, (0.0, "")
            if collection != name:
                most, name, of_one = max(most, (of_one, name)), collection, 0.0
            item = page.bytes / len(page.keys)
            if is_record:
                item += len(pk.encode()) + 2 * len(sk.encode()) + _INDEX_ROW
            of_all += item
            of_one += item
    if partition:
        yield Size(partition, round(of_all), max(most, (of_one, name))[1])


def _has_records(partition: str) -> bool:
    """Whether its items are records, which alone have rows in the index."""
    space, _, shard = partition.rpartition(SEPARATOR)
    return shard.isdigit() and not space.startswith(SEPARATOR)


def _pages(
    table: Table,
    advance: Callable[[int], None],
    rate: float,
    sleep: Callable[[float], None],
) -> Iterator[Page]:
    start: Any = {}
    while True:
        items, last, units = table.scan_metered(
            ProjectionExpression="#0, #1",
            ExpressionAttributeNames={"#0": "pk", "#1": "sk"},
            **start,
        )
        yield Page([(one["pk"]["S"], one["sk"]["S"]) for one in items], round(units * _UNIT))
        advance(1)
        if not last:
            return
        start = {"ExclusiveStartKey": last}
        sleep(units / rate)
