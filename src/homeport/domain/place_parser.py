"""Places in text: what a client writes to ask for what is near.

    48.21,16.37          latitude and longitude, in degrees
    48.21,16.37,5km      and how far from there: in m (also where no unit is written) or km

Both can stand in a URL as they are.
"""

from __future__ import annotations

import math
import re
from typing import Final

from homeport.domain.model.place import Place


def parse_place(text: str) -> Place:
    """Raises ValueError, which says what is wrong."""
    latitude, comma, longitude = text.partition(",")
    if not comma:
        raise ValueError("a place is written latitude,longitude")
    return Place(_degrees(latitude, "latitude", 90), _degrees(longitude, "longitude", 180))


def parse_circle(text: str) -> tuple[Place, float]:
    """A place, and a distance from it in metres. Raises ValueError, which says what is wrong."""
    place, comma, far = text.rpartition(",")
    if not comma or "," not in place:
        raise ValueError("what is near is written latitude,longitude,distance: 48.21,16.37,5km")
    return parse_place(place), _metres(far)


def is_circle(text: str) -> bool:
    """Whether it can mean nothing else, right or wrong."""
    return _CIRCLE.match(text) is not None


def _degrees(text: str, name: str, most: int) -> float:
    found = _NUMBER.match(text)
    if found is None:
        raise ValueError(f"a {name} is a number of degrees")
    degrees = float(text)
    if abs(degrees) > most:
        raise ValueError(f"a {name} is from -{most} to {most} degrees")
    return degrees


def _metres(text: str) -> float:
    found = _DISTANCE.match(text)
    if found is None:
        raise ValueError("a distance is a number with m or km, or of metres")
    metres = float(found[1]) * (1000 if found[2] == "km" else 1)
    if not 0 < metres < math.inf:
        raise ValueError("a distance is more than 0 m")
    return metres


_SIGNED: Final = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?"
_NUMBER: Final = re.compile(rf"{_SIGNED}\Z", re.ASCII)
_DISTANCE: Final = re.compile(rf"({_SIGNED})(m|km)?\Z", re.ASCII)
_CIRCLE: Final = re.compile(rf"{_SIGNED},{_SIGNED},{_SIGNED}(?:m|km)?\Z", re.ASCII)
