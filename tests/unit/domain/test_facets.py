"""What a search counts: values, ranges, stretches of time; and what cannot be counted so."""

from __future__ import annotations

from typing import Any

import pytest

from homeport.domain import limits
from homeport.domain.errors import Fault, Invalid
from homeport.domain.model.query import Extent, FacetCount
from tests.unit.domain.nearby import Shops
from tests.unit.domain.tables import check, faults


@pytest.fixture
def shops() -> Shops:
    return Shops()


def counts(shops: Shops, facet: str, **request: Any) -> list[tuple[object, int]]:
    found = shops.search(facets=(facet,), **request).facets[facet]
    return [(one.value, one.count) for one in found]


def test_ranges_are_counted_as_a_filter_of_the_same_text_finds_them(shops: Shops) -> None:
    shops.put(*({"pages": pages} for pages in (5, 10, 15, 20, [20, 21], 30)))
    texts = ["<10", "10..20", ">20", "..20", ">=30", "40..", "10.5..14"]
    found = counts(shops, f"pages:{','.join(texts)}")
    assert found == [
        ("<10", 1),
        ("10..20", 4),
        (">20", 2),
        ("..20", 5),
        (">=30", 1),
        ("40..", 0),
        ("10.5..14", 0),
    ]
    for text, count in found:
        assert shops.search(filters=(f"pages:{text}",)).total == count


def test_ranges_of_dates(shops: Shops) -> None:
    shops.put({"seen": "2025-01-31T23:59:59Z"}, {"seen": "2025-02-01"}, {"seen": "2026-01-01"})
    asked = "seen:2025-01-01..2025-01-31,>2025-01-31,2025-02-01"
    assert counts(shops, asked) == [
        ("2025-01-01..2025-01-31", 1),
        (">2025-01-31", 2),
        ("2025-02-01", 1),
    ]
    moments = "seen:2025-01-31T00:00:00Z..2025-02-01T00:00:00+01:00"
    assert counts(shops, moments) == [(moments.removeprefix("seen:"), 0)]


def test_ranges_of_a_field_that_is_not_declared(shops: Shops) -> None:
    shops.put({"size": 1}, {"size": 2}, {"size": "2"}, {"size": "2025-01-01"})
    assert counts(shops, "size:..1,>1") == [("..1", 1), (">1", 1)]
    assert counts(shops, "size:2025-01-01..") == [("2025-01-01..", 1)]


def test_time_is_cut_without_gaps_in_utc(shops: Shops) -> None:
    shops.put(
        {"seen": "2025-01-01T00:30:00+01:00"},  # 2024 in UTC, a Tuesday
        {"seen": "2025-01-31T12:00:00Z"},
    )
    weeks = ["2024-12-30", "2025-01-06", "2025-01-13", "2025-01-20", "2025-01-27"]
    table = [
        ("seen:week", weeks),
        ("seen:month", ["2024-12-01", "2025-01-01"]),
        ("seen:year", ["2024-01-01", "2025-01-01"]),
    ]

    def expected(days: list[str]) -> list[tuple[object, int]]:
        return [(f"{day}T00:00:00Z", int(day in (days[0], days[-1]))) for day in days]

    check(lambda facet: counts(shops, facet), [(facet, expected(days)) for facet, days in table])
    with pytest.raises(Invalid):
        counts(shops, "seen:hour")


def test_hours_and_days(shops: Shops) -> None:
    shops.put({"seen": "2025-01-31T22:59:59.999999Z"}, {"seen": "2025-02-01T01:00:00Z"})
    assert counts(shops, "seen:hour") == [
        ("2025-01-31T22:00:00Z", 1),
        ("2025-01-31T23:00:00Z", 0),
        ("2025-02-01T00:00:00Z", 0),
        ("2025-02-01T01:00:00Z", 1),
    ]
    assert counts(shops, "seen:day") == [("2025-01-31T00:00:00Z", 1), ("2025-02-01T00:00:00Z", 1)]


def test_time_is_of_what_matches(shops: Shops) -> None:
    shops.put({"title": "fox", "seen": "2025-01-01"}, {"title": "hound", "seen": "1999-01-01"})
    assert counts(shops, "seen:year", q="fox") == [("2025-01-01T00:00:00Z", 1)]
    assert counts(shops, "seen:year", filters=("seen:..2000-01-01",)) == [
        ("1999-01-01T00:00:00Z", 1)
    ]
    assert counts(shops, "seen:year", q="nothing") == []
    assert counts(shops, "pages:1..2", q="...") == [("1..2", 0)]


def test_the_ends_of_time(shops: Shops) -> None:
    shops.put({"seen": "0001-01-01"}, {"seen": "0001-01-01T00:00:00+12:00"})
    assert counts(shops, "seen:year") == [("0001-01-01T00:00:00Z", 1)]
    shops.put({"seen": "9999-12-31T23:59:59.999999Z"}, {"seen": "9999-12-31"})
    assert counts(shops, "seen:week") == [("9999-12-27T00:00:00Z", 2)]
    assert counts(shops, "seen:month") == [("9999-12-01T00:00:00Z", 2)]


def test_several_facets_of_one_field_stand_under_what_was_asked(shops: Shops) -> None:
    shops.put({"pages": 1, "seen": "2025-01-01"}, {"pages": 2})
    asked = ("pages", "pages:..1", "seen:year", "seen:day", "pages:>1", "pages")
    found = shops.search(facets=asked, limit=1).facets
    assert list(found) == list(dict.fromkeys(asked))
    assert found["pages"] == (FacetCount(1, 1), FacetCount(2, 1))
    assert [one.count for text in asked[1:5] for one in found[text]] == [1, 1, 1, 1]


def test_only_time_asks_the_index_twice(shops: Shops) -> None:
    shops.put({"pages": 1, "seen": "2025-01-01"})
    shops.search(facets=("pages", "pages:..1"))
    assert len(shops.index.asked) == 1
    shops.search(facets=("pages", "seen:day", "seen:month"), sort="pages", highlight=("title",))
    _, first, second = shops.index.asked
    assert (first.sort, first.highlight, first.limit) == (None, (), 1)
    assert [type(one) for one in first.facets] == [Extent, Extent]
    assert Extent not in map(type, second.facets)


def test_a_path_with_a_colon_is_a_path(shops: Shops) -> None:
    shops.put({"dc:title": "x", "a:b": 7})
    assert counts(shops, "dc:title") == [("x", 1)]
    assert counts(shops, "a:b") == [(7, 1)]


_RANGES = "write ranges: <10,10..20,>20"
_LENGTHS = "an interval is one of hour, day, week, month, year"


def test_what_cannot_be_counted_is_told(shops: Shops) -> None:
    refused = faults(lambda facet: shops.search(facets=("kind", facet)))
    table = [
        ("pages:20..10", "the lower bound of pages comes first"),
        ("seen:2025-02-01..2025-01-31", "the lower bound of seen comes first"),
        ("pages:10", _RANGES),
        ("pages:month", "pages is not declared as a date field"),
        ("pages:1..2,", _RANGES),
        ("pages:,1..2", _RANGES),
        ("pages:1..2,x", _RANGES),
        ("pages:>", "> needs a number or a date"),
        ("pages:>NaN", "pages takes a number"),
        ("pages:<inf", "pages takes a number"),
        ("pages:>2025-01-01", "pages takes a number"),
        ("seen:>7", "seen takes a date (RFC 3339 or YYYY-MM-DD)"),
        ("seen:7..8", "seen takes a date (RFC 3339 or YYYY-MM-DD)"),
        ("seen:fortnight", _LENGTHS),
        ("seen:Day", _LENGTHS),
        ("kind:..5", "kind has no order: it is declared as keyword"),
        ("size:month", "size is not declared as a date field"),
        ("size:..5,2025-01-01..", "ranges are all of numbers or all of dates"),
        ("home:1..2", "home has no order: it is declared as geo"),
        ("home", "home is not a keyword, number or date field"),
        (f"pages:{','.join(f'>{n}' for n in range(21))}", "at most 20 ranges"),
        (f"pages:>1{'0' * 1024}", "at most 1024 bytes of UTF-8"),
    ]
    check(refused, [(facet, [Fault("facet/1", detail)]) for facet, detail in table])


def test_too_many_intervals_are_told_with_what_to_do(shops: Shops) -> None:
    shops.put({"seen": "2024-01-01"}, {"seen": "2024-12-31"})
    assert len(counts(shops, "seen:day")) == limits.FACET_INTERVALS == 366
    shops.put({"seen": "2024-01-01"}, {"seen": "2025-01-01"})
    with pytest.raises(Invalid) as caught:
        counts(shops, "seen:day")
    assert [(one.pointer, one.detail) for one in caught.value.faults] == [
        (
            "facet/0",
            (
                "from 2024-01-01T00:00:00Z to 2025-01-01T00:00:00Z there are more than 366 days: "
                "take a longer interval, or narrow the search by a filter of seen"
            ),
        )
    ]
    assert len(counts(shops, "seen:month")) == 13
