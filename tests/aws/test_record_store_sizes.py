"""How much stands in each partition: what is made of a scan's pages, and a count of a table."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from homeport.adapters.aws import table_sizes
from homeport.adapters.aws.clients import Clients
from homeport.adapters.aws.items import Item
from homeport.adapters.aws.record_store import DynamoDBRecordStore
from homeport.adapters.aws.table_calls import Table
from homeport.adapters.aws.table_sizes import (
    GOOD_FOR,
    LIMIT,
    Noted,
    Page,
    Size,
    count,
    measured,
    noted,
)
from homeport.adapters.memory.clock import ManualClock
from homeport.adapters.system import SystemClock, SystemIds
from homeport.domain.model.collection import Catalog, Collection
from homeport.domain.model.data import Data
from homeport.domain.model.record import Key
from homeport.domain.model.writes import Put
from tests.aws.conftest import Engine

_NOW = 1_700_000_000_000_000


def _page(size: int, *keys: str) -> Page:
    """Keys written as `partition collection#id`, or as `partition else`."""
    return Page([(pk, sk) for pk, _, sk in (key.partition(" ") for key in keys)], size)


def _row(key: str) -> int:
    """What a record has in the index: three keys with their names, one longer by its version."""
    pk, _, sk = key.partition(" ")
    return len("pk") + len(pk) + len("sk") + len(sk) + len("lk") + len(sk) + len("#") + 16


# What is made of pages


def test_an_empty_table_has_no_partitions() -> None:
    assert measured([]) == []
    assert measured([Page([], 0)]) == []


def test_a_pages_bytes_are_those_of_its_partitions_and_the_index_counts() -> None:
    keys = ("ann#0 notes#1", "ann#0 notes#2", "ben#0 notes#1")
    assert measured([_page(3000, *keys)]) == [
        Size("ann#0", 2000 + _row(keys[0]) + _row(keys[1]), "notes"),
        Size("ben#0", 1000 + _row(keys[2]), "notes"),
    ]


def test_the_index_has_no_rows_of_what_is_no_record() -> None:
    keys = ("ann#members ben", "ann#spaces team", "#identity#07 x", "#layout #")
    found = measured([_page(4000, *keys)])
    assert {one.partition for one in found} == {key.partition(" ")[0] for key in keys}
    assert {(one.bytes, one.collection) for one in found} == {(1000, "")}


def test_a_partition_goes_on_over_pages() -> None:
    pages = [
        _page(5000, "ann#0 notes#1"),
        _page(6000, "ann#0 notes#2", "ann#1 notes#3"),
        _page(7000, "ann#1 notes#4"),
    ]
    found = {one.partition: one.bytes for one in measured(pages)}
    row = _row("ann#0 notes#1")
    assert found == {"ann#0": 5000 + 3000 + 2 * row, "ann#1": 3000 + 7000 + 2 * row}


@pytest.mark.parametrize(
    ("sizes", "most"),
    [((900, 100, 100), "a"), ((100, 900, 100), "b"), ((100, 100, 900), "c")],
)
def test_the_collection_that_has_most_is_told(sizes: tuple[int, ...], most: str) -> None:
    pages = [
        _page(size, f"public#0 {name}#1", f"public#0 {name}#2")
        for name, size in zip("abc", sizes, strict=True)
    ]
    (found,) = measured([*pages, _page(0, "public#0 d#1")])
    assert found.collection == most


def test_ten_are_told_and_every_one_that_is_near_its_limit() -> None:
    small = [_page(n * 1000, f"s{n}#members x") for n in range(1, 21)]
    large = [_page(round(LIMIT * 0.7) + n, f"l{n}#members x") for n in range(15)]
    below = _page(round(LIMIT * 0.69), "below#members x")
    found = [one.partition for one in measured([*small[:9], *large, below, *small[9:]])]
    assert found == [
        *[f"l{n}#members" for n in reversed(range(15))],
        "below#members",
        *[f"s{n}#members" for n in range(20, 11, -1)],
    ]


@pytest.mark.parametrize(("share", "kept"), [(0.69, 10), (0.7, 20), (0.71, 20)])
def test_what_is_near_is_not_dropped_from_seventy_percent_on(share: float, kept: int) -> None:
    pages = [_page(round(LIMIT * share), f"s{n}#members x") for n in range(20)]
    assert len(measured(pages)) == kept


def test_what_a_table_has_grown_by_tells_nothing_once_it_is_smaller_or_the_count_is_old() -> None:
    counted = Noted(_NOW, 500, Size("ann#0", 100, "notes"))
    assert [counted.grown(size, _NOW) for size in (499, 500, 501, 900)] == [None, 0, 1, 400]
    week = GOOD_FOR * 24 * 3600 * 1_000_000
    assert [counted.grown(501, _NOW + later) for later in (week, week + 1)] == [1, None]


# A table


def _store(on: Engine, *declared: Collection) -> DynamoDBRecordStore:
    clock = ManualClock(SystemClock().now())
    return DynamoDBRecordStore(on.clients, clock, SystemIds(), Catalog(declared), table=on.table)


def test_nothing_is_noted_before_a_count(each: Engine) -> None:
    assert noted(Table(each.clients, each.table)) is None


def test_the_largest_is_noted_for_later(each: Engine) -> None:
    table = Table(each.clients, each.table)
    assert count(table, _NOW, lambda _: None) == []
    assert noted(table) == Noted(_NOW, 0, Size("", 0, ""))
    _store(each).write([Put(Key("public", "notes", "a"), "ann", Data.of({}))])
    told = table_sizes.whole(table.describe())
    found = count(table, _NOW + 1, lambda _: None)
    assert found[0] in [one for one in found if one.collection == "notes"]
    assert noted(table) == Noted(_NOW + 1, told, found[0])


def test_a_count_comes_near_to_what_was_written(each: Engine) -> None:
    clients = Clients(session=each.session)
    if not each.fetches:
        _meter(clients)
    store = _store(replace(each, clients=clients), Collection("notes", shards=4))
    text = "x" * 65_536
    for n in range(40):
        store.write([Put(Key("public", "notes", f"n{n}"), "ann", Data.of({"text": text}))])
    store.write([Put(Key("ann", "notes", "small"), "ann", Data.of({}))])
    pages: list[int] = []
    found = store.count_sizes(pages.append, 1e9)
    assert len(pages) >= 3
    shards = {one.partition: one.bytes for one in found if one.partition.startswith("public#")}
    assert set(shards) == {f"public#{n}" for n in range(4)}
    assert sum(shards.values()) == pytest.approx(40 * 65_536, rel=0.05)
    assert {one.collection for one in found if one.partition in shards} == {"notes"}


def _meter(clients: Clients) -> None:
    """Let a scan tell what it takes as DynamoDB documents it: by the size of whole items, 4 KB at
    half a unit where it is not consistent. The emulators say the same of every page."""

    def ask_for_all(params: dict[str, Any], **_: object) -> None:
        if "ReturnConsumedCapacity" in params:  # the look of a first write asks for none
            del params["ProjectionExpression"], params["ExpressionAttributeNames"]

    def add(parsed: dict[str, Any], **_: object) -> None:
        size = sum(_size(item) for item in parsed["Items"])
        if "ConsumedCapacity" in parsed:
            parsed["ConsumedCapacity"]["CapacityUnits"] = -(-size // 4096) / 2

    events: Any = clients.get("dynamodb").meta.events
    events.register("before-parameter-build.dynamodb.Scan", ask_for_all)
    events.register("after-call.dynamodb.Scan", add)


def _size(value: Any) -> int:
    """Of an item or a part of one, in bytes, a little too much."""
    if isinstance(value, dict):
        return sum(len(str(name)) + _size(one) for name, one in value.items())
    return len(str(value))


class _Pages(Table):
    """A table of three pages, of which each takes so many units."""

    def __init__(self, units: float) -> None:
        super().__init__(Clients(), "none")
        self._units = units
        self._left = 3

    def describe(self) -> dict[str, object]:
        return {}

    def scan_metered(self, **request: object) -> tuple[list[object], object, float]:  # type: ignore[override]
        self._left -= 1
        return [], {"pk": {"S": "x"}} if self._left else None, self._units

    def update(self, request: object) -> Item:
        return {}


def test_it_waits_between_pages_so_that_others_can_read() -> None:
    waited: list[float] = []
    count(_Pages(128), _NOW, lambda _: None, rate=256, sleep=waited.append)
    assert waited == [0.5, 0.5]


def test_what_describe_table_says_is_the_table_and_its_index() -> None:
    told = {"TableSizeBytes": 70, "LocalSecondaryIndexes": [{"IndexSizeBytes": 7}, {}]}
    assert table_sizes.whole(told) == 77
    assert table_sizes.whole({}) == 0
