"""What goes into DynamoDB as JSON comes out as equal JSON, of the same types."""

from __future__ import annotations

import json
import sys
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from homeport.adapters.aws.clients import Clients
from homeport.adapters.aws.items import attribute_of, size_bound, value_of
from homeport.adapters.aws.record_store import DynamoDBRecordStore
from homeport.adapters.system import SystemClock, SystemIds
from homeport.domain import limits
from homeport.domain.errors import Invalid, TooLarge
from homeport.domain.model.collection import Catalog
from homeport.domain.model.data import Data, stored_size
from homeport.domain.model.record import Key
from homeport.domain.model.writes import Expect, Put, room_for_data
from homeport.testing.record_support import ANNA, do, key, patch, put
from tests.aws.calls import Calls
from tests.aws.conftest import Engine

_DIGITS = "12345678901234567890123456789012345678"
_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
_NAMES = _TEXT | st.sampled_from(["", "~", "~~", "~a", "#", ":0", "a.b", "a[0]", "ttl", "d"])
_INTEGERS = st.integers(-(10**38) + 1, 10**38 - 1) | st.builds(
    lambda digits, zeros: digits * 10**zeros, st.integers(-999, 999), st.integers(0, 120)
)
_FRACTIONS = st.builds(
    lambda digits, exponent: Decimal(digits).scaleb(exponent),
    st.integers(-(10**38) + 1, 10**38 - 1).filter(bool),
    st.integers(-90, 80),
) | st.floats(-1e120, 1e120, allow_nan=False).filter(lambda number: not 0 < abs(number) < 1e-100)
_VALUES = st.recursive(
    st.none() | st.booleans() | _INTEGERS | _FRACTIONS | _TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_NAMES, inner, max_size=4),
    max_leaves=12,
)
_OBJECTS = st.dictionaries(_NAMES, _VALUES, max_size=5)


def _same(one: Any, other: Any) -> bool:
    """Equal, and of the same types all the way down: a float that is whole is no integer."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[name], other[name]) for name in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, float | Decimal) and isinstance(other, float | Decimal):
        return Decimal(str(one)) == Decimal(str(other))
    return type(one) is type(other) and one == other


@given(_OBJECTS)
def test_an_item_keeps_a_value(value: dict[str, Any]) -> None:
    data = Data.of(value)
    assert _same(value_of(attribute_of(data.value)), data.value)


@given(_OBJECTS)
def test_the_bound_is_never_below_the_size(value: dict[str, Any]) -> None:
    data = Data.of(value)
    assert size_bound(data) >= stored_size(data.value)


@pytest.mark.parametrize(
    ("stored", "value"),
    [
        # DynamoDB trims zeros and may write exponents: neither says what was meant.
        ({"N": "1"}, 1),
        ({"N": "-1E+37"}, -(10**37)),
        ({"N": "100000000000000000000000000000000000000"}, 10**38),
        ({"N": "1.5"}, 1.5),
        ({"N": "1E-130"}, 1e-130),
        ({"NS": ["1"]}, 1.0),
        ({"NS": ["1E+30"]}, 1e30),
        (
            {"N": "0.12345678901234567890123456789012345678"},
            Decimal("0.12345678901234567890123456789012345678"),
        ),
    ],
)
def test_numbers_are_read_however_an_engine_writes_them(stored: dict[str, Any], value: Any) -> None:
    assert _same(value_of(stored), value)


def _nested(levels: int, leaf: Any) -> dict[str, Any]:
    value: Any = leaf
    for level in range(levels - 1):
        value = [value] if level % 2 else {"": value}
    return {"a": value}


class World:
    def __init__(self, engine: Engine) -> None:
        self.calls = Calls()
        clients = Clients(session=engine.session)
        self.calls.watch(clients)
        self.store = DynamoDBRecordStore(
            clients, SystemClock(), SystemIds(), Catalog(), table=engine.table
        )
        self.store.check()
        self.space = SystemIds().identity_id()

    def through(self, data: Data) -> Data:
        """The data as it comes back, by a write's answer and by two ways of reading."""
        at = key(self.space, SystemIds().record_id())
        record = do(self.store, Put(at, ANNA, data))
        assert self.store.get(at) == record
        assert self.store.get_many([at]) == [record]
        assert record.data is not None
        return record.data


@pytest.fixture
def world(engine: Engine) -> World:
    return World(engine)


@given(value=_OBJECTS)
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_dynamodb_keeps_a_value(world: World, value: dict[str, Any]) -> None:
    data = Data.of(value)
    assert _same(world.through(data).value, data.value)


def test_dynamodb_keeps_all_of_unicode(world: World) -> None:
    every = "".join(chr(n) for n in range(sys.maxunicode + 1) if not 0xD800 <= n < 0xE000)
    for start in range(0, len(every), 80_000):
        part = every[start : start + 80_000]
        assert world.through(Data.of({"text": part})) == {"text": part}
    names = {every[n]: n for n in range(0, len(every), 997)}
    assert world.through(Data.of(names)) == names


@pytest.mark.parametrize("leaf", [1, 1.0, "", None, {}, []])
def test_dynamodb_keeps_thirty_two_levels_and_no_more(world: World, leaf: Any) -> None:
    levels = limits.NESTING if not isinstance(leaf, dict | list) else limits.NESTING - 1
    data = Data.of(_nested(levels, leaf))
    assert _same(world.through(data).value, data.value)
    with pytest.raises(Invalid):
        Data.of(_nested(levels + 1, leaf))


@pytest.mark.parametrize("leaf", [1, 2.0, {"~": ""}])
def test_a_patch_reaches_every_level_that_a_record_has(world: World, leaf: Any) -> None:
    at = key(world.space)
    do(world.store, put(at, {"kept": 1}))
    change = {"list": [_nested(limits.NESTING - 3, leaf)], "": "", "~": 1.0}
    record = do(world.store, patch(at, change))
    assert record.data is not None and _same(record.data.value, {"kept": 1, **change})
    assert world.store.get(at) == record


def test_numbers_at_the_ends_of_the_range(world: World) -> None:
    text = (
        '{"most": 9.9999999999999999999999999999999999999e125, "least": 1e-130,'
        ' "below": -9.9999999999999999999999999999999999999e125, "zero": 0, "fraction": 0.0,'
        f' "whole": {10**125}, "long": {10**38 - 1}, "one": 1.0, "minus": -1.50}}'
    )
    data = Data.parse(text)
    assert _same(world.through(data).value, data.value)
    for number in ("1e126", "1e-131", "1" * 39, "0." + "1" * 39):
        with pytest.raises(Invalid):
            Data.parse(f'{{"n": {number}}}')


# Sizes


@pytest.mark.parametrize("long", [False, True])
def test_the_largest_record_fits_and_one_byte_more_is_refused_before_any_call(
    world: World, long: bool
) -> None:
    at = Key(f".{world.space:-<128}", "c" * 64, "i" * 128) if long else key(world.space)
    author = "a" * 128
    room = room_for_data(at) - stored_size({"t": ""})
    largest = Put(at, author, Data.of({"t": "x" * room}), first="f" * 32)
    record = do(world.store, largest)
    # With the ids of four writes in it, it is as large as it gets.
    for _ in range(4):
        record = do(world.store, largest)
    assert world.store.get(at) == record
    world.calls.clear()
    for data in ({"t": "x" * (room + 1)}, {"t": "ä" * (room // 2 + 1)}):
        with pytest.raises(TooLarge):
            do(world.store, Put(at, author, Data.of(data)))
        with pytest.raises(TooLarge):
            do(world.store, patch(at, data))
        with pytest.raises(TooLarge):
            world.store.write([Put(at, author, Data.of(data)), put(key(world.space, "b"))])
    assert world.calls.count == 0


def test_a_patch_that_no_longer_fits_is_refused_as_exactly(world: World) -> None:
    """One update does it unread while its bound has room; then the record is read and counted."""
    at = key(world.space)
    room = room_for_data(at) - stored_size({"n": 1, "t": ""})
    do(world.store, put(at, {"t": "x" * room}))
    world.calls.clear()
    record = do(world.store, patch(at, {"n": 1}))
    assert world.calls.names == {"UpdateItem": 2}
    assert record.data is not None and record.data["n"] == 1
    with pytest.raises(TooLarge):
        do(world.store, patch(at, {"more": 1}))
    assert do(world.store, patch(at, {"n": 2, "more": None})).data == {"n": 2, "t": "x" * room}
    assert do(world.store, patch(at, {"t": "short"})).data == {"n": 2, "t": "short"}


def test_a_record_that_is_patched_often_is_read_now_and_then(world: World) -> None:
    """The bound grows with each patch, though the record does not: once it is full, one patch
    counts anew."""
    at = key(world.space)
    size = 190_000
    do(world.store, put(at, {"t": "x" * size}))
    world.calls.clear()
    for n in range(6):
        record = do(world.store, patch(at, {"t": str(n) * size}))
        assert record.data == {"t": str(n) * size}
    assert 6 < world.calls.count < 12


def test_a_large_patch_is_laid_over_a_record_that_was_read(world: World) -> None:
    """An update of a hundred clauses counts for more than the record that it makes."""
    at = key(world.space)
    do(world.store, put(at, {}))
    change = {f"n{n:02}": "x" * 4_050 for n in range(100)}
    world.calls.clear()
    record = do(world.store, patch(at, change))
    assert record.data == change and world.calls.names == {"GetItem": 1, "UpdateItem": 1}


def test_a_batch_over_four_megabytes_is_refused_before_any_write(world: World) -> None:
    writes = [put(key(world.space, f"r{n}"), {"t": "x" * 390_000}, Expect.NEVER) for n in range(11)]
    world.calls.clear()
    with pytest.raises(TooLarge):
        world.store.write(writes)
    assert world.calls.count == 0
    assert json.dumps(world.store.get_many([one.key for one in writes])) == json.dumps([None] * 11)
