"""How the gateway keeps its memory small."""

from __future__ import annotations

import asyncio
import ctypes
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any

import pytest

from homeport.entrypoints.local.memory import QUIET, QuietTrim, give_back


class AtOnce(Executor):
    """Runs what it is given, at once."""

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(function(*args, **kwargs))
        return future


class Process:
    """`used` is its processor time, `trims` how often it was trimmed."""

    def __init__(self) -> None:
        self.used = 100.0
        self.trims = 0
        self.released = 0

    def release(self) -> None:
        self.released += 1

    def trim(self) -> None:
        """Of what was released."""
        self.trims = self.released


@pytest.fixture
def process() -> Process:
    return Process()


@pytest.fixture
def trim(process: Process) -> Iterator[QuietTrim]:
    loop = asyncio.new_event_loop()
    made = QuietTrim(loop, AtOnce(), process.release, process.trim, lambda: process.used)
    yield made
    made.stop()
    loop.close()


def test_memory_is_given_back_when_the_work_has_ended(process: Process, trim: QuietTrim) -> None:
    for _ in range(3):
        process.used += 1.0
        trim.look()
    assert process.trims == 0
    process.used += QUIET / 2
    trim.look()
    assert process.trims == 1


def test_it_is_given_back_once_until_there_was_work_again(
    process: Process, trim: QuietTrim
) -> None:
    for _ in range(5):
        process.used += QUIET / 2
        trim.look()
    assert process.trims == 1
    process.used += QUIET * 2
    trim.look()
    assert process.trims == 1
    trim.look()
    assert process.trims == 2


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says what is resident")
def test_what_was_freed_is_given_back() -> None:
    if not hasattr(ctypes.CDLL(None), "malloc_trim"):
        assert not give_back()
        pytest.skip("this C library has no such function")
    malloc, free = ctypes.CDLL(None).malloc, ctypes.CDLL(None).free
    malloc.restype, malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
    free.restype, free.argtypes = None, [ctypes.c_void_p]
    size = 64 * 1024  # small enough to be kept, and not mapped for itself
    blocks = [malloc(size) for _ in range(400)]
    for block in blocks:
        ctypes.memset(block, 1, size)
    for block in blocks[:-1]:  # the last one holds the end of the heap
        free(block)
    before = _resident()
    assert give_back()
    assert before - _resident() > 300 * size
    free(blocks[-1])


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


_ARENAS = """
import ctypes, threading
from homeport.entrypoints.local.memory import share_arena
print(share_arena())
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
together = threading.Barrier(4)
def take():
    together.wait()
    where.append(libc.malloc(100_000))
    together.wait()
where = []
threads = [threading.Thread(target=take) for _ in range(4)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
print(max(where) - min(where) < 32 * 2**20)
"""
"""Whether those are together. Each arena but the first begins at a multiple of 64 MiB."""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="not glibc")
def test_threads_share_one_arena() -> None:
    assert _printed({}) == ["True", "True"]


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="not glibc")
def test_the_operator_may_want_more_arenas() -> None:
    assert _printed({"MALLOC_ARENA_MAX": "8"}) == ["False", "False"]


def _printed(settings: dict[str, str]) -> list[str]:
    inherited = {name: value for name, value in os.environ.items() if name != "MALLOC_ARENA_MAX"}
    done = subprocess.run(
        [sys.executable, "-c", _ARENAS],
        env=inherited | settings,
        capture_output=True,
        check=True,
        text=True,
    )
    return done.stdout.split()
