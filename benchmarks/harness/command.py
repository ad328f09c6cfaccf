"""The command line that each benchmark has."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final, TypeAlias

from benchmarks.harness import interpreter
from benchmarks.harness.results import Report

RESULTS: Final = Path("build/bench")


@dataclass(frozen=True, slots=True)
class Settings:
    """`records` are loaded for `owners` by equal parts; a load lasts `seconds`, in each of
    `rounds`."""

    records: int = 100_000
    owners: int = 100
    seconds: float = 5.0
    rounds: int = 5
    quick: bool = False

    @property
    def quickly(self) -> Settings:
        """As little as shows that a benchmark works; its figures mean nothing."""
        return replace(self, records=300, owners=5, seconds=0.2, rounds=1, quick=True)


class LeftOut(Exception):
    """What a benchmark needs is not on this machine."""


Measure: TypeAlias = Callable[[Settings, Report, Path], None]
"""Adds to the report; the folder is for its servers, and is gone afterwards."""


def parser(description: str) -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(description=description)
    made.add_argument("--quick", action="store_true", help="only check that it works")
    made.add_argument("--records", type=int, help="how many to load")
    made.add_argument("--seconds", type=float, help="how long each load lasts")
    made.add_argument("--rounds", type=int, help="how often each side is measured")
    made.add_argument(
        "--this-python", action="store_true", help="not on the system's, where that is another"
    )
    made.add_argument("--results", type=Path, default=RESULTS, help=f"a folder ({RESULTS})")
    return made


def parse(made: argparse.ArgumentParser) -> argparse.Namespace:
    """The options. Where figures mean something, it goes on with the system's Python,
    unless told not to."""
    options = made.parse_args()
    if not options.quick and not options.this_python:
        interpreter.run_on_the_systems()
    return options


def settings_of(options: argparse.Namespace, usual: Settings) -> Settings:
    chosen = usual.quickly if options.quick else usual
    given = {
        name: value
        for name in ("records", "seconds", "rounds")
        if (value := getattr(options, name)) is not None
    }
    return replace(chosen, **given)


def answer(question: str, measure: Measure, settings: Settings, results: Path) -> bool:
    """Measure, print and write. False where an answer was wrong."""
    print(f"\n== {question} ==", flush=True)
    report = Report(question, asdict(settings))
    with tempfile.TemporaryDirectory(prefix="homeport-bench-") as name:
        try:
            measure(settings, report, Path(name))
        except LeftOut as missing:
            report.leave_out(str(missing))
    report.write(results / f"{question}.json")
    print(report.text(), flush=True)
    return not report.faults


def run(question: str, doc: str | None, measure: Measure, usual: Settings | None = None) -> int:
    """The whole of a benchmark's `main`."""
    options = parse(parser((doc or "").splitlines()[0]))
    settings = settings_of(options, usual or Settings())
    return 0 if answer(question, measure, settings, options.results) else 1
