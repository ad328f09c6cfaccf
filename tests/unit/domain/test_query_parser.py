"""The query language, and what it forgives."""

from __future__ import annotations

import pytest

from homeport.domain.errors import Fault, Invalid
from homeport.domain.model.query import All, Node, Not, Nothing, Phrase, Prefix, Words
from homeport.domain.query_parser import parse_query, split_words
from tests.unit.domain.tables import check, check_each

LUCENE = '+ - && || ! ( ) { } [ ] ^ " ~ * ? : \\ /'


def test_text_becomes_a_tree() -> None:
    trees: list[tuple[str | None, Node]] = [
        (None, All()),
        ("", All()),
        (" \t\n ", All()),
        ("run", Words("run")),
        ("Run FAST", All((Words("Run"), Words("FAST")))),
        ('"run fast"', Phrase(("run", "fast"))),
        ('"run"', Words("run")),
        ("“run fast”", Phrase(("run", "fast"))),
        ("run -slow", All((Words("run"), Not(Words("slow"))))),
        ("-slow", All((Not(Words("slow")),))),
        ('-"a b" -pre*', All((Not(Phrase(("a", "b"))), Not(Prefix("pre"))))),
        ("run*", Prefix("run")),
        ("e-mail", Phrase(("e", "mail"))),
        ("2025-01-31", Phrase(("2025", "01", "31"))),
        ("a/b:c", Phrase(("a", "b", "c"))),
        ("don't", Words("don't")),
        ("anna@example.org.", Words("anna@example.org")),
        ("example.o*", All((Prefix("o"), Words("example")))),
        ("ß.\u0300*", Prefix("ß")),
        ("a.\u0300b*", All((Prefix("b"), Words("a")))),
        ("हिन्दी 日本", All((Words("हिन्दी"), Words("日本")))),
        ("(run)(fast)", All((Words("run"), Words("fast")))),
        ("cafe\u0301 hi*", All((Words("caf\u00e9"), Prefix("hi")))),
        ("cafe\u0301s*", Prefix("caf\u00e9s")),
        ("run&&fast", All((Words("run"), Words("fast")))),
    ]
    check(parse_query, trees)


def test_without_a_word_nothing_is_found() -> None:
    check_each(
        parse_query,
        ["-", "*", '"', '""', '-""', "?", "!!! ~ ^", "\x00", "\ud800", "*" * 1024, LUCENE, "🦊"],
        Nothing(),
    )


def test_slips_are_forgiven() -> None:
    check(
        parse_query,
        [
            ('"run fast', All((Words("run"), Words("fast")))),
            ('run" fast', All((Words("run"), Words("fast")))),
            ("run - fast", All((Words("run"), Words("fast")))),
            ("--run", All((Not(Words("run")),))),
            ("run**", Prefix("run")),
            ("*run", Words("run")),
            ('run "" fast', All((Words("run"), Words("fast")))),
        ],
    )


def test_a_query_of_over_a_kilobyte_is_refused() -> None:
    assert parse_query("é" * 512) == Words("é" * 512)
    with pytest.raises(Invalid) as refused:
        parse_query("é" * 512 + "x", "prefix")
    assert refused.value.faults == (Fault("prefix", "at most 1024 bytes of UTF-8"),)


def test_words_are_cut() -> None:
    assert split_words("Don't, a.b x_y! (c)") == ["Don't", "a.b", "x_y", "c"]


def test_a_mark_alone_is_no_word() -> None:
    assert split_words("\u0300 a.\u0300 e\u0301") == ["a.\u0300", "e\u0301"]
