"""How long from `homeport serve` to its first 200, and what an idle server holds in memory.

Next to PocketBase, and to Python itself with the imports of its own library alone: a machine
that is slow today is slow at all of them.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Final

from benchmarks.harness.command import Settings, run
from benchmarks.harness.corpus import documents
from benchmarks.harness.process import memory
from benchmarks.harness.results import Report
from benchmarks.harness.rounds import Spread, interleaved
from benchmarks.servers import alone, homeport, pocketbase
from benchmarks.servers.homeport import Homeport

USUAL: Final = Settings(rounds=11)
_PYTHON: Final = "python, asyncio and json"
_REST: Final = 0.5
"""Seconds before an idle server's memory is read."""


def measure(settings: Settings, report: Report, folder: Path) -> None:
    numbers = count()
    rest = 0.0 if settings.quick else _REST

    def fresh() -> Path:
        made = folder / f"start-{next(numbers)}"
        made.mkdir()
        return made

    def ours() -> tuple[float, float]:
        with homeport.serving(fresh()) as it:
            time.sleep(rest)
            return it.started, memory(it.pid)

    data = list(documents(settings.records, quick=settings.quick))
    used = folder / "used"
    used.mkdir()
    with homeport.serving(used) as filling:
        Homeport(filling, data, settings.owners)

    def again() -> tuple[float, float]:
        with homeport.serving(used) as it:
            time.sleep(rest)
            return it.started, memory(it.pid)

    packages = folder / "packages"
    packages.mkdir()
    program = alone.program(packages)

    def as_installed() -> tuple[float, float]:
        with homeport.serving(used, program=program) as it:
            time.sleep(rest)
            return it.started, memory(it.pid)

    def theirs() -> tuple[float, float]:
        with pocketbase.serving(used) as it:
            time.sleep(rest)
            return it.started, memory(it.pid)

    def python() -> tuple[float, float]:
        started = time.perf_counter()
        subprocess.run([sys.executable, "-c", "import asyncio, json"], check=True)
        return time.perf_counter() - started, 0.0

    records = f"{settings.records:,} records"
    sides: dict[str, Callable[[], tuple[float, float]]] = {
        "homeport, a new data folder": ours,
        f"homeport, {records}": again,
        f"homeport, {records}, with the packages that it needs alone": as_installed,
        _PYTHON: python,
    }
    if pocketbase.is_here():
        with pocketbase.filled(used, data, settings.owners):
            pass
        sides[f"pocketbase, {records}"] = theirs
    else:
        report.leave_out("PocketBase: `make bench` installs it")
    table = report.table(
        "Starts", "server", "first 200, ms", "spread", "target", "reached", "idle MiB",
        "target MiB", "reached MiB",
    )  # fmt: skip
    for name, some in interleaved(settings.rounds, sides).items():
        took = Spread.of([seconds * 1000 for seconds, _ in some])
        held = Spread.of([mib for _, mib in some])
        is_ours = name.startswith("homeport")
        table.add(
            *(name, took.median, took),
            *((300.0, took.median <= 300) if is_ours else (None, None)),
            held.median or None,
            *((60.0, held.median <= 60) if is_ours else (None, None)),
        )


if __name__ == "__main__":
    sys.exit(run("starting", __doc__, measure, USUAL))
