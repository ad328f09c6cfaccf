"""The tables in docs/growth.md are those that `benchmarks.aws_growth` computes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from benchmarks import aws_growth
from benchmarks.harness.command import Settings
from benchmarks.harness.results import Report, Table

_PAGE = Path(__file__).parents[2] / "docs" / "growth.md"


@pytest.fixture
def computed() -> dict[str, Table]:
    report = Report("aws_growth", {})
    aws_growth.measure(Settings(), report, Path())
    return {one.title: one for one in report.tables}


def _told(first: str) -> list[list[str]]:
    """The rows of the page's table whose first heading this is, after the headings."""
    table = rf"^\| {first} \|.+\n\|[-|]+\n((?:\|.+\n)+)"
    (rows,) = re.findall(table, _PAGE.read_text(), re.MULTILINE)
    cells = [line.strip("|").split("|") for line in rows.splitlines()]
    return [[cell.strip().strip("*") for cell in row] for row in cells]


def _shown(cell: object) -> str:
    return f"{cell:,.0f}" if isinstance(cell, int | float) and cell else ""


def test_what_a_user_costs(computed: dict[str, Table]) -> None:
    table = computed["One more user, a month"]
    kept = [n for n, name in enumerate(table.columns) if name not in _NOT_TOLD]
    shown = [[str(row[0]), *(_shown(row[n]) for n in kept[1:])] for row in table.rows]
    assert _told("one user, a month") == shown


_NOT_TOLD = ("searches", "function seconds")


def test_the_users_at_which_limits_come(computed: dict[str, Table]) -> None:
    table = computed["Users a month at which each gives way"]
    assert [row[1] for row in _told("limit")] == [_shown(row[1]) for row in table.rows]


def test_what_shards_take(computed: dict[str, Table]) -> None:
    table = computed["Shards of a collection, for one space"]
    rates = [[_shown(cell) for cell in row[:3]] for row in table.rows]
    assert [row[:3] for row in _told("shards")] == rates
