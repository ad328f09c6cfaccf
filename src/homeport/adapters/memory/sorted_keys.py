"""A sorted set, in the standard library's means."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator
from typing import Any, Final, Generic, TypeVar

K = TypeVar("K", bound=Any)

_RUN: Final = 1024


class SortedKeys(Generic[K]):
    """Distinct keys in order. Adding and removing move one short run of them, not the whole.

    `_runs` are sorted lists of up to 1,024 keys; `_last` holds the last key of each.
    """

    __slots__ = ("_last", "_runs")

    def __init__(self) -> None:
        self._runs: list[list[K]] = []
        self._last: list[K] = []

    def add(self, key: K) -> None:
        """Add a key that is not there."""
        if not self._last or key > self._last[-1]:
            # The usual case, since ids and versions grow: no search.
            if self._runs and len(self._runs[-1]) < _RUN:
                self._runs[-1].append(key)
                self._last[-1] = key
            else:
                self._runs.append([key])
                self._last.append(key)
            return
        place = bisect_left(self._last, key)
        run = self._runs[place]
        insort(run, key)
        if len(run) > _RUN:
            half = len(run) // 2
            self._runs[place : place + 1] = [run[:half], run[half:]]
            self._last.insert(place, run[half - 1])

    def remove(self, key: K) -> None:
        """Remove a key that is there."""
        place = bisect_left(self._last, key)
        run = self._runs[place]
        del run[bisect_left(run, key)]
        if run:
            self._last[place] = run[-1]
        else:
            del self._runs[place], self._last[place]

    def after(self, key: K | None) -> Iterator[K]:
        """The keys greater than `key`, ascending; all of them where it is None."""
        place, start = 0, 0
        if key is not None:
            place = bisect_right(self._last, key)
            start = bisect_right(self._runs[place], key) if place < len(self._runs) else 0
        for run in range(place, len(self._runs)):
            keys = self._runs[run]
            for at in range(start, len(keys)):
                yield keys[at]
            start = 0

    def before(self, key: K | None) -> Iterator[K]:
        """The keys less than `key`, descending; all of them where it is None."""
        place = len(self._runs) - 1
        end = len(self._runs[-1]) if self._runs else 0
        if key is not None:
            found = bisect_left(self._last, key)
            if found < len(self._runs):
                place, end = found, bisect_left(self._runs[found], key)
        while place >= 0:
            keys = self._runs[place]
            for at in range(end - 1, -1, -1):
                yield keys[at]
            place -= 1
            end = len(self._runs[place]) if place >= 0 else 0
