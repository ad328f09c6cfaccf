"""What a search of the emulated CloudSearch answers: hits, pages, facets, highlights, errors."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from homeport.testing.cloudsearch import CloudSearchEmulator, Field
from tests.cloudsearch_requests import (
    BIRTHDAY,
    SEARCH,
    add,
    ask,
    client,
    refusal,
    search,
    started,
    upload,
)

FIELDS: dict[str, str | Field] = {
    "title": "text",
    "notes": "text-array",
    "kind": "literal",
    "tags": "literal-array",
    "year": "int",
    "rating": "double",
    "day": "date",
    "place": "latlon",
    "*_t": "text",
    "hidden": Field("literal", returned=False, facet=False, sort=False),
    "silent": Field("text", highlight=False, sort=False),
}
DOCUMENTS: dict[str, dict[str, object]] = {
    "a1": {
        "title": "One star", "kind": "b", "tags": ["x", "y"], "year": 9, "rating": 1.5,
        "day": "2026-01-01T00:00:00Z", "place": "1,2", "hidden": "h", "silent": "star",
        "mood_t": "good",
    },
    "a2": {
        "title": "Two stars", "kind": "B", "tags": ["x"], "year": 10, "rating": 2.5,
        "day": "2026-02-01T00:00:00Z",
    },
    "a3": {"title": "Many stars & <more>", "kind": "a", "tags": ["z", "x"], "year": 10},
    "a4": {"title": "No", "notes": ["first note", "a star, a note"]},
}  # fmt: skip


@pytest.fixture(scope="module")
def domain() -> Iterator[CloudSearchEmulator]:
    with started(FIELDS) as domain:
        batch = [{"type": "add", "id": id, "fields": fields} for id, fields in DOCUMENTS.items()]
        assert upload(domain, batch).status == 200
        domain.settle()
        yield domain


def everything(domain: CloudSearchEmulator, **parameters: object) -> Any:
    answer = search(domain, "matchall", **{"q_parser": "structured"} | parameters)
    assert answer.status == 200, answer.text
    return answer.json


def ids(answer: Any) -> list[str]:
    return [hit["id"] for hit in answer["hits"]["hit"]]


def test_the_reply_that_boto3_wants(domain: CloudSearchEmulator) -> None:
    answer = search(domain, "one")
    rid = answer.json["status"]["rid"]
    assert rid
    assert answer.headers["Content-Type"].startswith("application/json")
    assert answer.text.startswith("{\n")  # pretty
    assert answer.json == {
        "status": {"timems": 1, "rid": rid},
        "hits": {
            "found": 1,
            "start": 0,
            "hit": [
                {
                    "id": "a1",
                    "fields": {
                        "title": ["One star"],
                        "kind": ["b"],
                        "tags": ["x", "y"],
                        "year": ["9"],
                        "rating": ["1.5"],
                        "day": ["2026-01-01T00:00:00Z"],
                        "place": ["1.0,2.0"],
                        "silent": ["star"],
                        "mood_t": ["good"],
                    },
                }
            ],
        },
    }


def test_the_reply_without_an_sdk(domain: CloudSearchEmulator) -> None:
    answer = ask(domain, "GET", f"{SEARCH}?q=two&return=title,tags,_score")
    (hit,) = answer.json["hits"]["hit"]
    assert answer.json["status"].keys() == {"rid", "time-ms"}
    assert hit["fields"]["title"] == "Two stars"
    assert hit["fields"]["tags"] == ["x"]
    assert float(hit["fields"]["_score"]) > 0


def test_boto3_searches_with_every_parameter(domain: CloudSearchEmulator) -> None:
    answer = client(domain).search(
        query="'star'",
        queryParser="structured",
        queryOptions='{"fields": ["title^2", "notes"]}',
        filterQuery="tags:'x'",
        returnFields="title,twice,_score",
        expr='{"twice": "year*2"}',
        facet='{"tags": {"sort": "bucket"}}',
        stats='{"year": {}}',
        highlight='{"title": {"format": "text"}}',
        sort="twice desc,_id asc",
        start=1,
        size=1,
        partial=False,
    )
    assert answer["status"]["timems"] == 1
    hits = answer["hits"]
    assert (hits["found"], hits["start"]) == (3, 1)
    (hit,) = hits["hit"]
    assert hit["id"] == "a3"
    assert hit["fields"]["title"] == ["Many stars & <more>"]
    assert hit["exprs"] == {"twice": "20"}
    assert hit["highlights"] == {"title": "Many *stars* & <more>"}
    assert answer["facets"] == {
        "tags": {
            "buckets": [
                {"value": "x", "count": 3},
                {"value": "y", "count": 1},
                {"value": "z", "count": 1},
            ]
        }
    }
    assert answer["stats"]["year"]["max"] == "10.0"


def test_an_error_says_so_by_its_type(domain: CloudSearchEmulator) -> None:
    answer = search(domain, "foo:'x'", q_parser="structured")
    told = "Syntax error in query: field (foo) does not exist."
    assert answer.status == 400
    rid = answer.json["error"]["rid"]
    assert answer.json == {
        "__type": "#SearchException",
        "error": {"rid": rid, "message": f"[*Deprecated*: Use the outer message field] {told}"},
        "message": told,
    }
    boto = client(domain)
    with pytest.raises(boto.exceptions.SearchException) as raised:
        boto.search(query="foo:'x'", queryParser="structured")
    assert raised.value.response["Error"] == {"Code": "SearchException", "Message": told}


@pytest.mark.parametrize(
    ("names", "fields"),
    [
        ("_all_fields", {"title", "kind", "tags", "year"}),
        ("_all_fields,_score", {"title", "kind", "tags", "year", "_score"}),
        ("title, year", {"title", "year"}),
        ("title,missing_t", {"title"}),
        ("_score", {"_score"}),
    ],
)
def test_the_fields_that_are_returned(
    domain: CloudSearchEmulator, names: str, fields: set[str]
) -> None:
    (hit,) = search(domain, "many", return_=names).json["hits"]["hit"]
    assert set(hit["fields"]) == fields


def test_no_fields_at_all(domain: CloudSearchEmulator) -> None:
    (hit,) = search(domain, "many", return_="_no_fields").json["hits"]["hit"]
    assert hit == {"id": "a3"}


@pytest.mark.parametrize("names", ["foo", "hidden", "", "_id", "*_t", "_no_fields,title"])
def test_what_cannot_be_returned_is_refused(domain: CloudSearchEmulator, names: str) -> None:
    assert refusal(domain, "matchall", return_=names)


@pytest.mark.parametrize(
    ("sort", "order"),
    [
        ("_id desc", "a4 a3 a2 a1"),
        ("kind asc", "a2 a3 a1 a4"),  # by code point: B, a, b; without a value: last
        ("kind desc", "a1 a3 a2 a4"),
        ("title asc", "a3 a4 a1 a2"),
        ("year asc,_id asc", "a1 a2 a3 a4"),
        ("year desc,kind asc", "a2 a3 a1 a4"),
        ("year desc,kind desc", "a3 a2 a1 a4"),
        ("rating desc,_id asc", "a2 a1 a3 a4"),
        ("rating asc,_id desc", "a1 a2 a4 a3"),
        ("day desc,_id asc", "a2 a1 a3 a4"),
        ("missing_t asc, _id asc", "a1 a2 a3 a4"),
        ("_score desc, _id asc", "a1 a2 a3 a4"),
    ],
)
def test_hits_are_sorted(domain: CloudSearchEmulator, sort: str, order: str) -> None:
    assert ids(everything(domain, sort=sort)) == order.split()


def test_by_default_the_best_come_first(domain: CloudSearchEmulator) -> None:
    hits = search(domain, "star", return_="_score").json["hits"]["hit"]
    scores = [float(hit["fields"]["_score"][0]) for hit in hits]
    assert len(scores) == 4
    assert scores == sorted(scores, reverse=True)


@pytest.mark.parametrize(
    "sort",
    ["year", "year up", "", "year desc,", "foo asc", "tags asc", "notes desc", "place asc",
     "hidden asc", "silent asc", "_version desc", ",".join(["_id asc"] * 11)],
)  # fmt: skip
def test_other_orders_are_refused(domain: CloudSearchEmulator, sort: str) -> None:
    assert refusal(domain, "matchall", sort=sort)


def test_up_to_10_keys(domain: CloudSearchEmulator) -> None:
    assert len(ids(everything(domain, sort=",".join(["_id asc"] * 10)))) == 4


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("year", "9"),
        ("year*2+1", "19"),
        ("1+2*3-4/2", "5"),
        ("(1+2)*3", "9"),
        ("-year", "0"),
        ("7%4", "3"),
        ("rating*1.1", "2"),
        ("year/0", "0"),
        ("ln(0)", "0"),
        ("max(year,20)-min(1,2)", "19"),
        ("floor(2.9)+ceil(0.1)+abs(-3)+sqrt(4)+pow(2,3)", "16"),
        ("pow(10,30)", "9223372036854775807"),
        ("_score*100", "100"),
        ("day/1000", "1767225600"),
        ("(_time-day)/86400000", "379"),
    ],
)
def test_expressions_are_whole_numbers(
    domain: CloudSearchEmulator, expression: str, value: str
) -> None:
    answer = everything(domain, fq="_id:'a1'", expr={"exp1": expression}, return_="exp1")
    assert answer["hits"]["hit"] == [{"id": "a1", "fields": {}, "exprs": {"exp1": value}}]


def test_time_goes_by_the_clock_of_the_domain(domain: CloudSearchEmulator) -> None:
    answer = everything(domain, size=1, expr={"now": "_time/1000"}, return_="now")
    assert int(answer["hits"]["hit"][0]["exprs"]["now"]) == BIRTHDAY + 1


@pytest.mark.parametrize(
    ("name", "expression"),
    [
        ("exp1", "tags*2"), ("exp1", "kind"), ("exp1", "foo"), ("exp1", "1+"), ("exp1", "(1"),
        ("exp1", ""), ("exp1", "max(1)"), ("exp1", "year>3"), ("exp1", "haversin(1,2,3,4)"),
        ("exp1", "_rand"), ("exp1", "1"*10241), ("exp1", "("*5000), ("exp1", 7),
        ("e", "1"), ("score", "1"), ("year", "1"), ("Exp", "1"),
    ],
)  # fmt: skip
def test_other_expressions_are_refused(
    domain: CloudSearchEmulator, name: str, expression: object
) -> None:
    assert refusal(domain, "matchall", expr={name: expression})


def buckets(domain: CloudSearchEmulator, field: str, **options: object) -> list[tuple[str, int]]:
    found = everything(domain, facet={field: options}, size=0)["facets"][field]["buckets"]
    return [(bucket["value"], bucket["count"]) for bucket in found]


def test_facets_count_documents_by_value(domain: CloudSearchEmulator) -> None:
    assert buckets(domain, "tags") == [("x", 3), ("y", 1), ("z", 1)]
    assert buckets(domain, "kind", sort="bucket") == [("B", 1), ("a", 1), ("b", 1)]
    assert buckets(domain, "year", sort="bucket") == [("9", 1), ("10", 2)]
    assert buckets(domain, "year", sort="count") == [("10", 2), ("9", 1)]
    assert buckets(domain, "tags", sort="bucket", size=2) == [("x", 3), ("y", 1)]
    assert buckets(domain, "day", sort="bucket")[0] == ("2026-01-01T00:00:00Z", 1)
    assert buckets(domain, "place") == [("1.0,2.0", 1)]


def test_facets_count_ranges_and_values_as_they_are_asked_for(domain: CloudSearchEmulator) -> None:
    assert buckets(domain, "year", buckets=["[10,}", "{,10}", "[9,10]", "9", "[0,1]"]) == [
        ("[10,}", 2), ("{,10}", 1), ("[9,10]", 3), ("9", 1), ("[0,1]", 0),
    ]  # fmt: skip
    assert buckets(domain, "tags", buckets=["z", "x", "X"]) == [("z", 1), ("x", 3), ("X", 0)]
    months = ["['2026-01-01T00:00:00Z','2026-02-01T00:00:00Z'}", "['2026-02-01T00:00:00Z',}"]
    assert buckets(domain, "day", buckets=months, method="interval") == [
        (months[0], 1), (months[1], 1),
    ]  # fmt: skip


def test_facets_are_of_all_hits_and_of_nothing_else(domain: CloudSearchEmulator) -> None:
    answer = everything(domain, fq="year:10", size=1, facet={"tags": {}})
    assert answer["facets"]["tags"]["buckets"] == [
        {"value": "x", "count": 2},
        {"value": "z", "count": 1},
    ]


def test_a_document_counts_once_for_a_value_that_it_has_twice() -> None:
    with started({"tags": "literal-array"}) as domain:
        add(domain, "a1", tags=["x", "y", "x"])
        assert buckets(domain, "tags") == [("x", 1), ("y", 1)]


def test_10_facets_by_default() -> None:
    with started({"tags": "literal-array"}) as domain:
        add(domain, "a1", tags=[f"t{nth:02}" for nth in range(12)])
        assert buckets(domain, "tags") == [(f"t{nth:02}", 1) for nth in range(10)]
        assert len(buckets(domain, "tags", sort="count", size=12)) == 12


@pytest.mark.parametrize(
    ("field", "options"),
    [
        ("title", {}), ("notes", {}), ("mood_t", {}), ("hidden", {}), ("foo", {}), ("_id", {}),
        ("tags", []), ("tags", {"sort": "up"}), ("tags", {"size": 3}),
        ("tags", {"sort": "count", "size": 0}), ("tags", {"sort": "count", "size": "3"}),
        ("tags", {"buckets": []}), ("tags", {"buckets": "x"}), ("tags", {"buckets": [1]}),
        ("tags", {"buckets": ["x"], "size": 1}), ("tags", {"buckets": ["x"], "sort": "count"}),
        ("tags", {"colour": "red"}), ("tags", {"method": "filter"}),
        ("year", {"buckets": ["x"]}), ("year", {"buckets": ["[1,2"]}),
        ("year", {"buckets": ["[,2]"]}), ("year", {"buckets": ["[1,2] or"]}),
        ("year", {"buckets": ["[1,2]"], "method": "guess"}),
    ],
)  # fmt: skip
def test_other_facets_are_refused(domain: CloudSearchEmulator, field: str, options: object) -> None:
    assert refusal(domain, "matchall", facet={field: options})


def test_statistics(domain: CloudSearchEmulator) -> None:
    answer = everything(domain, stats={"year": {}, "day": {}}, size=0)
    assert answer["stats"]["year"] == {
        "count": 3, "missing": 1, "min": "9.0", "max": "10.0",
        "mean": repr(29 / 3), "sum": 29.0, "sumOfSquares": 281.0,
        "stddev": pytest.approx(3**-0.5),
    }  # fmt: skip
    assert answer["stats"]["day"]["max"] == "2026-02-01T00:00:00Z"
    assert refusal(domain, "matchall", stats={"kind": {}})
    assert refusal(domain, "matchall", stats={"year": {"x": 1}})


def marked(domain: CloudSearchEmulator, q: str, field: str, **options: object) -> object:
    (hit,) = search(domain, q, highlight={field: options}).json["hits"]["hit"]
    return hit["highlights"].get(field)


def test_highlights_are_html_by_default(domain: CloudSearchEmulator) -> None:
    assert marked(domain, "many star", "title") == "<em>Many</em> stars &amp; &lt;more&gt;"
    assert (
        marked(domain, "many star", "title", max_phrases=5)
        == "<em>Many</em> <em>stars</em> &amp; &lt;more&gt;"
    )


def test_highlights_as_text_and_with_other_tags(domain: CloudSearchEmulator) -> None:
    assert marked(domain, "many", "title", format="text") == "*Many* stars & <more>"
    tags = {"pre_tag": "<b>", "post_tag": "</b>"}
    assert marked(domain, "many", "title", **tags) == "<b>Many</b> stars &amp; &lt;more&gt;"


def test_the_words_of_a_phrase_and_of_a_prefix_are_marked(domain: CloudSearchEmulator) -> None:
    assert marked(domain, '"two stars"', "title", max_phrases=2) == "<em>Two</em> <em>stars</em>"
    assert marked(domain, "Tw*", "title") == "<em>Two</em> stars"


def test_the_value_of_an_array_that_matches_is_shown(domain: CloudSearchEmulator) -> None:
    assert marked(domain, "star -one -two -many", "notes") == "a <em>star</em>&#44; a note"


def test_a_field_that_does_not_match_is_shown_without_marks(domain: CloudSearchEmulator) -> None:
    assert marked(domain, "star -one -two -many", "title") == "No"
    assert marked(domain, "many", "notes") is None


def test_only_the_first_10_kilobytes_are_marked() -> None:
    with started({"title": "text"}) as domain:
        add(domain, "a1", title="x" * (10 * 1024 - 5) + " star star")
        assert marked(domain, "star", "title", format="text", max_phrases=5) == (
            "x" * 99 + " *star*"
        )


def test_long_texts_are_cut_around_the_marks() -> None:
    with started({"title": "text"}) as domain:
        add(domain, "a1", title="a" * 200 + " star " + "b" * 200)
        assert marked(domain, "star", "title") == ("a" * 99 + " <em>star</em> " + "b" * 99)


@pytest.mark.parametrize(
    ("field", "options"),
    [
        ("kind", {}), ("silent", {}), ("foo", {}), ("title", []), ("title", {"max_phrases": 0}),
        ("title", {"max_phrases": 6}), ("title", {"max_phrases": "2"}),
        ("title", {"format": "xml"}), ("title", {"pre_tag": 1}), ("title", {"size": 1}),
    ],
)  # fmt: skip
def test_other_highlights_are_refused(
    domain: CloudSearchEmulator, field: str, options: object
) -> None:
    assert refusal(domain, "matchall", highlight={field: options})


def test_parameters_by_field_as_they_are_written_without_an_sdk(
    domain: CloudSearchEmulator,
) -> None:
    target = f"{SEARCH}?q=many&facet.tags=%7B%7D&highlight.title=%7B%7D&expr.twice=year*2"
    answer = ask(domain, "GET", f"{target}&return=twice&stats.year=%7B%7D").json
    assert answer["hits"]["hit"][0]["exprs"] == {"twice": "20"}
    assert answer["hits"]["hit"][0]["highlights"]["title"].startswith("<em>Many</em>")
    assert answer["facets"]["tags"]["buckets"][0] == {"value": "x", "count": 1}
    assert answer["stats"]["year"]["count"] == 1


@pytest.mark.parametrize(
    "parameters",
    [
        {"colour": "red"},
        {"size": "-1"},
        {"size": "10001"},
        {"size": "ten"},
        {"start": "-1"},
        {"start": "9991", "size": "10"},
        {"start": "0", "cursor": "initial"},
        {"cursor": "nonsense"},
        {"cursor": ""},
        {"facet": "{tags:{}}"},
        {"facet": "[]"},
        {"facet": "{}", "facet.tags": "{}"},
        {"highlight": "x"},
        {"format": "xml"},
        {"format": "yaml"},
        {"partial": "perhaps"},
    ],
)
def test_other_parameters_are_refused(
    domain: CloudSearchEmulator, parameters: dict[str, object]
) -> None:
    assert refusal(domain, "matchall", **parameters)


def test_a_search_has_a_query(domain: CloudSearchEmulator) -> None:
    assert refusal(domain, "") == "q is missing"
    assert ask(domain, "GET", SEARCH).json["message"] == "q is missing"
    assert "twice" in ask(domain, "GET", f"{SEARCH}?q=a&q=b").json["message"]


def test_searches_are_got_or_posted(domain: CloudSearchEmulator) -> None:
    assert ask(domain, "PUT", SEARCH, b"").status == 405
    assert ask(domain, "POST", SEARCH, b"q=x", {"Content-Type": "text/plain"}).status == 400
    assert ask(domain, "GET", f"{SEARCH}?q=%ff").status == 400


def test_a_search_that_is_got_has_up_to_8190_bytes(domain: CloudSearchEmulator) -> None:
    line = f"GET {SEARCH}?q= HTTP/1.1\r\n"
    word = "x" * (8190 - len(line))
    assert ask(domain, "GET", f"{SEARCH}?q={word}").status == 200
    assert ask(domain, "GET", f"{SEARCH}?q={word}x").status == 413
    assert search(domain, "x" * 9000).status == 200


@pytest.fixture(scope="module")
def large() -> Iterator[CloudSearchEmulator]:
    """10,050 documents."""
    with started({"year": "int"}) as domain:
        for first in range(0, 10_050, 2010):
            numbers = range(first, first + 2010)
            batch = [{"type": "add", "id": f"a{nth}", "fields": {"year": nth}} for nth in numbers]
            assert upload(domain, json.dumps(batch).encode()).status == 200
        domain.settle()
        yield domain


def test_start_and_size_reach_10000_hits(large: CloudSearchEmulator) -> None:
    page = everything(large, sort="year asc", start=9990, size=10)["hits"]
    assert (page["found"], page["start"]) == (10_050, 9990)
    assert [hit["id"] for hit in page["hit"]] == [f"a{nth}" for nth in range(9990, 10_000)]
    assert "cursor" not in page
    assert "use a cursor" in refusal(large, "matchall", start=9991, size=10)
    assert len(ids(everything(large, size=10_000, return_="_no_fields"))) == 10_000


def test_a_cursor_reaches_all_of_them(large: CloudSearchEmulator) -> None:
    seen: list[str] = []
    cursor = "initial"
    for _ in range(4):
        page = everything(large, sort="year desc", cursor=cursor, size=5000, return_="_no_fields")[
            "hits"
        ]
        assert (page["found"], page["start"]) == (10_050, len(seen))
        seen += [hit["id"] for hit in page["hit"]]
        cursor = page["cursor"]
    assert seen == [f"a{nth}" for nth in reversed(range(10_050))]


def test_a_cursor_goes_on_behind_what_it_gave(domain: CloudSearchEmulator) -> None:
    for sort in ("_score desc", "year desc,kind asc", "rating asc"):
        seen: list[str] = []
        cursor = "initial"
        for size in (1, 2, 3):
            page = everything(domain, sort=sort, cursor=cursor, size=size)
            seen += ids(page)
            cursor = page["hits"]["cursor"]
        assert seen == ids(everything(domain, sort=sort))


def test_a_cursor_belongs_to_its_query(domain: CloudSearchEmulator) -> None:
    cursor = everything(domain, cursor="initial", size=1)["hits"]["cursor"]
    told = "The cursor belongs to another query"
    assert refusal(domain, "matchall", cursor=cursor, sort="year asc") == told
    assert refusal(domain, "'star'", cursor=cursor) == told


def test_equals_are_in_no_meaningful_order_that_stays() -> None:
    with started({"year": "int"}) as domain:
        batch = [{"type": "add", "id": f"a{n}", "fields": {"year": 1}} for n in range(10, 50)]
        assert upload(domain, batch).status == 200
        domain.settle()
        first = ids(everything(domain, size=40, sort="year asc"))
        assert first == ids(everything(domain, size=40, sort="year asc"))
        assert first != sorted(first)
