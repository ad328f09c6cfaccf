"""The search index's contract: the order of hits, pages, facets, highlights."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final, final

import pytest

from homeport.domain.model.collection import FieldRole
from homeport.domain.model.query import (
    After,
    All,
    Facet,
    FacetCount,
    Hit,
    Node,
    Not,
    Prefix,
    Scope,
    SearchQuery,
    Sort,
    Term,
    Words,
)
from homeport.domain.ports.search_index import SearchIndex
from homeport.testing.search_support import (
    DRAFTS,
    SearchIndexSupport,
    day,
    ids_of,
    key,
    microseconds,
    note,
    phrase,
    words,
)

_KIND: Final = Facet(FieldRole.KEYWORD, "kind")
_SORTED: Final[list[tuple[Sort, list[str]]]] = [
    (Sort(FieldRole.NUMBER, "pages"), ["c", "a", "d", "b", "e", "f", "g"]),
    (Sort(FieldRole.NUMBER, "pages", descending=True), ["e", "b", "a", "d", "c", "f", "g"]),
    (Sort(FieldRole.KEYWORD, "kind"), ["f", "d", "b", "c", "a", "e", "g"]),
    (Sort(FieldRole.KEYWORD, "kind", descending=True), ["a", "b", "c", "d", "f", "e", "g"]),
    (Sort(FieldRole.DATE, "seen"), ["b", "a", "c", "d", "e", "f", "g"]),
    (Sort(FieldRole.DATE, "seen", descending=True), ["c", "a", "b", "d", "e", "f", "g"]),
]


class AnswersContract(SearchIndexSupport):
    """What stands in an answer, and in which order."""

    @final
    def test_better_matches_come_first(self, index: SearchIndex, space: str) -> None:
        self.put(
            index,
            note(key(space, "once"), title="fox and hound and horse and hare and hen"),
            note(key(space, "often"), title="fox fox fox"),
            note(key(space, "never"), title="hound"),
        )
        hits = self.hits(index, Words("fox"), Scope(space))
        assert ids_of(hits) == ["often", "once"]
        assert hits[0].score > hits[1].score > 0
        assert [hit.sort_value for hit in hits] == [None, None]

    @final
    def test_filters_and_scopes_leave_scores_alone(self, index: SearchIndex, space: str) -> None:
        self.put(index, note(key(space), title="fox", kind="novel", pages=1))
        plain = self.hits(index, Words("fox"), Scope(space))[0].score
        filters = (Term(FieldRole.KEYWORD, "kind", "novel"), Words("fox", "title"))
        scopes = (Scope(space), Scope(space, "notes"), Scope(f"{space}-other"))
        hits = self.hits(index, Words("fox"), *scopes, filters=filters)
        assert hits[0].score == pytest.approx(plain, rel=1e-5)

    @final
    def test_without_a_word_hits_come_by_key(self, index: SearchIndex, space: str) -> None:
        names = ["b", "-x", "a", "_y", "B", "x.y", "10", "9"]
        self.put(index, *(note(key(space, name), title="fox") for name in names))
        for match in (All(), Not(Words("hound"))):
            assert ids_of(self.hits(index, match, Scope(space))) == sorted(names)

    @final
    def test_pages_by_offset_give_each_hit_once(self, index: SearchIndex, space: str) -> None:
        names = [f"n{number:02}" for number in range(11)]
        self.put(index, *(note(key(space, name), title="same fox") for name in names))
        for match in (Words("fox"), Prefix("fo"), All()):
            query = SearchQuery(match, (Scope(space),), limit=4)
            pages = [index.search(replace(query, offset=offset)) for offset in (0, 4, 8, 12)]
            assert [len(page.hits) for page in pages] == [4, 4, 3, 0]
            assert [page.total for page in pages] == [11] * 4
            assert sorted(hit.key.id for page in pages for hit in page.hits) == names

    @final
    @pytest.mark.parametrize(("sort", "found"), _SORTED, ids=map(str, range(len(_SORTED))))
    def test_sorts_by_a_declared_field_then_by_key(
        self, index: SearchIndex, space: str, sort: Sort, found: list[str]
    ) -> None:
        self._fill_to_sort(index, space)
        hits = self.hits(index, Words("fox"), Scope(space), sort=sort)
        assert ids_of(hits) == found
        assert {hit.score for hit in hits} == {0.0}

    @final
    @pytest.mark.parametrize(("sort", "found"), _SORTED, ids=map(str, range(len(_SORTED))))
    @pytest.mark.parametrize("limit", [1, 2, 3, 7])
    def test_sorted_pages_go_on_after_a_place(
        self, index: SearchIndex, space: str, sort: Sort, found: list[str], limit: int
    ) -> None:
        self._fill_to_sort(index, space)
        query = SearchQuery(All(), (Scope(space),), sort=sort, limit=limit)
        seen: list[Hit] = []
        for _ in range(len(found) + 1):
            page = index.search(query)
            assert page.total == len(found)
            assert len(page.hits) == min(limit, len(found) - len(seen))
            if not page.hits:
                break
            seen += page.hits
            query = replace(query, after=After(seen[-1].sort_value, seen[-1].key))
        assert ids_of(seen) == found

    @final
    def test_sort_values_are_the_first_ones(self, index: SearchIndex, space: str) -> None:
        self._fill_to_sort(index, space)
        expected: list[tuple[Sort, dict[str, Any]]] = [
            (Sort(FieldRole.NUMBER, "pages"), {"b": 20.0, "c": -1.5, "f": None}),
            (Sort(FieldRole.KEYWORD, "kind"), {"a": "é", "f": "", "e": None}),
            (Sort(FieldRole.DATE, "seen"), {"a": microseconds(day(2)), "d": None}),
        ]
        for sort, values in expected:
            hits = self.hits(index, All(), Scope(space), sort=sort)
            found = {hit.key.id: hit.sort_value for hit in hits}
            assert {name: found[name] for name in values} == values

    @final
    def test_many_ties_are_paged_by_key(self, index: SearchIndex, space: str) -> None:
        names = [f"n{number:02}" for number in range(30)]
        for name in reversed(names):
            index.apply([note(key(space, name), pages=1)])
        self.settle()
        sort = Sort(FieldRole.NUMBER, "pages", descending=True)
        query = SearchQuery(All(), (Scope(space),), sort=sort, limit=7)
        seen: list[str] = []
        while hits := index.search(query).hits:
            seen += ids_of(hits)
            query = replace(query, after=After(hits[-1].sort_value, hits[-1].key))
        assert seen == names

    @final
    def test_facets_count_each_value_once_a_record(self, index: SearchIndex, space: str) -> None:
        self.put(
            index,
            note(key(space, "a"), title="fox", kind=["novel", "novel", "poem"], pages=[7, 7]),
            note(key(space, "b"), title="fox", kind="novel", tag="x", size=[1, 2]),
            note(key(space, "c"), title="fox", tag=["y", "x"], size=2, seen=day(1)),
            note(key(space, "d"), title="hound", kind="poem", tag="z", seen=day(1)),
            note(key(space, "e", DRAFTS), title="fox", kind="Novel"),
        )
        facets = (
            _KIND,
            Facet(FieldRole.KEYWORD, "tag"),
            Facet(FieldRole.NUMBER, "pages"),
            Facet(FieldRole.NUMBER, "size"),
            Facet(FieldRole.DATE, "seen"),
            Facet(FieldRole.KEYWORD, "nowhere"),
        )
        page = index.search(SearchQuery(Words("fox"), (Scope(space),), facets=facets, limit=1))
        assert page.total == 4
        assert page.facets == (
            (FacetCount("novel", 2), FacetCount("Novel", 1), FacetCount("poem", 1)),
            (FacetCount("x", 2), FacetCount("y", 1)),
            (FacetCount(7.0, 1),),
            (FacetCount(2.0, 2), FacetCount(1.0, 1)),
            (FacetCount(microseconds(day(1)), 1),),
            (),
        )

    @final
    def test_facets_keep_the_most_frequent(self, index: SearchIndex, space: str) -> None:
        for number, kind in enumerate("eddcbbaaa"):
            index.apply([note(key(space, f"n{number}"), kind=kind)])
        self.settle()
        facets = (replace(_KIND, size=4),)
        page = index.search(SearchQuery(All(), (Scope(space),), facets=facets))
        assert [(one.value, one.count) for one in page.facets[0]] == [
            ("a", 3),
            ("b", 2),
            ("d", 2),
            ("c", 1),
        ]

    @final
    def test_facets_heed_filters_and_pages_do_not_change_them(
        self, index: SearchIndex, space: str
    ) -> None:
        self._fill_to_sort(index, space)
        sort = Sort(FieldRole.NUMBER, "pages")
        filters = (Term(FieldRole.NUMBER, "pages", 10),)
        query = SearchQuery(All(), (Scope(space),), filters, (_KIND,), sort=sort, limit=1)
        page = index.search(query)
        place = After(page.hits[0].sort_value, page.hits[0].key)
        for one in (page, index.search(replace(query, after=place))):
            assert one.total == 2
            assert one.facets == ((FacetCount("A", 1), FacetCount("Z", 1), FacetCount("é", 1)),)

    @final
    def test_highlights_mark_what_matched_and_escape_the_rest(
        self, index: SearchIndex, space: str
    ) -> None:
        self.put(
            index,
            note(key(space), title=['<b>Fox</b> & "foxes", a quick fox', "no match"], body="fox"),
        )
        expected: dict[Node, tuple[str, ...]] = {
            Words("fox"): ("&lt;b&gt;<em>Fox</em>&lt;/b&gt;", "quick <em>fox</em>"),
            Prefix("qui"): ("a <em>quick</em> fox",),
            phrase("quick fox"): ("<em>quick</em> <em>fox</em>",),
            words("fox quick"): ("&lt;b&gt;<em>Fox</em>&lt;/b&gt;", "<em>quick</em> <em>fox</em>"),
        }
        for match, parts in expected.items():
            (hit,) = self.hits(index, match, Scope(space), highlight=("title",))
            ((field, fragments),) = hit.highlights
            assert field == "title"
            for part in parts:
                assert any(part in fragment for fragment in fragments), (match, fragments)
            for fragment in fragments:
                bare = fragment.replace("<em>", "").replace("</em>", "")
                assert "<" not in bare
                assert bare != fragment

    @final
    def test_only_what_was_asked_for_is_highlighted(self, index: SearchIndex, space: str) -> None:
        self.put(index, note(key(space), title="a fox", body="a hound"))
        (hit,) = self.hits(index, Words("fox"), Scope(space))
        assert hit.highlights == ()
        (hit,) = self.hits(index, Words("hound"), Scope(space), highlight=("title",))
        assert hit.highlights == ()
        match = All((Words("hound"), Not(Words("hare"))))
        self.put(index, note(key(space, "b"), title="hound"))
        hits = self.hits(index, match, Scope(space), highlight=("title",))
        assert {hit.key.id: bool(hit.highlights) for hit in hits} == {"a": False, "b": True}

    @final
    def test_fragments_of_a_long_text_are_short(self, index: SearchIndex, space: str) -> None:
        text = " ".join(["filler"] * 300 + ["fox"] + ["filler"] * 300)
        self.put(index, note(key(space), title=text))
        (hit,) = self.hits(index, Words("fox"), Scope(space), highlight=("title",))
        ((_, (fragment,)),) = hit.highlights
        assert "filler <em>fox</em> filler" in fragment
        assert len(fragment) < 400

    def _fill_to_sort(self, index: SearchIndex, space: str) -> None:
        self.put(
            index,
            note(key(space, "e"), title="fox", pages=30),
            note(key(space, "a"), title="fox", pages=[10, 99], kind=["é", "A"], seen=day(2)),
            note(key(space, "b"), title="fox", pages=[20, 5], kind="z", seen=day(1)),
            note(key(space, "g"), title="fox"),
        )
        self.put(
            index,
            note(key(space, "c"), title="fox", pages=-1.5, kind="z", seen=[day(3), day(1)]),
            note(key(space, "d"), title="fox", pages=10, kind="Z"),
            note(key(space, "f"), title="fox", kind=["", "zz"]),
        )
