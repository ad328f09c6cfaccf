"""Dates in text: RFC 3339, with a time and an offset or as a day alone."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple


class Moment(NamedTuple):
    """From `start` up to, but not including, `end`, in microseconds since 1970 UTC.

    A day is a whole day; a date with a time is one microsecond.
    """

    start: int
    end: int


def parse_date(text: str) -> Moment | None:
    """What `text` says, None where it is no date of the years 1 to 9999 in UTC. Finer parts than
    microseconds are cut off."""
    if _DATE.match(text) is None:
        return None
    try:
        when = datetime.fromisoformat(text.upper())
        when = when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    if len(text) == _DAY_LENGTH:
        start = _microseconds(when)
        return Moment(start, start + _DAY)
    start = _microseconds(when)
    return Moment(start, start + 1)


def format_date(microseconds: int) -> str:
    """RFC 3339 in UTC, with as many digits as it takes."""
    text = (_EPOCH + timedelta(microseconds=microseconds)).isoformat()
    return text.removesuffix("+00:00") + "Z"


def _microseconds(when: datetime) -> int:
    return (when - _EPOCH) // timedelta(microseconds=1)


_DATE: Final = re.compile(
    r"\d{4}-\d{2}-\d{2}(?:[Tt]\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?:[Zz]|[+-]\d{2}:\d{2}))?\Z",
    re.ASCII,
)
_DAY_LENGTH: Final = len("2025-01-31")
_DAY: Final = 86_400_000_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
FIRST: Final = _microseconds(datetime.min.replace(tzinfo=UTC))
LAST: Final = _microseconds(datetime.max.replace(tzinfo=UTC))
"""The ends of what can be a date, in microseconds since 1970."""
