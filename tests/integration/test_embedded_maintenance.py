"""What the embedded store forgets in time, and what it never forgets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from homeport.adapters.embedded.change_feed import EmbeddedChangeFeed
from homeport.adapters.embedded.database import Database
from homeport.adapters.embedded.record_rows import CHANGES, PAGE, SPACE_CHANGES
from homeport.adapters.embedded.record_store import EmbeddedRecordStore
from homeport.adapters.memory.clock import ManualClock
from homeport.adapters.memory.ids import SequentialIds
from homeport.domain import limits
from homeport.domain.events import RecordChanged
from homeport.domain.model.data import Data
from homeport.domain.model.record import Key, Position
from homeport.domain.model.writes import Delete, Put, Write
from homeport.domain.ports.deliveries import Retry
from homeport.domain.ports.record_store import Order

BY_VERSION = "records_by_version (space=? AND collection=? AND version"
BY_SPACE = "records_by_space (space=? AND (version"
PAST_RETENTION = limits.RETENTION_SECONDS + 1


class Backend:
    """The adapters over one folder; `reopen` is a restart."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = ManualClock()
        self.open()

    def open(self) -> None:
        self.database = Database(self.folder)
        self.store = EmbeddedRecordStore(self.database, self.clock, SequentialIds())
        self.feed = EmbeddedChangeFeed(self.database, self.clock, Retry(attempts=2))

    def reopen(self) -> None:
        self.database.close()
        self.open()

    def put(self, *ids: str) -> None:
        self._write([Put(key(name), "anna", Data.of({"id": name})) for name in ids])

    def delete(self, *ids: str) -> None:
        self._write([Delete(key(name), "anna") for name in ids])

    def _write(self, writes: Sequence[Write]) -> None:
        for start in range(0, len(writes), limits.BATCH_WRITES):
            self.store.write(writes[start : start + limits.BATCH_WRITES])

    def take(self, consumer: str) -> list[str]:
        """Deliver all that is due; the ids of it."""
        ids: list[str] = []

        def consume(events: Sequence[RecordChanged]) -> dict[int, str]:
            ids.extend(event.key.id for event in events)
            return {}

        while self.feed.deliver(consumer, consume):
            pass
        return ids

    def logged(self) -> int:
        count: int = self.database.read("SELECT count(*) FROM change_log")[0][0]
        return count

    def horizon(self) -> int:
        return self.store.changes("space", None, Position(0), 1).horizon


def key(name: str) -> Key:
    return Key("space", "notes", name)


@pytest.fixture
def backend(tmp_path: Path) -> Iterator[Backend]:
    backend = Backend(tmp_path / "data")
    yield backend
    backend.database.close()


def test_expired_tombstones_go_in_pieces(backend: Backend) -> None:
    backend.put(*(f"n{number}" for number in range(30)))
    backend.delete(*(f"n{number}" for number in range(25)))
    assert backend.store.purge_tombstones() == 0
    backend.clock.advance(PAST_RETENTION)
    backend.delete("n25")
    pieces = [backend.store.purge_tombstones(limit=10) for _ in range(4)]
    assert pieces == [10, 10, 5, 0]
    assert backend.store.get(key("n0")) is None
    late = backend.store.get(key("n25"))
    assert late is not None
    assert late.deleted
    alive = backend.store.page("space", "notes", Order.ID, 100).records
    assert sorted(record.key.id for record in alive) == ["n26", "n27", "n28", "n29"]


def test_versions_outlive_purged_tombstones_and_restarts(backend: Backend) -> None:
    backend.put("a")
    backend.delete("a")
    last = backend.horizon()
    backend.take("indexing")
    backend.clock.advance(PAST_RETENTION)
    assert backend.store.purge_tombstones() == 1
    backend.reopen()
    assert backend.horizon() == last
    backend.clock.advance(-2 * PAST_RETENTION)
    backend.put("a")
    assert backend.horizon() == last + 1


def test_the_log_is_trimmed_once_every_consumer_has_passed(backend: Backend) -> None:
    backend.take("indexing")
    backend.take("messaging")
    backend.put(*(f"n{number}" for number in range(250)))
    assert len(backend.take("indexing")) == 250
    assert backend.logged() == 250
    assert len(backend.take("messaging")) == 250
    assert backend.logged() == 1


def test_a_restart_goes_on_where_the_consumer_was(backend: Backend) -> None:
    backend.put("a", "b")
    assert backend.take("indexing") == ["a", "b"]
    backend.put("c")
    backend.reopen()
    assert backend.take("indexing") == ["c"]


def test_held_events_and_dead_letters_survive_restarts_and_trimming(backend: Backend) -> None:
    backend.put("bad", "good")
    consumed: list[str] = []

    def consume(events: Sequence[RecordChanged]) -> dict[int, str]:
        consumed.extend(event.key.id for event in events)
        return {place: "no" for place, event in enumerate(events) if event.key.id == "bad"}

    assert backend.feed.deliver("indexing", consume) == 2
    backend.reopen()
    assert backend.feed.deliver("indexing", consume) == 0
    assert backend.feed.next_due("indexing") == 1.0
    backend.clock.advance(1.0)
    assert backend.feed.deliver("indexing", consume) == 1
    assert consumed == ["bad", "good", "bad"]
    backend.reopen()
    (letter,) = backend.feed.dead_letters("indexing")
    assert (letter.source, letter.cause, letter.attempts) == ("indexing", "no", 2)
    assert backend.feed.redrive("indexing", [letter.id]) == 1
    assert backend.take("indexing") == ["bad"]
    assert not backend.feed.dead_letters("indexing")


def test_a_late_consumer_is_given_every_record_that_there_is(backend: Backend) -> None:
    backend.put(*(f"n{number:04}" for number in range(1200)))
    backend.put("n0000")
    backend.delete("n0001")
    backend.take("indexing")
    assert backend.logged() < 1200
    backend.put("new")
    assert backend.take("late") == [
        *(f"n{number:04}" for number in range(2, 1200)),
        "n0000",
        "n0001",
        "new",
    ]
    assert backend.take("indexing") == ["new"]
    assert backend.logged() == 1


def test_a_late_consumers_preparation_goes_on_after_a_crash(backend: Backend) -> None:
    backend.put("a", "b")
    backend.take("indexing")

    # As a process leaves it that dies between the first and the second step.
    backend.database.write(
        lambda connection: connection.execute("INSERT INTO consumers VALUES ('late', -1)").get
    )
    backend.reopen()
    backend.put("c")
    assert backend.take("indexing") == ["c"]
    assert backend.take("late") == ["a", "b", "c"]


def test_a_consumer_that_is_gone_can_be_forgotten(backend: Backend) -> None:
    def fail(events: Sequence[RecordChanged]) -> dict[int, str]:
        return dict.fromkeys(range(len(events)), "no")

    backend.take("indexing")
    backend.put("dead")
    backend.feed.deliver("gone", fail)
    backend.clock.advance(1.0)
    backend.feed.deliver("gone", fail)
    backend.put("held")
    backend.feed.deliver("gone", fail)
    backend.put(*(f"n{number}" for number in range(100)))
    backend.take("indexing")
    assert backend.logged() >= 100
    assert len(backend.feed.dead_letters("gone")) == 1
    for _ in range(2):
        backend.feed.forget("gone")
    assert backend.feed.next_due("indexing") is None
    assert backend.feed.dead_letters("gone") == []
    assert backend.database.read("SELECT 1 FROM held_events") == []
    backend.put("new")
    assert backend.take("indexing") == ["new"]
    assert backend.logged() == 1
    assert len(backend.take("gone")) == 103


def test_no_record_is_missed_after_the_only_consumer_was_forgotten(backend: Backend) -> None:
    backend.put("a", "b")
    backend.take("indexing")
    backend.feed.forget("indexing")
    backend.put("c")
    assert backend.take("another") == ["a", "b", "c"]


def test_a_page_over_many_tombstones_ends_early_but_goes_on(backend: Backend) -> None:
    names = [f"n{number:04}" for number in range(2100)]
    backend.put(*names, "zz")
    backend.delete(*names)
    found: list[str] = []
    pages = 0
    after: Position | None = None
    while True:
        page = backend.store.page("space", "notes", Order.ID, 10, after)
        found.extend(record.key.id for record in page.records)
        pages += 1
        if page.next is None:
            break
        after = page.next
    assert found == ["zz"]
    assert pages == 3


@pytest.mark.parametrize(
    ("statement", "bindings", "index"),
    [
        (PAGE[Order.UPDATED], ("space", "notes", 1, "a"), BY_VERSION),
        (PAGE[Order.UPDATED_DESCENDING], ("space", "notes", 1, "a"), BY_VERSION),
        (CHANGES, ("space", "notes", 1, "a", 2), BY_VERSION),
        (SPACE_CHANGES, ("space", 1, "notes", "a", 2, '["tasks"]'), BY_SPACE),
    ],
    ids=["updated", "updated descending", "changes", "changes of the space"],
)
def test_versions_are_read_in_their_order_from_one_index(
    backend: Backend, statement: str, bindings: tuple[str | int, ...], index: str
) -> None:
    plan = backend.database.read(f"EXPLAIN QUERY PLAN {statement}", bindings)
    steps = [step for _, _, _, step in plan]
    assert steps[0].startswith(f"SEARCH records USING INDEX {index}")
    assert not [step for step in steps if "TEMP B-TREE" in step]
