"""Dead letters of the queue and of the change feed, as one list."""

from __future__ import annotations

import pytest

from homeport.adapters.memory.change_feed import MemoryChangeFeed
from homeport.adapters.memory.clock import ManualClock
from homeport.adapters.memory.ids import SequentialIds
from homeport.adapters.memory.message_queue import MemoryMessageQueue
from homeport.adapters.memory.record_store import MemoryRecordStore
from homeport.domain.dead_letters import QUEUE, DeadLetters
from homeport.domain.errors import Invalid, NotFound
from homeport.domain.model.data import Data
from homeport.domain.model.record import Key
from homeport.domain.model.writes import Put
from homeport.domain.ports.deliveries import Retry

ONCE = Retry(attempts=1)


class World:
    """The queue gave up one job, then `a`, `b` and `old` one change each; later the queue one
    more. Nothing delivers to `old` any more."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        store = MemoryRecordStore(self.clock, SequentialIds())
        self.queue = MemoryMessageQueue(self.clock, ONCE)
        self.feed = MemoryChangeFeed(store, self.clock, ONCE)
        self.letters = DeadLetters(self.feed, self.queue, ["a", "b"], ["old", "a"])
        self.fail_job()
        store.write([Put(Key("ann", "notes", "n"), "ann", Data.of({}))])
        for consumer in ("a", "b", "old"):
            self.clock.advance(1)
            self.feed.deliver(consumer, lambda events: dict.fromkeys(range(len(events)), "no"))
        self.fail_job()

    def fail_job(self) -> None:
        self.clock.advance(1)
        self.queue.enqueue("{}")
        self.queue.deliver(lambda batch: {one.id: "no" for one in batch})


@pytest.fixture
def world() -> World:
    return World()


def sources(world: World, source: str | None = None) -> list[str]:
    return [one.source for one in world.letters.letters(source)]


def test_all_are_listed_oldest_first(world: World) -> None:
    assert world.letters.sources == (QUEUE, "a", "b", "old")
    assert sources(world) == [QUEUE, "a", "b", "old", QUEUE]
    assert sources(world, QUEUE) == [QUEUE, QUEUE]
    assert sources(world, "b") == ["b"]
    with pytest.raises(NotFound, match="no source nobody"):
        world.letters.letters("nobody")


def test_they_are_found_by_id(world: World) -> None:
    (one,) = world.letters.letters("a")
    first, second = world.letters.letters(QUEUE)
    assert world.letters.find([second.id, first.id, second.id], QUEUE) == [second, first]
    assert world.letters.find([one.id], "a") == [one]
    with pytest.raises(NotFound, match=r"no dead letter nothing\."):
        world.letters.find(["nothing"])
    with pytest.raises(NotFound, match=r"no dead letter nothing of a\."):
        world.letters.find(["nothing"], "a")


def test_an_id_that_several_have_takes_the_source(world: World) -> None:
    first = world.letters.letters(QUEUE)[0]
    (one,) = world.letters.letters("a")
    assert first.id == one.id
    with pytest.raises(Invalid, match=f"one of {QUEUE} and a: name the source"):
        world.letters.find([one.id])
    world.letters.drop([first])
    assert world.letters.find([one.id]) == [one]


def test_redriven_ones_are_due_again_and_leave_the_list(world: World) -> None:
    assert world.letters.redrive(world.letters.letters(QUEUE)) == 2
    assert world.letters.redrive(world.letters.letters("a")) == 1
    assert sources(world) == ["b", "old"]
    assert world.queue.deliver(lambda batch: {}) == 2
    assert world.feed.deliver("a", lambda events: {}) == 1


def test_nothing_is_redriven_to_who_is_gone(world: World) -> None:
    with pytest.raises(Invalid, match="Nothing delivers to old any more"):
        world.letters.redrive(world.letters.letters())
    assert len(sources(world)) == 5


def test_dropped_ones_are_forgotten(world: World) -> None:
    (old,) = world.letters.letters("old")
    first, second = world.letters.letters(QUEUE)
    assert world.letters.drop([old, first]) == 2
    assert sources(world) == ["a", "b", QUEUE]
    assert world.letters.letters(QUEUE) == [second]


def test_the_log_tells_of_them_without_contents(caplog: pytest.LogCaptureFixture) -> None:
    clock = ManualClock()
    queue = MemoryMessageQueue(clock, ONCE)
    queue.enqueue("a secret")
    queue.deliver(lambda jobs: {one.id: "ValueError: a secret (app.py:3)" for one in jobs})
    assert caplog.messages == [
        "queue: 1 failed 1 times and is a dead letter: ValueError (app.py:3)"
    ]
