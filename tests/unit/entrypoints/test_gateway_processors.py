"""Each process of a server keeps to processors of its own."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeport.entrypoints.local import processors
from homeport.entrypoints.local.processors import Share, shares
from tests.processes import needs_workers

PROCESSORS = st.frozensets(st.integers(0, 200), min_size=1, max_size=40)


@given(PROCESSORS, st.integers(1, 8))
def test_every_process_has_some_and_no_two_the_same(every: frozenset[int], processes: int) -> None:
    found = shares(every, processes)
    assert len(found) == processes
    assert all(one.every == every for one in found)
    if len(every) < processes:
        assert all(one.own == every for one in found)
        return
    sizes = [len(one.own) for one in found]
    assert min(sizes) >= 1
    assert max(sizes) - min(sizes) <= 1
    assert sum(sizes) == len(every)
    assert frozenset[int]().union(*(one.own for one in found)) == every


def test_neighbours_stay_together() -> None:
    assert [one.own for one in shares(frozenset({0, 1, 4, 5}), 2)] == [{0, 1}, {4, 5}]


@pytest.fixture
def idle() -> Iterator[Callable[[], int]]:
    """Starts threads that do nothing, and gives their ids."""
    done = threading.Event()
    started: list[threading.Thread] = []

    def start() -> int:
        thread = threading.Thread(target=done.wait, args=(60,))
        thread.start()
        started.append(thread)
        assert thread.native_id is not None
        return thread.native_id

    yield start
    done.set()
    for one in started:
        one.join(60)


@needs_workers
def test_all_other_threads_compute_anywhere(idle: Callable[[], int]) -> None:
    every = frozenset(os.sched_getaffinity(0))
    own = frozenset({min(every)})
    kept, other = idle(), idle()
    try:
        Share(own, every).keep({kept, None})
        assert (_processors(kept), _processors(other)) == (own, every)
        os.sched_setaffinity(other, own)  # as one has it that a thread has started that is kept
        Share(own, every).keep({kept})
        assert (_processors(kept), _processors(other)) == (own, every)
    finally:
        Share(every, every).keep({kept})
    assert _processors(kept) == every


@needs_workers
def test_where_no_file_is_to_be_had_all_stays_as_it_is(
    idle: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Exhausted:
        def iterdir(self) -> Iterator[Path]:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    every = frozenset(os.sched_getaffinity(0))
    thread = idle()
    monkeypatch.setattr(processors, "_THREADS", Exhausted())
    Share(frozenset({min(every)}), every).keep({thread})
    assert _processors(thread) == every


def _processors(thread: int) -> frozenset[int]:
    return frozenset(os.sched_getaffinity(thread))
