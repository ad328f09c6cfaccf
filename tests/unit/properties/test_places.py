"""How far it is from anywhere to anywhere."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeport.domain.model.place import distance

points = st.tuples(st.floats(-90, 90), st.floats(-180, 180))


@given(points, points)
def test_distances_are_those_of_a_sphere(
    one: tuple[float, float], other: tuple[float, float]
) -> None:
    there = distance(one, other)
    assert 0 <= there <= math.pi * 6_371_008.7714 + 1e-6
    assert there == pytest.approx(distance(other, one), rel=1e-9, abs=1e-6)
    assert distance(one, one) == 0
