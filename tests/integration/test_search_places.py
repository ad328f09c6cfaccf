"""Distances in the embedded index, where they are found by cells: the earth in parts, circles
with many documents at the edge, and pages of those that are nearest."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from math import inf
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from homeport.adapters.embedded import search_places
from homeport.adapters.embedded.search_cells import cells_of, cover
from homeport.adapters.embedded.search_index import EmbeddedSearchIndex
from homeport.adapters.memory.search_index import MemorySearchIndex
from homeport.domain.model.collection import FieldRole
from homeport.domain.model.place import Place, distance
from homeport.domain.model.query import After, All, Facet, Near, Scope, SearchQuery, Sort
from homeport.testing import CATALOG
from homeport.testing.search_support import key, note

Point = tuple[float, float]

VIENNA = Place(48.2082, 16.3738)
HALF_AROUND = 20_015_115.0
latitudes = st.floats(-90, 90) | st.sampled_from([-90.0, -0.0, 0.0, 45.0, 89.99999, 90.0])
longitudes = st.floats(-180, 180) | st.sampled_from([-180.0, -179.99999, 0.0, 90.0, 180.0])
points = st.tuples(latitudes, longitudes)
lengths = st.floats(0.01, HALF_AROUND) | st.sampled_from([1.0, 1e3, 1e6, 1e9, inf])


@given(point=points, place=points, one=lengths, other=lengths, edges=st.integers(1, 60))
@example(point=(0.0, 0.0), place=(0.0, 0.0), one=1.0, other=8948751.0, edges=1)
def test_a_ring_is_covered_and_what_is_inside_is_inside(
    point: Point, place: Point, one: float, other: float, edges: int
) -> None:
    low, high = sorted((one, other))
    metres = distance(place, point)
    mine = set(cells_of(point))
    for start in (low, -inf):
        found = cover(Place(*place), start, high, edges)
        # All 16 parts of the earth may be at an edge; beyond them fewer than `edges` were cut.
        assert len(found.edge) <= 16 * max(1, edges - 1)
        if start <= metres <= high:
            assert mine & {*found.inside, *found.edge}
        if mine & set(found.inside):
            assert start <= metres <= high
            assert not mine & set(found.edge)


@given(point=points, place=points)
def test_cells_are_as_fine_as_is_asked_for(point: Point, place: Point) -> None:
    coarse, fine = (cover(Place(*place), -inf, 5000, edges) for edges in (8, 200))
    assert len(coarse.edge) < len(fine.edge)
    *_, smallest = cells_of(point)
    assert len(smallest) == 12
    assert cells_of(point) == [smallest[:digits] for digits in range(1, 13)]


def test_neighbours_share_cells_except_across_the_180th_meridian() -> None:
    here, near = cells_of((48.2, 16.37)), cells_of((48.2, 16.3700001))
    assert here[:10] == near[:10]
    assert not set(cells_of((10, 180))) & set(cells_of((10, -180)))


class Both:
    """The embedded index and the reference, with the same documents."""

    def __init__(self, folder: Path) -> None:
        self.embedded = EmbeddedSearchIndex(folder, CATALOG)
        self.memory = MemorySearchIndex()

    def fill(self, places: Sequence[Sequence[Point]]) -> None:
        notes = [
            note(key("s", f"n{n:04}"), title="fox", kind=f"k{n % 3}", home=list(some))
            if some
            else note(key("s", f"n{n:04}"), title="fox")
            for n, some in enumerate(places)
        ]
        rebuild = self.embedded.rebuild()
        for index in (rebuild, self.memory):
            assert index.apply(notes) == []
        rebuild.commit()

    def check(self, query: SearchQuery) -> int:
        """The total."""
        page = self.memory.search(query)
        assert self.embedded.search(query) == page
        return page.total

    def check_pages(self, query: SearchQuery, most: int = 1000) -> None:
        """The first `most` pages of one that sorts."""
        for _ in range(most):
            page = self.memory.search(query)
            assert self.embedded.search(query) == page
            if not page.hits:
                break
            query = replace(query, after=After(page.hits[-1].sort_value, page.hits[-1].key))


@pytest.fixture
def both(tmp_path: Path) -> Iterator[Both]:
    both = Both(tmp_path)
    yield both
    both.embedded.close()


@pytest.fixture(params=["as it is", "as if all were many"])
def _bounds(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param != "as it is":
        monkeypatch.setattr(search_places, "_FEW", 10)
        monkeypatch.setattr(search_places, "_MANY", 30)


def in_a_city(chance: random.Random) -> Point:
    return chance.gauss(48.2, 0.03), chance.gauss(16.37, 0.05)


def at_the_pole(chance: random.Random) -> Point:
    return chance.uniform(89.9, 90), chance.uniform(-180, 180)


def at_the_line(chance: random.Random) -> Point:
    return chance.gauss(-16, 0.1), chance.choice([-180.0, 180.0]) * chance.uniform(0.999, 1)


def everywhere(chance: random.Random) -> Point:
    return chance.uniform(-90, 90), chance.uniform(-180, 180)


def on_a_grid(chance: random.Random) -> Point:
    """Many as far away as others."""
    return chance.randint(-2, 2) / 100, chance.randint(-2, 2) / 100


AREAS: dict[str, tuple[Callable[[random.Random], Point], Place]] = {
    "a city": (in_a_city, Place(48.2, 16.37)),
    "the pole": (at_the_pole, Place(89.99, 10)),
    "the 180th meridian": (at_the_line, Place(-16, 180)),
    "the whole earth": (everywhere, Place(-12, 77)),
    "a grid": (on_a_grid, Place(0, 0)),
}


@pytest.mark.usefixtures("_bounds")
@pytest.mark.parametrize("area", AREAS)
def test_it_finds_and_orders_what_the_reference_does(both: Both, area: str) -> None:
    chance = random.Random(area)
    point, place = AREAS[area]
    several = [[point(chance) for _ in range(chance.choice([1, 1, 1, 2, 3]))] for _ in range(200)]
    both.fill([*several, *([] for _ in range(20)), *([everywhere(chance)] for _ in range(20))])
    facets = (Facet(FieldRole.KEYWORD, "kind"),)
    everyone = (Scope(None),)
    totals = {
        both.check(SearchQuery(All(), everyone, (Near("home", place, metres),), facets, limit=500))
        for metres in (1.0, 500.0, 1500.0, 4000.0, 9000.0, 1e6, 5e6, 1.5e7, 2e7, 3e7)
    }
    assert len(totals) > 3
    sort = Sort(FieldRole.GEO, "home", place=place)
    both.check_pages(SearchQuery(All(), everyone, sort=sort, limit=11))
    near = (Near("home", place, 4000.0),)
    both.check_pages(SearchQuery(All(), everyone, near, facets, sort=sort, limit=17))


@pytest.mark.usefixtures("_bounds")
def test_crowds_in_one_place_come_by_key(both: Both) -> None:
    """More of them than are looked at elsewhere, and pages end in the middle of each."""
    graz = (47.0707, 15.4395)
    both.fill([[graz]] * 2500 + [[VIENNA]] * 90 + [[graz, (0.0, 0.0)]] * 30)
    sort = Sort(FieldRole.GEO, "home", place=VIENNA)
    both.check_pages(SearchQuery(All(), (Scope(None),), sort=sort, limit=70), most=4)
    query = SearchQuery(All(), (Scope(None),), sort=sort, limit=70)
    metres = distance(VIENNA, graz)
    both.check_pages(replace(query, after=After(metres, key("s", "n2450"))), most=2)
    assert both.check(replace(query, sort=None, filters=(Near("home", VIENNA, 1.0),))) == 90


def test_a_cursor_may_name_any_distance(both: Both) -> None:
    both.fill([[VIENNA], []])
    sort = Sort(FieldRole.GEO, "home", place=VIENNA)
    query = SearchQuery(All(), (Scope(None),), sort=sort)
    for metres in (-1.0, 0.0, 5e-324, HALF_AROUND, 1e300, None):
        for id in ("a", "n0000", "z"):
            both.check(replace(query, after=After(metres, key("s", id))))
