"""Rounds in which sides take turns, so that a machine's drift meets all of them alike."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

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


UNDISTURBED: Final = 0.02
"""The share of the processors that the machine below may take away while a side is measured."""


def interleaved(
    count: int,
    sides: Mapping[K, Callable[[], T]],
    stolen: Callable[[T], float] | None = None,
) -> dict[K, list[T]]:
    """Measure each side `count` times, by turns, and each round in the reverse order of the
    one before.

    With `stolen`, which tells what share of the processors somebody else had while a side was
    measured: until so many rounds were undisturbed, but twice as many at most. Those in which it
    was least count, whatever they found.
    """
    rounds: list[dict[K, T]] = []
    worst: list[float] = []
    order = list(sides)
    while sum(share <= UNDISTURBED for share in worst) < count and len(rounds) < 2 * count:
        found = {name: sides[name]() for name in order}
        rounds.append(found)
        worst.append(max(map(stolen, found.values())) if stolen is not None else 0.0)
        if worst[-1] <= UNDISTURBED:
            order.reverse()
    counted = sorted(sorted(range(len(rounds)), key=worst.__getitem__)[:count])
    return {name: [rounds[place][name] for place in counted] for name in sides}


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> Spread:
    """Of each round by itself: what a machine did in another round has no part in it."""
    return Spread.of([one / other for one, other in zip(ours, theirs, strict=True)])
