"""The record store's contract: patches, batches, sizes, and many writers at once."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from functools import partial
from typing import Any, final

import pytest

from homeport.domain import limits
from homeport.domain.errors import Invalid, TooLarge
from homeport.domain.model.data import Data
from homeport.domain.model.record import Record
from homeport.domain.model.writes import (
    Expect,
    Put,
    Reason,
    WriteRefused,
)
from homeport.domain.ports.record_store import RecordStore
from homeport.testing.record_support import (
    ANNA,
    RecordStoreSupport,
    at_once,
    changed,
    delete,
    do,
    key,
    listed,
    patch,
    put,
)


class BatchesContract(RecordStoreSupport):
    """What is more than one plain write."""

    # Patches

    @final
    @pytest.mark.parametrize(
        ("before", "change", "after"),
        [
            ({"a": 1}, {"b": 2}, {"a": 1, "b": 2}),
            ({"a": 1, "b": 2}, {"a": None}, {"b": 2}),
            ({"a": 1}, {"none": None}, {"a": 1}),
            ({"a": {"x": 1, "y": 2}}, {"a": {"x": None, "z": 3}}, {"a": {"y": 2, "z": 3}}),
            ({"a": [1, 2]}, {"a": [3]}, {"a": [3]}),
            ({"a": 1}, {"a": {"b": {"c": None, "d": 1}}}, {"a": {"b": {"d": 1}}}),
            ({"a": {"b": 1}}, {"a": "text"}, {"a": "text"}),
            ({"a b.c": 1, "": 2}, {"a b.c": 3, "": None}, {"a b.c": 3}),
            ({"a": 1}, {}, {"a": 1}),
            ({"a": [1]}, {"a": [None, {"b": None}]}, {"a": [None, {"b": None}]}),
        ],
    )
    def test_a_patch_is_merged(
        self,
        store: RecordStore,
        space: str,
        before: dict[str, Any],
        change: dict[str, Any],
        after: dict[str, Any],
    ) -> None:
        first = do(store, put(key(space), before))
        record = do(store, patch(key(space), change))
        assert record.data == after
        assert record.version > first.version and record.created == first.created
        assert store.get(key(space)) == record

    @final
    def test_a_patch_keeps_other_numbers_as_they_were(self, store: RecordStore, space: str) -> None:
        long = "0.12345678901234567890123456789012345678"
        do(store, Put(key(space), ANNA, Data.parse(f'{{"long": {long}, "n": 1}}')))
        record = do(store, patch(key(space), {"n": Decimal("2.5")}))
        assert record.data == {"long": Decimal(long), "n": Decimal("2.5")}
        assert store.get(key(space)) == record

    # Batches

    @final
    def test_a_batch_is_done_whole(self, store: RecordStore, space: str) -> None:
        do(store, put(key(space, "old"), {"a": 1}))
        do(store, put(key(space, "gone")))
        records = store.write(
            [
                put(key(space, "new"), {"n": 1}, Expect.ABSENT),
                patch(key(space, "old"), {"b": 2}),
                delete(key(space, "gone")),
                put(key(f"{space}2", "new", "tasks"), {"n": 2}),
            ]
        )
        assert [record.data for record in records] == [{"n": 1}, {"a": 1, "b": 2}, None, {"n": 2}]
        assert store.get_many([record.key for record in records]) == records

    @final
    def test_a_batch_is_refused_whole_for_its_first_refusal(
        self, store: RecordStore, space: str
    ) -> None:
        taken = do(store, put(key(space, "taken")))
        before = store.changes(space, None, taken.position, 10).records
        with pytest.raises(WriteRefused) as refused:
            store.write(
                [
                    put(key(space, "a")),
                    delete(key(space, "b")),
                    put(key(space, "taken"), expect=Expect.ABSENT),
                    put(key(space, "c")),
                ]
            )
        assert (refused.value.index, refused.value.reason) == (1, Reason.MISSING)
        with pytest.raises(WriteRefused) as refused:
            store.write([put(key(space, "a")), put(key(space, "taken"), expect=Expect.NEVER)])
        assert (refused.value.index, refused.value.current) == (1, taken)
        assert store.get_many([key(space, name) for name in "abc"]) == [None] * 3
        assert store.get(taken.key) == taken
        assert store.changes(space, None, taken.position, 10).records == before
        assert listed(store, space) == [taken]

    @final
    def test_a_batch_is_refused_whole_for_a_record_too_large(
        self, store: RecordStore, space: str
    ) -> None:
        large = {"text": "x" * limits.RECORD_BYTES}
        with pytest.raises(TooLarge):
            store.write([put(key(space, "a")), put(key(space, "b"), large)])
        assert store.get_many([key(space, "a"), key(space, "b")]) == [None, None]

    @final
    def test_ninety_writes_fit_and_no_more(self, store: RecordStore, space: str) -> None:
        writes = [put(key(space, f"r{n:02}")) for n in range(limits.BATCH_WRITES)]
        with pytest.raises(Invalid):
            store.write([*writes, put(key(space, "one-more"))])
        assert listed(store, space) == []
        records = store.write(writes)
        assert listed(store, space) == records

    @final
    def test_a_batch_has_writes_of_different_records(self, store: RecordStore, space: str) -> None:
        for writes in ([], [put(key(space)), put(key(space))]):
            with pytest.raises(Invalid):
                store.write(writes)
        assert changed(store, space) == []

    # Sizes

    @final
    def test_a_record_may_be_large_but_not_too_large(self, store: RecordStore, space: str) -> None:
        record = do(store, put(key(space), {"text": "x" * 400_000}))
        assert store.get(key(space)) == record
        with pytest.raises(TooLarge):
            do(store, patch(key(space), {"more": "x" * 10_000}))
        with pytest.raises(TooLarge):
            do(store, put(key(space), {"text": "\u00e4" * 210_000}))
        assert store.get(key(space)) == record

    # Threads

    @final
    def test_of_many_writers_one_wins_each_version(self, store: RecordStore, space: str) -> None:
        record = do(store, put(key(space), {"by": -1}))
        for _ in range(4):
            outcomes = at_once(
                [partial(do, store, put(key(space), {"by": n}, record.version)) for n in range(6)]
            )
            winner = _only_winner(outcomes, Reason.VERSION)
            assert store.get(key(space)) == winner
            record = winner

    @final
    @pytest.mark.parametrize("expect", [Expect.ABSENT, Expect.NEVER])
    def test_of_many_creators_one_wins(
        self, store: RecordStore, space: str, expect: Expect
    ) -> None:
        for n in range(4):
            at = key(space, f"r{n}")
            create = partial(do, store, put(at, expect=expect))
            winner = _only_winner(at_once([create] * 6), Reason.EXISTS)
            assert store.get(at) == winner

    @final
    def test_patches_from_many_writers_all_last(self, store: RecordStore, space: str) -> None:
        do(store, put(key(space), {}))

        def work(writer: int) -> None:
            for n in range(8):
                do(store, patch(key(space), {f"{writer}-{n}": n, "shared": {f"{writer}": n}}))

        outcomes = at_once([partial(work, writer) for writer in range(4)])
        assert outcomes == [None] * 4
        record = store.get(key(space))
        assert record is not None and record.data is not None
        expected: dict[str, Any] = {f"{w}-{n}": n for w in range(4) for n in range(8)}
        assert record.data == expected | {"shared": {str(writer): 7 for writer in range(4)}}

    @final
    def test_batches_from_many_writers_stay_whole(self, store: RecordStore, space: str) -> None:
        keys = [key(space, f"r{n}") for n in range(5)]

        def work(writer: int) -> None:
            for _ in range(5):
                store.write([put(at, {"by": writer}) for at in keys])

        works: list[Callable[[], None]] = [partial(work, writer) for writer in range(4)]
        assert at_once(works) == [None] * 4
        records = [record for record in store.get_many(keys) if record is not None]
        assert len({record.data["by"] for record in records if record.data is not None}) == 1
        first = records[0].version
        assert [record.version for record in records] == [first + n for n in range(5)]


def _only_winner(outcomes: list[Record | Exception], reason: Reason) -> Record:
    winners = [outcome for outcome in outcomes if isinstance(outcome, Record)]
    assert len(winners) == 1, f"{len(winners)} writers won the same version"
    for outcome in outcomes:
        if not isinstance(outcome, Record):
            assert isinstance(outcome, WriteRefused), outcome
            assert (outcome.reason, outcome.current) == (reason, winners[0])
    return winners[0]
