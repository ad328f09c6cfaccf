"""The record store's contract: following what changes, without ever missing anything."""

from __future__ import annotations

from functools import partial
from typing import final

import pytest

from homeport.adapters.memory.clock import ManualClock
from homeport.domain import limits
from homeport.domain.model.record import Position
from homeport.domain.model.writes import WriteRefused
from homeport.domain.ports.record_store import RecordStore
from homeport.testing.contract import skip_unless
from homeport.testing.histories import History, follow_writers
from homeport.testing.record_support import (
    NOTES,
    START,
    RecordStoreSupport,
    by_position,
    changed,
    delete,
    do,
    fill,
    key,
    put,
)


class ChangesContract(RecordStoreSupport):
    """Changes, horizons, and readers with checkpoints."""

    @final
    def test_changes_come_once_each_as_they_are_now(self, store: RecordStore, space: str) -> None:
        keys = [key(space, f"r{n}", name) for n in range(3) for name in (NOTES, "tasks")]
        current = {record.key: record for record in fill(store, keys)}
        current[keys[0]] = do(store, put(keys[0], {"n": 2}))
        current[keys[3]] = do(store, delete(keys[3]))
        current[keys[0]] = do(store, put(keys[0], {"n": 3}))
        expected = by_position(current.values())
        assert changed(store, space) == expected
        for name in (NOTES, "tasks"):
            of_one = [record for record in expected if record.key.collection == name]
            assert changed(store, space, name) == of_one

    @final
    @pytest.mark.parametrize("limit", [1, 2, 5, 100])
    def test_changes_come_in_pages(self, store: RecordStore, space: str, limit: int) -> None:
        keys = [key(space, f"r{n}", f"c{n % 3}") for n in range(11)]
        records = store.write([put(one) for one in keys[:6]]) + fill(store, keys[6:])
        records[2] = do(store, delete(keys[2]))
        assert changed(store, space, limit=limit) == by_position(records)
        of_one = [record for record in records if record.key.collection == "c0"]
        assert changed(store, space, "c0", limit=limit) == by_position(of_one)

    @final
    @pytest.mark.parametrize("collection", [None, NOTES])
    def test_more_is_said_exactly_where_rows_remain(
        self, store: RecordStore, space: str, collection: str | None
    ) -> None:
        fill(store, [key(space, "other", "aaa")] if collection else [])
        records = by_position(fill(store, [key(space, f"r{n}") for n in range(4)]))
        look = partial(store.changes, space, collection)
        assert not look(START, 4).more
        assert look(START, 3).more
        assert not look(records[-1].position, 1).more
        through = records[1].version
        asked_for = sum(record.version <= through for record in records)
        assert not look(START, asked_for, through).more
        assert look(START, asked_for - 1, through).more

    @final
    def test_changes_start_right_after_a_position(self, store: RecordStore, space: str) -> None:
        records = store.write([put(key(space, f"r{n}", f"c{n % 2}")) for n in range(6)])
        for place, record in enumerate(records):
            for collection in (None, "c0", "c1"):
                rest = [
                    later
                    for later in records[place + 1 :]
                    if collection in (None, later.key.collection)
                ]
                page = store.changes(space, collection, record.position, 10)
                assert list(page.records) == rest
        after_all = Position(records[-1].version + 1)
        assert store.changes(space, None, after_all, 10).records == ()

    @final
    @pytest.mark.parametrize("collection", [None, "c0"])
    def test_a_position_that_is_no_record_is_a_place_too(
        self, store: RecordStore, space: str, collection: str | None
    ) -> None:
        (record,) = store.write([put(key(space, "m", "c0"))])
        version = record.version
        before = [
            Position(version),
            Position(version, "c0"),
            Position(version, "c0", "a"),
            Position(version, "a"),
        ]
        beyond = [Position(version, "c0", "z"), Position(version, "z"), Position(version + 1)]
        for place in before:
            assert store.changes(space, collection, place, 10).records == (record,)
        for place in beyond:
            assert store.changes(space, collection, place, 10).records == ()

    @final
    def test_changes_end_at_a_version_if_asked_to(self, store: RecordStore, space: str) -> None:
        records = by_position(fill(store, [key(space, f"r{n}", f"c{n % 2}") for n in range(6)]))
        through = records[3].version
        expected = [record for record in records if record.version <= through]
        page = store.changes(space, None, START, 10, through)
        assert list(page.records) == expected
        page = store.changes(space, None, records[0].position, 10, through)
        assert list(page.records) == expected[1:]
        page = store.changes(space, "c0", START, 10, through)
        assert list(page.records) == [one for one in expected if one.key.collection == "c0"]
        assert store.changes(space, None, START, 10, records[0].version - 1).records == ()

    @final
    def test_changes_are_of_one_space(self, store: RecordStore, space: str) -> None:
        mine = do(store, put(key(space)))
        fill(store, [key(f"{space}2"), key(f".{space}"), key(space[:-1]), key("public")])
        assert changed(store, space) == [mine]
        assert changed(store, f"{space}3") == []

    @final
    def test_some_collections_can_be_left_out(self, store: RecordStore, space: str) -> None:
        keys = [key(space, f"r{n}", f"c{n % 4}") for n in range(12)]
        records = store.write([put(one) for one in keys])
        besides = frozenset({"c0", "c2", "unknown"})
        wanted = [record for record in records if record.key.collection not in besides]
        page = store.changes(space, None, START, len(wanted), besides=besides)
        assert (list(page.records), page.more) == (wanted, False)
        page = store.changes(space, None, START, 2, besides=besides)
        assert (list(page.records), page.more) == (wanted[:2], True)
        page = store.changes(space, None, wanted[1].position, 2, besides=besides)
        assert list(page.records) == wanted[2:4]
        everything = frozenset({"c0", "c1", "c2", "c3"})
        assert store.changes(space, None, START, 2, besides=everything).records == ()

    @final
    def test_hundreds_of_collections_come_in_one_order(
        self, store: RecordStore, space: str
    ) -> None:
        keys = [key(space, f"r{n // 300}", f"c{n * 7 % 300:03}") for n in range(400)]
        records = [
            record
            for start in range(0, len(keys), limits.BATCH_WRITES)
            for record in store.write(
                [put(one) for one in keys[start : start + limits.BATCH_WRITES]]
            )
        ]
        records[0] = do(store, put(keys[0], {"n": 2}))
        records[1] = do(store, delete(keys[1]))
        expected = by_position(records)
        assert changed(store, space) == expected
        assert changed(store, space, limit=37) == expected
        besides = frozenset(f"c{n:03}" for n in range(0, 300, 2))
        wanted = [record for record in expected if record.key.collection not in besides]
        page = store.changes(space, None, wanted[20].position, 30, besides=besides)
        assert (list(page.records), page.more) == (wanted[21:51], True)
        page = store.changes(
            space, None, wanted[20].position, 30, wanted[40].version, besides=besides
        )
        through = [record for record in wanted[21:] if record.version <= wanted[40].version]
        assert (list(page.records), page.more) == (through[:30], len(through) > 30)

    @final
    @pytest.mark.parametrize("collection", [None, NOTES])
    def test_a_page_of_changes_ends_once_it_holds_a_megabyte(
        self, store: RecordStore, space: str, collection: str | None
    ) -> None:
        size = 300_000
        records = [do(store, put(key(space, f"r{n}"), {"text": "x" * size})) for n in range(5)]
        page = store.changes(space, collection, START, 100)
        assert 0 < len(page.records) * size <= limits.STORE_PAGE_BYTES + size
        assert page.more
        assert changed(store, space, collection) == by_position(records)

    @final
    def test_a_refused_write_changes_nothing(self, store: RecordStore, space: str) -> None:
        record = do(store, put(key(space)))
        with pytest.raises(WriteRefused):
            do(store, put(key(space), expect=record.version - 1))
        assert store.changes(space, None, record.position, 10).records == ()

    # The horizon

    @final
    def test_the_horizon_is_never_behind_where_no_commit_is_late(
        self, store: RecordStore, space: str
    ) -> None:
        skip_unless(not self.commits_late, "commits can be late")
        for n in range(3):
            record = do(store, put(key(space, f"r{n}")))
            assert store.changes(space, None, START, 1).horizon >= record.version

    @final
    def test_nothing_appears_at_or_below_the_horizon(
        self, store: RecordStore, space: str, clock: ManualClock
    ) -> None:
        for step in (0.0, 1.0, -0.5, 0.0, -1.0, 5.0):
            if self.takes_clock:
                clock.advance(step)
            horizon = store.changes(space, None, START, 1).horizon
            assert do(store, put(key(space))).version > horizon
            assert do(store, put(key(space, f"new{step}"))).version > horizon

    # Readers

    @final
    @pytest.mark.parametrize("group", range(10))
    def test_no_reader_ever_misses_a_change(
        self, store: RecordStore, space: str, clock: ManualClock, group: int
    ) -> None:
        for seed in range(group, self.histories, 10):
            history = History(
                store,
                f"{space}-{seed}",
                seed,
                clock if self.takes_clock else None,
                partial(self.stamp_early, store) if self.commits_late else None,
                self.window,
            )
            try:
                history.run()
            except AssertionError as exc:
                raise AssertionError(f"history {seed}: {exc}") from exc

    @final
    def test_a_reader_beside_writers_misses_nothing(
        self, store: RecordStore, space: str, clock: ManualClock
    ) -> None:
        follow_writers(store, space, clock if self.takes_clock else None)
