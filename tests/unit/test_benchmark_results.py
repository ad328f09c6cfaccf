"""What is written of a benchmark, and what of it is drawn."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from benchmarks import plots, run
from benchmarks.growing.members import tell
from benchmarks.harness import command
from benchmarks.harness.command import LeftOut, Settings, answer
from benchmarks.harness.machine import described
from benchmarks.harness.results import Report
from benchmarks.harness.rounds import Spread, interleaved

REPOSITORY = Path(__file__).parents[2]
_QUESTION = "aws_growth"
"""One whose result is drawn."""


def _measure(error: BaseException | None = None) -> Callable[[Settings, Report, Path], None]:
    def measure(settings: Settings, report: Report, folder: Path) -> None:
        report.table("The busiest second", "users a month", "reads").add(1_000, 2.0)
        if error is not None:
            raise error
        report.table("Users a month", "limit", "users").add("reads: many", 5_000)

    return measure


def _written(folder: Path, question: str = _QUESTION) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / f"{question}.json").read_text())
    return found


@pytest.mark.parametrize("error", [RuntimeError("a wrong answer"), KeyboardInterrupt()])
def test_what_ends_too_soon_is_a_fault_in_the_place_of_an_older_result(
    tmp_path: Path, error: BaseException
) -> None:
    assert answer(_QUESTION, _measure(), Settings(), tmp_path)
    assert _written(tmp_path)["faults"] == []
    with pytest.raises(type(error)):
        answer(_QUESTION, _measure(error), Settings(), tmp_path)
    written = _written(tmp_path)
    assert len(written["faults"]) == 1 and str(error) in written["faults"][0]
    assert written["tables"][0]["rows"] == [[1_000, 2.0]]


def test_what_is_not_on_this_machine_is_left_out(tmp_path: Path) -> None:
    assert answer(_QUESTION, _measure(LeftOut("no wrk")), Settings(), tmp_path)
    assert _written(tmp_path)["left_out"] == ["no wrk"]
    assert _written(tmp_path)["faults"] == []


def test_wrong_answers_are_not_drawn(tmp_path: Path) -> None:
    def drawn() -> subprocess.CompletedProcess[str]:
        told = [sys.executable, "-m", "benchmarks.plots", "--results", str(tmp_path)]
        return subprocess.run(
            [*told, "-o", str(tmp_path / "plots")],
            cwd=REPOSITORY, capture_output=True, text=True, check=False,
        )  # fmt: skip

    answer(_QUESTION, _measure(), Settings(), tmp_path)
    done = drawn()
    assert (done.returncode, done.stderr) == (0, "")
    assert {one.stem for one in (tmp_path / "plots").iterdir()} == {"aws-growth", "aws-limits"}
    written = tmp_path / f"{_QUESTION}.json"
    written.write_text(json.dumps(_written(tmp_path) | {"faults": ["two of three were found"]}))
    assert dict(plots.plots(tmp_path)) == {}
    done = drawn()
    assert done.returncode == 1
    assert "REFUSED: aws_growth" in done.stderr and "two of three were found" in done.stderr


def test_what_each_round_found_is_kept(tmp_path: Path) -> None:
    spread = Spread.of([3.0, 1.0, 2.0])

    def measure(settings: Settings, report: Report, folder: Path) -> None:
        table = report.table("Rates", "side", "median", "spread", "p50 ms")
        table.add("ours", spread.median, spread, 7.0, **{"p50 ms": [7.0, 8.0, 6.0]})
        table.add("theirs", 1.0, str(spread), None)

    answer(_QUESTION, measure, Settings(), tmp_path)
    (table,) = _written(tmp_path)["tables"]
    assert table["rows"] == [["ours", 2.0, "1-3", 7.0], ["theirs", 1.0, "1-3", None]]
    assert table["rounds"] == [{"spread": [3.0, 1.0, 2.0], "p50 ms": [7.0, 8.0, 6.0]}, {}]


def test_growth_is_told_within_rounds() -> None:
    # A machine that was half as fast in the second round: no growth.
    report = Report("growth", {}, {})
    tell(report, "members of a space", {"get": {1: [1.0, 2.0, 1.0], 1000: [1.1, 2.2, 1.5]}})
    table, compared = report.tables
    assert (table.title, table.rows) == (
        "By members of a space: p50 in ms",
        [[1, 1.0], [1000, 1.5]],
    )
    assert table.rounds == [{"get": [1.0, 2.0, 1.0]}, {"get": [1.1, 2.2, 1.5]}]
    assert compared.rows == [["get", pytest.approx(1.1), "1.1-1.5"]]
    assert compared.rounds == [{"spread": pytest.approx([1.1, 1.1, 1.5])}]


def test_sides_take_turns() -> None:
    turns: list[str] = []
    found = interleaved(3, {name: partial(turns.append, name) for name in ("a", "b")})
    assert "".join(turns) == "abbaab"
    assert {name: len(some) for name, some in found.items()} == {"a": 3, "b": 3}


def test_rounds_that_the_machine_below_disturbed_are_measured_again() -> None:
    turns: list[str] = []
    shares = iter([0.0, 0.01, 0.0, 0.5, 0.0, 0.3, 0.02, 0.003, 0.001, 0.002])

    def side(name: str) -> float:
        turns.append(name)
        return next(shares)

    found = interleaved(3, {name: partial(side, name) for name in ("a", "b")}, float)
    assert found == {"a": [0.0, 0.003, 0.001], "b": [0.01, 0.02, 0.002]}
    assert "".join(turns) == "ab" + "ba" * 3 + "ab"
    assert list(shares) == []


def test_a_machine_that_never_rests_is_measured_twice_as_often_at_most() -> None:
    shares = iter([0.9, 0.1, 0.5, 0.4, 0.0, 0.7])
    assert interleaved(3, {"a": partial(next, shares)}, float) == {"a": [0.1, 0.4, 0.0]}
    assert list(shares) == []


def test_results_tell_what_was_compared() -> None:
    found = described()
    assert {"python", "wrk", "sqlite", "apsw"} <= found["versions"].keys()
    assert "pocketbase" in found["peers"]
    if (REPOSITORY / ".venv" / "bench-lambda").exists():
        assert {"aws-lambda-powertools", "fastapi", "mangum"} <= found["peers"].keys()
    git = ("git", "-C", str(REPOSITORY), "rev-parse", "HEAD")
    commit = subprocess.run(git, capture_output=True, text=True, check=False).stdout.strip()
    assert (found["commit"] or "").removesuffix("-dirty") == commit


@pytest.mark.parametrize("question", run.QUESTIONS)
def test_a_question_has_the_settings_that_it_uses(question: str, tmp_path: Path) -> None:
    sources = [REPOSITORY / "benchmarks" / f"{question}.py"]
    if question == "growth":
        sources += (REPOSITORY / "benchmarks" / "growing").glob("*.py")
    text = "".join(one.read_text() for one in sources)
    read = set(re.findall(r"\bsettings\.(records|owners|seconds|rounds)\b", text))
    assert set(command.used(question)) == read
    options = command.parser("", command.used(question)).format_help()
    told = {name for name in ("records", "seconds", "rounds") if f"--{name} " in options}
    assert told == read - {"owners"}
    answer(question, lambda *_: None, Settings(), tmp_path)
    assert _written(tmp_path, question)["settings"].keys() == read | {"quick"}
