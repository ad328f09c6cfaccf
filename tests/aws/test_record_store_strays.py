"""Collections that were written before the definition declared them with several shards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from homeport.adapters.aws import table_layout
from homeport.adapters.aws.clients import Clients
from homeport.adapters.aws.record_store import DynamoDBRecordStore
from homeport.adapters.aws.table import LAYOUT, item_key
from homeport.adapters.memory.clock import ManualClock
from homeport.adapters.system import SystemClock, SystemIds
from homeport.domain.errors import Unavailable
from homeport.domain.model.collection import Catalog, Collection
from homeport.domain.model.record import Key, Record
from homeport.domain.ports.record_store import Order
from homeport.testing.record_support import START, delete, do, put
from tests.aws.calls import Calls
from tests.aws.conftest import Engine

_LATER = "later"
_FOUR = Collection(_LATER, shards=4)
_CURE = "collections.later.shards = 1"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(SystemClock().now())


def _store(on: Engine, clock: ManualClock, *declared: Collection) -> DynamoDBRecordStore:
    return DynamoDBRecordStore(on.clients, clock, SystemIds(), Catalog(declared), table=on.table)


def _keys(count: int) -> list[Key]:
    return [Key(f"space{n % 2}", _LATER, f"r{n}") for n in range(count)]


def _write(store: DynamoDBRecordStore, keys: Sequence[Key]) -> list[Record]:
    return [do(store, put(key)) for key in keys]


def test_older_records_are_read_and_no_new_ones_hide_them(each: Engine, clock: ManualClock) -> None:
    records = _write(_store(each, clock), _keys(8))
    store = _store(each, clock, _FOUR)
    by_change = tuple(sorted(records[1::2], key=lambda record: record.version))
    assert store.get_many(_keys(8)) == records
    assert store.page("space0", _LATER, Order.ID, 9).records == tuple(records[::2])
    assert store.changes("space1", None, START, 9).records == by_change
    for refused in (
        store.check,
        lambda: do(store, put(Key("elsewhere", _LATER, "r"))),
        lambda: do(store, delete(records[0].key)),
    ):
        with pytest.raises(Unavailable, match=_CURE):
            refused()
    (found,) = store.settle_shards(lambda _: None)
    assert (found.noted, {one.key for one in found.strays} <= set(_keys(8))) == (False, True)
    assert found.strays
    as_before = _store(each, clock, Collection(_LATER))
    as_before.check()
    _write(as_before, _keys(9))


def test_tombstones_count_and_other_collections_do_not(each: Engine, clock: ManualClock) -> None:
    before = _store(each, clock)
    _write(before, [Key("space", "lat", "r"), Key("space", "later2", "r1")])
    (key,) = _keys(1)
    do(before, put(key))
    do(before, delete(key))
    with pytest.raises(Unavailable, match=_CURE):
        do(_store(each, clock, Collection(_LATER, shards=5)), put(Key("space", _LATER, "r")))
    other = _store(each, clock, Collection("late", shards=4))
    other.check()
    do(other, put(Key("space", "late", "r")))


def test_records_that_stand_where_they_will_be_looked_for_are_no_hindrance(
    each: Engine, clock: ManualClock
) -> None:
    keys = [key for key in _keys(40) if _shard(key) == 0]
    records = _write(_store(each, clock), keys)
    store = _store(each, clock, _FOUR)
    _write(store, [Key("space0", _LATER, "new")])
    assert store.get_many(keys) == records


def _shard(key: Key) -> int:
    from homeport.adapters.aws.table import shard_of

    return shard_of(key.id, 4)


def test_the_look_is_had_once(each: Engine, clock: ManualClock) -> None:
    clients = Clients(session=each.session)
    calls = Calls()
    calls.watch(clients)
    store = _store(replace(each, clients=clients), clock, _FOUR)
    _write(store, _keys(1))
    assert calls.names["Scan"] == 1
    _write(store, _keys(3))
    _write(_store(replace(each, clients=clients), clock, _FOUR), _keys(4))
    assert calls.names["Scan"] == 1


def test_a_table_that_is_too_large_for_a_glance_is_looked_through_by_the_command(
    each: Engine, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_layout, "strays", lambda *_: iter([[]] * 9))
    store = _store(each, clock, _FOUR)
    for refused in (store.check, lambda: _write(store, _keys(1))):
        with pytest.raises(Unavailable, match="run `homeport shards`"):
            refused()
    pages: list[int] = []
    (found,) = store.settle_shards(pages.append)
    assert (found.shards, found.noted, found.noted_before, found.strays) == (4, True, False, ())
    assert sum(pages) >= 8  # one for each segment
    store.check()
    _write(store, _keys(8))
    (again,) = store.settle_shards(pages.append)
    assert (again.noted_before, again.strays) == (True, ())


def test_an_older_process_learns_of_the_shards_within_a_minute(
    each: Engine, clock: ManualClock
) -> None:
    """It does not declare the collection. What it wrote until then is told, and still exported."""
    older = _store(each, clock)
    _write(older, _keys(2))
    _write(older, [Key("space", "plain", "r")])
    fresh = Collection("fresh", shards=4)
    newer = _store(each, clock, fresh)
    keys = [Key("space", "fresh", f"r{n}") for n in range(12)]
    records = _write(newer, keys[:4])
    lost = _write(older, keys[4:8])
    assert newer.get_many(keys[4:8]) != lost
    clock.advance(61)
    assert older.get_many(keys[:4]) == records
    records += _write(older, keys[8:])
    assert newer.get_many(keys[8:]) == records[4:]
    (found,) = newer.settle_shards(lambda _: None)
    assert found.noted_before
    strays = {one.key for one in found.strays}
    assert strays == {one.key for one in lost if newer.get(one.key) != one}
    for store in (older, newer):
        assert {one.key for one in _scanned(store)} >= set(keys)


def _scanned(store: DynamoDBRecordStore) -> list[Record]:
    """One at a time: each page's end is the next one's beginning, strays included."""
    found: list[Record] = []
    while len(found) < 40:
        page = store.scan(0, 1, 1, found[-1].key if found else None)
        if not page:
            return found
        found += page
    raise AssertionError("a scan that does not end")


def test_a_record_that_stands_twice_stops_a_scan_with_what_to_do(
    each: Engine, clock: ManualClock
) -> None:
    older, newer = _store(each, clock), _store(each, clock, _FOUR)
    older.check()
    (key,) = [key for key in _keys(9) if _shard(key)][:1]
    do(newer, put(key))
    do(older, put(key))
    with pytest.raises(Unavailable, match=f"{key.id} stands in the table twice"):
        newer.scan(0, 1, 1, key)


def test_readers_of_changes_miss_no_shards_for_longer_than_they_look_back(
    each: Engine, clock: ManualClock
) -> None:
    older, newer = _store(each, clock), _store(each, clock, _FOUR)
    assert not older.changes("space0", None, START, 9).records
    clock.advance(4)
    record, *_ = _write(newer, [Key("space0", _LATER, f"s{n}") for n in range(8)])
    horizon = older.changes("space0", None, START, 9).horizon
    assert horizon < record.version  # or else whoever read this would never look again
    clock.advance(2)
    for collection in (None, _LATER):
        assert len(older.changes("space0", collection, START, 9).records) == 8


def test_a_number_that_another_process_has_changed_is_refused_within_a_minute(
    each: Engine, clock: ManualClock
) -> None:
    older = _store(each, clock, Collection("plain"), Collection(_LATER))
    _write(older, [Key("space", "plain", "r")])
    _write(_store(each, clock, _FOUR), _keys(1))
    clock.advance(61)
    with pytest.raises(Unavailable, match="shards = 4, or export"):
        older.get(_keys(1)[0])
    noted = each.clients.get("dynamodb").get_item(TableName=each.table, Key=item_key(*LAYOUT))
    assert noted.get("Item", {})["c_later"] == {"N": "4"}
