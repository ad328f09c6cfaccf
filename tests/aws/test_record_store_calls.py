"""What each operation asks of DynamoDB: more calls, or more capacity, is a failure.

docs/aws.md has the table. The calls are the same on every engine. The units are ministack's: it
counts as DynamoDB does, but for batch gets (not at all: `Calls` does it), for the index within a
transaction (once instead of twice) and for what queries of the index fetch (its index has all).
moto's units are not DynamoDB's (half a unit for every write), so nothing is counted there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Final

import pytest

from homeport.adapters.aws.clients import Clients
from homeport.adapters.aws.record_store import DynamoDBRecordStore
from homeport.adapters.aws.table import shard_of
from homeport.adapters.memory.clock import ManualClock
from homeport.adapters.system import SystemClock, SystemIds
from homeport.domain.model.collection import Catalog, Collection
from homeport.domain.model.membership import READERS, WRITERS, Membership, Role
from homeport.domain.model.record import Key
from homeport.domain.model.writes import Expect, Guard, WriteRefused
from homeport.domain.ports.record_store import Order
from homeport.testing.record_support import ANNA, BEN, NOTES, START, delete, key, patch, put
from tests.aws.calls import Calls
from tests.aws.conftest import Engine
from tests.aws.resources import delete_table

Call = Callable[[DynamoDBRecordStore, str, Guard], object]


_NEVER: Final = Expect.NEVER
_SHARDED: Final = "spread"
_CASES: Final[list[tuple[str, Call, dict[str, int], float, float]]] = [
    ("get", lambda s, sp, g: s.get(key(sp)), {"GetItem": 1}, 1, 0),
    ("get, shared", lambda s, sp, g: s.get(key(sp), g), {"BatchGetItem": 1}, 2, 0),
    (
        "get a hundred",
        lambda s, sp, g: s.get_many([key(sp, f"r{n}") for n in range(100)]),
        {"BatchGetItem": 1},
        100,
        0,
    ),
    (
        "create",
        lambda s, sp, g: s.write([put(key(sp, "new"), expect=_NEVER)]),
        {"UpdateItem": 1},
        0,
        2,
    ),
    ("replace", lambda s, sp, g: s.write([put(key(sp))]), {"UpdateItem": 1}, 0, 3),
    ("patch", lambda s, sp, g: s.write([patch(key(sp), {"a": [1]})]), {"UpdateItem": 1}, 0, 3),
    (
        "patch an object within",
        lambda s, sp, g: s.write([patch(key(sp), {"a": {"b": 1}})]),
        {"GetItem": 1, "UpdateItem": 1},
        1,
        3,
    ),
    ("delete", lambda s, sp, g: s.write([delete(key(sp))]), {"UpdateItem": 1}, 0, 3),
    (
        "create, shared",
        lambda s, sp, g: s.write([put(key(sp, "new"), expect=_NEVER)], g),
        {"TransactWriteItems": 1},
        0,
        5,
    ),
    (
        "replace, shared",
        lambda s, sp, g: s.write([put(key(sp))], g),
        {"BatchGetItem": 1, "TransactWriteItems": 1},
        2,
        6,
    ),
    (
        "patch, shared",
        lambda s, sp, g: s.write([patch(key(sp), {"a": {"b": 1}})], g),
        {"BatchGetItem": 1, "TransactWriteItems": 1},
        2,
        6,
    ),
    (
        "delete, shared",
        lambda s, sp, g: s.write([delete(key(sp))], g),
        {"BatchGetItem": 1, "TransactWriteItems": 1},
        2,
        6,
    ),
    (
        "create three",
        lambda s, sp, g: s.write([put(key(sp, f"b{n}"), expect=_NEVER) for n in range(3)]),
        {"TransactWriteItems": 1},
        0,
        9,
    ),
    (
        "write three",
        lambda s, sp, g: s.write([put(key(sp, f"b{n}")) for n in range(3)]),
        {"BatchGetItem": 1, "TransactWriteItems": 1},
        3,
        9,
    ),
    ("page by id", lambda s, sp, g: s.page(sp, NOTES, Order.ID, 20), {"Query": 1}, 1, 0),
    ("page by update", lambda s, sp, g: s.page(sp, NOTES, Order.UPDATED, 20), {"Query": 1}, 1, 0),
    (
        "page, shared",
        lambda s, sp, g: s.page(sp, NOTES, Order.ID, 20, guard=g),
        {"Query": 1, "GetItem": 1},
        2,
        0,
    ),
    (
        "page of four shards",
        lambda s, sp, g: s.page(sp, _SHARDED, Order.ID, 20),
        {"Query": 4},
        4,
        0,
    ),
    (
        "changes of a collection",
        lambda s, sp, g: s.changes(sp, NOTES, START, 20),
        {"Query": 1},
        1,
        0,
    ),
    (
        "changes, shared",
        lambda s, sp, g: s.changes(sp, NOTES, START, 20, guard=g),
        {"Query": 1, "GetItem": 1},
        2,
        0,
    ),
    ("membership", lambda s, sp, g: s.membership(sp, ANNA), {"GetItem": 1}, 1, 0),
    ("members", lambda s, sp, g: s.members(sp), {"Query": 1}, 1, 0),
    ("memberships", lambda s, sp, g: s.memberships(ANNA), {"Query": 1}, 1, 0),
    (
        "a new member",
        lambda s, sp, g: s.put_membership(Membership(sp, BEN, Role.READER)),
        {"TransactWriteItems": 1},
        0,
        6,
    ),
    (
        "another role",
        lambda s, sp, g: s.put_membership(Membership(sp, ANNA, Role.OWNER)),
        {"TransactWriteItems": 2},
        0,
        4,
    ),
    (
        "a member less",
        lambda s, sp, g: s.remove_membership(sp, ANNA),
        {"TransactWriteItems": 1},
        0,
        6,
    ),
]


class Counted:
    """A store whose calls are counted, after those that it makes but once."""

    def __init__(self, engine: Engine, space: str) -> None:
        clients = Clients(session=engine.session)
        self.calls = Calls()
        self.calls.watch(clients)
        catalog = Catalog([Collection(_SHARDED, shards=4)])
        # It stands still: what is known of the shards is not read anew, however slow this is.
        self.clock = ManualClock(SystemClock().now())
        self.store = DynamoDBRecordStore(
            clients, self.clock, SystemIds(), catalog, table=engine.table
        )
        self.store.write([put(key(space)), put(Key(space, _SHARDED, "r1"))])
        self.store.put_membership(Membership(space, ANNA, Role.WRITER))
        self.clock.advance(0.001)  # or a stamp may not be new enough, which costs an attempt
        self.calls.clear()


@pytest.fixture(scope="module")
def engine(engine: Engine) -> Iterator[Engine]:
    """With a table of this module's own: what others leave in theirs would count too."""
    name = engine.another_table()
    yield replace(engine, table=name)
    delete_table(engine.clients, name)


@pytest.fixture
def counted(engine: Engine, space: str) -> Counted:
    return Counted(engine, space)


@pytest.fixture
def space() -> str:
    return SystemIds().identity_id()


def test_a_page_of_a_scan_is_one_call_and_a_unit_for_4_kb(counted: Counted, space: str) -> None:
    """As large a part of the table as the page has."""
    counted.store.write([put(key(space, f"b{n:02}"), {"t": "x" * 4000}) for n in range(50)])
    counted.calls.clear()
    assert len(counted.store.scan(0, 1, 50)) >= 40
    assert counted.calls.names == {"Scan": 1}
    assert 0 < counted.calls.reads <= 50 * 4.3 / 4 + 1
    assert counted.calls.writes == 0


def test_a_page_of_a_scan_that_ends_in_shards_costs_its_place_besides(
    counted: Counted, space: str
) -> None:
    """Whether the record where it ended is in its shard: only the table tells."""
    place = next(shard for shard in map("r{}".format, range(99)) if shard_of(shard, 4))
    counted.store.write([put(Key(space, _SHARDED, place))])
    counted.calls.clear()
    counted.store.scan(0, 1, 10, Key(space, _SHARDED, place))
    assert counted.calls.names == {"BatchGetItem": 1, "Scan": 1}
    assert counted.calls.reads <= 2 + 10


def test_large_records_cost_a_batch_get_a_unit_for_each_4_kb(counted: Counted, space: str) -> None:
    keys = [key(space, f"b{n}") for n in range(4)]
    counted.store.write([put(one, {"t": "x" * 9000}) for one in keys])
    counted.calls.clear()
    assert counted.store.get_many([*keys, key(space, "none")]).count(None) == 1
    assert counted.calls.names == {"BatchGetItem": 1}
    assert counted.calls.reads == 4 * 3 + 1


def test_what_is_known_of_shards_is_read_anew_each_minute(counted: Counted, space: str) -> None:
    """Where a collection has no number in the table; for a reader of changes after five
    seconds. A number that is there stays."""
    store, calls = counted.store, counted.calls
    counted.clock.advance(1_000)
    store.get(Key(space, _SHARDED, "r1"))
    assert calls.names == {"GetItem": 1}
    counted.clock.advance(1_000)
    calls.clear()
    store.changes(space, _SHARDED, START, 20)
    assert calls.names == {"Query": 4}
    store.get(key(space))
    for seconds, layout in ((59, 0), (2, 1), (59, 0), (2, 1)):
        counted.clock.advance(seconds)
        calls.clear()
        store.get(key(space))
        assert calls.names == {"GetItem": 1 + layout}
        assert calls.reads == 1 + layout
    for seconds, layout in ((4, 0), (2, 1), (4, 0)):
        counted.clock.advance(seconds)
        calls.clear()
        store.changes(space, NOTES, START, 20)
        assert calls.names == ({"Query": 1, "GetItem": 1} if layout else {"Query": 1})


def test_a_first_use_of_shards_costs_once(engine: Engine, space: str) -> None:
    """Until the first write each read asks whether another process has written; the write looks
    through the index, and notes the number."""
    table = engine.another_table()
    clients, calls = Clients(session=engine.session), Calls()
    calls.watch(clients)
    catalog = Catalog([Collection(_SHARDED, shards=4)])
    clock = ManualClock(SystemClock().now())
    store = DynamoDBRecordStore(clients, clock, SystemIds(), catalog, table=table)
    at = Key(space, _SHARDED, "r")
    for _ in range(2):
        calls.clear()
        store.get(at)
        assert calls.names == {"GetItem": 2}
    calls.clear()
    store.write([put(at)])
    assert calls.names == {"GetItem": 2, "Scan": 1, "UpdateItem": 2}
    clock.advance(0.001)
    calls.clear()
    store.write([put(at)])
    assert calls.names == {"UpdateItem": 1}
    delete_table(engine.clients, table)


@pytest.mark.parametrize(
    ("call", "names", "reads", "writes"),
    [one[1:] for one in _CASES],
    ids=[one[0] for one in _CASES],
)
def test_an_operation_costs_what_the_table_says(
    counted: Counted,
    engine: Engine,
    space: str,
    call: Call,
    names: dict[str, int],
    reads: float,
    writes: float,
) -> None:
    call(counted.store, space, Guard(space, ANNA, WRITERS))
    assert counted.calls.names == names
    if not engine.fetches:
        assert (counted.calls.reads <= reads, counted.calls.writes <= writes) == (True, True)


def test_a_refusal_shows_the_record_in_the_same_call(counted: Counted, space: str) -> None:
    with pytest.raises(WriteRefused) as refused:
        counted.store.write([put(key(space), expect=_NEVER)])
    assert counted.calls.names == {"UpdateItem": 1}
    assert refused.value.current == counted.store.get(key(space))


def test_a_refused_transaction_shows_the_records_too(counted: Counted, space: str) -> None:
    writes = [put(key(space, "b"), expect=_NEVER), put(key(space), expect=_NEVER)]
    with pytest.raises(WriteRefused) as refused:
        counted.store.write(writes, Guard(space, ANNA, READERS))
    assert counted.calls.names == {"TransactWriteItems": 1}
    assert refused.value.index == 1
    assert refused.value.current == counted.store.get(key(space))


@pytest.mark.parametrize(("collections", "calls"), [(1, 2), (10, 2), (40, 4)])
def test_a_pull_of_small_collections_takes_few_calls(
    counted: Counted, space: str, collections: int, calls: int
) -> None:
    """The index by its keys, then the records; nothing new costs but the former."""
    other = f"{space}-2"
    keys = [Key(other, f"c{n:02}", "r") for n in range(collections)]
    records = counted.store.write([put(one, expect=_NEVER) for one in keys])
    counted.calls.clear()
    assert counted.store.changes(other, None, START, 100).records == tuple(records)
    assert counted.calls.count <= calls + _SPREAD
    counted.calls.clear()
    assert not counted.store.changes(other, None, records[-1].position, 100).records
    assert counted.calls.count <= calls - 1 + _SPREAD


_SPREAD: Final = 4
"""Whether a collection that is declared with shards has records of a space, only its shards say."""


def test_a_page_costs_at_most_three_queries_a_shard(counted: Counted, space: str) -> None:
    """However many tombstones stand in its way: it then ends early, and says where."""
    store = counted.store
    for start in range(0, 1_300, 65):
        keys = [key(space, f"m{n:04}") for n in range(start, start + 65)]
        store.write([put(one, expect=_NEVER) for one in keys])
        store.write([delete(one) for one in keys])
    for order in Order:
        after = None
        while True:
            counted.calls.clear()
            after = store.page(space, NOTES, order, 1, after).next
            assert counted.calls.count <= 3
            if after is None:
                break
