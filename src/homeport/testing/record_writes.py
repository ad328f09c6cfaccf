"""The record store's contract: reading back, conditions, batches, patches, limits, threads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from functools import partial
from typing import Any, Final, final

import pytest

from homeport.adapters.memory.clock import ManualClock
from homeport.domain import limits
from homeport.domain.errors import Invalid, TooLarge
from homeport.domain.model import versions
from homeport.domain.model.data import Data
from homeport.domain.model.record import Key, Record
from homeport.domain.model.writes import (
    Delete,
    Expect,
    Expectation,
    Patch,
    Put,
    Reason,
    Write,
    WriteRefused,
)
from homeport.domain.ports.record_store import RecordStore
from homeport.testing.contract import skip_unless
from homeport.testing.record_support import (
    ANNA,
    BEN,
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

_MISSING, _ALIVE, _DELETED = "missing", "alive", "deleted"
_ITS_VERSION, _ANOTHER_VERSION = "its version", "another version"
_EXISTS, _NO, _VERSION, _OK = Reason.EXISTS, Reason.MISSING, Reason.VERSION, None

_CONDITIONS: Final = [
    # What is expected, and the outcome where the record is missing, alive, deleted: of a put...
    ("put", Expect.ANYTHING, (_OK, _OK, _OK)),
    ("put", Expect.PRESENT, (_NO, _OK, _NO)),
    ("put", Expect.ABSENT, (_OK, _EXISTS, _OK)),
    ("put", Expect.NEVER, (_OK, _EXISTS, _EXISTS)),
    ("put", _ITS_VERSION, (_NO, _OK, _NO)),
    ("put", _ANOTHER_VERSION, (_NO, _VERSION, _NO)),
    # ... and of a patch or a deletion.
    ("change", Expect.ANYTHING, (_NO, _OK, _NO)),
    ("change", Expect.PRESENT, (_NO, _OK, _NO)),
    ("change", _ITS_VERSION, (_NO, _OK, _NO)),
    ("change", _ANOTHER_VERSION, (_NO, _VERSION, _NO)),
]


def _cases() -> list[Any]:
    cases = []
    for kind, expect, outcomes in _CONDITIONS:
        for make in ("put",) if kind == "put" else ("patch", "delete"):
            for state, reason in zip((_MISSING, _ALIVE, _DELETED), outcomes, strict=True):
                name = f"{make}-expecting-{getattr(expect, 'value', expect)}-{state}"
                cases.append(pytest.param(make, expect, state, reason, id=name))
    return cases


def _bring_about(store: RecordStore, at: Key, state: str) -> Record | None:
    """Bring a record into a state, and return it as it then is."""
    if state == _MISSING:
        return None
    do(store, put(at, {"n": 1}))
    record = do(store, put(at, {"n": 2, "kept": True}))
    return do(store, delete(at)) if state == _DELETED else record


class WritesContract(RecordStoreSupport):
    """Single records and batches."""

    # Reading back

    @final
    def test_what_was_written_is_read(self, store: RecordStore, space: str) -> None:
        record = do(store, put(key(space), {"title": "Kühlschrank", "n": 1}))
        assert record.key == key(space)
        assert record.author == ANNA
        assert record.version > versions.NEVER
        assert record.created == record.version
        assert record.data == {"title": "Kühlschrank", "n": 1}
        assert store.get(key(space)) == record

    @final
    def test_what_never_was_is_none(self, store: RecordStore, space: str) -> None:
        do(store, put(key(space, "r")))
        assert store.get(key(space, "other")) is None
        assert store.get(key(space, "r", "tasks")) is None
        assert store.get(key(f"{space}2", "r")) is None

    @final
    def test_keys_that_look_alike_are_different_records(
        self, store: RecordStore, space: str
    ) -> None:
        keys = [
            key(owner, name, collection)
            for owner in (space, f"{space}-", f"{space}_a", f".{space}")
            for collection in ("a", "a_b", "b")
            for name in ("a", "A", "a.b", "a-b", "a_b", "b")
        ]
        for number, one in enumerate(keys):
            do(store, put(one, {"n": number}))
        for number, one in enumerate(keys):
            record = store.get(one)
            assert record is not None and record.key == one and record.data == {"n": number}

    @final
    def test_the_longest_names_are_kept(self, store: RecordStore, space: str) -> None:
        longest = Key(f".{space:-<128}", "c" * 64, "i" * 128)
        record = do(store, put(longest))
        assert store.get(longest) == record

    @final
    def test_many_are_read_in_the_order_asked_for(self, store: RecordStore, space: str) -> None:
        records = [do(store, put(key(space, f"r{n}"), {"n": n})) for n in range(5)]
        tombstone = do(store, delete(key(space, "r1")))
        asked = [key(space, name) for name in ("r4", "none", "r1", "r0")]
        assert store.get_many(asked) == [records[4], None, tombstone, records[0]]

    @final
    def test_a_hundred_are_read_at_once(self, store: RecordStore, space: str) -> None:
        record = do(store, put(key(space, "r99")))
        asked = [key(space, f"r{n}") for n in range(100)]
        assert store.get_many(asked) == [None] * 99 + [record]
        with pytest.raises(Invalid):
            store.get_many([*asked, key(space, "r100")])

    @final
    @pytest.mark.parametrize(
        "text",
        [
            '{"int": 12345678901234567890123456789012345678, "negative": -1, "zero": 0}',
            '{"large": 9.9999999999999999999999999999999999999e125, "small": 1e-130}',
            '{"long": 0.12345678901234567890123456789012345678, "short": 0.1, "half": 1.50}',
            '{"exponent": 1E+30, "minus": -2.5e-7, "list": [1, 2.25, [3]], "o": {"n": 7}}',
            '{"yes": true, "no": false, "nothing": null, "empty": {}, "none": [], "": ""}',
            '{"text": "a\\u0000b \\ud83d\\ude00 \u00e4\u4e16 \\"quoted\\" \\\\ \\n"}',
            '{"\u00e4 \U0001f600": 1, "a.b": 2, "$set": 3, "#": 4, ":x": 5, "\\u0000": 6}',
        ],
    )
    def test_json_comes_out_as_it_went_in(self, store: RecordStore, space: str, text: str) -> None:
        before = Data.parse(text)
        do(store, Put(key(space), ANNA, before))
        record = store.get(key(space))
        assert record is not None and record.data is not None
        assert record.data == before
        for name, value in before.items():
            kept = record.data[name]
            assert isinstance(kept, bool) == isinstance(value, bool)
            assert isinstance(kept, int) == isinstance(value, int), f"{name} changed its type"
            if isinstance(value, int | float | Decimal):
                assert Decimal(repr(kept) if isinstance(kept, float) else kept) == Decimal(
                    repr(value) if isinstance(value, float) else value
                ), f"{name} was rounded"

    @final
    def test_what_a_record_was_created_with_is_kept_until_it_is_created_again(
        self, store: RecordStore, space: str
    ) -> None:
        at = key(space)
        made = do(store, replace(put(at), first="one"))
        assert made.first == "one"
        do(store, patch(at, {"n": 2}))
        assert do(store, replace(put(at), first="two")).first == "one"
        kept = store.get(at)
        assert kept is not None and kept.first == "one"
        do(store, delete(at))
        assert do(store, put(at)).first == ""

    # Versions

    @final
    def test_versions_grow_also_across_a_deletion(self, store: RecordStore, space: str) -> None:
        first = do(store, put(key(space)))
        second = do(store, put(key(space)))
        third = do(store, patch(key(space), {"n": 2}))
        tombstone = do(store, delete(key(space)))
        again = do(store, put(key(space)))
        seen = [one.version for one in (first, second, third, tombstone, again)]
        assert seen == sorted(set(seen))
        assert [one.created for one in (second, third)] == [first.version] * 2
        assert again.created == again.version

    @final
    def test_versions_of_a_batch_are_consecutive(self, store: RecordStore, space: str) -> None:
        do(store, put(key(space, "r3")))
        records = store.write([put(key(space, f"r{n}")) for n in (5, 3, 9, 1)])
        assert [record.key.id for record in records] == ["r5", "r3", "r9", "r1"]
        first = records[0].version
        assert [record.version for record in records] == [first + n for n in range(4)]

    @final
    def test_versions_tell_the_time(
        self, store: RecordStore, space: str, clock: ManualClock
    ) -> None:
        skip_unless(self.takes_clock, "the engine stamps with its own time")
        clock.advance(1)
        record = do(store, put(key(space)))
        assert versions.time_of(record.version) == clock.now()

    @final
    def test_versions_grow_when_the_clock_stands_or_is_set_back(
        self, store: RecordStore, space: str, clock: ManualClock
    ) -> None:
        skip_unless(self.takes_clock, "the engine stamps with its own time")
        seen = []
        for step in (0, 0, -3, -0.5, 2, 0, 10):
            clock.advance(step)
            seen.append(do(store, put(key(space))).version)
        assert seen == sorted(set(seen))

    # Conditions

    @final
    @pytest.mark.parametrize(("make", "expect", "state", "reason"), _cases())
    def test_conditions(
        self,
        store: RecordStore,
        space: str,
        make: str,
        expect: Expectation | str,
        state: str,
        reason: Reason | None,
    ) -> None:
        at = key(space)
        current = _bring_about(store, at, state)
        if isinstance(expect, str):
            version = 1 if current is None else current.version
            expect = version if expect == _ITS_VERSION else version - 1
        write: Write
        if make == "put":
            write = put(at, {"n": 3}, expect)
        elif make == "patch":
            write = patch(at, {"n": 3}, expect)
        else:
            write = delete(at, expect)
        if reason is not None:
            with pytest.raises(WriteRefused) as refused:
                do(store, write)
            assert (refused.value.reason, refused.value.index) == (reason, 0)
            assert refused.value.current == current
            assert store.get(at) == current
            return
        record = do(store, write)
        expected = {"put": {"n": 3}, "patch": {"n": 3, "kept": True}, "delete": None}[make]
        assert record.data == expected
        assert current is None or record.version > current.version
        assert store.get(at) == record

    # Authors and tombstones

    @final
    def test_the_author_stays(self, store: RecordStore, space: str) -> None:
        do(store, put(key(space)))
        assert do(store, put(key(space), author=BEN)).author == ANNA
        assert do(store, Patch(key(space), BEN, {"n": 2})).author == ANNA
        assert do(store, Delete(key(space), BEN)).author == ANNA
        again = do(store, put(key(space), author=BEN))
        assert again.author == BEN
        assert store.get(key(space)) == again

    @final
    def test_a_tombstone_keeps_all_but_the_data(self, store: RecordStore, space: str) -> None:
        record = do(store, put(key(space), {"secret": "x"}))
        tombstone = do(store, delete(key(space)))
        assert tombstone.deleted and tombstone.data is None
        assert (tombstone.key, tombstone.author) == (record.key, record.author)
        assert tombstone.created == record.created
        assert tombstone.version > record.version
        assert store.get(key(space)) == tombstone

    @final
    def test_only_the_author_may_where_the_write_says_so(
        self, store: RecordStore, space: str
    ) -> None:
        at = key(space)
        theirs = do(store, put(at))
        strangers: list[Write] = [
            Put(at, BEN, Data.of({}), by_author_only=True),
            Patch(at, BEN, {"n": 2}, by_author_only=True),
            Delete(at, BEN, by_author_only=True),
        ]
        for write in strangers:
            with pytest.raises(WriteRefused) as refused:
                do(store, write)
            assert refused.value.reason is Reason.AUTHOR
            assert store.get(at) == theirs
        do(store, Patch(at, ANNA, {"n": 2}, by_author_only=True))
        tombstone = do(store, Delete(at, ANNA, by_author_only=True))
        with pytest.raises(WriteRefused) as refused:
            do(store, strangers[0])
        assert refused.value.reason is Reason.AUTHOR
        assert refused.value.current == tombstone
        assert do(store, Put(at, ANNA, Data.of({}), by_author_only=True)).author == ANNA
        new = do(store, Put(key(space, "new"), BEN, Data.of({}), by_author_only=True))
        assert new.author == BEN

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
