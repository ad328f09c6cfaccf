"""What the parts of the record store's contract share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar, Final, TypeVar

import pytest

from homeport.adapters.memory.clock import ManualClock
from homeport.domain.model.data import Data
from homeport.domain.model.record import Key, Position, Record
from homeport.domain.model.writes import Delete, Expect, Expectation, Patch, Put, Write
from homeport.domain.ports.record_store import Order, RecordStore
from homeport.testing.contract import Contract
from homeport.testing.histories import Commit

T = TypeVar("T")

START: Final = Position(0)
ANNA: Final = "anna"
BEN: Final = "ben"
NOTES: Final = "notes"


class RecordStoreSupport(Contract):
    """The fixture and the capabilities; see `RecordStoreContract`."""

    takes_clock: ClassVar[bool] = True
    commits_late: ClassVar[bool] = False
    window: ClassVar[float] = 10.0
    """Seconds."""
    histories: ClassVar[int] = 60
    """How many adversarial histories are tried."""

    @pytest.fixture
    def store(self, clock: ManualClock) -> RecordStore:
        raise self.missing("store")

    def stamp_early(self, store: RecordStore, writes: Sequence[Write]) -> Commit:
        """Stamp `writes` as of now without letting anything show; what is returned makes them
        appear, with those stamps unless the records have newer ones by then."""
        raise self.missing("stamp_early")


def key(space: str, record_id: str = "r", collection: str = NOTES) -> Key:
    return Key(space, collection, record_id)


def put(
    at: Key,
    data: Mapping[str, Any] | None = None,
    expect: Expectation = Expect.ANYTHING,
    author: str = ANNA,
) -> Put:
    return Put(at, author, Data.of({"n": 1} if data is None else data), expect)


def patch(at: Key, change: Mapping[str, Any], expect: Expectation = Expect.PRESENT) -> Patch:
    return Patch(at, ANNA, change, expect)


def delete(at: Key, expect: Expectation = Expect.PRESENT) -> Delete:
    return Delete(at, ANNA, expect)


def do(store: RecordStore, write: Write) -> Record:
    """One write alone."""
    (record,) = store.write([write])
    return record


def fill(store: RecordStore, keys: Sequence[Key]) -> list[Record]:
    """A record at each of `keys`, each in a write of its own."""
    return [do(store, put(one)) for one in keys]


def by_position(records: Iterable[Record]) -> list[Record]:
    """In the order of the changes, which need not be that of the calls: a store may stamp two
    records within one microsecond in any order, and even alike."""
    return sorted(records, key=lambda record: record.position)


def pages(
    store: RecordStore,
    space: str,
    order: Order = Order.ID,
    limit: int = 100,
    after: Position | None = None,
) -> Iterator[list[Record]]:
    """The pages of a whole collection, or of what is `after` a place."""
    for _ in range(1000):
        page = store.page(space, NOTES, order, limit, after)
        yield list(page.records)
        if page.next is None:
            return
        after = page.next
    raise AssertionError("paging never comes to an end")


def listed(
    store: RecordStore, space: str, order: Order = Order.ID, limit: int = 100
) -> list[Record]:
    return [record for page in pages(store, space, order, limit) for record in page]


def changed(
    store: RecordStore, space: str, collection: str | None = None, limit: int = 100
) -> list[Record]:
    """All changes of a space, or of one collection."""
    records: list[Record] = []
    after = START
    for _ in range(1000):
        page = store.changes(space, collection, after, limit)
        assert len(page.records) <= limit
        records += page.records
        if not page.more:
            return records
        assert page.records, "more changes are announced, and none is given"
        after = page.records[-1].position
    raise AssertionError("the changes never come to an end")


def at_once(works: Sequence[Callable[[], T]]) -> list[T | Exception]:
    """Run each in a thread of its own; what each returned or raised, in order."""
    with ThreadPoolExecutor(len(works)) as pool:
        futures = [pool.submit(work) for work in works]
    return [_outcome(future.exception(), future.result) for future in futures]


def _outcome(error: BaseException | None, result: Callable[[], T]) -> T | Exception:
    if error is None:
        return result()
    assert isinstance(error, Exception)
    return error
