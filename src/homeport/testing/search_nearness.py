"""The search index's contract: places that are near, and words that are nearly so."""

from __future__ import annotations

from dataclasses import replace
from typing import Final, final

import pytest

from homeport.domain.model.collection import FieldRole
from homeport.domain.model.place import Place, distance
from homeport.domain.model.query import (
    After,
    All,
    Facet,
    FacetCount,
    Filter,
    Fuzzy,
    Hit,
    Near,
    Node,
    Not,
    Range,
    Scope,
    SearchQuery,
    Sort,
    Words,
)
from homeport.domain.ports.search_index import Capability, SearchIndex
from homeport.testing.contract import skip_unless
from homeport.testing.search_support import SearchIndexSupport, ids_of, key, note

_VIENNA: Final = Place(48.2082, 16.3738)
_PLACES: Final = {
    "bratislava": (48.1486, 17.1077),
    "fiji": (-17.7134, 178.065),
    "graz": (47.0707, 15.4395),
    "pole": (90.0, 0.0),
    "samoa": (-13.759, -172.1046),
    "vienna": _VIENNA,
}
_CLOSE_METRES: Final = 1.0
"""What an engine may be off by: it keeps places in so many digits."""

_NEAR: Final[list[tuple[Place, float, list[str]]]] = [
    (_VIENNA, 1, ["vienna"]),
    (_VIENNA, 54_000, ["vienna"]),
    (_VIENNA, 56_000, ["bratislava", "vienna"]),
    (_VIENNA, 140_000, ["bratislava", "vienna"]),
    (_VIENNA, 150_000, ["bratislava", "graz", "vienna"]),
    (_VIENNA, 4_600_000, ["bratislava", "graz", "vienna"]),
    (_VIENNA, 4_700_000, ["bratislava", "graz", "pole", "vienna"]),
    (_VIENNA, 1e9, sorted(_PLACES)),
    (Place(0, 0), 1_000_000, []),
    (Place(-16, -180), 400_000, ["fiji"]),
    (Place(-16, 180), 900_000, ["fiji", "samoa"]),
    (Place(-16, -179.9), 900_000, ["fiji", "samoa"]),
    (Place(90, 123), 1000, ["pole"]),
    (Place(89.99, -170), 5000, ["pole"]),
    (Place(-90, 0), 8_100_000, ["fiji"]),
]

_NEARLY: Final[list[tuple[Node, list[str]]]] = [
    (Fuzzy("bread"), ["bread", "bred", "broad"]),
    (Fuzzy("BREAD"), ["bread", "bred", "broad"]),
    (Fuzzy("bred"), ["bread", "bred"]),
    (Fuzzy("braed"), ["bread", "bred"]),
    (Fuzzy("sourdough"), ["sourdough"]),
    (Fuzzy("suordogh"), ["sourdough"]),
    (Fuzzy("sourdooughs"), ["sourdough"]),
    (Fuzzy("sordogh"), ["sourdough"]),
    (Fuzzy("srdogh"), []),
    (Fuzzy("ra"), []),
    (Fuzzy("rye"), ["bred", "rye"]),
    (Fuzzy("rys"), ["bred", "rye"]),
    (Fuzzy("xx"), []),
    (Fuzzy("brot"), []),
    (Fuzzy("bred", "title"), ["bread", "bred"]),
    (Fuzzy("bred", "body"), []),
    (Fuzzy("ryes", "body"), ["bred"]),
    (All((Fuzzy("bread"), Not(Words("broad")))), ["bread", "bred"]),
    (Not(Fuzzy("bread")), ["rye", "sourdough"]),
    (All((Fuzzy("bred"), Fuzzy("ryee"))), ["bred"]),
]


class NearnessContract(SearchIndexSupport):
    """What an index with the capabilities GEO and FUZZY does."""

    @final
    def test_it_claims_what_it_can(self, index: SearchIndex) -> None:
        assert (Capability.GEO in index.capabilities) is self.geo
        assert (Capability.FUZZY in index.capabilities) is self.fuzzy

    @final
    @pytest.mark.parametrize(("place", "metres", "found"), _NEAR, ids=map(str, range(len(_NEAR))))
    def test_what_is_near_is_found(
        self, index: SearchIndex, space: str, place: Place, metres: float, found: list[str]
    ) -> None:
        self._needs_geo()
        self._fill_places(index, space)
        near = Near("home", place, metres)
        assert self.ids(index, All(), Scope(space), filters=(near,)) == found
        facets = (Facet(FieldRole.KEYWORD, "kind"),)
        page = index.search(SearchQuery(All(), (Scope(space),), (near,), facets, limit=1))
        assert page.total == len(found)
        assert sum(one.count for one in page.facets[0]) == len(found)

    @final
    def test_the_nearest_of_several_points_counts(self, index: SearchIndex, space: str) -> None:
        self._needs_geo()
        far, near = _PLACES["fiji"], _PLACES["bratislava"]
        self.put(
            index,
            note(key(space, "several"), home=[far, near]),
            # Each coordinate is near, of one point or the other.
            note(key(space, "mixed"), home=[(near[0], far[1]), (far[0], near[1])]),
        )
        filters: tuple[Filter, ...] = (Near("home", _VIENNA, 60_000),)
        assert self.ids(index, All(), Scope(space), filters=filters) == ["several"]
        hits = self.hits(index, All(), Scope(space), sort=_by_distance(_VIENNA))
        assert ids_of(hits) == ["several", "mixed"]
        assert hits[0].sort_value == pytest.approx(distance(_VIENNA, near), abs=_CLOSE_METRES)

    @final
    def test_what_is_near_is_one_filter_of_many(self, index: SearchIndex, space: str) -> None:
        self._needs_geo()
        self._fill_places(index, space)
        near = Near("home", _VIENNA, 150_000)
        match = Words("fox")
        filters: tuple[Filter, ...] = (near, Range(FieldRole.NUMBER, "pages", 1, 2))
        assert self.ids(index, match, Scope(space), filters=filters) == ["graz"]
        filters = (near, Near("home", Place(*_PLACES["graz"]), 160_000))
        assert self.ids(index, match, Scope(space), filters=filters) == ["graz", "vienna"]
        assert self.ids(index, match, Scope(f"{space}-other"), filters=(near,)) == []
        nowhere = Near("nowhere", _VIENNA, 150_000)
        assert self.ids(index, match, Scope(space), filters=(nowhere,)) == []

    @final
    @pytest.mark.parametrize("limit", [1, 3, 10])
    def test_the_nearest_come_first_page_by_page(
        self, index: SearchIndex, space: str, limit: int
    ) -> None:
        self._needs_geo()
        self._fill_places(index, space)
        found = ["vienna", "bratislava", "graz", "pole", "fiji", "samoa"]
        found.sort(key=lambda name: distance(_VIENNA, _PLACES[name]))
        expected = [*found, "nowhere", "somewhere"]
        query = SearchQuery(Words("fox"), (Scope(space),), sort=_by_distance(_VIENNA), limit=limit)
        seen: list[Hit] = []
        for _ in range(len(expected) + 1):
            page = index.search(query)
            assert page.total == len(expected)
            assert len(page.hits) == min(limit, len(expected) - len(seen))
            if not page.hits:
                break
            seen += page.hits
            query = replace(query, after=After(seen[-1].sort_value, seen[-1].key))
        assert ids_of(seen) == expected
        for hit in seen:
            assert hit.score == 0.0
            place = _PLACES.get(hit.key.id)
            if place is None:
                assert hit.sort_value is None
            else:
                metres = distance(_VIENNA, place)
                assert hit.sort_value == pytest.approx(metres, abs=_CLOSE_METRES, rel=1e-6)

    @final
    def test_those_equally_near_come_by_key(self, index: SearchIndex, space: str) -> None:
        self._needs_geo()
        names = [f"n{number:02}" for number in range(25)]
        self.put(
            index,
            *(note(key(space, name), home=_PLACES["graz"]) for name in reversed(names)),
            note(key(space, "z"), home=_VIENNA),
        )
        filters = (Near("home", _VIENNA, 200_000),)
        query = SearchQuery(All(), (Scope(space),), filters, sort=_by_distance(_VIENNA), limit=10)
        seen: list[str] = []
        while hits := index.search(query).hits:
            seen += ids_of(hits)
            query = replace(query, after=After(hits[-1].sort_value, hits[-1].key))
            assert len(seen) <= len(names) + 1
        assert seen == ["z", *names]

    @final
    @pytest.mark.parametrize(("match", "found"), _NEARLY, ids=map(str, range(len(_NEARLY))))
    def test_words_that_are_nearly_so_are_found(
        self, index: SearchIndex, space: str, match: Node, found: list[str]
    ) -> None:
        self._needs_fuzzy()
        self._fill_words(index, space)
        assert self.ids(index, match, Scope(space)) == found
        if isinstance(match, Fuzzy) and match.field is not None:
            assert self.ids(index, All(), Scope(space), filters=(match,)) == found

    @final
    def test_the_word_itself_comes_before_what_resembles_it(
        self, index: SearchIndex, space: str
    ) -> None:
        self._needs_fuzzy()
        self.put(
            index,
            note(key(space, "a"), title="broad broad"),
            note(key(space, "b"), title="some bread with other things on it"),
            note(key(space, "c"), title="bred"),
        )
        assert ids_of(self.hits(index, Fuzzy("bread"), Scope(space)))[0] == "b"

    @final
    def test_words_of_more_than_40_letters_resemble_none(
        self, index: SearchIndex, space: str
    ) -> None:
        self._needs_fuzzy()
        long, longer = "ab" * 20, "ab" * 20 + "a"
        self.put(index, note(key(space), title=long), note(key(space, "b"), title=longer))
        assert self.ids(index, Fuzzy(long), Scope(space)) == ["a", "b"]
        assert self.ids(index, Fuzzy(longer), Scope(space)) == ["b"]
        assert self.ids(index, Fuzzy(longer[1:] + "a"), Scope(space)) == []

    @final
    def test_what_resembles_a_word_is_marked(self, index: SearchIndex, space: str) -> None:
        self._needs_fuzzy()
        self.put(index, note(key(space), title="fresh <bread>"))
        (hit,) = self.hits(index, Fuzzy("braed"), Scope(space), highlight=("title",))
        assert hit.highlights == (("title", ("fresh &lt;<em>bread</em>&gt;",)),)

    @final
    @pytest.mark.parametrize("text", ["", "*", "a b", "~", "title:bread", "\x00"])
    def test_what_is_no_word_resembles_nothing(
        self, index: SearchIndex, space: str, text: str
    ) -> None:
        self._needs_fuzzy()
        self._fill_words(index, space)
        assert self.ids(index, Fuzzy(text), Scope(space)) == []

    @final
    def test_facets_count_what_resembles(self, index: SearchIndex, space: str) -> None:
        self._needs_fuzzy()
        self._fill_words(index, space)
        facets = (Facet(FieldRole.KEYWORD, "kind"),)
        page = index.search(SearchQuery(Fuzzy("bread"), (Scope(space),), facets=facets, limit=1))
        assert page.facets == ((FacetCount("x", 3),),)

    def _needs_geo(self) -> None:
        skip_unless(self.geo, "this index knows no distances")

    def _needs_fuzzy(self) -> None:
        skip_unless(self.fuzzy, "this index finds no words that are nearly so")

    def _fill_places(self, index: SearchIndex, space: str) -> None:
        notes = [
            note(key(space, name), title="fox", kind=name, home=place, pages=number)
            for number, (name, place) in enumerate(_PLACES.items())
        ]
        bare = [note(key(space, name), title="fox") for name in ("somewhere", "nowhere")]
        self.put(index, *bare, *notes)

    def _fill_words(self, index: SearchIndex, space: str) -> None:
        self.put(
            index,
            note(key(space, "bread"), title="bread", kind="x"),
            note(key(space, "broad"), title="a broad road", kind="x"),
            note(key(space, "bred"), title="well bred", body="rye", kind="x"),
            note(key(space, "sourdough"), title="sourdough", kind="x"),
            note(key(space, "rye"), title="rye", kind="x"),
        )


def _by_distance(place: Place) -> Sort:
    return Sort(FieldRole.GEO, "home", place=place)
