"""Who computes the index, and what becomes of a batch whose worker ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from homeport.container import Backend
from homeport.domain.errors import Unavailable
from homeport.domain.events import RecordChanged
from homeport.domain.model.record import Key
from homeport.entrypoints.local.indexing import (
    PART,
    Causes,
    Indexer,
    Indexing,
    IndexingFailed,
    Take,
    WorkerGone,
    causes_of,
)
from homeport.entrypoints.local.pacing import Pacing

EVENTS = [
    RecordChanged(Key("s", "notes", str(number)), number, None, "a", deleted=False)
    for number in range(2 * PART + 1)
]


@dataclass
class World:
    """A backend that notes what is asked of it, and its workers, each once."""

    workers: list[Take] = field(default_factory=list)
    steps: list[str] = field(default_factory=list)
    causes: Causes = field(default_factory=dict)
    rebuild: object = None

    @property
    def index(self) -> World:
        return self

    @property
    def indexing(self) -> World:
        return self

    @contextmanager
    def lent(self) -> Iterator[object]:
        self.steps.append("lent")
        yield self.rebuild
        self.steps.append("had back")

    def refresh(self) -> None:
        self.steps.append("refreshed")

    def consume(self, events: Sequence[RecordChanged]) -> Causes:
        assert list(events) == EVENTS
        self.steps.append("done here")
        return self.causes

    def repeat(self, events: Sequence[RecordChanged], apply: object) -> None:
        assert list(events) == EVENTS
        assert apply is self.rebuild
        self.steps.append("repeated here")

    def run(self) -> Causes:
        def worker() -> Take | None:
            return self.workers.pop(0) if self.workers else None

        return Indexing(cast(Backend, self), worker).consume(EVENTS)


def takes(world: World, outcome: object) -> Take:
    def take(packed: list[bytes]) -> Causes:
        world.steps.append("handed over")
        assert len(packed) == 3
        if isinstance(outcome, BaseException):
            raise outcome
        return causes_of(outcome)

    return take


def test_without_a_worker_it_is_done_here() -> None:
    world = World(causes={3: "no"})
    assert world.run() == {3: "no"}
    assert world.steps == ["done here"]


def test_a_worker_has_the_index_lent_and_what_it_did_is_seen() -> None:
    world = World()
    world.workers = [takes(world, {5: "too large"})]
    assert world.run() == {5: "too large"}
    assert world.steps == ["lent", "handed over", "refreshed", "had back"]


def test_what_a_worker_did_goes_to_a_rebuild_before_that_may_end() -> None:
    world = World(rebuild=object())
    world.workers = [takes(world, {})]
    world.run()
    assert world.steps == ["lent", "handed over", "refreshed", "repeated here", "had back"]


def test_when_a_worker_ends_another_goes_on_and_at_last_this_process() -> None:
    world = World()
    world.workers = [takes(world, WorkerGone()), takes(world, WorkerGone())]
    world.run()
    assert world.steps == ["lent", "handed over", "lent", "handed over", "done here"]


def test_a_batch_that_a_worker_could_not_take_comes_again_as_a_whole(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = World()
    world.workers = [takes(world, "the disk is full")]
    with pytest.raises(Unavailable, match="the disk is full"):
        world.run()
    assert world.steps == ["lent", "handed over"]
    (told,) = caplog.messages
    assert told.startswith(f"{len(EVENTS)} changes could not be indexed: ")
    assert "the disk is full" in told


def test_an_error_of_a_worker_is_no_outage() -> None:
    world = World()
    world.workers = [takes(world, ("ZeroDivisionError",))]
    with pytest.raises(IndexingFailed, match="ZeroDivisionError"):
        world.run()


@pytest.mark.parametrize(
    ("consume", "expected"),
    [
        (lambda events: {len(events) - 1: "no"}, {2 * PART: "no"}),
        (lambda _: (_ for _ in ()).throw(Unavailable("the disk is full")), "the disk is full"),
        (lambda _: 1 // 0, ("ZeroDivisionError",)),
    ],
    ids=["taken", "not now", "a fault"],
)
def test_the_workers_side_answers_whatever_happens(
    consume: Callable[[Sequence[RecordChanged]], Any],
    expected: object,
    caplog: pytest.LogCaptureFixture,
) -> None:
    packed: list[bytes] = []

    def keep(parts: list[bytes]) -> Causes:
        packed.extend(parts)
        return {}

    World([keep]).run()

    async def run() -> object:
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[object] = loop.create_future()
        indexer = Indexer(loop, consume, Pacing(lambda: 0, lambda: 0.0), answered.set_result)
        indexer.take(packed)
        try:
            return await asyncio.wait_for(answered, 10)
        finally:
            indexer.close()

    assert asyncio.run(run()) == expected
    assert bool(caplog.records) == isinstance(expected, tuple)
