"""Queries to CloudSearch: text of users' is never syntax, and what is asked for is little."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from homeport.adapters.aws.search_index import CloudSearchIndex
from homeport.adapters.aws.search_query import QueryTranslator
from homeport.adapters.memory.clock import ManualClock
from homeport.domain.errors import Invalid
from homeport.domain.model.collection import Catalog, Collection, FieldDeclaration, FieldRole
from homeport.domain.model.document import Document
from homeport.domain.model.query import (
    After,
    All,
    Facet,
    Filter,
    Node,
    Not,
    Nothing,
    Phrase,
    Prefix,
    Range,
    Scope,
    SearchQuery,
    Sort,
    Term,
    Words,
)
from homeport.domain.model.record import Key
from homeport.domain.query_parser import parse_query
from homeport.testing import CATALOG
from homeport.testing.cloudsearch import CloudSearchEmulator
from tests.aws.search_domains import domain, index_on

ANNA = Scope("anna")
HOSTILE = [
    *"+-&|!(){}[]^\"~*?:\\/'<>=,;.@#%_ \t\n\x00\x7f\ud800\uffff",
    "' matchall '",
    "')(or matchall",
    "\\'",
    "\\",
    "'\\",
    "') space:'bob",
    "(not 'x')",
    "matchall",
    "title:'fox'",
    "[0,}",
    "{,'z']",
    "AND",
    "(and",
    "boost=9",
    "term field=space 'bob'",
    "*:*",
    "_all_fields",
    "fox~1",
]


@pytest.fixture
def emulator() -> Iterator[CloudSearchEmulator]:
    with domain(ManualClock()) as running:
        yield running


@pytest.fixture
def index(emulator: CloudSearchEmulator) -> CloudSearchIndex:
    made = index_on(emulator, ManualClock(), sleep=emulator.advance)
    documents = [
        Document(
            Key(space, "notes", name),
            1,
            "anna",
            {"title": (f"a quick fox of {space}",)},
            {"kind": ("novel",)},
            {"pages": (float(number),)},
        )
        for number, (space, name) in enumerate([("anna", "a"), ("anna", "b"), ("bob", "secret")])
    ]
    assert made.apply(documents) == []
    emulator.settle()
    return made


def _keys(index: CloudSearchIndex, match: Node, *filters: Filter) -> list[Key]:
    return [hit.key for hit in index.search(SearchQuery(match, (ANNA,), filters)).hits]


def _searches(emulator: CloudSearchEmulator) -> list[Any]:
    return [one.parameters for one in emulator.requests if one.service == "search"]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_finds_nothing_and_breaks_nothing(index: CloudSearchIndex, text: str) -> None:
    nodes: list[Node] = [Words(text), Phrase((text, text)), Prefix(text), Words(text, text)]
    for node in nodes:
        assert _keys(index, node) == []
        assert _keys(index, All((Words("fox"), node))) == []
    filters: list[Filter] = [
        Term(FieldRole.KEYWORD, "kind", text),
        Term(FieldRole.KEYWORD, text, text),
        Range(FieldRole.NUMBER, text),
        Words(text, "title"),
    ]
    for one in filters:
        assert _keys(index, All(), one) == []
    query = SearchQuery(All(), (Scope(text),), facets=(Facet(FieldRole.KEYWORD, text),))
    page = index.search(query)
    assert (page.hits, page.total, page.facets) == ((), 0, ((),))
    assert index.search(SearchQuery(All(), (Scope("anna", text),))).total == 0
    assert index.search(SearchQuery(All(), (Scope("anna", None, frozenset({text})),))).total == 2


@settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    st.lists(st.sampled_from([*HOSTILE, "fox", " ", "secret", "bob", "é", "日本", "x"])).map(
        "".join
    )
)
def test_no_query_leaves_its_scope(index: CloudSearchIndex, text: str) -> None:
    for match in (parse_query(text), Words(text), Prefix(text), Not(Words(text))):
        one = Term(FieldRole.KEYWORD, "kind", text or "x")
        query = SearchQuery(match, (ANNA,), facets=(Facet(FieldRole.KEYWORD, "kind"),))
        try:
            page = index.search(query)
        except Invalid:
            assert "Fuzzy(" in repr(match), "`AND~` asks for what is nearly so"
            continue
        assert {hit.key.space for hit in page.hits} <= {"anna"}
        assert sum(count.count for count in page.facets[0]) == page.total <= 2
        assert index.search(replace(query, filters=(one,))).total == 0


def test_somebody_may_be_in_many_spaces(index: CloudSearchIndex) -> None:
    besides = frozenset({"inbox", "sent", "media", "drafts"})
    scopes = [Scope(f"space{number}", None, besides) for number in range(600)]
    scopes += [Scope(f"place{number}", f"c{name}") for number in range(200) for name in range(20)]
    assert index.search(SearchQuery(Words("fox"), tuple(scopes))).total == 0
    assert index.search(SearchQuery(Words("fox"), (*scopes, ANNA))).total == 2


def test_without_a_scope_nothing_is_asked(
    index: CloudSearchIndex, emulator: CloudSearchEmulator
) -> None:
    asked = len(_searches(emulator))
    page = index.search(SearchQuery(All(), (), facets=(Facet(FieldRole.KEYWORD, "kind"),)))
    assert (page.hits, page.total, page.facets) == ((), 0, ((),))
    assert len(_searches(emulator)) == asked


def test_a_search_is_one_request_and_asks_for_little(
    index: CloudSearchIndex, emulator: CloudSearchEmulator
) -> None:
    asked = len(_searches(emulator))
    facets = (Facet(FieldRole.KEYWORD, "kind"),)
    query = SearchQuery(Words("fox"), (ANNA,), facets=facets, sort=Sort(FieldRole.NUMBER, "pages"))
    page = index.search(query)
    (sent,) = _searches(emulator)[asked:]
    assert sent["q"] == "(phrase 'fox')"
    assert sent["fq"] == "(and live:'1' space:'anna')"
    assert sent["return"] == "key,version,fn_pages"
    assert sent["sort"] == "fn_pages asc,key asc"
    hit = page.hits[0]
    further = index.search(replace(query, after=After(hit.sort_value, hit.key)))
    assert further.total == page.total
    assert further.facets == page.facets
    assert len(_searches(emulator)) == asked + 3


def test_hits_beyond_ten_thousand_are_counted_and_not_asked_for(index: CloudSearchIndex) -> None:
    for offset in (9_999, 10_000, 20_000):
        page = index.search(SearchQuery(All(), (ANNA,), limit=100, offset=offset))
        assert (page.hits, page.total) == ((), 2)


@pytest.mark.parametrize(
    "value",
    [1e400, -1e400, float("nan"), 1.7976931348623157e308, -0.0, 10**400],
    ids=["inf", "-inf", "nan", "largest", "zero", "huge"],
)
def test_numbers_that_no_field_holds_are_found_nowhere(
    index: CloudSearchIndex, value: float
) -> None:
    found = [Key("anna", "notes", "a")] if value == 0 else []
    assert _keys(index, All(), Term(FieldRole.NUMBER, "pages", value)) == found
    assert _keys(index, All(), Term(FieldRole.DATE, "seen", 2**70)) == []
    everything = Range(FieldRole.NUMBER, "pages", float("-inf"), float("inf"))
    assert len(_keys(index, All(), everything)) == 2


def test_boosts_and_fields_in_the_query() -> None:
    boosted = {"title": FieldDeclaration(FieldRole.TEXT, 2.5)}
    translator = QueryTranslator(Catalog([Collection("notes", fields=boosted)]))
    assert "t_title^2.500000" in translator.default_fields
    assert translator.match(Words("fox", "title")) == (
        "(phrase field=t_title boost=2.500000 'fox')"
    )
    assert translator.match(All((Words("fox"), Not(Words("don't"))))) == (
        "(and (phrase 'fox') (not (phrase 'don t')))"
    )
    assert translator.match(Not(Nothing())) == "(and matchall (not key:'none'))"


def test_a_boosted_field_weighs_more(emulator: CloudSearchEmulator) -> None:
    catalog = Catalog(
        [Collection("notes", fields={"title": FieldDeclaration(FieldRole.TEXT, 5.0)})]
    )
    index = index_on(emulator, ManualClock(), catalog=catalog, sleep=emulator.advance)
    index.apply(
        [
            Document(Key("anna", "notes", "body"), 1, "anna", {"body": ("fox",)}),
            Document(Key("anna", "notes", "title"), 1, "anna", {"title": ("fox",)}),
        ]
    )
    emulator.settle()
    assert [key.id for key in _keys(index, Words("fox"))] == ["title", "body"]


def test_accents_of_a_prefix_do_not_matter(emulator: CloudSearchEmulator) -> None:
    index = index_on(emulator, ManualClock(), sleep=emulator.advance)
    index.apply([Document(Key("anna", "notes", "a"), 1, "anna", {"title": ("Über 日本",)})])
    emulator.settle()
    for start in ("üb", "ÜB", "ub", "日", "日本"):
        assert len(_keys(index, Prefix(start))) == 1
    assert _keys(index, Prefix("本日")) == []


def test_highlights_of_inflections_phrases_and_prefixes(emulator: CloudSearchEmulator) -> None:
    index = index_on(emulator, ManualClock(), catalog=CATALOG, sleep=emulator.advance)
    text = "He runs and RUNS, <em>; quick foxes; a fox, quick. Quickly running"
    index.apply([Document(Key("anna", "notes", "a"), 1, "anna", {"title": (text, "no", "fox")})])
    emulator.settle()

    def marked(match: Node) -> list[str]:
        (hit,) = index.search(SearchQuery(match, (ANNA,), highlight=("title",))).hits
        ((field, found),) = hit.highlights
        assert field == "title"
        whole = " ".join(found)
        assert "&lt;em&gt;" in whole
        return [part.partition("</em>")[0] for part in whole.split("<em>")[1:]]

    assert marked(Words("run")) == ["runs", "RUNS", "running"]
    assert marked(Phrase(("quick", "fox"))) == ["quick", "foxes"]
    assert marked(Prefix("quick")) == ["quick", "quick", "Quickly"]
    assert marked(All((Words("runs"), Not(Words("hound"))))) == ["runs", "RUNS", "running"]
