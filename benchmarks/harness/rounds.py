"""Rounds in which sides take turns, so that a machine's drift meets all of them alike."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

K = TypeVar("K")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Spread:
    """The median of several rounds, with the least and the most; `values` are each round's, in
    their order."""

    median: float
    low: float
    high: float
    values: Sequence[float] = ()

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        return cls(statistics.median(values), min(values), max(values), tuple(values))

    def __str__(self) -> str:
        ends = (self.low, self.high)
        return "-".join(f"{one:,.0f}" if one >= 100 else f"{one:.3g}" for one in ends)


def interleaved(count: int, sides: Mapping[K, Callable[[], T]]) -> dict[K, list[T]]:
    """Measure each side `count` times, by turns, and each round in the reverse order of the
    one before."""
    found: dict[K, list[T]] = {name: [] for name in sides}
    order = list(sides)
    for _ in range(count):
        for name in order:
            found[name].append(sides[name]())
        order.reverse()
    return found


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> Spread:
    """Of each round by itself: what a machine did in another round has no part in it."""
    return Spread.of([one / other for one, other in zip(ours, theirs, strict=True)])
