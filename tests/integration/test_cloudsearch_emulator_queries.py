"""The query languages of the emulated CloudSearch, over a few films."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from homeport.testing.cloudsearch import AnalysisScheme, CloudSearchEmulator, Field
from tests.cloudsearch_requests import add, found, refusal, search, started, upload

FIELDS: dict[str, str | Field] = {
    "title": "text",
    "plot": "text-array",
    "genres": "literal-array",
    "code": "literal",
    "year": "int",
    "rating": "double",
    "seen": "date-array",
    "place": "latlon",
    "*_t": "text",
    "*_k": "literal",
    "secret": Field("literal", search=False),
}
FILMS: dict[str, dict[str, object]] = {
    "alien": {
        "title": "Alien", "plot": ["The crew of a ship meets a stranger"],
        "genres": ["Horror", "Sci-Fi"], "year": 1979, "rating": 8.5, "place": "35.6,-120.7",
        "mood_t": "dark wars", "code": "A'1\\2", "secret": "x",
    },
    "born": {
        "title": "A star is born", "plot": ["A singer", "A star falls"],
        "genres": ["Drama"], "year": 1937, "rating": 7.5,
        "seen": ["2026-01-01T00:00:00Z", "2026-03-01T12:00:00.250Z"], "code": "a1",
    },
    "wars": {
        "title": "Star Wars", "plot": ["Rebels fight an empire among the stars"],
        "genres": ["Sci-Fi"], "year": 1977, "rating": 8.6, "code": "A1", "kind_k": "saga",
    },
    "trek": {
        "title": "Star Trek: wars of old", "plot": ["A ship goes on a long, long trek"],
        "genres": ["Sci-Fi", "Drama"], "year": 2009, "rating": 7.9,
        "seen": ["2026-06-01T00:00:00Z"], "place": "35.0,-120.0",
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def domain() -> Iterator[CloudSearchEmulator]:
    with started(FIELDS) as domain:
        batch = [{"type": "add", "id": id, "fields": fields} for id, fields in FILMS.items()]
        assert upload(domain, batch).status == 200
        domain.settle()
        yield domain


STRUCTURED = [
    ("matchall", "alien born trek wars"),
    ("'star'", "born trek wars"),
    ("'STAR'", "born trek wars"),
    ("'start'", ""),
    ("'stars'", "born trek wars"),
    # Literal and dynamic fields are not searched by default.
    ("'drama'", ""),
    ("'dark'", ""),
    ("mood_t:'dark'", "alien"),
    ("kind_k:'saga'", "wars"),
    # The words of one string are in one field; those of two may be in two.
    ("'star wars'", "trek wars"),
    ("'star ship'", ""),
    ("(and 'star' 'ship')", "trek"),
    ("(and 'ship' 'alien')", "alien"),
    ("title:'star'", "born trek wars"),
    ("title: 'star'", "born trek wars"),
    ("plot:'star'", "born wars"),
    ("plot:'singer falls'", "born"),
    # Literals are exact, and know case.
    ("genres:'Sci-Fi'", "alien trek wars"),
    ("genres:'sci-fi'", ""),
    ("genres:'Sci'", ""),
    ("code:'A1'", "wars"),
    ("code:'a1'", "born"),
    (r"code:'A\'1\\2'", "alien"),
    ("year:1977", "wars"),
    ("rating:8.5", "alien"),
    ("rating:8.50", "alien"),
    ("seen:'2026-06-01T00:00:00Z'", "trek"),
    ("seen:'2026-06-01T00:00:00.000Z'", "trek"),
    ("place:'35,-120'", "trek"),
    ("_id:'wars'", "wars"),
    # Operators, which stand before their operands.
    ("(and 'star' year:1977)", "wars"),
    ("(or genres:'Drama' year:1979)", "alien born trek"),
    ("(not 'star')", "alien"),
    ("(not field=genres 'Sci-Fi')", "born"),
    ("(and (not field=genres 'Drama')(or (term field=title boost=2 'star')'alien'))", "alien wars"),
    ("(and matchall (not (or 'alien' year:{,1937])))", "trek wars"),
    ("(and boost=2.5 'star')", "born trek wars"),
    ("(term field=genres 'Drama')", "born trek"),
    ("(term field=year 1977)", "wars"),
    ("(term 'star')", "born trek wars"),
    ("(term field='title' 'star')", "born trek wars"),
    ("(phrase field=title 'star wars')", "wars"),
    ("(phrase 'star wars')", "wars"),
    ("(phrase 'wars star')", ""),
    # A phrase does not go from one value of an array to the next.
    ("(phrase field=plot 'singer star')", ""),
    ("(phrase field=plot 'star falls')", "born"),
    ("(near field=title distance=1 'star wars')", "trek wars"),
    ("(near field=plot distance=1 'ship crew')", ""),
    ("(near field=plot distance=2 'ship crew')", "alien"),
    ("(near field=plot distance=3 'ship trek')", ""),
    ("(near field=plot distance=9 'ship trek')", "trek"),
    ("(near field=plot distance=9 'singer falls')", ""),
    ("(near field=plot distance=1 'long long')", "trek"),
    ("(near field=title distance=9 'star star')", ""),
    ("(prefix field=title 'al')", "alien"),
    ("(prefix 'sta')", "born trek wars"),
    ("(prefix 'STA')", "born trek wars"),
    # No stemming of a prefix: the index holds `star`.
    ("(prefix 'stars')", ""),
    ("(prefix field=genres 'Sci')", "alien trek wars"),
    ("(prefix field=genres 'sci')", ""),
    ("(prefix field=_id 'w')", "wars"),
    # Ranges.
    ("year:[1977,1979]", "alien wars"),
    ("year:{1977,1979]", "alien"),
    ("year:[1977,1979}", "wars"),
    ("year:{1977,1979}", ""),
    ("year:[1979,}", "alien trek"),
    ("year:{,1937]", "born"),
    ("(range field=year {,1977})", "born"),
    ("(range field=rating [7.9,8.5])", "alien trek"),
    ("rating:[8,}", "alien wars"),
    ("seen:['2026-02-01T00:00:00Z','2026-05-01T00:00:00Z']", "born"),
    ("seen:['2026-03-01T12:00:00.250Z',}", "born trek"),
    ("seen:{'2026-03-01T12:00:00.250Z',}", "trek"),
    ("code:['A','B'}", "alien wars"),
    ("_id:['b','u']", "born trek"),
    ("place:['36,-121','35.5,-120.5']", "alien"),
    # Stop words ask for nothing.
    ("(and 'the' 'star')", "born trek wars"),
    ("'the'", ""),
    ("(phrase 'star is born')", "born"),
    ("(phrase 'star born')", ""),
]  # fmt: skip


@pytest.mark.parametrize(("query", "ids"), STRUCTURED)
def test_structured_queries(domain: CloudSearchEmulator, query: str, ids: str) -> None:
    assert found(domain, query) == ids.split()


@pytest.mark.parametrize(("query", "ids"), STRUCTURED)
def test_a_filter_is_in_structured_syntax_whatever_the_parser(
    domain: CloudSearchEmulator, query: str, ids: str
) -> None:
    everything = {"q": "matchall", "fq": query}
    assert found(domain, **everything) == ids.split()
    both = found(domain, "star|ship", q_parser="simple", fq=query)
    assert both == ids.split()


@pytest.mark.parametrize(
    "query",
    [
        "star",
        "'star",
        r"'star\'",
        r"'st\ar'",
        '"star"',
        "title",
        "title:",
        "title:star",
        "title:'star' year:1977",
        "Title:'star'",
        "()",
        "(and)",
        "(or )",
        "(xor 'a' 'b')",
        "(matchall)",
        "(and 'star'",
        "(and 'star'))",
        "(not 'a' 'b')",
        "(phrase 'a' 'b')",
        "(phrase star)",
        "(prefix '')",
        "(prefix field=title)",
        # Options stand before operands, and each operator has its own.
        "(and 'star' boost=2)",
        "(term 'star' field=title)",
        "(and field=title 'star')",
        "(term distance=2 'star')",
        "(and boost=1 boost=2 'star')",
        "(and boost=0 'star')",
        "(and boost=x 'star')",
        "(and boost= 'star')",
        "(and size=3 'star')",
        "(near 'star wars')",
        "(near distance=0 'star wars')",
        "(near distance=1.5 'star wars')",
        "(range [1,2])",
        "(range field=year 1)",
        "(term 1977)",
        # An omitted bound takes a brace.
        "year:[,1977]",
        "year:[1977,]",
        "year:{,}",
        "year:[1977]",
        "year:[1977,1979",
        "year:(1977,1979)",
        "year:1977x",
    ],
)
def test_what_is_no_structured_syntax_is_refused(domain: CloudSearchEmulator, query: str) -> None:
    assert refusal(domain, query)
    assert refusal(domain, "matchall", fq=query)


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("foo:'x'", "Syntax error in query: field (foo) does not exist."),
        ("*_t:'x'", "Syntax error"),
        ("secret:'x'", "Field (secret) is not search enabled."),
        ("title:7", "Text in quotes is searched in title"),
        ("year:'1977'", "A value of year, which is int, stands without quotes"),
        ("code:7", "A value of code, which is literal, stands in single quotes"),
        ("year:1.5", "'1.5' is no int"),
        ("rating:'good'", "stands without quotes"),
        ("seen:'today'", "'today' is no date"),
        ("seen:2026", "stands in single quotes"),
        ("seen:['2026-01-01',}", "'2026-01-01' is no date"),
        ("year:['1977',}", "stands without quotes"),
        ("(phrase field=genres 'Sci-Fi')", "phrase does not search genres"),
        ("(near field=year distance=1 'a b')", "near does not search year"),
        ("(prefix field=year '19')", "prefix does not search year"),
        ("place:['35.5,-120.5','36,-121']", "from the upper left to the lower right"),
        ("place:['36,-121',}", "two corners"),
    ],
)
def test_what_does_not_fit_a_field_is_refused(
    domain: CloudSearchEmulator, query: str, told: str
) -> None:
    assert told in refusal(domain, query)


def test_mistakes_are_found_where_the_domain_is_empty() -> None:
    with started(FIELDS) as domain:
        assert "does not exist" in refusal(domain, "(or 'star' foo:'x')")


def test_a_query_has_at_most_1024_clauses(domain: CloudSearchEmulator) -> None:
    def either(count: int) -> str:
        return f"(or {' '.join(f'year:{nth}' for nth in range(count))})"

    assert found(domain, either(1023)) == []
    assert "at most 1024 clauses" in refusal(domain, either(1024))
    assert found(domain, "x " * 1024, q_parser="simple") == []
    assert "at most 1024 clauses" in refusal(domain, "x " * 1025, q_parser="simple")


SIMPLE = [
    ("star", "born trek wars"),
    ("STARS", "born trek wars"),
    ("star wars", "trek wars"),
    ("wars star", "trek wars"),
    ("star singer", "born"),
    ("+star +wars", "trek wars"),
    ("star -wars", "born"),
    ("-star", "alien"),
    ("star wars |alien", "alien trek wars"),
    ("+star |wars", "born trek wars"),
    ("alien|trek", "alien trek"),
    ("+(trek|wars)+star", "trek wars"),
    ("(star (singer|rebels))", "born wars"),
    ('"star wars"', "wars"),
    ('"star wars"~1', "trek wars"),
    ('-"star wars" star', "born trek"),
    ("sta*", "born trek wars"),
    ("Sta*", "born trek wars"),
    ("stars*", ""),
    ("alein~2", "alien"),
    ("alein~1", ""),
    ("alein~9", "alien"),
    ("alixyz~9", ""),
    ("sci-fi", ""),
    ("drama", ""),
    ("dark", ""),
    ("the star", "born trek wars"),
    ("the", ""),
    ("   ", ""),
    ("!?.", ""),
    # What is not closed, and operators without a word, are no errors.
    ('"star wars', "wars"),
    ("((star wars", "trek wars"),
    ("star)) wars", "trek wars"),
    ("star + wars -", "trek wars"),
    ("*", ""),
    ("~ star", "born trek wars"),
    ("title:star", ""),
    ("matchall", ""),
    (r"\-star", "born trek wars"),
    ("(and 'star')", "born trek wars"),
]


@pytest.mark.parametrize(("query", "ids"), SIMPLE)
def test_simple_queries(domain: CloudSearchEmulator, query: str, ids: str) -> None:
    assert found(domain, query, q_parser="simple") == ids.split()


def test_the_simple_parser_is_the_default(domain: CloudSearchEmulator) -> None:
    answer = search(domain, "star -wars")
    assert [hit["id"] for hit in answer.json["hits"]["hit"]] == ["born"]


@pytest.mark.parametrize(
    ("query", "options", "ids"),
    [
        ("star singer", {"defaultOperator": "or"}, "born trek wars"),
        ("+wars singer", {"defaultOperator": "or"}, "trek wars"),
        ("star", {"fields": ["plot"]}, "born wars"),
        ("star", {"fields": ["title^5", "plot^0.5"]}, "born trek wars"),
        ("dark", {"fields": ["mood_t", "title"]}, "alien"),
        ("Drama", {"fields": ["genres"]}, "born trek"),
        ("drama", {"fields": ["genres"]}, ""),
        ("1977", {"fields": ["year", "title"]}, "wars"),
        ("star", {"fields": ["year", "title"]}, "born trek wars"),
        ('"Sci-Fi"', {"fields": ["genres"]}, "alien trek wars"),
        ("-star", {"operators": ["not"]}, "born trek wars"),
        ("alien|star", {"operators": ["or"]}, ""),
        ("sta*", {"operators": ["prefix"]}, ""),
        ('"wars star"', {"operators": ["phrase"]}, "trek wars"),
        ('"star wars"~1', {"operators": ["near"]}, "wars"),
        ("alein~2", {"operators": ["fuzzy"]}, ""),
        ("(alien|born)", {"operators": ["precedence"]}, "alien born"),
        (r"\-star", {"operators": ["escape"]}, "alien"),
    ],
)
def test_options_of_the_simple_parser(
    domain: CloudSearchEmulator, query: str, options: object, ids: str
) -> None:
    assert found(domain, query, q_parser="simple", q_options=options) == ids.split()


def test_options_of_the_structured_parser(domain: CloudSearchEmulator) -> None:
    assert found(domain, "'star singer'", q_options={"defaultOperator": "or"}) == [
        "born", "trek", "wars",
    ]  # fmt: skip
    assert found(domain, "'star'", q_options={"fields": ["plot"]}) == ["born", "wars"]
    assert found(domain, "title:'star'", q_options={"fields": ["plot"]}) == [
        "born", "trek", "wars",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "parameters",
    [
        {"q_options": "{fields:['title']}"},
        {"q_options": []},
        {"q_options": {"fields": "title"}},
        {"q_options": {"fields": []}},
        {"q_options": {"fields": ["foo"]}},
        {"q_options": {"fields": ["secret"]}},
        {"q_options": {"fields": ["title^"]}},
        {"q_options": {"fields": ["title^0"]}},
        {"q_options": {"fields": ["title^-1"]}},
        {"q_options": {"defaultOperator": "50%"}},
        {"q_options": {"operators": ["and"]}},
        {"q_options": {"tieBreaker": 0.5}},
        {"q_options": {"operators": ["shout"]}, "q_parser": "simple"},
        {"q_options": {"tieBreaker": 0.5}, "q_parser": "simple"},
        {"q_parser": "sql"},
    ],
)
def test_wrong_options_are_refused(
    domain: CloudSearchEmulator, parameters: dict[str, object]
) -> None:
    assert refusal(domain, "'star'", **parameters)


@pytest.mark.parametrize("parser", ["lucene", "dismax"])
def test_other_parsers_are_refused_by_the_emulator_itself(
    domain: CloudSearchEmulator, parser: str
) -> None:
    told = refusal(domain, "star", q_parser=parser)
    assert told == f"The emulator does not speak this: the query parser {parser}"


def scores(domain: CloudSearchEmulator, query: str, **parameters: object) -> dict[str, float]:
    settings = {"q_parser": "structured", "return_": "_score"} | parameters
    hits = search(domain, query, **settings).json["hits"]["hit"]
    return {hit["id"]: float(hit["fields"]["_score"][0]) for hit in hits}


def test_a_filter_never_changes_the_score(domain: CloudSearchEmulator) -> None:
    plain = scores(domain, "'star'")
    filtered = scores(domain, "'star'", fq="(and boost=9 title:'wars' genres:'Sci-Fi')")
    assert set(filtered) == {"trek", "wars"}
    assert filtered == {id: plain[id] for id in filtered}


def test_boosts_multiply_and_clauses_add(domain: CloudSearchEmulator) -> None:
    star, wars = scores(domain, "'star'"), scores(domain, "'wars'")
    boosted = scores(domain, "(term boost=3 'star')")
    both = scores(domain, "(and 'star' 'wars')")
    assert boosted["born"] == pytest.approx(3 * star["born"])
    assert both["wars"] == pytest.approx(star["wars"] + wars["wars"])


def test_weights_of_fields_decide_what_is_best(domain: CloudSearchEmulator) -> None:
    by_title = scores(domain, "'trek'", q_options={"fields": ["title^5", "plot"]})
    by_plot = scores(domain, "'trek'", q_options={"fields": ["title", "plot^5"]})
    assert by_title["trek"] != by_plot["trek"]
    heavy = scores(domain, "'star'", q_options={"fields": ["title^5"]})
    light = scores(domain, "'star'", q_options={"fields": ["title"]})
    assert heavy["wars"] == pytest.approx(5 * light["wars"])


def test_an_optional_word_only_makes_a_hit_better(domain: CloudSearchEmulator) -> None:
    plain = scores(domain, "+star", q_parser="simple")
    better = scores(domain, "+star |rebels", q_parser="simple")
    assert better["wars"] > plain["wars"]
    assert better["born"] == plain["born"]


def test_rarer_words_score_higher(domain: CloudSearchEmulator) -> None:
    options = {"fields": ["title"]}
    common = scores(domain, "'star'", q_options=options)["wars"]
    assert scores(domain, "'wars'", q_options=options)["wars"] > common


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("Ponies", "pony"),
        ("hopping", "hopped"),
        ("Café", "cafe"),
        ("Cafe\u0301", "café"),
        ("Ocean's Eleven", "ocean"),
        ("Straße", "strasse"),
        ("東京都", "東京"),
        ("हिन्दी", "हिन्दी"),
        ("version 3.14", "3.14"),
        ("well-known", "known"),
        ("me@example.com", "example.com"),
        ("1,000 times", "1,000"),
    ],
)
def test_text_is_analysed_alike_at_both_ends(text: str, query: str) -> None:
    with started({"title": "text"}) as domain:
        add(domain, "a1", title=text)
        add(domain, "a2", title="nothing of it")
        assert found(domain, query, q_parser="simple") == ["a1"]


def test_a_field_may_have_another_analysis_scheme() -> None:
    exact = Field("text", analysis_scheme="exact")
    schemes = {"exact": AnalysisScheme()}
    with started({"title": exact, "plot": "text"}, schemes=schemes) as domain:
        add(domain, "a1", title="The Stars", plot="The Stars")
        assert found(domain, "title:'star'") == []
        assert found(domain, "title:'THE stars'") == ["a1"]
        assert found(domain, "plot:'star'") == ["a1"]
        assert found(domain, "plot:'the'") == []
