"""When a virtual machine's processors were somebody else's.

The machine below gives them to others, which the kernel counts as steal. What was answered then,
or while what had gathered meanwhile was worked off, tells of the neighbours and not of the server.
"""

from __future__ import annotations

from bisect import bisect_right
from itertools import pairwise
from pathlib import Path
from typing import Final

_COUNTS: Final = Path("/proc/stat")
_EVERY: Final = 0.025
"""Seconds between looks. The kernel counts in hundredths of a second."""
_AFTERWARDS: Final = 0.1
"""Seconds that it takes until what had gathered is worked off."""


class Steal:
    """Looks for it as often as it is asked to, and seldom enough to cost nothing."""

    def __init__(self) -> None:
        self._looks: list[tuple[float, int]] = []

    def look(self, now: float) -> None:
        """`now` is in seconds since any moment, the same for all calls."""
        if not self._looks or now - self._looks[-1][0] >= _EVERY:
            self._looks.append((now, counted()[0]))

    def times(self) -> list[tuple[float, float]]:
        """From when to when, in order, none of them overlapping."""
        return disturbed(self._looks)


def disturbed(looks: list[tuple[float, int]]) -> list[tuple[float, float]]:
    """The times between looks in which the count has grown, and a while afterwards."""
    found: list[tuple[float, float]] = []
    for (begin, before), (end, after) in pairwise(looks):
        if after == before:
            continue
        since = found.pop()[0] if found and begin <= found[-1][1] else begin
        found.append((since, end + _AFTERWARDS))
    return found


def is_within(times: list[tuple[float, float]], begin: float, end: float) -> bool:
    """Whether any of `times` and the time from `begin` to `end` overlap."""
    last = bisect_right(times, (end,))
    return last > 0 and times[last - 1][1] > begin


def counted() -> tuple[int, int]:
    """Of all processors since the start, in hundredths of a second: what was stolen, and all. Zeros
    where the system does not tell."""
    try:
        with _COUNTS.open() as counts:
            user, nice, system, idle, waiting, irq, softirq, stolen = map(
                int, counts.readline().split()[1:9]
            )
    except (OSError, ValueError):
        return 0, 0
    return stolen, user + nice + system + idle + waiting + irq + softirq + stolen


def share(before: tuple[int, int], after: tuple[int, int]) -> float:
    """Of what was counted between two looks, how much was stolen: 0.0 to 1.0."""
    stolen, all_ = (later - sooner for sooner, later in zip(before, after, strict=True))
    return stolen / all_ if all_ > 0 else 0.0
