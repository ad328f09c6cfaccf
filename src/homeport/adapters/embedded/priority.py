"""Has tantivy's threads give way to all others."""

from __future__ import annotations

import os
import sys
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
    """Call it when there are new ones. Only Linux knows priorities of threads; elsewhere, and where
    they may not be changed, nothing happens."""
    if sys.platform != "linux":
        return
    with suppress(OSError):
        level = min(19, os.getpriority(os.PRIO_PROCESS, os.getpid()) + NICENESS)
        for thread in _THREADS.iterdir():
            with suppress(OSError):  # it has ended
                if (thread / "comm").read_text().startswith(NAMES):
                    os.setpriority(os.PRIO_PROCESS, int(thread.name), level)
