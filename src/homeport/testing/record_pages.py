"""The record store's contract: pages of a collection, and scans of everything."""

from __future__ import annotations

from typing import Final, final

import pytest

from homeport.adapters.memory.clock import ManualClock
from homeport.domain import limits
from homeport.domain.errors import Invalid
from homeport.domain.model.record import Key, Position, Record
from homeport.domain.ports.record_store import Order, RecordStore
from homeport.testing.record_support import (
    NOTES,
    RecordStoreSupport,
    by_position,
    delete,
    do,
    fill,
    key,
    listed,
    pages,
    put,
)

_NAMES: Final = ("b", "a-b", "A", "_", "z", "a.b", "a", "-", "0", "aa", "a_b", "Z", "9")
_ORDERS: Final = pytest.mark.parametrize("order", list(Order))


def _sorted(records: list[Record], order: Order) -> list[Record]:
    """By the bytes of the id, or by version and id."""
    if order in (Order.ID, Order.ID_DESCENDING):
        records = sorted(records, key=lambda record: record.key.id.encode())
    else:
        records = by_position(records)
    return records[::-1] if order in (Order.ID_DESCENDING, Order.UPDATED_DESCENDING) else records


class PagesContract(RecordStoreSupport):
    """Pages and scans."""

    @final
    @_ORDERS
    @pytest.mark.parametrize("limit", [1, 3, 13, 100])
    def test_pages_hold_everything_in_order(
        self, store: RecordStore, space: str, order: Order, limit: int
    ) -> None:
        records = {record.key.id: record for record in fill(store, [key(space, n) for n in _NAMES])}
        for name in ("aa", "0", "z"):
            records[name] = do(store, put(key(space, name), {"n": 2}))
        for page in pages(store, space, order, limit):
            assert len(page) <= limit
        expected = _sorted(list(records.values()), order)
        assert listed(store, space, order, limit) == expected

    @final
    @_ORDERS
    def test_pages_hold_no_tombstones(self, store: RecordStore, space: str, order: Order) -> None:
        records = fill(store, [key(space, f"r{n}") for n in range(9)])
        for record in records[1::2]:
            do(store, delete(record.key))
        for limit in (2, 100):
            assert listed(store, space, order, limit) == _sorted(records[::2], order)
        for record in records[::2]:
            do(store, delete(record.key))
        assert listed(store, space, order) == []

    @final
    def test_pages_reach_beyond_any_number_of_tombstones(
        self, store: RecordStore, space: str
    ) -> None:
        first = do(store, put(key(space, "a")))
        keys = [key(space, f"m{n:04}") for n in range(1_100)]
        parts = [
            keys[start : start + limits.BATCH_WRITES]
            for start in range(0, len(keys), limits.BATCH_WRITES)
        ]
        for part in parts:
            store.write([put(one) for one in part])
        for part in parts:
            store.write([delete(one) for one in part])
        last = do(store, put(key(space, "z")))
        for order in Order:
            here, there = _sorted([first, last], order)
            for limit in (1, 100):
                assert listed(store, space, order, limit) == [here, there]
            rest = pages(store, space, order, after=here.position)
            assert [record for page in rest for record in page] == [there]

    @final
    @_ORDERS
    def test_pages_of_a_batch_hold_it_in_order(
        self, store: RecordStore, space: str, order: Order
    ) -> None:
        records = store.write([put(key(space, name)) for name in _NAMES])
        assert listed(store, space, order, 4) == _sorted(records, order)

    @final
    @_ORDERS
    def test_pages_hold_one_collection_of_one_space(
        self, store: RecordStore, space: str, order: Order
    ) -> None:
        mine = do(store, put(key(space)))
        fill(store, [key(space, "r", "note"), key(space, "r", "notes_"), key(space, "r", "aaa")])
        fill(store, [key(f"{space}2"), key(f".{space}"), key(space[:-1])])
        assert listed(store, space, order) == [mine]

    @final
    def test_there_is_nothing_in_an_unknown_collection(
        self, store: RecordStore, space: str
    ) -> None:
        page = store.page(space, NOTES, Order.ID, 10)
        assert (page.records, page.next) == ((), None)

    @final
    @_ORDERS
    def test_a_page_goes_on_where_its_place_was_deleted(
        self, store: RecordStore, space: str, order: Order
    ) -> None:
        records = fill(store, [key(space, f"r{n}") for n in range(6)])
        expected = _sorted(records, order)
        first = store.page(space, NOTES, order, 2)
        assert list(first.records) == expected[:2] and first.next is not None
        do(store, delete(expected[1].key))
        rest = store.page(space, NOTES, order, 100, first.next)
        assert list(rest.records) == expected[2:]

    @final
    def test_a_page_starts_beyond_any_place(self, store: RecordStore, space: str) -> None:
        records = fill(store, [key(space, f"r{n}") for n in range(5)])
        place = Position(records[2].version, NOTES, "r2")
        later = [record for record in by_position(records) if record.position > place]
        earlier = [record for record in by_position(records) if record.position < place]
        for order, expected in {
            Order.ID: records[3:],
            Order.ID_DESCENDING: records[1::-1],
            Order.UPDATED: later,
            Order.UPDATED_DESCENDING: earlier[::-1],
        }.items():
            assert list(store.page(space, NOTES, order, 10, place).records) == expected

    @final
    def test_what_is_written_again_is_the_last_updated(
        self, store: RecordStore, space: str, clock: ManualClock
    ) -> None:
        records = by_position(fill(store, [key(space, f"r{n}") for n in range(3)]))
        clock.advance(1)
        again = do(store, put(records[0].key))
        assert listed(store, space, Order.UPDATED) == [*records[1:], again]
        assert listed(store, space, Order.UPDATED_DESCENDING) == [again, *records[:0:-1]]

    @final
    @_ORDERS
    def test_a_page_ends_once_it_holds_a_megabyte(
        self, store: RecordStore, space: str, order: Order
    ) -> None:
        size = 300_000
        records = [do(store, put(key(space, f"r{n}"), {"text": "x" * size})) for n in range(5)]
        found = list(pages(store, space, order, 100))
        for page in found:
            assert len(page) * size <= limits.STORE_PAGE_BYTES + size
        assert [record for page in found for record in page] == _sorted(records, order)

    @final
    @pytest.mark.parametrize("limit", [-1, 0, 101])
    def test_a_page_has_1_to_100_records(self, store: RecordStore, space: str, limit: int) -> None:
        with pytest.raises(Invalid):
            store.page(space, NOTES, Order.ID, limit)

    # Scans

    @final
    @pytest.mark.parametrize(("segments", "limit"), [(1, 100), (1, 1), (3, 4), (8, 100)])
    def test_a_scan_sees_everything_once(
        self, store: RecordStore, space: str, segments: int, limit: int
    ) -> None:
        spaces = (space, f".{space}", f"{space}-2")
        records = {
            one: do(store, put(one))
            for one in (
                key(owner, name, collection)
                for owner in spaces
                for collection in (NOTES, "tasks")
                for name in ("a", "B", "c.d", "c-d")
            )
        }
        for name in ("a", "B"):
            records[key(space, name)] = do(store, delete(key(space, name)))
        seen = [
            record
            for segment in range(segments)
            for record in _scan(store, segment, segments, limit)
            if record.key.space in spaces
        ]
        assert len(seen) == len(records)
        assert {record.key: record for record in seen} == records

    @final
    def test_a_scan_sees_what_stays_while_others_write(
        self, store: RecordStore, space: str
    ) -> None:
        keys = [key(space, f"r{n:02}", f"c{n % 3}") for n in range(24)]
        fill(store, keys)
        seen: set[Key] = set()
        for segment in range(2):
            after: Key | None = None
            for turn in range(1000):
                found = store.scan(segment, 2, 3, after)
                if not found:
                    break
                seen.update(record.key for record in found)
                after = found[-1].key
                # Next to the place, before and behind it, and on it. Not forever: where the
                # place is the last of its segment, what comes behind it prolongs the scan.
                if turn < 40:
                    do(store, put(key(space, f"{after.id[:3]}-new{turn}", after.collection)))
                    do(store, put(key(space, f"new{turn}", "c0")))
                do(store, delete(after) if after in keys[::5] else put(after, {"n": 2}))
        assert set(keys) <= seen


def _scan(store: RecordStore, segment: int, segments: int, limit: int) -> list[Record]:
    records: list[Record] = []
    after: Key | None = None
    while found := store.scan(segment, segments, limit, after):
        assert len(found) <= limit
        records += found
        after = found[-1].key
    return records
