"""Draws what the benchmarks wrote, as SVG and PNG: `python -m benchmarks.plots -o docs/plots`.

Figures of a quick run are drawn as well, to see that it works: their titles say what they are.
Those beside wrong answers are not.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from benchmarks.harness.charts import Bar, bars, lines
from benchmarks.harness.command import RESULTS

_DRAWING: Final = Path(__file__).parents[1] / ".venv" / "bench" / "bin" / "python"
_DRAW: Final = """
import sys, resvg_py
for name in sys.argv[1:]:
    with open(name + ".png", "wb") as file:
        file.write(bytes(resvg_py.svg_to_bytes(svg_path=name + ".svg", zoom=2)))
"""

_REQUESTS: Final = "milliseconds, the middle request, one connection"
_CALLS: Final = "milliseconds for one call, the middle one, in the process"
_GROWN: Final = (
    ("records", "By records:", "records", "records"),
    ("spaces", "By spaces:", "spaces", "spaces"),
    ("index", "By size of the index:", "MiB", "MiB of the index"),
    ("members", "By members of a space:", "members", "members of a space"),
    ("memberships", "By spaces of an identity:", "spaces", "spaces of the caller"),
    ("messages", "By messages that wait: milliseconds for one call", "messages", "queued messages"),
    ("changes", "By changes that wait: milliseconds for one call", "changes", "queued changes"),
)
"""Plots of growth: a name, how the table's title begins, its column that grows, and its words."""
_NO_SERIES: Final = frozenset({"records", "spaces", "MiB", "members", "messages", "changes"})


class Result:
    """What a benchmark wrote. Its tables are known by how their titles begin."""

    def __init__(self, content: dict[str, Any]) -> None:
        self._tables: list[dict[str, Any]] = content["tables"]
        self.suffix = " (a quick run: not a measurement)" if content["settings"]["quick"] else ""

    def rows(self, title: str) -> list[dict[str, Any]]:
        """Each row by its columns; none where there is no such table."""
        return [
            dict(zip(table["columns"], row, strict=True))
            for table in self._tables
            if table["title"].startswith(title)
            for row in table["rows"]
        ]


def plots(results: Path) -> Iterator[tuple[str, str]]:
    """A name and an SVG for each plot that there are sound figures for."""
    for question, content in _found(results).items():
        if not content["faults"]:
            yield from _DRAWN[question](Result(content))


def refused(results: Path) -> dict[str, list[str]]:
    """What is wrong with those that are not drawn for it, by question."""
    found = {question: content["faults"] for question, content in _found(results).items()}
    return {question: faults for question, faults in found.items() if faults}


def _found(results: Path) -> dict[str, Any]:
    paths = {question: results / f"{question}.json" for question in _DRAWN}
    return {name: json.loads(path.read_text()) for name, path in paths.items() if path.exists()}


def _operations(result: Result) -> Iterator[tuple[str, str]]:
    rows = [one for one in result.rows("Ratio") if one["setting"] == "durable"]
    if rows:
        items = [_bar(one["operation"], one, one["target"]) for one in rows]
        title = f"Homeport's rate over PocketBase's{result.suffix}"
        unit = "32 connections, the same machine, records and rules; ours durable with fsync"
        yield "operations", bars(title, unit, items)


def _searching(result: Result) -> Iterator[tuple[str, str]]:
    rows = result.rows("Ratio")
    if rows:
        items = [_bar(one["search"], one, one["target"]) for one in rows]
        title = f"Searches: Homeport's rate over PocketBase's{result.suffix}"
        yield "searching", bars(title, "logarithmic", items, logarithmic=True)


def _cold_start(result: Result) -> Iterator[tuple[str, str]]:
    rows = [one for one in result.rows("From") if one["ratio to bare boto3"] is not None]
    if rows:
        items = [
            Bar(one["function"], one["ratio to bare boto3"], mark=one["target"]) for one in rows
        ]
        title = f"Start to the first answer, over bare boto3{result.suffix}"
        yield "cold-start", bars(title, "whole processes; less is better", items)


def _growth(result: Result) -> Iterator[tuple[str, str]]:
    for name, table, across, one in _GROWN:
        rows = result.rows(table)
        if len(rows) < 2:
            continue
        series = {
            column: [row[column] for row in rows]
            for column, cell in rows[0].items()
            if column not in _NO_SERIES and cell is not None
        }
        title = f"Time by {one}{result.suffix}"
        # From a millisecond to seconds on one page: there only a logarithm shows both.
        values = [value for some in series.values() for value in some]
        steep = max(values) > 20 * min(values)
        up = _CALLS if "for one call" in table else _REQUESTS
        up += "; logarithmic" if steep else ""
        xs = [row[across] for row in rows]
        yield f"growth-{name}", lines(title, one, up, xs, series, logarithmic=steep)


def _aws_growth(result: Result) -> Iterator[tuple[str, str]]:
    rows = result.rows("The busiest second")
    across = "users a month"
    series = {name: [row[name] for row in rows] for name in rows[0] if name != across}
    title, up = "What users take on AWS in the busiest second", "a second; computed, not measured"
    xs = [row[across] for row in rows]
    yield "aws-growth", lines(title, across, up, xs, series, logarithmic=True)
    limits = result.rows("Users a month")
    items = [Bar(one["limit"].partition(":")[0], one["users"]) for one in limits]
    title = "Users a month at which each limit is reached"
    yield "aws-limits", bars(title, "computed; see the page on growth", items)


_DRAWN: Final = {
    "operations": _operations,
    "searching": _searching,
    "cold_start": _cold_start,
    "growth": _growth,
    "aws_growth": _aws_growth,
}


def _bar(label: str, row: dict[str, Any], mark: float | None) -> Bar:
    low, _, high = row["spread"].replace(",", "").partition("-")
    return Bar(label, row["median"], float(low), float(high), mark)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--results", type=Path, default=RESULTS, help=f"a folder ({RESULTS})")
    parser.add_argument("-o", "--output", type=Path, default=RESULTS / "plots", help="a folder")
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    names = []
    for name, svg in plots(options.results):
        (options.output / f"{name}.svg").write_text(svg)
        names.append(str(options.output / name))
    if not _DRAWING.exists():
        print("LEFT OUT: PNG files: `make bench` installs what draws them")
    elif names:
        subprocess.run([_DRAWING, "-c", _DRAW, *names], check=True)
    print(f"{len(names)} plots in {options.output}")
    wrong = refused(options.results)
    for question, faults in wrong.items():
        print(f"REFUSED: {question} has wrong answers: {'; '.join(faults)}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
