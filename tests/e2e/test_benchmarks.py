"""Every benchmark works: what it finds in a quick run says nothing, but its answers are right.

What `make bench` installs besides is compared with where it is there.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from benchmarks import plots
from benchmarks.run import QUESTIONS
from tests.tools import needs

REPOSITORY = Path(__file__).parents[2]
ELSEWHERE = "search_adapters"
"""Tried where the tests have an OpenSearch server: tests/opensearch/test_benchmark.py."""
ASKED = tuple(one for one in QUESTIONS if one != ELSEWHERE)
LOADED = ("operations", "searching", "stalls", "overload", "growth")
"""With wrk, which is no Python package."""


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a quick run of all of them wrote: those of servers and the others side by side, since
    what a quick run finds means nothing anyhow."""
    folder = tmp_path_factory.mktemp("results")
    command = [sys.executable, "-m", "benchmarks.run", "--quick", "--results", str(folder)]

    def run(questions: Sequence[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*command, "--only", *questions],
            cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=300,
        )  # fmt: skip

    first_of_others = ASKED.index("handlers")
    with ThreadPoolExecutor() as pool:
        halves = pool.map(run, (ASKED[:first_of_others], ASKED[first_of_others:]))
    for done in halves:
        assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.mark.parametrize("question", ASKED)
def test_a_question_is_answered(question: str, results: Path) -> None:
    check(question, results)


def check(question: str, results: Path) -> None:
    found: dict[str, Any] = json.loads((results / f"{question}.json").read_text())
    assert found["question"] == question
    assert found["settings"]["quick"] is True
    assert found["faults"] == []
    assert {"date", "processors", "versions"} <= found.keys()
    if question in LOADED:
        needs("the servers' benchmarks", "wrk")
    rows = [row for table in found["tables"] for row in table["rows"]]
    figures = [cell for row in rows for cell in row if isinstance(cell, float) and cell > 0]
    assert figures
    assert all(len(row) == len(one["columns"]) for one in found["tables"] for row in one["rows"])


def test_plots_are_drawn_of_what_was_found(results: Path) -> None:
    drawn = dict(plots.plots(results))
    assert {"aws-growth", "aws-limits"} <= drawn.keys()
    for svg in drawn.values():
        assert svg.startswith("<svg ") and svg.endswith("</svg>\n") and "nan" not in svg
