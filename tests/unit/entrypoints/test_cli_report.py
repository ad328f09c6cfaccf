"""What the demo prints, and how progress looks where there is no terminal."""

from __future__ import annotations

import contextlib
import io
import time

import pytest

from homeport.domain.index_records import Stage
from homeport.entrypoints.cli import progress as progress_module
from homeport.entrypoints.cli.index_progress import staged
from homeport.entrypoints.cli.progress import progress
from homeport.entrypoints.cli.report import Report, table

ANSWER = {
    "total": 1200,
    "hits": [
        {
            "record": {"data": {"title": "json.loads", "kind": "function", "lines": 30}},
            "score": 1.0,
            "highlights": {"title": [], "body": ["a &lt;b&gt;\n  <em>string</em> &amp; more", "x"]},
        }
    ],
    "facets": {"kind": [{"value": "function", "count": 1000}, {"value": "class", "count": 200}]},
}


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_search_shows_hits_highlights_and_facets() -> None:
    out = io.StringIO()
    Report(out).search("ada", {"q": "string", "limit": 3}, ANSWER)
    assert out.getvalue().splitlines() == [
        "  ada searches q=string: 1,200 found",
        "    json.loads  (function, 30 lines, score 1.00)",
        "        a <b> *string* & more",
        "    kind: function 1,000, class 200",
        "",
    ]


def test_matches_are_bold_on_a_terminal() -> None:
    assert Report(Terminal()).marked("a <em>b</em>") == "a \x1b[1mb\x1b[0m"


def test_a_long_fragment_is_never_cut_inside_a_mark() -> None:
    fragment = "word " * 16 + "<em>a long match that goes on</em> and on"
    assert Report(io.StringIO()).marked(fragment) == "word " * 16 + "..."


def test_json_stands_below_its_title() -> None:
    out = io.StringIO()
    Report(out).json("payload:", {"name": "Zoë"})
    assert out.getvalue() == '  payload:\n    {\n      "name": "Zoë"\n    }\n'


def test_columns_of_a_table_stand_below_each_other() -> None:
    assert table([("A", "BB", "C"), ("aaa", "b", "")]) == ["A    BB  C", "aaa  b"]


def test_progress_is_plain_lines_without_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter(float(second) for second in range(100))
    monkeypatch.setattr(time, "monotonic", lambda: next(now))
    monkeypatch.setattr(progress_module, "_EVERY", 2.0)
    out = io.StringIO()
    with progress("Storing", 10, "notes", out) as advance:
        advance(4)
        advance(6)
    lines = out.getvalue().splitlines()
    assert lines[0].startswith("Storing: 4 of 10 notes, ") or lines[0].startswith("Storing: 10")
    assert lines[-1].startswith("Storing: 10 of 10 notes, ")
    assert lines[-1].endswith("/s")


def test_a_total_that_was_too_low_is_no_longer_shown() -> None:
    out, terminal = io.StringIO(), Terminal()
    for stream in (out, terminal):
        with progress("Storing", 10, "notes", stream) as advance:
            advance(8)
            advance(4)
    assert out.getvalue().startswith("Storing: 12 notes, ")
    assert "12/10" not in terminal.getvalue()


def counted(expected: int, *stages: tuple[Stage, int]) -> list[str]:
    """The last line of each stage, without its rate."""
    out = io.StringIO()
    with contextlib.redirect_stderr(out), staged(expected) as moved:
        for stage, done in stages:
            moved(stage, done)
    return [line.partition(", ")[0] for line in out.getvalue().splitlines()]


def test_records_are_counted_against_records_and_entries_against_entries() -> None:
    assert counted(3, (Stage.COMPARING, 8), (Stage.WALKING, 3)) == [
        "Comparing records: 8 records",
        "Comparing the index: 3 of 3 entries",
    ]
    assert counted(9, (Stage.COMPARING, 8), (Stage.WALKING, 9)) == [
        "Comparing records: 8 records",
        "Comparing the index: 9 of 9 entries",
    ]
    assert counted(3, (Stage.FILLING, 8), (Stage.COMPARING, 8), (Stage.WALKING, 8)) == [
        "Rebuilding the index: 8 records",
        "Comparing records: 8 of 8 records",
        "Comparing the index: 8 of 8 entries",
    ]


def test_progress_is_a_bar_on_a_terminal() -> None:
    out = Terminal()
    with progress("Storing", 10, "notes", out) as advance:
        advance(10)
    assert "10/10" in out.getvalue()
