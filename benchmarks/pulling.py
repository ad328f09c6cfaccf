"""How long a first pull of 10,000 changes takes, page by page, and one that finds nothing.

One connection, one request after the other, every page checked: each record comes exactly once.
PocketBase has nothing of the kind.
"""

from __future__ import annotations

import http.client
import statistics
import sys
import time
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from benchmarks.harness.command import Settings, run
from benchmarks.harness.corpus import documents
from benchmarks.harness.results import Report
from benchmarks.harness.rounds import Spread
from benchmarks.harness.traffic import Caller, Request, call
from benchmarks.servers import homeport
from benchmarks.servers.homeport import Homeport

USUAL: Final = Settings(records=10_000, owners=1)
_PAGE: Final = 100
_EMPTY_PULLS: Final = 500


def measure(settings: Settings, report: Report, folder: Path) -> None:
    data = list(documents(settings.records, quick=settings.quick))
    table = report.table("Pulls", "pull", "median", "spread", "target", "reached")
    with homeport.serving(folder) as it:
        ours = Homeport(it, data, 1)
        connection = http.client.HTTPConnection(it.address, timeout=60)
        firsts, empties = [], []
        for _ in range(settings.rounds):
            ours.freshen()
            ours.settle()
            caller = ours.callers[0]
            started = time.perf_counter()
            seen, checkpoint = _pull(connection, caller)
            firsts.append(time.perf_counter() - started)
            if seen != {row.id for row in ours.rows}:
                report.faults.append(f"{len(seen)} of {len(ours.rows)} records were pulled")
            times = 20 if settings.quick else _EMPTY_PULLS
            empties.append(_empty(connection, caller, checkpoint, times))
        connection.close()
    first, empty = Spread.of(firsts), Spread.of(empties)
    what = f"first, {settings.records:,} records, s"
    table.add(what, first.median, first, 1.5, first.median < 1.5)
    table.add("empty, p50, ms", empty.median, empty, 1.0, empty.median < 1.0)


def _pull(connection: http.client.HTTPConnection, caller: Caller) -> tuple[set[str], str]:
    seen: set[str] = set()
    since = ""
    while True:
        answer = _page(connection, caller, since)
        ids = {one["id"] for one in answer["items"]}
        if len(ids) < len(answer["items"]) or ids & seen:
            raise RuntimeError("a record came twice")
        seen |= ids
        since = answer["checkpoint"]
        if not answer["more"]:
            return seen, since


def _empty(
    connection: http.client.HTTPConnection, caller: Caller, checkpoint: str, times: int
) -> float:
    """Milliseconds in the median. The client's own part is in it."""
    took = []
    for _ in range(times):
        started = time.perf_counter()
        answer = _page(connection, caller, checkpoint)
        took.append((time.perf_counter() - started) * 1000)
        if answer["items"]:
            raise RuntimeError("an empty pull found something")
    return statistics.median(took)


def _page(connection: http.client.HTTPConnection, caller: Caller, since: str) -> Any:
    path = f"/v1/changes/me?collection=notes&limit={_PAGE}"
    if since:
        path += f"&since={quote(since)}"
    return call(connection, Request("GET", path, caller))


if __name__ == "__main__":
    sys.exit(run("pulling", __doc__, measure, USUAL))
