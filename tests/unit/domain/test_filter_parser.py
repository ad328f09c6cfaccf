"""Filters in text form, and how the catalog types them."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial

import pytest

from homeport.domain.dates import format_date, parse_date
from homeport.domain.errors import Invalid
from homeport.domain.filter_parser import Condition, FieldRoles, parse_condition, to_filters
from homeport.domain.model.collection import Catalog, Collection, FieldDeclaration, FieldRole
from homeport.domain.model.query import AnyOf, Filter, Range, Term, Words
from tests.unit.domain.tables import check, check_each, faults, pointers

CATALOG = Catalog(
    [
        Collection(
            "books",
            fields={
                "title": FieldDeclaration(FieldRole.TEXT),
                "kind": FieldDeclaration(FieldRole.KEYWORD),
                "pages": FieldDeclaration(FieldRole.NUMBER),
                "seen": FieldDeclaration(FieldRole.DATE),
            },
        )
    ]
)
DAY = 86_400_000_000
START = int(datetime(2025, 1, 31, tzinfo=UTC).timestamp()) * 1_000_000
KEYWORD, NUMBER, DATE = FieldRole.KEYWORD, FieldRole.NUMBER, FieldRole.DATE


def filters(text: str, collection: str | None = "books") -> tuple[Filter, ...]:
    return to_filters(parse_condition(text), FieldRoles(CATALOG, collection))


def test_declared_fields_take_their_own_type() -> None:
    table: list[tuple[str, Filter]] = [
        ("kind:novel", Term(KEYWORD, "kind", "novel")),
        ("kind:a:b", Term(KEYWORD, "kind", "a:b")),
        ("kind:7", Term(KEYWORD, "kind", "7")),
        ('kind:">7"', Term(KEYWORD, "kind", ">7")),
        ("kind:a..b", Term(KEYWORD, "kind", "a..b")),
        ("kind:1..2..3", Term(KEYWORD, "kind", "1..2..3")),
        ('kind:"', Term(KEYWORD, "kind", '"')),
        ('kind:""', Term(KEYWORD, "kind", "")),
        ("pages:300", Term(NUMBER, "pages", 300.0)),
        ("pages:-1.5e3", Term(NUMBER, "pages", -1500.0)),
        ("pages:>300", Range(NUMBER, "pages", 300.0, None, include_low=False)),
        ("pages:>=300", Range(NUMBER, "pages", 300.0)),
        ("pages:<300", Range(NUMBER, "pages", None, 300.0, include_high=False)),
        ("pages:<=300", Range(NUMBER, "pages", None, 300.0)),
        ("pages:10..20", Range(NUMBER, "pages", 10.0, 20.0)),
        ("pages:10..10", Range(NUMBER, "pages", 10.0, 10.0)),
        ("pages:-5..", Range(NUMBER, "pages", -5.0)),
        ("pages:..-5", Range(NUMBER, "pages", None, -5.0)),
        ("seen:2025-01-31", Range(DATE, "seen", START, START + DAY, include_high=False)),
        ("seen:>2025-01-31", Range(DATE, "seen", START + DAY, None, include_high=False)),
        ("seen:>=2025-01-31", Range(DATE, "seen", START, None, include_high=False)),
        ("seen:<2025-01-31", Range(DATE, "seen", None, START, include_high=False)),
        ("seen:<=2025-01-31", Range(DATE, "seen", None, START + DAY, include_high=False)),
        (
            "seen:>2025-01-31T00:00:00Z",
            Range(DATE, "seen", START + 1, None, include_high=False),
        ),
        (
            "seen:2025-01-31T01:00:00+01:00..2025-01-31",
            Range(DATE, "seen", START, START + DAY, include_high=False),
        ),
        (
            "seen:2025-01-31T00:00:00Z..2025-01-31T00:00:00Z",
            Range(DATE, "seen", START, START + 1, include_high=False),
        ),
        ("title~fox", Words("fox", "title")),
        ("title:fox", Words("fox", "title")),
    ]
    check(filters, [(text, (expected,)) for text, expected in table])


def test_undeclared_fields_match_whatever_was_inferred() -> None:
    table: list[tuple[str, Filter]] = [
        ("tag:x", Term(KEYWORD, "tag", "x")),
        ("a.b:7", AnyOf((Term(KEYWORD, "a.b", "7"), Term(NUMBER, "a.b", 7.0)))),
        (
            "at:2025-01-31",
            AnyOf(
                (
                    Term(KEYWORD, "at", "2025-01-31"),
                    Range(DATE, "at", START, START + DAY, include_high=False),
                )
            ),
        ),
        ("size:>7", Range(NUMBER, "size", 7.0, None, include_low=False)),
        ("at:>=2025-01-31", Range(DATE, "at", START, None, include_high=False)),
        ("tag:a..b", Term(KEYWORD, "tag", "a..b")),
        ("body~fox", Words("fox", "body")),
    ]
    for collection in ("books", "undeclared"):
        check(partial(filters, collection=collection), [(text, (one,)) for text, one in table])


def test_without_a_collection_a_declared_field_may_also_be_inferred() -> None:
    assert filters("pages:7", None) == (
        AnyOf((Term(KEYWORD, "pages", "7"), Term(NUMBER, "pages", 7.0))),
    )


def test_several_words_must_all_match() -> None:
    assert filters("title~quick, (fox)") == (Words("quick", "title"), Words("fox", "title"))
    assert filters("title~cafe\u0301") == (Words("caf\u00e9", "title"),)


def test_json_values_are_typed_too() -> None:
    roles = FieldRoles(CATALOG, "undeclared")
    assert to_filters(Condition("done", value=True), roles) == (Term(KEYWORD, "done", "true"),)
    assert to_filters(Condition("size", low=1, high=2.5), roles) == (
        Range(NUMBER, "size", 1.0, 2.5),
    )


def test_a_fault_names_the_parameter() -> None:
    check_each(
        pointers(filters),
        [
            "",
            "kind",
            ":novel",
            "kind:",
            "kind:>7",
            "pages:many",
            "pages:>many",
            "pages:>",
            "pages:1e999",
            "pages:nan",
            "pages~fox",
            "seen:soon",
            "seen:7..8",
            "seen:2025-02-30",
            "title~!!!",
            "title:>7",
            "tag:>x",
            f"{'x' * 257}:1",
            "a\x00b:1",
            "title~" + "é " * 512,
            "kind:\ud800",
            "tag:a\udfffb",
            'tag:"\ud800"',
            "title:fox \ud800",
        ],
        ["filter"],
    )


def test_a_fault_says_what_would_do() -> None:
    def says(case: tuple[str, str]) -> None:
        text, hint = case
        assert hint in faults(filters)(text)[0].detail

    check_each(
        says,
        [
            ("kind", "field:value"),
            ("pages:many", "takes a number"),
            ("pages:>many", "takes a number"),
            ("seen:soon", "takes a date"),
            ("kind:>7", "no order: it is declared as keyword"),
            ("tag:>x", "takes a number or a date"),
        ],
    )


def test_a_condition_in_json_names_its_own_parameter() -> None:
    def read(condition: Condition) -> object:
        return to_filters(condition, FieldRoles(CATALOG, "books"), "/filter/0")

    check_each(
        pointers(read),
        [
            Condition("kind"),
            Condition("", value="a"),
            Condition("title", value="!!!"),
            Condition("title", words="!!!"),
            Condition("kind", words="a"),
            Condition("pages", value="many"),
            Condition("kind", low=7),
        ],
        ["/filter/0"],
    )


def test_the_longest_field_and_the_longest_filter() -> None:
    assert filters(f"{'x' * 256}:y") == (Term(KEYWORD, "x" * 256, "y"),)
    longest = "kind:" + "\u00e9" * 509 + "x"
    assert len(longest.encode()) == 1024
    assert filters(longest)
    with pytest.raises(Invalid):
        filters(longest + "x")


def start_of(text: str) -> int:
    moment = parse_date(text)
    assert moment is not None
    return moment.start


def test_dates_are_read() -> None:
    check(
        start_of,
        [
            ("1970-01-01", 0),
            ("1970-01-01T00:00:00.000001Z", 1),
            ("1970-01-01t00:00:00z", 0),
            ("1970-01-01T01:00:00+01:00", 0),
            ("1969-12-31T23:59:59.123456789Z", -876_544),
        ],
    )


def test_what_is_no_date() -> None:
    check_each(
        parse_date,
        ["", "1970", "1970-1-1", "1970-01-01T00:00:00", "1970-01-01 00:00:00Z", "19700101"],
        None,
    )


def test_dates_are_written_as_they_are_read() -> None:
    moments = [0, 1, -1, START, START + 500_000]
    check(lambda moment: start_of(format_date(moment)), [(moment, moment) for moment in moments])
