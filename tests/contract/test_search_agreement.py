"""The embedded index finds what the reference finds: same hits, totals, facets and orders."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from homeport.adapters.embedded.search_index import EmbeddedSearchIndex
from homeport.adapters.memory.search_index import MemorySearchIndex
from homeport.domain.dates import parse_date
from homeport.domain.model.collection import FieldRole
from homeport.domain.model.document import Document, IndexChange, Removal
from homeport.domain.model.place import Place
from homeport.domain.model.query import (
    After,
    All,
    AnyOf,
    Counted,
    Extent,
    Facet,
    FacetCount,
    Filter,
    Fuzzy,
    Near,
    Node,
    Not,
    Nothing,
    Phrase,
    Prefix,
    Range,
    RangeFacet,
    Scope,
    SearchPage,
    SearchQuery,
    Sort,
    Term,
    Words,
)
from homeport.domain.model.record import Key
from homeport.domain.ports.search_index import SearchIndex
from homeport.testing.search_dates import record
from homeport.testing.search_index import CATALOG

_TEXT_FIELDS = ("title", "body")
_FIELDS = {
    FieldRole.KEYWORD: ("kind", "tag"),
    FieldRole.NUMBER: ("pages", "size"),
    FieldRole.DATE: ("seen", "read"),
}
_WORDS = ("run", "runs", "Running", "fast", "é", "ß", "x1", "日本")
_VALUES: dict[FieldRole, st.SearchStrategy[Any]] = {
    FieldRole.KEYWORD: st.sampled_from(["a", "A", "b", "", "é", "a b", 'x"y*', "\x00\x1f"]),
    FieldRole.NUMBER: st.sampled_from(
        [0.0, -0.0, 1.0, -1.0, 2.5, 1e300, -1e300, 5e-324, 945.2706955539223]
    ),
    FieldRole.DATE: st.sampled_from([0, -1, 1, 10**15, -(10**15)]),
}

points = st.one_of(
    st.sampled_from(
        [
            *((48.2, 16.37), (48.2, 16.3700001), (48.21, 16.37), (48.2, 16.36), (48.19, 16.37)),
            *((-16.0, 180.0), (-16.0, -180.0), (-16.0, 179.999), (-16.0, -179.999)),
            *((90.0, 0.0), (89.9999, 170.0), (-90.0, 45.0), (0.0, 0.0), (-0.0, -0.0)),
        ]
    ),
    st.tuples(st.floats(-90, 90), st.floats(-180, 180)),
)
texts = st.lists(st.sampled_from(_WORDS), max_size=4).map(" ".join)
places = st.builds(
    Key,
    st.sampled_from(["A", "b", "-c"]),
    st.sampled_from(["notes", "drafts"]),
    st.sampled_from(["1", "-2", "_3", "x.4", "a"]),
)


def _fields(names: Sequence[str], values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    several = st.lists(values, min_size=1, max_size=3).map(tuple)
    return st.dictionaries(st.sampled_from(names), several)


documents = st.builds(
    Document,
    places,
    st.integers(1, 6),
    st.just("anna"),
    _fields(_TEXT_FIELDS, texts),
    *(_fields(_FIELDS[role], _VALUES[role]) for role in _FIELDS),
    _fields(("home",), points),
)
changes = st.one_of(documents, documents, documents, st.builds(Removal, places, st.integers(1, 6)))

_where = st.sampled_from([None, None, *_TEXT_FIELDS])
leaves: st.SearchStrategy[Node] = st.one_of(
    st.builds(Words, st.sampled_from([*_WORDS, "run-fast", ".."]), _where),
    st.builds(Prefix, st.sampled_from(["r", "RUN", "f", "É", "日"]), _where),
    st.builds(Phrase, st.lists(st.sampled_from(_WORDS), min_size=1, max_size=3).map(tuple), _where),
    st.just(Nothing()),
)
nodes: st.SearchStrategy[Node] = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds(Not, inner), st.builds(All, st.lists(inner, max_size=3).map(tuple))
    ),
    max_leaves=5,
)


@st.composite
def _terms(draw: st.DrawFn) -> Term:
    role = draw(st.sampled_from(list(_FIELDS)))
    return Term(role, draw(st.sampled_from(_FIELDS[role])), draw(_VALUES[role]))


@st.composite
def _ranges(draw: st.DrawFn) -> Range:
    role = draw(st.sampled_from([FieldRole.NUMBER, FieldRole.DATE]))
    bound = st.none() | _VALUES[role]
    ends = (draw(bound), draw(bound), draw(st.booleans()), draw(st.booleans()))
    return Range(role, draw(st.sampled_from(_FIELDS[role])), *ends)


simple_filters: st.SearchStrategy[Filter] = st.one_of(
    _terms(), _ranges(), st.builds(Words, st.sampled_from(_WORDS), st.sampled_from(_TEXT_FIELDS))
)
circles = st.builds(
    Near,
    st.sampled_from(["home", "home", "home", "nowhere"]),
    points.map(lambda point: Place(*point)),
    st.sampled_from([1e-9, 1.0, 1112.0, 1500.0, 1e6, 1e7, 20_015_000.0, 1e9]),
)
"""For indexes with the capability GEO."""
filters = simple_filters | st.builds(
    AnyOf, st.lists(simple_filters, min_size=1, max_size=2).map(tuple)
)
scopes = st.builds(
    Scope,
    st.sampled_from([None, "A", "b"]),
    st.sampled_from([None, None, "notes"]),
    st.frozensets(st.sampled_from(["notes", "drafts"]), max_size=1),
)


@st.composite
def _range_facets(draw: st.DrawFn) -> RangeFacet:
    first = draw(_ranges())
    more = draw(st.lists(_ranges(), max_size=3))
    ranges = [replace(one, role=first.role, field=first.field) for one in more]
    alike = [new for one, new in zip(more, ranges, strict=True) if one.role is first.role]
    return RangeFacet(first.role, first.field, (first, *alike))


facets: st.SearchStrategy[Counted] = st.one_of(
    st.builds(
        Facet,
        st.just(FieldRole.KEYWORD),
        st.sampled_from(_FIELDS[FieldRole.KEYWORD]),
        st.sampled_from([1, 2, 10]),
    ),
    st.builds(Facet, st.just(FieldRole.NUMBER), st.sampled_from(_FIELDS[FieldRole.NUMBER])),
    _range_facets(),
    st.sampled_from([Extent(FieldRole.NUMBER, "pages"), Extent(FieldRole.DATE, "seen")]),
)
sorts = st.sampled_from(
    [
        Sort(role, field, descending)
        for role, field in zip(_FIELDS, ("kind", "pages", "seen"), strict=True)
        for descending in (False, True)
    ]
)
queries = st.builds(
    SearchQuery,
    nodes | st.just(All()),
    st.just((Scope(None),)) | st.lists(scopes, max_size=3).map(tuple),
    st.lists(filters, max_size=2).map(tuple),
    st.lists(facets, max_size=3).map(tuple),
    st.just(("title",)),
    st.none() | sorts,
    st.integers(1, 4),
)
_two_or_three = st.lists(simple_filters | circles, min_size=2, max_size=3).map(tuple)
geo_queries = st.builds(
    SearchQuery,
    nodes | st.just(All()),
    st.just((Scope(None),)) | st.lists(scopes, min_size=1, max_size=3).map(tuple),
    st.lists(
        circles | st.builds(AnyOf, _two_or_three),
        max_size=2,
    ).map(tuple),
    st.lists(facets, max_size=2).map(tuple),
    sort=st.none() | points.map(lambda point: Sort(FieldRole.GEO, "home", place=Place(*point))),
    limit=st.integers(1, 4),
)
fuzzy_queries = st.builds(
    SearchQuery,
    st.builds(Fuzzy, st.sampled_from(["runs", "rnu", "Runing", "fats", "x1", "日本"]), _where)
    | st.just(All((Fuzzy("ran"), Not(Fuzzy("fest"))))),
    st.just((Scope(None),)),
    highlight=st.just(("title",)),
)
"""For indexes with the capability FUZZY."""


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedSearchIndex]:
    index = EmbeddedSearchIndex(tmp_path_factory.mktemp("search"), CATALOG, "none")
    yield index
    index.close()


@settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(
    batches=st.lists(st.lists(changes, min_size=1, max_size=10), min_size=1, max_size=3),
    asked=st.lists(queries | fuzzy_queries | geo_queries, min_size=10, max_size=30),
)
def test_both_give_the_same_answers(
    embedded: EmbeddedSearchIndex, batches: list[list[IndexChange]], asked: list[SearchQuery]
) -> None:
    memory = MemorySearchIndex()
    embedded.rebuild().commit()
    for batch in batches:
        assert memory.apply(batch) == embedded.apply(batch)
    assert memory.entries(100) == embedded.entries(100)
    for query in asked:
        check_same_answers(memory, embedded, query)


moments = st.tuples(
    st.sampled_from(["0000-01-01", "0001-01-01", "1683-05-05", "2019-12-31", "9999-12-31"]),
    st.sampled_from(["T", "t", " "]),
    st.sampled_from(["00:00:00", "12:30:00", "23:59:59", "23:59:60", "24:00:00"]),
    st.sampled_from(["", ".000001", ".999999", ".123456789", ".1234567890"]),
    st.sampled_from(["Z", "z", "+00:00", "-00:00", "+23:59", "-23:59", "-01:00", "+25:00", ""]),
).map("".join)
"""What RFC 3339 allows, at the ends of what dates can be, and some things that it does not."""
_DATED = ("title", "kind", "pages", "seen", "body", "tag")


@settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    st.lists(
        st.dictionaries(st.sampled_from(_DATED), st.lists(moments, min_size=1, max_size=3)),
        min_size=1,
        max_size=6,
    )
)
def test_both_give_the_same_answers_about_dates(
    embedded: EmbeddedSearchIndex, found: list[dict[str, list[str]]]
) -> None:
    memory = MemorySearchIndex()
    embedded.rebuild().commit()
    documents = [record(Key("A", "notes", f"{n}"), one) for n, one in enumerate(found)]
    assert memory.apply(documents) == embedded.apply(documents) == []
    facets: tuple[Counted, ...] = (
        *(Facet(FieldRole.KEYWORD, path) for path in _DATED),
        *(Facet(FieldRole.DATE, "seen"), Extent(FieldRole.DATE, "seen")),
    )
    asked: list[Filter] = []
    for one in documents:
        for path in _DATED:
            asked += [Term(FieldRole.KEYWORD, path, text) for text in one.keyword.get(path, ())]
            asked += [Words(text[:4], path) for text in one.text.get(path, ())]
            asked += [Words(text, path) for text in one.text.get(path, ())]
            asked += [Term(FieldRole.DATE, path, moment) for moment in one.date.get(path, ())]
    everything = SearchQuery(All(), (Scope(None),), facets=facets)
    for query in (everything, *(replace(everything, filters=(one,)) for one in asked)):
        check_same_answers(memory, embedded, query)


@pytest.mark.parametrize(
    "dates",
    [
        ["2300-12-31T23:59:59.999999Z", "2305-01-01", "2308-12-31T23:59:59.999999Z"],
        ["1600-01-01", "1623-12-31T23:59:59.999999Z"],
        ["0001-01-01T00:00:00.000001Z", "9999-12-31T23:59:59.999999Z"],
        ["9999-12-31T23:59:59.999998Z", "9999-12-31T23:59:59.999999Z"],
        ["0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000001Z"],
        ["2255-06-05T23:47:34.740992Z", "2255-06-05T23:47:34.740993Z"],
        ["2019-12-31"],
    ],
)
@pytest.mark.parametrize("several", [False, True])
def test_dates_go_from_the_very_first_to_the_very_last(
    embedded: EmbeddedSearchIndex, dates: list[str], several: bool
) -> None:
    embedded.rebuild().commit()
    more = ["2019-12-31T10:00:00Z"] if several else []
    for n, one in enumerate(dates):
        embedded.apply([record(Key("A", "notes", f"{n}"), {"seen": [*more, one, *more]})])
    moments = [moment.start for moment in map(parse_date, [*dates, *more]) if moment is not None]
    query = SearchQuery(All(), (Scope(None),), facets=(Extent(FieldRole.DATE, "seen"),))
    assert embedded.search(query).facets == (
        (FacetCount(min(moments), 0), FacetCount(max(moments), 0)),
    )


@pytest.mark.parametrize("language", ["none", "el"])
def test_a_sigma_is_one_letter_in_every_language(tmp_path: Path, language: str) -> None:
    written = ("ΟΔΟΣ ΛΟΓΟΥ", "οδος λογου", "Οδοσ Λογου")
    embedded = EmbeddedSearchIndex(tmp_path, CATALOG, language)
    for index in (MemorySearchIndex(), embedded):
        documents = [
            record(Key("A", "notes", f"{n}"), dict.fromkeys(("title", "body"), one))
            for n, one in enumerate(written)
        ]
        assert index.apply(documents) == []
        for text in ("ΟΔΟΣ", "οδος", "οδοσ"):
            for path in (None, "title", "body"):
                for match in (
                    *(Words(text, path), Phrase((text, "ΛΟΓΟΥ"), path)),
                    *(Prefix(text, path), Fuzzy(text, path)),
                ):
                    query = SearchQuery(match, (Scope(None),), highlight=("title",))
                    hits = index.search(query).hits
                    assert len(hits) == len(written), (index, match)
                    if path != "body":
                        for hit in hits:
                            ((_, (shown,)),) = hit.highlights
                            assert f"<em>{written[int(hit.key.id)][:4]}</em>" in shown
    embedded.close()


def check_same_answers(memory: MemorySearchIndex, index: SearchIndex, query: SearchQuery) -> None:
    """Whatever the order by relevance; where the query sorts, page by page."""
    if query.sort is None:
        whole = replace(query, limit=100)
        assert _unordered(memory.search(whole)) == _unordered(index.search(whole))
        return
    hits = True
    while hits:
        page = memory.search(query)
        assert page == index.search(query)
        hits = bool(page.hits)
        if hits:
            query = replace(query, after=After(page.hits[-1].sort_value, page.hits[-1].key))


def _unordered(page: SearchPage) -> SearchPage:
    hits = tuple(sorted((hit._replace(score=0.0) for hit in page.hits), key=lambda hit: hit.key))
    return replace(page, hits=hits)
