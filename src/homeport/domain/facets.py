"""What a search counts: values of fields, ranges of them, and stretches of time.

    kind                       its most frequent values
    pages:<100,100..200,>200   how many are within each range, written as in a filter
    seen:month                 how many are in each hour, day, week, month or year

Counts stand in the answer under the text that asked for them. A range is counted as a filter of
the same text would find it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Final, Protocol

from homeport.domain import limits
from homeport.domain.dates import format_date
from homeport.domain.errors import Fault, Invalid
from homeport.domain.filter_parser import FieldRoles, check_field, parse_condition, to_filters
from homeport.domain.intervals import Interval, intervals
from homeport.domain.model.collection import FieldRole
from homeport.domain.model.query import Counted, Extent, Facet, FacetCount, Range, RangeFacet

COUNTED: Final = (FieldRole.KEYWORD, FieldRole.NUMBER, FieldRole.DATE)
"""Roles whose values can be counted and sorted by."""


class Asked(Protocol):
    """One facet: what the index is asked, and what its counts say."""

    @property
    def queries(self) -> tuple[Counted, ...]: ...

    def shown(self, counts: Sequence[Sequence[FacetCount]]) -> tuple[FacetCount, ...]:
        """The counts of `queries`, as JSON can say them."""
        ...


@dataclass(frozen=True, slots=True)
class ValuesFacet:
    """Of each role that the field can have, since one name may hold words and numbers."""

    queries: tuple[Facet, ...]

    def shown(self, counts: Sequence[Sequence[FacetCount]]) -> tuple[FacetCount, ...]:
        merged = [
            FacetCount(_shown(facet.role, one.value), one.count)
            for facet, found in zip(self.queries, counts, strict=True)
            for one in found
        ]
        return tuple(sorted(merged, key=_by_count)[: limits.FACET_VALUES])


@dataclass(frozen=True, slots=True)
class RangesFacet:
    """`labels` are what its ranges are called in the answer. None of either: no values."""

    labels: tuple[str, ...]
    query: RangeFacet | None

    @property
    def queries(self) -> tuple[RangeFacet, ...]:
        return () if self.query is None else (self.query,)

    def shown(self, counts: Sequence[Sequence[FacetCount]]) -> tuple[FacetCount, ...]:
        found = {one.value: one.count for each in counts for one in each}
        return tuple(
            FacetCount(label, found.get(place, 0)) for place, label in enumerate(self.labels)
        )


@dataclass(frozen=True, slots=True)
class IntervalsFacet:
    """It has to know from when to when its dates are, before it can ask for their ranges."""

    field: str
    length: Interval
    parameter: str

    @property
    def queries(self) -> tuple[Extent, ...]:
        return (Extent(FieldRole.DATE, self.field),)

    def shown(self, counts: Sequence[Sequence[FacetCount]]) -> tuple[FacetCount, ...]:
        return ()

    def within(self, extent: Sequence[FacetCount]) -> RangesFacet:
        """Raises Invalid for too many intervals."""
        if not extent:
            return RangesFacet((), None)
        first, last = (int(one.value) for one in extent)
        found = intervals(first, last, self.length, limits.FACET_INTERVALS)
        if found is None:
            detail = (
                f"from {format_date(first)} to {format_date(last)} there are more than "
                f"{limits.FACET_INTERVALS} {self.length}s: take a longer interval, or narrow the "
                f"search by a filter of {self.field}"
            )
            raise _invalid(self.parameter, detail)
        ranges = [
            Range(FieldRole.DATE, self.field, one.start, one.end, include_high=False)
            for one in found
        ]
        return RangesFacet(
            tuple(format_date(one.start) for one in found),
            RangeFacet(FieldRole.DATE, self.field, tuple(ranges)),
        )


@dataclass(frozen=True, slots=True)
class Facets:
    """The facets of one search, by the text that asked for each."""

    by_text: dict[str, Asked]

    @property
    def queries(self) -> tuple[Counted, ...]:
        return tuple(query for one in self.by_text.values() for query in one.queries)

    @property
    def extents(self) -> tuple[Extent, ...]:
        """What has to be known first, for `within`."""
        return tuple(one for one in self.queries if isinstance(one, Extent))

    def within(self, extents: Sequence[Sequence[FacetCount]]) -> Facets:
        """With the extents known. Raises Invalid for one that has too many intervals."""
        known = iter(extents)
        return Facets(
            {
                text: one.within(next(known, ())) if isinstance(one, IntervalsFacet) else one
                for text, one in self.by_text.items()
            }
        )

    def shown(self, counts: Sequence[Sequence[FacetCount]]) -> dict[str, tuple[FacetCount, ...]]:
        """The counts of `queries` by the text that asked for them."""
        left: Iterator[Sequence[FacetCount]] = iter(counts)
        return {
            text: one.shown(list(islice(left, len(one.queries))))
            for text, one in self.by_text.items()
        }


def parse_facets(texts: Sequence[str], roles: FieldRoles) -> Facets:
    """Raises Invalid, naming each as `facet/0`, `facet/1`, ..."""
    if len(texts) > limits.FACETS:
        raise _invalid("facet", f"at most {limits.FACETS} facets")
    return Facets({text: _parse(text, roles, f"facet/{place}") for place, text in _distinct(texts)})


def _distinct(texts: Sequence[str]) -> list[tuple[int, str]]:
    return [(texts.index(text), text) for text in dict.fromkeys(texts)]


def _parse(text: str, roles: FieldRoles, parameter: str) -> Asked:
    found = _QUALIFIED.match(text)
    if found is None or roles.declared(text):
        return _values(text, roles, parameter)
    field, how = found.groups()
    declared = roles.declared(field)
    if how in _INTERVALS or (FieldRole.DATE in declared and how.isalpha()):
        return _intervals(field, how, declared, parameter)
    if declared & _ORDERED or _RANGES.search(how):
        return _ranges(field, how, roles, parameter)
    return _values(text, roles, parameter)


def _values(field: str, roles: FieldRoles, parameter: str) -> ValuesFacet:
    possible = roles.possible(check_field(field, parameter))
    # A date that was inferred is a keyword too, and would be counted twice.
    counted = roles.declared(field) | {FieldRole.KEYWORD, FieldRole.NUMBER}
    found = [role for role in COUNTED if role in possible & counted]
    if not found:
        raise _invalid(parameter, f"{field} is not a keyword, number or date field")
    return ValuesFacet(tuple(Facet(role, field, limits.FACET_VALUES) for role in found))


def _intervals(
    field: str, how: str, declared: frozenset[FieldRole], parameter: str
) -> IntervalsFacet:
    if FieldRole.DATE not in declared:
        raise _invalid(parameter, f"{field} is not declared as a date field")
    if how not in _INTERVALS:
        raise _invalid(parameter, f"an interval is one of {', '.join(_INTERVALS)}")
    return IntervalsFacet(check_field(field, parameter), Interval(how), parameter)


def _ranges(field: str, how: str, roles: FieldRoles, parameter: str) -> RangesFacet:
    labels = tuple(dict.fromkeys(how.split(",")))
    if len(labels) > limits.FACET_RANGES:
        raise _invalid(parameter, f"at most {limits.FACET_RANGES} ranges")
    ranges = [_range(field, label, roles, parameter) for label in labels]
    if len({one.role for one in ranges}) > 1:
        raise _invalid(parameter, "ranges are all of numbers or all of dates")
    return RangesFacet(labels, RangeFacet(ranges[0].role, field, tuple(ranges)))


def _range(field: str, label: str, roles: FieldRoles, parameter: str) -> Range:
    if label:
        condition = parse_condition(f"{field}:{label}", parameter)
        if condition.value is None or roles.declared(field) == {FieldRole.DATE}:
            (found,) = to_filters(replace(condition, words=None), roles, parameter)
            if isinstance(found, Range):
                return found
    raise _invalid(parameter, "write ranges: <10,10..20,>20")


def _by_count(one: FacetCount) -> tuple[int, bool, float, str]:
    text = isinstance(one.value, str)
    return -one.count, text, 0.0 if text else float(one.value), str(one.value)


def _shown(role: FieldRole, value: str | float | int) -> str | float | int:
    if role is FieldRole.DATE:
        return format_date(int(value))
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def _invalid(parameter: str, detail: str) -> Invalid:
    return Invalid("The search cannot be done so.", (Fault(parameter, detail),))


_INTERVALS: Final = tuple(Interval)
_ORDERED: Final = frozenset({FieldRole.NUMBER, FieldRole.DATE})
_QUALIFIED: Final = re.compile(r"([^:~]+):(.+)\Z", re.DOTALL)
_RANGES: Final = re.compile(r"(?:^|,)[<>]|\.\.")
