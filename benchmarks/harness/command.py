"""The command line that each benchmark has."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final, TypeAlias

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


OPTIONS: Final[Mapping[str, str]] = {
    "records": "how many to load",
    "seconds": "how long each load lasts",
    "rounds": "how often each side is measured",
}
_USED: Final[Mapping[str, Sequence[str]]] = {
    "pulling": ("records", "rounds"),
    "starting": ("records", "owners", "rounds"),
    "overload": ("records", "owners", "seconds"),
    "handlers": ("rounds",),
    "cold_start": ("rounds",),
    "search_adapters": ("records", "rounds"),
    "aws_growth": (),
    "rebuilding": ("records",),
    "rebuilding_opensearch": ("records",),
    "distances": ("records", "rounds"),
}
"""Which settings make a difference to a question; all of them to the others."""


def used(question: str) -> Sequence[str]:
    """The names of the settings that the question goes by, besides `quick`."""
    return _USED.get(question, ("records", "owners", "seconds", "rounds"))


class LeftOut(Exception):
    """What a benchmark needs is not on this machine."""


Measure: TypeAlias = Callable[[Settings, Report, Path], None]
"""Adds to the report; the folder is for its servers, and is gone afterwards."""


def parser(description: str, options: Sequence[str] = tuple(OPTIONS)) -> argparse.ArgumentParser:
    """Of a benchmark that has these `options`."""
    made = argparse.ArgumentParser(description=description)
    made.add_argument("--quick", action="store_true", help="only check that it works")
    for name, what in OPTIONS.items():
        if name in options:
            made.add_argument(f"--{name}", type=float if name == "seconds" else int, help=what)
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
    return replace(chosen, **given(options))


def given(options: argparse.Namespace) -> dict[str, Any]:
    """What was asked for with options, by their names."""
    return {name: value for name in OPTIONS if (value := getattr(options, name, None)) is not None}


def answer(question: str, measure: Measure, settings: Settings, results: Path) -> bool:
    """Measure, print and write. False where an answer was wrong. What ends a benchmark too soon is
    written as a fault, so that no older result is taken for its, and raised again."""
    print(f"\n== {question} ==", flush=True)
    told = {name: it for name, it in asdict(settings).items() if name in (*used(question), "quick")}
    report = Report(question, told)
    try:
        with tempfile.TemporaryDirectory(prefix="homeport-bench-") as name:
            measure(settings, report, Path(name))
    except LeftOut as missing:
        report.leave_out(str(missing))
    except BaseException as error:
        report.faults.append(f"it ended with {type(error).__name__}: {error}")
        raise
    finally:
        report.write(results / f"{question}.json")
        print(report.text(), flush=True)
    return not report.faults


def run(question: str, doc: str | None, measure: Measure, usual: Settings | None = None) -> int:
    """The whole of a benchmark's `main`."""
    options = parse(parser((doc or "").splitlines()[0], used(question)))
    settings = settings_of(options, usual or Settings())
    return 0 if answer(question, measure, settings, options.results) else 1
