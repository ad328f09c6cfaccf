"""Has threads that nobody waits for give way to all others."""

from __future__ import annotations

import os
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Final

NAMES: Final = ("merge_thread_", "segment_updater", "thrd-tantivy-in")
"""What those threads of a writer are called that cut texts into words and merge segments. They
never hold the interpreter, so that no request waits for them."""
NICENESS: Final = 10
"""Above the process's: a tenth of the processor where somebody else wants all of it."""
_THREADS: Final = Path("/proc/self/task")


def give_way() -> None:
    """Have tantivy's threads do so: call it when there are new ones. Only Linux knows priorities of
    threads; elsewhere, and where they may not be changed, nothing happens."""
    if sys.platform != "linux":
        return
    with suppress(OSError):
        level = _level()
        for thread in _THREADS.iterdir():
            with suppress(OSError):  # it has ended
                if (thread / "comm").read_text().startswith(NAMES):
                    os.setpriority(os.PRIO_PROCESS, int(thread.name), level)


def give_way_here() -> None:
    """Have this thread do so, which holds the interpreter for moments only."""
    if sys.platform == "linux":
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _level())


def _level() -> int:
    return min(19, os.getpriority(os.PRIO_PROCESS, os.getpid()) + NICENESS)
