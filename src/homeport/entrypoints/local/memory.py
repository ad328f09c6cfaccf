"""Keeps what the C library's allocator holds, beyond what is in use, small.

Each commit of the search index takes some 18 MB and frees them at once, in a thread of its own.
glibc lends each thread one of up to eight arenas a core, and keeps in each what was freed for
the next time. With sixteen arenas, which two cores allow, and as many threads, a server that
uses 60 MB came to hold 320. One arena for all threads holds it at 90; most objects are Python's
own and never come near it. To give it back after each commit would cost that a third more
processor time, in page faults; in quiet moments it is given back, and so is what SQLite keeps of
the data file, which the system has as well.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Final

LOOK_SECONDS: Final = 1.0
"""How long it must have been quiet."""
QUIET: Final = 0.05
"""Seconds of processor time in LOOK_SECONDS up to which the server counts as quiet."""
_M_ARENA_MAX: Final = -8
"""From glibc's malloc.h."""


class QuietTrim:
    """Has `release` called and then `trim`, in `threads`, once for each time that the server falls
    quiet.

    `used` gives the processor time of the process in seconds. All but `trim` is on the loop's
    thread.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        threads: Executor,
        release: Callable[[], object],
        trim: Callable[[], object],
        used: Callable[[], float],
    ) -> None:
        self._loop = loop
        self._threads = threads
        self._release = release
        self._trim = trim
        self._used = used
        self._stirred = True
        self._seen = used()
        self._timer = loop.call_later(LOOK_SECONDS, self.look)

    def look(self) -> None:
        """What the timer calls: see how much was done since the last look."""
        self._timer = self._loop.call_later(LOOK_SECONDS, self.look)
        used = self._used()
        busy = used - self._seen > QUIET
        self._seen = used
        if busy:
            self._stirred = True
        elif self._stirred:
            self._stirred = False
            self._release()
            self._threads.submit(self._trim)

    def stop(self) -> None:
        self._timer.cancel()


def share_arena() -> bool:
    """Have the threads that start from now on share one arena. Returns whether they will: only
    with glibc, and not where MALLOC_ARENA_MAX says how many the operator wants."""
    if "MALLOC_ARENA_MAX" in os.environ:
        return False
    import ctypes  # not sooner: only a server needs it

    try:
        set_option = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # musl, macOS; Windows has no such library
        return False
    return bool(set_option(_M_ARENA_MAX, 1))


def give_back() -> bool:
    """Hand what the allocator keeps and nobody uses back to the system, which takes some
    milliseconds. Returns whether there was any; always False but on glibc."""
    import ctypes

    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):
        return False
    return bool(trim(ctypes.c_size_t(0)))
