"""Places on the earth, and how far apart they are."""

from __future__ import annotations

from math import asin, cos, radians, sin, sqrt
from typing import Final, NamedTuple


class Place(NamedTuple):
    """In degrees: latitude from -90 to 90, longitude from -180 to 180."""

    latitude: float
    longitude: float


def distance(one: tuple[float, float], other: tuple[float, float]) -> float:
    """In metres, along the surface of a sphere with the earth's mean radius: within a half in a
    hundred of the true one."""
    (latitude, longitude), (other_latitude, other_longitude) = one, other
    here, there = radians(latitude), radians(other_latitude)
    north = sin((there - here) / 2)
    east = sin(radians(other_longitude - longitude) / 2)
    half_chord = sqrt(north * north + cos(here) * cos(there) * east * east)
    return 2 * EARTH_METRES * asin(min(1.0, half_chord))


EARTH_METRES: Final = 6_371_008.7714
"""The mean radius, the one that Lucene takes."""
