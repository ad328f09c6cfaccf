"""Every benchmark works: what it finds in a quick run says nothing, but its answers are right.

What they compare with is left out where it cannot be installed, and says so; never in CI.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from benchmarks import plots
from benchmarks.lambdas import processes
from benchmarks.run import QUESTIONS
from tests.tools import needs

REPOSITORY = Path(__file__).parents[2]
ELSEWHERE = "search_adapters"
"""Tried where the tests have an OpenSearch server: tests/opensearch/test_benchmark.py."""
ASKED = tuple(one for one in QUESTIONS if one != ELSEWHERE)
LOADED = ("operations", "searching", "stalls", "overload", "growth")
"""With wrk, which is no Python package."""
COMPARED: dict[str, set[str]] = {
    "operations": {"PocketBase"},
    "searching": {"PocketBase"},
    "starting": {"pocketbase, "},
    "stalls": {"PocketBase"},
    "handlers": {f"{name}, one item" for name in processes.PEERS},
    "cold_start": set(processes.PEERS),
    "search_adapters": {"bare"},
}
"""What stands in the tables next to ours, by how it begins."""
PLOTS = {
    "operations": {"operations"},
    "searching": {"searching"},
    "cold_start": {"cold-start"},
    "growth": {"growth-members", "growth-memberships"},
    "aws_growth": {"aws-growth", "aws-limits"},
}
"""Those of a quick run: it has one size of what else grows."""


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
    if os.environ.get("CI") == "true":
        assert found["left_out"] == []
    rows = [row for table in found["tables"] for row in table["rows"]]
    figures = [cell for row in rows for cell in row if isinstance(cell, float) and cell > 0]
    assert figures
    assert all(len(row) == len(one["columns"]) for one in found["tables"] for row in one["rows"])
    if not found["left_out"]:
        assert all(table["rows"] for table in found["tables"])
        cells = [str(cell) for row in rows for cell in row]
        for name in COMPARED.get(question, set()):
            assert any(one.startswith(name) for one in cells), f"{name} is not compared with"


def test_plots_are_drawn_of_what_was_found(results: Path) -> None:
    drawn = dict(plots.plots(results))
    for question, names in PLOTS.items():
        left_out = json.loads((results / f"{question}.json").read_text())["left_out"]
        assert left_out or names <= drawn.keys()
    for svg in drawn.values():
        assert svg.startswith("<svg ") and svg.endswith("</svg>\n") and "nan" not in svg


def make(*arguments: str, ci: str = "") -> subprocess.CompletedProcess[str]:
    left = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    return subprocess.run(
        ["make", *arguments],
        env={**left, "CI": ci}, cwd=REPOSITORY, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_what_is_compared_with_is_installed_before_the_suite() -> None:
    planned = make("--dry-run", "-W", "requirements/bench.txt", "suite").stdout
    assert 0 < planned.find("-r requirements/bench.txt") < planned.find("-m pytest")


@pytest.mark.parametrize("ci", ["", "true"])
def test_what_cannot_be_installed_is_left_out_but_not_in_ci(tmp_path: Path, ci: str) -> None:
    python = tmp_path / "bin" / "python"
    python.parent.mkdir()
    python.write_text("#!/bin/sh\nexit 1\n")
    python.chmod(0o755)
    done = make(f"VENV={tmp_path}", f"{tmp_path}/.installed-bench", ci=ci)
    assert (done.returncode != 0) is bool(ci)
    assert "cannot be installed here" in (done.stderr if ci else done.stdout)
    assert ("LEFT OUT" in done.stdout) is not bool(ci)
