"""More that waits: in the queue of messages, and in the feed of changes.

Without a server, since a server's pumps would empty them: each call is timed by itself.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

from benchmarks.harness.command import Settings
from benchmarks.harness.corpus import documents
from benchmarks.harness.results import Report
from benchmarks.servers import homeport
from homeport.container import Backend, build
from homeport.definition import load
from homeport.domain.model.data import Data
from homeport.domain.model.record import Key
from homeport.domain.model.writes import Put

_DEPTHS: Final = (100, 1_000, 10_000)
_BACKLOGS: Final = (1_000, 10_000, 100_000)
_TIMES: Final = 50
_TEN: Final = 10


def by_waiting(settings: Settings, report: Report, folder: Path) -> None:
    waiting = report.table(
        "By messages that wait: milliseconds for one call", "messages", "enqueue", "deliver ten"
    )
    behind = report.table(
        "By changes that wait: milliseconds for one call", "changes", "write", "deliver a hundred"
    )
    backend = build(load(folder, {"HOMEPORT_DATA_FOLDER": str(folder / "data")}))
    times = 5 if settings.quick else _TIMES
    try:
        queued = 0
        for depth in _DEPTHS[: 1 if settings.quick else None]:
            for number in range(queued, depth):
                backend.queue.enqueue(f"message {number}")
            enqueue = _milliseconds(lambda: backend.queue.enqueue("message"), times)
            deliver = _milliseconds(partial(_deliver, backend), times, partial(_refill, backend))
            queued = depth + times
            waiting.add(depth, enqueue, deliver)
        _backlogs(backend, settings, times, behind.add)
    finally:
        backend.close()


def _backlogs(
    backend: Backend, settings: Settings, times: int, add: Callable[[int, float, float], None]
) -> None:
    data = [Data.of(one) for one in documents(homeport.BATCH, quick=settings.quick)]
    number = 0

    def write(count: int = 1) -> None:
        nonlocal number
        puts = [
            Put(Key("ann", "notes", f"n{number + one}"), "ann", data[one]) for one in range(count)
        ]
        number += count
        backend.store.write(puts)

    for backlog in _BACKLOGS[: 1 if settings.quick else None]:
        while number < backlog:
            write(min(homeport.BATCH, backlog - number))
        one = _milliseconds(write, times)
        # A consumer of its own for each: it has everything before it.
        name = f"subscriber:benchmark-{backlog}"
        deliver = _milliseconds(partial(backend.feed.deliver, name, lambda _: {}), min(times, 10))
        add(backlog, one, deliver)


def _deliver(backend: Backend) -> None:
    delivered = backend.queue.deliver(lambda _: {}, _TEN)
    if delivered != _TEN:
        raise RuntimeError(f"{delivered} messages were delivered, not {_TEN}")


def _refill(backend: Backend) -> None:
    for _ in range(_TEN):
        backend.queue.enqueue("message")


def _milliseconds(
    call: Callable[[], object], times: int, afterwards: Callable[[], object] = lambda: None
) -> float:
    """The median of some calls; what is to be done after each takes no time."""
    took = []
    for _ in range(times):
        started = time.perf_counter()
        call()
        took.append((time.perf_counter() - started) * 1000)
        afterwards()
    return statistics.median(took)
