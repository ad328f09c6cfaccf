"""Comparisons of values and of the places of words, of which matches are made."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from homeport.testing.cloudsearch.analysis import Token
from homeport.testing.cloudsearch.errors import SearchRefused
from homeport.testing.cloudsearch.query import Bounds, Literal
from homeport.testing.cloudsearch.schema import Field
from homeport.testing.cloudsearch.values import Value, from_text


@dataclass(frozen=True, slots=True)
class _Interval:
    low: Value | None
    high: Value | None
    with_low: bool
    with_high: bool

    def holds(self, value: Value) -> bool:
        """Whether a value lies inside. Both are of one type: `from_text` made them so."""
        above = self.low is None or value > self.low  # type: ignore[operator]
        below = self.high is None or value < self.high  # type: ignore[operator]
        return (above or (self.with_low and value == self.low)) and (
            below or (self.with_high and value == self.high)
        )


def in_bounds(bounds: Bounds, name: str, field: Field) -> Callable[[Value], bool]:
    """Whether a value lies in a range, for the buckets of a facet."""
    low = None if bounds.low is None else value_of(bounds.low, name, field)
    high = None if bounds.high is None else value_of(bounds.high, name, field)
    return _Interval(low, high, bounds.with_low, bounds.with_high).holds


def value_of(literal: Literal, name: str, field: Field) -> Value:
    bare = field.base in {"int", "double"}
    if bare == literal.quoted:
        how = "without quotes" if bare else "in single quotes"
        raise SearchRefused(f"A value of {name}, which is {field.type}, stands {how}")
    try:
        return from_text(field.base, literal.text)
    except ValueError as exc:
        raise SearchRefused(f"Field ({name}): {exc}") from exc


def in_box(bounds: Bounds, name: str, field: Field) -> Callable[[Value], bool]:
    """Whether a place lies between the upper left and the lower right corner."""
    if bounds.low is None or bounds.high is None:
        raise SearchRefused(f"A range of {name} has two corners")
    upper_left = value_of(bounds.low, name, field)
    lower_right = value_of(bounds.high, name, field)
    assert isinstance(upper_left, tuple) and isinstance(lower_right, tuple)
    (top, left), (bottom, right) = upper_left, lower_right
    if top < bottom or left > right:
        raise SearchRefused(f"A range of {name} goes from the upper left to the lower right")

    def inside(value: Value) -> bool:
        assert isinstance(value, tuple)
        return bottom <= value[0] <= top and left <= value[1] <= right

    return inside


def in_order(tokens: Sequence[Token], places: Sequence[Iterable[int]]) -> bool:
    """Whether the words follow one another as they do in the query."""
    first = tokens[0].position
    starts = (
        {place - token.position + first for place in at}
        for token, at in zip(tokens, places, strict=True)
    )
    return bool(set.intersection(*starts))


def spread(places: Sequence[Sequence[int]]) -> float:
    """The shortest stretch that holds one place of each word, and no place twice."""
    best = math.inf
    for start in places[0] if len(places) == 1 else sorted({one for at in places for one in at}):
        used: set[int] = set()
        for at in sorted(places, key=lambda at: at[-1]):
            nth = bisect_left(at, start)
            while nth < len(at) and at[nth] in used:
                nth += 1
            if nth == len(at):
                break
            used.add(at[nth])
        else:
            best = min(best, max(used) - start)
    return best


def within_edits(left: str, right: str, edits: int) -> bool:
    """Whether two words differ by at most so many insertions, deletions and replacements."""
    if abs(len(left) - len(right)) > edits:
        return False
    row = list(range(len(right) + 1))
    for nth, char in enumerate(left, 1):
        above, row = row, [nth]
        for place, other in enumerate(right, 1):
            step = above[place - 1] + (char != other)
            row.append(min(step, above[place] + 1, row[-1] + 1))
    return row[-1] <= edits
