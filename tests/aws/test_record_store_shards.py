"""Collections that are spread over shards: kept numbers, merged pages, writers beside readers."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from homeport.adapters.aws.record_store import DynamoDBRecordStore
from homeport.adapters.system import SystemClock, SystemIds
from homeport.domain.checkpoints import Checkpoint
from homeport.domain.errors import Unavailable
from homeport.domain.model.collection import Catalog, Collection
from homeport.domain.model.record import Key, Position, Record
from homeport.domain.model.writes import Expect
from homeport.domain.ports.record_store import Order
from homeport.testing.histories import Reader
from homeport.testing.record_support import START, delete, do, put
from tests.aws.conftest import Engine
from tests.aws.resources import delete_table

_SPREAD = "spread"


@pytest.fixture
def table(engine: Engine) -> Iterator[str]:
    """One of its own: what it once knows of a collection's shards stays."""
    name = engine.another_table()
    yield name
    delete_table(engine.clients, name)


def _store(engine: Engine, table: str, *declared: Collection) -> DynamoDBRecordStore:
    return DynamoDBRecordStore(
        engine.clients, SystemClock(), SystemIds(), Catalog(declared), table=table
    )


def test_the_number_of_shards_never_changes(engine: Engine, table: str) -> None:
    eight = Collection(_SPREAD, shards=8)
    first = _store(engine, table, eight)
    records = [do(first, put(Key("space", _SPREAD, f"r{n}"))) for n in range(20)]
    again = _store(engine, table, eight, Collection("plain"))
    again.check()
    assert again.get_many([record.key for record in records]) == records
    do(again, put(Key("space", "plain", "r")))
    wrong: list[tuple[Collection, ...]] = [
        (Collection(_SPREAD, shards=4),),
        (Collection(_SPREAD),),
        (eight, Collection("plain", shards=2)),
    ]
    for declared in wrong:
        refusing = _store(engine, table, *declared)
        for call in (
            refusing.check,
            lambda store=refusing: store.get(records[0].key),
            lambda store=refusing: do(store, put(records[0].key)),
        ):
            with pytest.raises(Unavailable, match=r"shards = (8|1), or export"):
                call()


def test_a_definition_without_the_collection_follows_the_table(engine: Engine, table: str) -> None:
    declaring = _store(engine, table, Collection(_SPREAD, shards=8))
    record = do(declaring, put(Key("space", _SPREAD, "r1")))
    silent = _store(engine, table)
    silent.check()
    assert silent.get(record.key) == record
    other = do(silent, put(Key("space", _SPREAD, "r2")))
    assert declaring.page("space", _SPREAD, Order.UPDATED, 9).records == (record, other)
    assert silent.changes("space", None, START, 9).records == (record, other)


def test_of_two_that_come_first_one_decides(engine: Engine, table: str) -> None:
    """Both have looked before either wrote."""
    stores = [_store(engine, table, Collection(_SPREAD, shards=n)) for n in (2, 4)]
    for store in stores:
        store.check()
    do(stores[0], put(Key("space", _SPREAD, "r")))
    with pytest.raises(Unavailable, match="shards = 2"):
        do(stores[1], put(Key("space", _SPREAD, "r")))


def test_what_only_reads_decides_nothing(engine: Engine, table: str) -> None:
    reading = _store(engine, table, Collection(_SPREAD, shards=2))
    assert reading.get(Key("space", _SPREAD, "r")) is None
    assert not reading.changes("space", None, START, 10).records
    do(_store(engine, table, Collection(_SPREAD, shards=4)), put(Key("space", _SPREAD, "r")))


def test_one_that_has_read_before_finds_what_another_writes_first(
    engine: Engine, table: str
) -> None:
    """Also where it has known for no second that there was no number yet."""
    reading, writing = (_store(engine, table, Collection(_SPREAD, shards=4)) for _ in range(2))
    keys = [Key("space", _SPREAD, f"r{n}") for n in range(8)]
    assert reading.get_many(keys) == [None] * 8
    assert not reading.changes("space", None, START, 10).records
    records = writing.write([put(key) for key in keys])
    assert list(reading.changes("space", None, START, 10).records) == records
    assert reading.get_many(keys) == records


@pytest.mark.parametrize("order", list(Order))
@pytest.mark.parametrize("limit", [3, 100])
def test_pages_keep_their_order_beside_writers(
    engine: Engine, table: str, order: Order, limit: int
) -> None:
    """What stays as it is is listed once, in order, whatever comes and goes beside it."""
    store = _store(engine, table, Collection(_SPREAD, shards=5))
    kept = [
        record
        for start in range(0, 60, 30)
        for record in store.write(
            [put(Key("space", _SPREAD, f"k{n:03}")) for n in range(start, start + 30)]
        )
    ]
    stop = threading.Event()

    def come_and_go() -> None:
        draw = random.Random(7)
        for _ in range(80):
            if stop.is_set():
                return
            at = Key("space", _SPREAD, f"{draw.choice('jkl')}{draw.randrange(60):03}-x")
            do(store, put(at))
            if draw.random() < 0.5:
                do(store, delete(at))

    with ThreadPoolExecutor(1) as pool:
        beside = pool.submit(come_and_go)
        try:
            listed = _listed(store, order, limit, len(kept) * 20)
        finally:
            stop.set()
        beside.result()
    mine = [record for record in listed if not record.key.id.endswith("-x")]
    assert mine == (kept if order in (Order.ID, Order.UPDATED) else kept[::-1])
    ids = [record.key.id if order.value.endswith("id") else record.position for record in listed]
    assert ids == sorted(ids, reverse=order.value.startswith("-"))


def _listed(store: DynamoDBRecordStore, order: Order, limit: int, most: int) -> list[Record]:
    found: list[Record] = []
    after: Position | None = None
    while len(found) < most:
        page = store.page("space", _SPREAD, order, limit, after)
        assert len(page.records) <= limit
        found += page.records
        after = page.next
        if after is None:
            break
    return found


@pytest.mark.parametrize("limit", [3, 50])
def test_a_reader_beside_writers_of_all_shards_misses_nothing(
    engine: Engine, table: str, limit: int
) -> None:
    store = _store(engine, table, Collection(_SPREAD, shards=6), Collection("two", shards=2))
    keys = [Key("space", name, f"r{n}") for name in (_SPREAD, "two", "plain") for n in range(6)]
    reader = Reader(None, limit)

    def work(seed: int) -> None:
        draw = random.Random(seed)
        for _ in range(20):
            at = draw.choice(keys)
            if draw.random() < 0.8:
                do(store, put(at, {"n": draw.randrange(9)}))
            else:
                store.write([put(at, expect=Expect.ANYTHING), put(Key("space", "z", at.id))])

    with ThreadPoolExecutor(3) as pool:
        writers = [pool.submit(work, seed) for seed in range(3)]
        while not all(writer.done() for writer in writers):
            reader.pull(store, "space")
        for writer in writers:
            writer.result()
    reader.drain(store, "space")
    # Only real time passes here: take the look-back that is due once the window has passed.
    safe = reader.checkpoint.safe
    reader.checkpoint = Checkpoint(safe, safe)
    reader.drain(store, "space")
    reader.check(store, keys)
