"""Which processors the threads of a server of several processes compute on.

Its loops wake each other with every turn to write, and Linux tends to put who is woken where the
waker is: both on one processor, while another rests. So each loop, and the thread that commits for
it, keep to processors of their own. All other threads compute wherever there is room.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

_THREADS: Final = Path("/proc/self/task")


@dataclass(frozen=True, slots=True)
class Share:
    """One process's `own` processors, of `every` that the server may compute on."""

    own: frozenset[int]
    every: frozenset[int]

    def keep(self, threads: Collection[int | None]) -> None:
        """Have these threads of this process, by the kernel's ids, keep to its own, and all others
        to no less than every one. Call it again and again: a thread that one of these has started
        keeps to the same until then. Linux only; where it cannot be, nothing happens."""
        with suppress(OSError):  # there is no file to be had to read which there are
            for thread in [int(one.name) for one in _THREADS.iterdir()]:
                with suppress(OSError):  # it has ended, or a processor is gone
                    os.sched_setaffinity(thread, self.own if thread in threads else self.every)


def shares(every: frozenset[int], processes: int) -> list[Share]:
    """One for each process; where there are fewer processors, each has all."""
    ordered, count = sorted(every), len(every)
    if count < processes:
        return [Share(every, every)] * processes
    bounds = [place * count // processes for place in range(processes + 1)]
    return [Share(frozenset(ordered[start:end]), every) for start, end in pairwise(bounds)]
