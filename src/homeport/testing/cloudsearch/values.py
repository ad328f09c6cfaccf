"""Values of fields: from JSON, from a query, and as the strings that a reply holds."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta
from typing import Final

Value = int | float | str | tuple[float, float]
"""int and date (milliseconds since 1970), double, literal and text, latlon."""

MAX_LITERAL: Final = 4096
"""Code points."""

INT64: Final = 2**63
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_INTEGER: Final = re.compile(r"-?[0-9]+")
_NUMBER: Final = re.compile(r"-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_DATE: Final = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d+))?Z", re.ASCII)
_LATLON: Final = re.compile(r"\s*(-?\d+(?:\.\d+)?)\s*,\s*(-?\d+(?:\.\d+)?)\s*", re.ASCII)


def from_json(base: str, raw: object) -> Value:
    """One value of a document. ValueError says what is wrong with it."""
    if base in {"literal", "text"}:
        if not isinstance(raw, str):
            raise ValueError(f"a {base} is a string, not {raw!r}")
        return from_text(base, raw)
    if not isinstance(raw, str | int | float):
        raise ValueError(f"{raw!r} is no {base}")  # noqa: TRY004  # for the sender
    if base in {"date", "latlon"} and not isinstance(raw, str):
        raise ValueError(f"a {base} is a string, not {raw!r}")
    if base == "int" and isinstance(raw, float):
        raise ValueError(f"{raw!r} is no int")
    return from_text(base, raw if isinstance(raw, str) else repr(raw))


def from_text(base: str, text: str) -> Value:
    """One value as it is written in a query, in a range or as a string in JSON."""
    if base == "int":
        return _int(text)
    if base == "double":
        return _double(text)
    if base == "date":
        return _date(text)
    if base == "latlon":
        return _latlon(text)
    if base == "literal" and len(text) > MAX_LITERAL:
        raise ValueError(f"a literal has at most {MAX_LITERAL} code points, not {len(text)}")
    return text


def _int(text: str) -> int:
    if not _INTEGER.fullmatch(text):
        raise ValueError(f"{text!r} is no int")
    number = int(text) if len(text) < 25 else INT64
    if not -INT64 <= number < INT64:
        raise ValueError(f"{text} does not fit 64 bits")
    return number


def _double(text: str) -> float:
    if not _NUMBER.fullmatch(text):
        raise ValueError(f"{text!r} is no double")
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is beyond a double")
    return number


def _date(text: str) -> int:
    found = _DATE.fullmatch(text)
    if not found:
        raise ValueError(f"{text!r} is no date: yyyy-mm-ddTHH:mm:ss.SSSZ, in UTC")
    try:
        moment = datetime.fromisoformat(found[1] + "+00:00")
    except ValueError as exc:
        raise ValueError(f"{text!r} is no date: {exc}") from exc
    fraction = int(((found[2] or "") + "000")[:3])
    return (moment - _EPOCH) // timedelta(milliseconds=1) + fraction


def _latlon(text: str) -> tuple[float, float]:
    found = _LATLON.fullmatch(text)
    if not found:
        raise ValueError(f"{text!r} is no latlon: latitude,longitude")
    latitude, longitude = float(found[1]), float(found[2])
    if abs(latitude) > 90 or abs(longitude) > 180:
        raise ValueError(f"{text!r} is not on the earth")
    return latitude, longitude


def to_text(base: str, value: Value) -> str:
    """As replies and facets write it: every value is a string."""
    if isinstance(value, tuple):
        return f"{value[0]!r},{value[1]!r}"
    if base == "date" and isinstance(value, int):
        moment = _EPOCH + timedelta(milliseconds=value)
        fraction = f".{value % 1000:03d}" if value % 1000 else ""
        return f"{moment.isoformat()[:19]}{fraction}Z"
    return repr(value) if isinstance(value, float) else str(value)
