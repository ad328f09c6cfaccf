"""What one search may ask for: enough for whoever types or pastes, too little to hold all up."""

from __future__ import annotations

from typing import Any

import pytest

from homeport.domain.errors import Fault
from homeport.domain.model.query import All, Fuzzy, Not, Phrase, Prefix, Words
from homeport.domain.query_parser import parse_query
from homeport.domain.search import SearchResult
from tests.unit.domain.nearby import Shops
from tests.unit.domain.tables import check, check_each, faults

MANY = [f"w{number}" for number in range(40)]


@pytest.fixture
def shops() -> Shops:
    return Shops()


def test_what_is_asked_for_twice_is_asked_for_once() -> None:
    assert parse_query("fox fox") == Words("fox")
    assert parse_query("b* c* b* fox fox~ fox -b* -b*") == All(
        (Prefix("b"), Prefix("c"), Words("fox"), Fuzzy("fox"), Not(Prefix("b")))
    )
    assert parse_query("(fox)(fox*) fox") == All((Words("fox"), Prefix("fox")))
    assert parse_query("-fox(hound)(fox)") == All((Not(All((Words("fox"), Words("hound")))),))


def test_so_are_filters(shops: Shops) -> None:
    shops.search(filters=("kind:x", "title~fox hound", "kind:x", "title~fox fox~ hound fox~"))
    (query,) = shops.index.asked
    assert [type(one).__name__ for one in query.filters] == ["Term", "Words", "Words", "Fuzzy"]


def test_the_first_words_of_a_long_text_count() -> None:
    assert parse_query(" ".join(MANY)) == All(tuple(map(Words, MANY[:32])))
    assert parse_query(" ".join([*MANY[:31], "-a", "b*"])) == All(
        (*map(Words, MANY[:31]), Not(Words("a")))
    )


def test_what_begins_within_them_is_whole() -> None:
    phrase = Phrase(tuple(MANY))
    quoted = f'"{" ".join(MANY)}"'
    assert parse_query(f"a -{quoted} b") == All((Words("a"), Not(phrase)))
    assert parse_query(f"{quoted} b") == phrase
    assert parse_query("-" + "".join(f"({one})" for one in MANY) + " b") == All(
        (Not(All(tuple(map(Words, MANY)))),)
    )


def test_a_pasted_text_finds_what_it_is_from(shops: Shops) -> None:
    text = " ".join(f"{word}, and" for word in MANY)
    shops.put({"text": text}, {"text": "w0 and"})
    assert shops.ids(q=text) == ["0"]


EIGHT = " ".join(f"{one}*" for one in MANY[:4]) + " " + " ".join(f"-{one}~" for one in MANY[:4])
WORDS = "title~" + " ".join(MANY[:16])
MORE_WORDS = "text~" + " ".join(MANY[:16])
HERE, THERE, ELSEWHERE = (f"home:{latitude},16.4,5km" for latitude in (48.2, 47.1, 46.6))


def test_what_is_within_the_limits_is_looked_for() -> None:
    def asked(request: dict[str, Any]) -> int:
        shops = Shops()
        shops.search(**request)
        return len(shops.index.asked)

    requests: list[dict[str, Any]] = [
        {"q": EIGHT},
        {"q": f"{EIGHT} w0* w1 -w0~"},
        {"q": "a* b~", "filters": ("kind:x", "title~a~ b~ c~", "text~a~ b~ c~", "title~a~")},
        {"q": " ".join(MANY), "filters": (WORDS, MORE_WORDS, WORDS)},
        {"filters": (HERE, THERE, "kind:x", HERE), "sort": "home:46.6,16.4"},
    ]
    check_each(asked, requests, 1)


def test_what_is_beyond_is_refused_unasked(shops: Shops) -> None:
    def search(request: dict[str, Any]) -> SearchResult:
        return shops.search(**request)

    requests: list[tuple[dict[str, Any], Fault]] = [
        ({"q": f"{EIGHT} x*"}, Fault("q", "at most 8 words that end in * or ~")),
        ({"q": f"{EIGHT} -x~"}, Fault("q", "at most 8 words that end in * or ~")),
        ({"q": f"{EIGHT} -a(x*)"}, Fault("q", "at most 8 words that end in * or ~")),
        (
            {"q": EIGHT, "filters": ("title~a b", "title~c~")},
            Fault(
                "filter/1", "at most 8 words that end in * or ~ in a search, those in q included"
            ),
        ),
        (
            {"filters": ("title~a~ b~ c~ d~ e~", "kind:x", "text~a~ b~ c~ d~")},
            Fault(
                "filter/2", "at most 8 words that end in * or ~ in a search, those in q included"
            ),
        ),
        (
            {"filters": (WORDS, MORE_WORDS, "title~more")},
            Fault("filter/2", "at most 32 words in all filters"),
        ),
        (
            {"filters": (HERE, "kind:x", THERE, HERE, ELSEWHERE)},
            Fault("filter/4", "at most 2 filters by distance"),
        ),
    ]
    check(faults(search), [(request, [fault]) for request, fault in requests])
    assert shops.index.asked == []
