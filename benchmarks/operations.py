"""How many operations a second, next to PocketBase: wrk with 32 connections, by turns.

Homeport stands here twice: as it is, where an answered write is on the disk, and without waiting
for the disk, which is what PocketBase does. Its merges carry If-Match, for which PocketBase has
nothing. Its lists have no total; PocketBase's default has one.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import Final

from benchmarks.harness import wrk
from benchmarks.harness.command import Settings, run
from benchmarks.harness.corpus import documents
from benchmarks.harness.process import memory
from benchmarks.harness.results import Report, Table
from benchmarks.harness.rounds import UNDISTURBED, Spread, interleaved, ratios
from benchmarks.harness.traffic import write
from benchmarks.harness.wrk import Load
from benchmarks.servers import bare, homeport, pocketbase
from benchmarks.servers.homeport import Homeport
from benchmarks.servers.loads import (
    CREATE,
    GET,
    LIST,
    LIST_UNCOUNTED,
    MERGE,
    MIXED,
    Peer,
    measured,
    several,
)  # fmt: skip

TARGETS: Final = {GET: 5.0, CREATE: 3.5, MERGE: 3.0, LIST: 4.5, LIST_UNCOUNTED: 3.6, MIXED: 3.0}
"""Of the rate of PocketBase."""
_RELAXED: Final = (CREATE, MERGE)
"""What waiting for the disk makes a difference to."""
_WRITING: Final = (CREATE, MERGE, MIXED)
"""What leaves the index with something to do. Under such loads it rests most of the time."""
_REST_SECONDS: Final = 3.0
"""After which what was needed for the run alone is given back."""
_OURS, _OURS_RELAXED, _BARE = "Homeport", "Homeport, not waiting for the disk", "bare HTTP server"


def measure(settings: Settings, report: Report, folder: Path) -> None:
    wrk.check_is_here()
    data = list(documents(settings.records, quick=settings.quick))
    rates = report.table(
        "Operations a second", "operation", "server", "median", "spread", "p50 ms", "p99 ms",
        "owed, s", "stolen",
    )  # fmt: skip
    compared = report.table(
        "Ratio to PocketBase, within a round", "operation", "setting", "median", "spread", "target",
        "reached",
    )  # fmt: skip
    held = report.table(
        "Memory, MiB", "server", "idle", "loaded", "at the end of the run", "at rest afterwards"
    )
    folders = [folder / name for name in ("durable", "relaxed", "pocketbase", "bare")]
    for one in folders:
        one.mkdir()
    with homeport.serving(folders[0]) as filling:
        ours = Homeport(filling, data, settings.owners)
    with several(
        homeport.serving(folders[0]), homeport.serving(folders[1], relaxed=True),
        bare.serving(folders[3]),
    ) as (durable, relaxed, hello):  # fmt: skip
        ours.running = durable
        time.sleep(_REST_SECONDS)
        idle = {_OURS: memory(durable.pid)}
        peers: dict[str, Peer] = {_OURS: ours}
        peers[_OURS_RELAXED] = Homeport(relaxed, data, settings.owners, name=_OURS_RELAXED)
        report.notes.append(
            f"{settings.records:,} records were loaded in batches of {homeport.BATCH} at "
            f"{ours.load_rate:,.0f} a second, and were in the index at {ours.index_rate:,.0f}."
        )
        report.notes.append(
            "`owed` are the seconds after a load until all that it wrote was in the index, which "
            "rests for most of it; PocketBase has none."
        )
        report.notes.append(
            "`stolen` is the most that the machine below took of the processors in a round that "
            f"counts. Where that was over {UNDISTURBED:.0%} for a side, it was measured again, up "
            "to as many rounds as were wanted; those with the least of it count."
        )
        if not pocketbase.is_here():
            report.leave_out("PocketBase: `make bench` installs it")
            _all(settings, folder, peers, hello, rates, compared, held, idle)
            return
        with pocketbase.filled(folders[2], data, settings.owners) as theirs:
            peers[theirs.name] = theirs
            time.sleep(_REST_SECONDS)
            idle[theirs.name] = memory(theirs.running.pid)
            _all(settings, folder, peers, hello, rates, compared, held, idle)


def _all(
    settings: Settings,
    folder: Path,
    peers: dict[str, Peer],
    hello: str,
    rates: Table,
    compared: Table,
    held: Table,
    idle: dict[str, float],
) -> None:
    loaded = {name: memory(one.running.pid) for name, one in peers.items()}
    for operation, target in TARGETS.items():
        print(f"  {operation} ...", flush=True)
        sides: dict[str, Callable[[], Load]] = {
            name: partial(measured, one, operation, folder, settings.seconds)
            for name, one in peers.items()
            if name != _OURS_RELAXED or operation in _RELAXED[: 1 if settings.quick else None]
        }
        if operation == GET:
            traffic = write(folder / "bare-traffic", [bare.REQUEST.raw(hello)])
            sides[_BARE] = partial(wrk.wrk, hello, traffic, settings.seconds)
        found = interleaved(settings.rounds, sides, attrgetter("stolen"))
        for name, some in found.items():
            _add_rate(rates, operation, name, some)
        theirs = found.get(pocketbase.PocketBase.name, [])
        for name, setting in ((_OURS, "durable"), (_OURS_RELAXED, "not waiting for the disk")):
            if theirs and name in found:
                ratio = ratios([one.rate for one in found[name]], [one.rate for one in theirs])
                reached = ratio.median >= target if name == _OURS else None
                compared.add(operation, setting, ratio.median, ratio, target, reached)
    ended = {name: memory(one.running.pid) for name, one in peers.items()}
    for one in peers.values():
        one.settle()
    time.sleep(_REST_SECONDS)
    for name, one in peers.items():
        held.add(name, idle.get(name), loaded[name], ended[name], memory(one.running.pid))


def _add_rate(rates: Table, operation: str, name: str, some: list[Load]) -> None:
    rate = Spread.of([one.rate for one in some])
    p50 = Spread.of([one.p50 for one in some])
    p99 = Spread.of([one.p99 for one in some])
    owed = Spread.of([one.owed for one in some]).median if operation in _WRITING else None
    stolen = max(one.stolen for one in some)
    rates.add(operation, name, rate.median, rate, p50.median, p99.median, owed, stolen)


if __name__ == "__main__":
    sys.exit(run("operations", __doc__, measure))
