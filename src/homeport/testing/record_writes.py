"""The record store's contract: reading back, versions, conditions, authors."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final, final

import pytest

from homeport.adapters.memory.clock import ManualClock
from homeport.domain.errors import Invalid
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
    """Writes of single records."""

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
    def test_the_digest_of_the_first_data_stays(self, store: RecordStore, space: str) -> None:
        at = key(space)
        assert do(store, Put(at, ANNA, Data.of({"n": 1}), first="digest")).first == "digest"
        assert do(store, Put(at, ANNA, Data.of({"n": 2}), first="another")).first == "digest"
        record = do(store, patch(at, {"n": 3}))
        assert record.first == "digest"
        assert store.get(at) == record
        assert listed(store, space) == changed(store, space) == [record]
        do(store, delete(at))
        again = do(store, put(at))
        assert again.first == ""
        assert store.get(at) == again

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
