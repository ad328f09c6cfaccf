"""What a subscriber's function is called with, and what several events at once come to."""

from __future__ import annotations

import pytest

from homeport.adapters.memory.change_feed import MemoryChangeFeed
from homeport.adapters.memory.clock import ManualClock
from homeport.adapters.memory.ids import SequentialIds
from homeport.adapters.memory.record_store import MemoryRecordStore
from homeport.domain.events import RecordChanged
from homeport.domain.model.data import Data
from homeport.domain.model.record import Key, Record
from homeport.domain.model.writes import Delete, Put
from homeport.domain.subscribers import Subscriber, Subscription


class World:
    def __init__(self) -> None:
        clock = ManualClock()
        self.store = MemoryRecordStore(clock, SequentialIds())
        self.calls: list[tuple[str, Record | None]] = []
        self.broken = ""
        subscription = Subscription("one", frozenset({"notes"}), self.call)
        self.subscriber = Subscriber(subscription, self.store, MemoryChangeFeed(self.store, clock))

    def call(self, event: RecordChanged, record: Record | None) -> None:
        self.calls.append((event.key.id, record))
        if event.key.id == self.broken:
            raise ValueError("on purpose")

    def put(self, id: str, collection: str = "notes", space: str = "ann") -> Record:
        return self.store.write([Put(Key(space, collection, id), "ann", Data.of({}))])[0]


@pytest.fixture
def world() -> World:
    return World()


def test_a_deleted_record_comes_as_none(world: World) -> None:
    world.put("a")
    world.store.write([Delete(Key("ann", "notes", "a"), "ann")])
    there = world.put("b")
    world.subscriber.consume(world.store.events_from(0, 10))
    assert world.calls == [("a", None), ("a", None), ("b", there)]


def test_a_failure_holds_back_its_record_and_hidden_spaces_nothing(world: World) -> None:
    world.broken = "a"
    world.put("x", space=".ann")
    for id in ("a", "a", "b"):
        world.put(id)
    failed = world.subscriber.consume(world.store.events_from(0, 10))
    assert [id for id, _ in world.calls] == ["a", "b"]
    assert failed[1].startswith("ValueError: on purpose (")
    assert failed[2] == "an earlier change of this record failed"
    assert set(failed) == {1, 2}


def test_one_event_at_a_time(world: World) -> None:
    world.put("a")
    world.put("b")
    assert world.subscriber.deliver() == 1
    assert [id for id, _ in world.calls] == ["a"]


def test_nothing_is_due_for_a_change_of_another_collection(world: World) -> None:
    world.put("a", "others")
    assert world.subscriber.next_due() is None
    world.put("a")
    assert world.subscriber.next_due() == 0
