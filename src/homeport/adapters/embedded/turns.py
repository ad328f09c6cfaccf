"""Processes of one server that write by turns: SQLite lets one write at a time, and tells nobody
when another may.

Who has the turn has it from the first statement of a batch until that is on disk. Who would have it
goes on with other work meanwhile, and is told.
"""

from __future__ import annotations

import asyncio
import fcntl
import mmap
import os
from collections.abc import Callable
from contextlib import suppress
from enum import IntEnum
from typing import Final, Protocol

LOOK_SECONDS: Final = 0.01
"""How often who waits looks by itself: one that is killed in its turn tells nobody."""
_MEMORY: Final = "/dev/shm"  # noqa: S108 - it never has a name there
_COUNT, _LOG = 0, 1
"""Places in what is shared, each of `_PLACE_BYTES`."""
_PLACE_BYTES: Final = 8


class Log(IntEnum):
    """How far the write-ahead log is, which all processes write to. Unless it is short nobody keeps
    a moment to read from, so that it can begin anew."""

    SHORT = 0
    LONG = 1
    """One process moves it to the data file."""
    MOVED = 2
    """It has; what was written since, a commit moves."""


class Turn(Protocol):
    """One process's side of it: the loop's thread asks, any thread gives."""

    @property
    def had(self) -> int:
        """How many turns all processes have had: while it stays the same, nothing more was
        acknowledged."""
        ...

    @property
    def log(self) -> Log:
        """How far the log of all processes is. Set by who has the turn, and by who moves it."""
        ...

    @log.setter
    def log(self, log: Log) -> None: ...

    @property
    def is_asked(self) -> bool:
        """Whether somebody waits for it here."""
        ...

    def ask(self, loop: asyncio.AbstractEventLoop, go: Callable[[], None]) -> None:
        """Call `go` with the turn: at once where nobody has it, else on the loop once they had."""
        ...

    def take(self) -> None:
        """Wait for the turn, instead of what was asked for."""
        ...

    def give(self) -> None: ...

    def close(self) -> None: ...


class Alone:
    """There is one process that writes, and it is always its turn."""

    had = 0
    is_asked = False

    def __init__(self) -> None:
        self.log: Log = Log.SHORT

    def ask(self, loop: asyncio.AbstractEventLoop, go: Callable[[], None]) -> None:
        go()

    def take(self) -> None: ...

    def give(self) -> None: ...

    def close(self) -> None: ...


class SharedTurn:
    """Shared with processes that get its `files`. Linux only.

    The turn is a lock, which the kernel frees when its holder ends, on a piece of memory that
    holds the rest. The bell is rung after each turn, and rings until one that waits has heard it.
    """

    def __init__(self, memory: int, bell: int) -> None:
        self._memory, self._bell = memory, bell
        self._map = mmap.mmap(memory, 2 * _PLACE_BYTES)
        self._shared = memoryview(self._map).cast("Q")
        self._loop: asyncio.AbstractEventLoop | None = None
        self._go: Callable[[], None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    @classmethod
    def first(cls) -> SharedTurn:
        """Of the process that starts the others. Raises OSError where that cannot be."""
        # Not all builds of Python know memfd_create.
        memory = os.open(_MEMORY, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(memory, 0, 2 * _PLACE_BYTES)  # else a full one would end the process
            bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        except OSError:
            os.close(memory)
            raise
        return cls(memory, bell)

    @classmethod
    def further(cls, memory: int, bell: int) -> SharedTurn:
        """Of a process that was started with these files of the first, which are its own now."""
        # Whoever has the same open file has the same lock.
        opened = os.open(f"/proc/self/fd/{memory}", os.O_RDWR | os.O_CLOEXEC)
        os.close(memory)
        os.set_inheritable(bell, False)
        return cls(opened, bell)

    @property
    def files(self) -> tuple[int, int]:
        """For a process that is started, to make its own of."""
        return self._memory, self._bell

    @property
    def had(self) -> int:
        return self._shared[_COUNT]

    @property
    def log(self) -> Log:
        return Log(self._shared[_LOG])

    @log.setter
    def log(self, log: Log) -> None:
        self._shared[_LOG] = log

    @property
    def is_asked(self) -> bool:
        return self._go is not None

    def ask(self, loop: asyncio.AbstractEventLoop, go: Callable[[], None]) -> None:
        if self._is_taken():
            go()
            return
        self._loop, self._go = loop, go
        loop.add_reader(self._bell, self._rung)
        self._timer = loop.call_later(LOOK_SECONDS, self._look)

    def take(self) -> None:
        self._stop_waiting()
        fcntl.flock(self._memory, fcntl.LOCK_EX)

    def give(self) -> None:
        self._shared[_COUNT] += 1
        fcntl.flock(self._memory, fcntl.LOCK_UN)
        os.eventfd_write(self._bell, 1)

    def close(self) -> None:
        self._stop_waiting()
        self._shared.release()
        self._map.close()
        os.close(self._memory)
        os.close(self._bell)

    def _is_taken(self) -> bool:
        try:
            fcntl.flock(self._memory, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _rung(self) -> None:
        with suppress(BlockingIOError):  # another has heard it
            os.eventfd_read(self._bell)
        self._try_again()

    def _look(self) -> None:
        assert self._loop is not None
        self._timer = self._loop.call_later(LOOK_SECONDS, self._look)
        self._try_again()

    def _try_again(self) -> None:
        go = self._go
        if go is not None and self._is_taken():
            self._stop_waiting()
            go()

    def _stop_waiting(self) -> None:
        if self._go is None or self._loop is None or self._timer is None:
            return
        self._go = None
        self._timer.cancel()
        with suppress(RuntimeError):  # the loop is closed
            self._loop.remove_reader(self._bell)
