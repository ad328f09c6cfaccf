"""Work that gives way to all other work."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Final, TypeVar

T = TypeVar("T")

_NICENESS: Final = 10
"""Above its own: a tenth of the processor where somebody else wants all of it."""


class GivingWay:
    """A thread that gives way to others, as do the threads that are started in it. It is not for
    Python's own work: whoever is kept waiting holds the interpreter. Only Linux knows priorities
    of threads; elsewhere it is as any other."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, "homeport-giving-way", _give_way)

    def do(self, work: Callable[[], T]) -> T:
        """What `work` returns or raises there."""
        return self._pool.submit(work).result()

    def close(self) -> None:
        self._pool.shutdown()


def _give_way() -> None:
    if sys.platform == "linux":
        with suppress(OSError):  # where the system forbids it, it is as any other
            thread = threading.get_native_id()
            own = os.getpriority(os.PRIO_PROCESS, thread)
            os.setpriority(os.PRIO_PROCESS, thread, own + _NICENESS)
