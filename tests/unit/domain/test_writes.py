"""What a write makes of a record, and when it is refused."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from homeport.domain import limits
from homeport.domain.errors import Invalid, TooLarge
from homeport.domain.model.data import Data, stored_size
from homeport.domain.model.record import Key, Record
from homeport.domain.model.store_rules import check_count, check_key, check_transaction
from homeport.domain.model.writes import (
    Delete,
    Expect,
    Expectation,
    Patch,
    Put,
    Reason,
    Write,
    WriteRefused,
    check_size,
    resolve,
)
from tests.unit.domain.tables import check, pointers

KEY = Key("space", "notes", "r")
ALIVE = Record(KEY, "anna", 20, 10, Data.of({"a": 1, "b": {"c": 2}}))
TOMBSTONE = ALIVE._replace(data=None)
PUT = Put(KEY, "ben", Data.of({"new": True}))
PATCH = Patch(KEY, "ben", {"a": 3, "b": {"c": None}})
DELETE = Delete(KEY, "ben")


def _refused(write: Write, current: Record | None) -> Reason:
    with pytest.raises(WriteRefused) as refused:
        resolve(write, current, 30, index=7)
    assert refused.value.index == 7
    assert refused.value.current is current
    return refused.value.reason


def _reason(write: Write, current: Record | None) -> Reason | None:
    """Why it is refused, or None where it goes through at its version."""
    try:
        assert resolve(write, current, 30).version == 30
    except WriteRefused:
        return _refused(write, current)
    return None


class TestWhatBecomesOfARecord:
    @pytest.mark.parametrize("current", [None, TOMBSTONE])
    def test_a_new_one(self, current: Record | None) -> None:
        assert resolve(PUT, current, 30) == Record(KEY, "ben", 30, 30, Data.of({"new": True}))

    def test_a_replaced_one_keeps_its_author_and_creation(self) -> None:
        assert resolve(PUT, ALIVE, 30) == ALIVE._replace(version=30, data=Data.of({"new": True}))

    def test_a_patched_one(self) -> None:
        record = resolve(PATCH, ALIVE, 30)
        assert record == ALIVE._replace(version=30, data=Data.of({"a": 3, "b": {}}))
        assert record.data is not None and record.data.text == '{"a":3,"b":{}}'
        assert ALIVE.data == {"a": 1, "b": {"c": 2}}

    def test_a_deleted_one_leaves_a_tombstone(self) -> None:
        record = resolve(DELETE, ALIVE, 30)
        assert record == ALIVE._replace(version=30, data=None)
        assert record.deleted

    def test_the_digest_of_the_first_data_stays_until_it_is_made_anew(self) -> None:
        first = resolve(replace(PUT, first="digest"), None, 30)
        assert first.first == "digest"
        for write in (replace(PUT, first="another"), PATCH, DELETE):
            assert resolve(write, first, 40).first == "digest"
        assert resolve(PUT, first._replace(data=None), 40).first == ""

    def test_a_patch_keeps_long_numbers(self) -> None:
        long = Decimal("0.1234567890123456789012345678")
        current = ALIVE._replace(data=Data.parse(f'{{"long": {long}}}'))
        record = resolve(PATCH, current, 30)
        assert record.data is not None and record.data["long"] == long


class TestConditions:
    def test_of_a_put(self) -> None:
        def outcomes(expect: Expectation) -> list[Reason | None]:
            """Where nothing is, where a record is, and where one was."""
            write = replace(PUT, expect=expect)
            return [_reason(write, current) for current in (None, ALIVE, TOMBSTONE)]

        table: list[tuple[Expectation, list[Reason | None]]] = [
            (Expect.ANYTHING, [None, None, None]),
            (Expect.PRESENT, [Reason.MISSING, None, Reason.MISSING]),
            (Expect.ABSENT, [None, Reason.EXISTS, None]),
            (Expect.NEVER, [None, Reason.EXISTS, Reason.EXISTS]),
            (20, [Reason.MISSING, None, Reason.MISSING]),
            (19, [Reason.MISSING, Reason.VERSION, Reason.MISSING]),
        ]
        check(outcomes, table)

    @pytest.mark.parametrize("write", [PATCH, DELETE])
    def test_of_a_change(self, write: Patch | Delete) -> None:
        for expect in (Expect.ANYTHING, Expect.PRESENT, 20):
            expecting = replace(write, expect=expect)
            assert resolve(expecting, ALIVE, 30).version == 30
            assert _refused(expecting, None) is Reason.MISSING
            assert _refused(expecting, TOMBSTONE) is Reason.MISSING
        assert _refused(replace(write, expect=19), ALIVE) is Reason.VERSION

    @pytest.mark.parametrize("write", [PUT, PATCH, DELETE])
    def test_of_a_stranger(self, write: Write) -> None:
        guarded = replace(write, by_author_only=True)
        assert _refused(guarded, ALIVE) is Reason.AUTHOR
        assert _refused(guarded, TOMBSTONE) is Reason.AUTHOR
        assert resolve(replace(guarded, author="anna"), ALIVE, 30).author == "anna"

    def test_a_stranger_learns_nothing_of_the_version(self) -> None:
        assert _refused(replace(PUT, by_author_only=True, expect=1), ALIVE) is Reason.AUTHOR

    def test_a_stranger_may_create(self) -> None:
        assert resolve(replace(PUT, by_author_only=True), None, 30).author == "ben"


class TestSizes:
    def test_a_record_of_400_kb_fits(self) -> None:
        room = limits.RECORD_BYTES - 1024 - 4 * sum(map(len, KEY)) - len("t") - 4
        check_size(KEY, Data.of({"t": "x" * room}))
        with pytest.raises(TooLarge):
            check_size(KEY, Data.of({"t": "x" * (room + 1)}))

    def test_text_counts_in_bytes(self) -> None:
        with pytest.raises(TooLarge):
            check_size(KEY, Data.of({"t": "ä" * 210_000}))

    def test_short_text_can_be_large_as_stored(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(limits, "RECORD_BYTES", 4 * 1024)
        # Three characters each as JSON, and four bytes each as DynamoDB counts.
        data = Data(f'{{"t":[{"[]," * 1_029}[]]}}')
        assert len(data.text) < limits.RECORD_BYTES
        with pytest.raises(TooLarge):
            check_size(KEY, data)

    def test_a_write_that_makes_it_too_large_is_refused(self) -> None:
        with pytest.raises(TooLarge):
            resolve(replace(PUT, data=Data.of({"t": "x" * 500_000})), None, 30)
        with pytest.raises(TooLarge):
            resolve(replace(PATCH, patch={"t": "x" * 500_000}), ALIVE, 30)

    def test_a_batch_of_4_mb_fits(self) -> None:
        large = ALIVE._replace(data=Data.of({"t": "x" * 399_000}))

        def records(last: int) -> list[Record]:
            return [large] * 10 + [ALIVE._replace(data=Data.of({"t": "x" * last}))]

        empty = sum(stored_size(one.data.value) for one in records(0) if one.data is not None)
        check_transaction(records(limits.TRANSACTION_BYTES - empty))
        with pytest.raises(TooLarge):
            check_transaction(records(limits.TRANSACTION_BYTES - empty + 1))

    def test_a_key_outside_the_alphabets_is_named(self) -> None:
        table = [
            (Key("..a", "notes", "a"), ["space"]),
            (Key("a", "Notes", "a"), ["collection"]),
            (Key("a", "notes", ".a"), ["id"]),
        ]
        check(pointers(check_key), table)
        check_key(Key(".a", "notes", "a"))

    def test_a_count_is_1_to_the_most(self) -> None:
        for count in (1, 90):
            check_count("writes", count, 90)
        for count in (0, 91):
            with pytest.raises(Invalid):
                check_count("writes", count, 90)
