"""Time cut into hours, days, weeks, months and years, in UTC. Weeks begin on Mondays."""

from __future__ import annotations

from datetime import MAXYEAR, UTC, datetime, timedelta
from enum import StrEnum
from itertools import pairwise
from typing import Final

from homeport.domain.dates import Moment


class Interval(StrEnum):
    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    YEAR = "year"


def intervals(first: int, last: int, length: Interval, most: int) -> list[Moment] | None:
    """All intervals from that of `first` to that of `last`, without gaps; None where they are
    more than `most`. In microseconds since 1970, of the years 1 to 9999."""
    first, last = (min(max(one, _FIRST), _LAST) for one in (first, last))
    months = _MONTHS.get(length)
    if months is not None:
        begin, end = (_month(one) // months for one in (first, last))
        if end - begin >= most:
            return None
        edges = [_month_start(one * months) for one in range(begin, end + 2)]
        return [Moment(one, other) for one, other in pairwise(edges)]
    size = _SIZES[length]
    begin, end = ((one - _MONDAY) // size for one in (first, last))
    if end - begin >= most:
        return None
    starts = (one * size + _MONDAY for one in range(begin, end + 1))
    return [Moment(one, one + size) for one in starts]


def _month(microseconds: int) -> int:
    """Which month it is, counted from the year 0."""
    when = _EPOCH + timedelta(microseconds=microseconds)
    return when.year * 12 + when.month - 1


def _month_start(number: int) -> int:
    year, month = divmod(number, 12)
    if year > MAXYEAR:
        return _LAST + 1
    return (datetime(year, month + 1, 1, tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1)


_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST: Final = (datetime.min.replace(tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1)
_LAST: Final = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1)
_HOUR: Final = 3_600_000_000
_MONDAY: Final = 4 * 24 * _HOUR
"""1970-01-05. Days and hours begin with it too."""
_SIZES: Final = {
    Interval.HOUR: _HOUR,
    Interval.DAY: 24 * _HOUR,
    Interval.WEEK: 7 * 24 * _HOUR,
}
_MONTHS: Final = {Interval.MONTH: 1, Interval.YEAR: 12}
