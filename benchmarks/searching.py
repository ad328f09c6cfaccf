"""How many searches for one word a second, next to PocketBase: ranked, with access filter.

Twice: in a collection that everybody reads, and in one whose records are each one owner's. Every
hit of Homeport's is read from its store, and all are counted. PocketBase looks for parts of words
with LIKE, and does not rank; an owner's own records it finds by their index first. It counts as
well, unless told not to: then it stops at the tenth hit, and that stands here too.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import Final

from benchmarks.harness import wrk
from benchmarks.harness.command import Settings, run
from benchmarks.harness.corpus import documents
from benchmarks.harness.results import Report
from benchmarks.harness.rounds import Spread, interleaved, ratios
from benchmarks.harness.wrk import Load
from benchmarks.servers import homeport, pocketbase
from benchmarks.servers.homeport import Homeport
from benchmarks.servers.loads import SEARCH_ALL, SEARCH_ALL_UNCOUNTED, SEARCH_OWN, measured

USUAL: Final = Settings(seconds=10.0, rounds=3)
"""Long enough for PocketBase to count some among 100,000."""
_TARGETS: Final = {SEARCH_ALL: 100.0, SEARCH_ALL_UNCOUNTED: None, SEARCH_OWN: None}


def measure(settings: Settings, report: Report, folder: Path) -> None:
    wrk.check_is_here()
    data = list(documents(settings.records, quick=settings.quick))
    rates = report.table(
        "Searches a second", "search", "server", "median", "spread", "p50 ms", "p99 ms"
    )
    compared = report.table(
        "Ratio to PocketBase, within a round", "search", "median", "spread", "target", "reached"
    )
    for operation in (SEARCH_ALL,) if settings.quick else _TARGETS:
        target = _TARGETS[operation]
        print(f"  {operation} ...", flush=True)
        place = folder / operation.replace(" ", "-")
        for name in ("homeport", "pocketbase"):
            (place / name).mkdir(parents=True)
        shared = operation != SEARCH_OWN
        with ExitStack() as stack:
            it = stack.enter_context(homeport.serving(place / "homeport"))
            ours = Homeport(it, data, settings.owners, shared=shared)
            sides: dict[str, Callable[[], Load]] = {
                ours.name: partial(measured, ours, operation, folder, settings.seconds)
            }
            if pocketbase.is_here():
                theirs = stack.enter_context(
                    pocketbase.filled(place / "pocketbase", data, settings.owners, shared=shared)
                )
                sides[theirs.name] = partial(measured, theirs, operation, folder, settings.seconds)
            else:
                report.leave_out("PocketBase: `make bench` installs it")
            found = interleaved(settings.rounds, sides, attrgetter("stolen"))
        for name, some in found.items():
            rate = Spread.of([one.rate for one in some])
            p50, p99 = (Spread.of([getattr(one, p) for one in some]) for p in ("p50", "p99"))
            rates.add(operation, name, rate.median, rate, p50.median, p99.median)
        if len(found) == 2:
            ratio = ratios(*([one.rate for one in some] for some in found.values()))
            reached = None if target is None else ratio.median >= target
            compared.add(operation, ratio.median, ratio, target, reached)


if __name__ == "__main__":
    sys.exit(run("searching", __doc__, measure, USUAL))
