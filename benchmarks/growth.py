"""What more of anything changes: records and their index, spaces, members, and waiting work."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from benchmarks.growing.members import by_members
from benchmarks.growing.queues import by_waiting
from benchmarks.growing.records import by_records, by_spaces
from benchmarks.harness import wrk
from benchmarks.harness.command import Settings, run
from benchmarks.harness.results import Report

USUAL: Final = Settings(records=1_000_000, seconds=3.0)


def measure(settings: Settings, report: Report, folder: Path) -> None:
    wrk.check_is_here()
    parts = (by_records, by_spaces, by_members, by_waiting)
    # One way through the servers is enough to see that it works: spaces are measured as records.
    for part in (by_records, by_members, by_waiting) if settings.quick else parts:
        place = folder / part.__name__
        place.mkdir()
        print(f"  {part.__name__.replace('_', ' ')} ...", flush=True)
        part(settings, report, place)


if __name__ == "__main__":
    sys.exit(run("growth", __doc__, measure, USUAL))
