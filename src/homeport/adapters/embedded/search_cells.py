"""The earth's surface in cells, for an index that knows terms but no distances.

A cell is named by up to 12 hexadecimal digits: each one cuts what the digits before it name
into 4 by 4, evenly in degrees. 12 of them are a rectangle of 1.2 m from south to north and, on
the equator, twice that from west to east. Cells end at the poles and at the 180th meridian; how
far they are from a place is reckoned on the sphere, to which neither is anything special.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from math import asin, cos, hypot, radians, sin, sqrt
from typing import Final, NamedTuple

from homeport.domain.model.place import EARTH_METRES, Place


class Cover(NamedTuple):
    """The cells that a ring touches: those that lie in it as a whole, and those at its edges."""

    inside: list[str]
    edge: list[str]


def cells_of(point: tuple[float, float]) -> list[str]:
    """The cells that a point is in, from the largest to the smallest."""
    latitude, longitude = point
    row = min(_ACROSS - 1, int((latitude + 90) / 180 * _ACROSS))
    column = min(_ACROSS - 1, int((longitude + 180) / 360 * _ACROSS))
    shifts = range(2 * (_DIGITS - 1), -1, -2)
    name = "".join(_PARTS[row >> shift & 3][column >> shift & 3] for shift in shifts)
    return [name[:digits] for digits in range(1, _DIGITS + 1)]


def cover(place: Place, low: float, high: float, edges: int) -> Cover:
    """The ring of what is at least `low` and at most `high` metres from a place.

    The earth's 16 parts at the least are looked at. Cells at its edges are cut until there are so
    many `edges` (up to some five times as many then), or the smallest are reached.
    """
    inside: list[str] = []
    edge = [(0, 0, "")]
    digits = 0
    while digits == 0 or (edge and len(edge) < edges and digits < _DIGITS):
        digits += 1
        cut: list[tuple[int, int, str]] = []
        for metres, reach, part in _parts(edge, digits, place):
            if metres - reach > high + _SLACK or metres + reach < low - _SLACK:
                continue
            if metres + reach <= high - _SLACK and metres - reach >= low + _SLACK:
                inside.append(part[2])
            else:
                cut.append(part)
        edge = cut
    return Cover(inside, [name for _, _, name in edge])


def _parts(
    cells: Iterable[tuple[int, int, str]], digits: int, place: Place
) -> Iterator[tuple[float, float, tuple[int, int, str]]]:
    """The 16 parts of each cell: how far the middle is from the place, how far no point of it is
    from its middle, and the part's row, column and name.

    A straight line on the map, from the middle to a corner, is no shorter than the way over the
    sphere. Distances are reckoned as `distance` does it, but what cells share only once.
    """
    height, width = 180 / 4**digits, 360 / 4**digits
    here, meridian = radians(place.latitude), radians(place.longitude)

    @cache
    def of_row(row: int) -> tuple[float, float, float]:
        south = row * height - 90
        there = radians(south + height / 2)
        widest = cos(radians(min(abs(south), abs(south + height))))
        reach = EARTH_METRES * hypot(radians(height / 2), widest * radians(width / 2))
        return sin((there - here) / 2) ** 2, cos(here) * cos(there), reach

    @cache
    def of_column(column: int) -> float:
        return sin((radians((column + 0.5) * width - 180) - meridian) / 2) ** 2

    for parent_row, parent_column, name in cells:
        for row, names in enumerate(_PARTS, parent_row * 4):
            north, parallel, reach = of_row(row)
            for column, digit in enumerate(names, parent_column * 4):
                half_chord = sqrt(north + parallel * of_column(column))
                metres = 2 * EARTH_METRES * asin(min(1.0, half_chord))
                yield metres, reach, (row, column, name + digit)


_DIGITS: Final = 12
_PARTS: Final = ("0123", "4567", "89ab", "cdef")
"""The digit of each part of a cell, by row and column."""
_ACROSS: Final = 4**_DIGITS
_SLACK: Final = 1.0
"""Metres: more than distances are off by through rounding, which is worst at the antipode."""
