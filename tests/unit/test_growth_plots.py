"""Every axis of growth that is measured is drawn."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import plots

_TABLES: dict[str, tuple[str, list[str], list[list[Any]]]] = {
    "growth-records": (
        "By records: p50 in ms",
        ["records", "GET one", "create"],
        [[10_000, 0.2, 0.5], [1_000_000, 0.3, 0.6]],
    ),
    "growth-spaces": (
        "By spaces: p50 in ms",
        ["spaces", "GET one", "create"],
        [[10, 0.2, None], [1_000, 0.3, None]],
    ),
    "growth-index": (
        "By size of the index: milliseconds",
        ["MiB", "records", "search", "found"],
        [[12.5, 10_000, 1.0, 80.0], [1200.0, 1_000_000, 1.5, 90.0]],
    ),
    "growth-members": (
        "By members of a space: p50 in ms",
        ["members", "get", "list"],
        [[1, 0.2, 0.5], [1_000, 0.2, 0.5]],
    ),
    "growth-memberships": (
        "By spaces of an identity: p50 in ms",
        ["spaces", "search a word"],
        [[1, 0.2], [195, 0.9]],
    ),
    "growth-messages": (
        "By messages that wait: milliseconds for one call",
        ["messages", "enqueue", "deliver ten"],
        [[100, 0.2, 0.5], [10_000, 0.2, 0.5]],
    ),
    "growth-changes": (
        "By changes that wait: milliseconds for one call",
        ["changes", "write", "deliver a hundred"],
        [[1_000, 0.2, 0.5], [100_000, 0.2, 0.5]],
    ),
}


def _drawn(folder: Path, quick: bool = False) -> dict[str, str]:
    tables = [
        {"title": title, "columns": columns, "rows": rows}
        for title, columns, rows in _TABLES.values()
    ]
    content = {"settings": {"quick": quick}, "tables": tables, "faults": []}
    (folder / "growth.json").write_text(json.dumps(content))
    return dict(plots.plots(folder))


@pytest.mark.parametrize("name", _TABLES)
def test_an_axis_is_drawn_with_a_line_for_each_operation(name: str, tmp_path: Path) -> None:
    drawn = _drawn(tmp_path)
    assert drawn.keys() == _TABLES.keys()
    _, columns, rows = _TABLES[name]
    measured = [
        column for column, cell in zip(columns[1:], rows[0][1:], strict=True) if cell is not None
    ]
    shown = [one for one in measured if one != "records"]
    assert drawn[name].count("<polyline ") == len(shown)
    assert all(f">{one}</text>" in drawn[name] for one in shown)
    assert "nan" not in drawn[name]


def test_an_axis_of_one_size_is_no_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    title, columns, rows = _TABLES["growth-members"]
    monkeypatch.setitem(_TABLES, "growth-members", (title, columns, rows[:1]))
    assert _drawn(tmp_path).keys() == _TABLES.keys() - {"growth-members"}


def test_a_quick_run_says_that_it_is_none(tmp_path: Path) -> None:
    assert all("not a measurement" in svg for svg in _drawn(tmp_path, quick=True).values())
    assert not any("not a measurement" in svg for svg in _drawn(tmp_path).values())
