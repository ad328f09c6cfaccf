"""What happens at twice what is possible, for a minute: durable creates in an open loop.

Beyond capacity the gateway answers 503 with Retry-After within 50 ms, its memory stays flat, and
a second after the flood everything is as before: a quarter of what is possible comes before and
after it. At the end the records are counted: what was answered 201 is there, and nothing twice.
"""

from __future__ import annotations

import http.client
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from benchmarks.harness import open_loop, wrk
from benchmarks.harness.command import Settings, run
from benchmarks.harness.corpus import documents
from benchmarks.harness.open_loop import Answer, percentile
from benchmarks.harness.process import memory
from benchmarks.harness.results import Report
from benchmarks.harness.traffic import Request, call
from benchmarks.servers import homeport
from benchmarks.servers.homeport import Homeport
from benchmarks.servers.loads import CREATE, measured, requests

USUAL: Final = Settings(records=10_000, seconds=60.0)
_CONNECTIONS: Final = 1000
"""More than the gateway lets in at once, fewer than it accepts."""
_POSSIBLE: Final = 256
"""Connections at which the most is done: writes that come together share their commits."""
_WINDOW: Final = 0.1
_GROWN: Final = 20.0
"""MiB that a flood may take."""
_CALM: Final = 50.0
"""Milliseconds in which a refusal is always answered; and everything once it is over, or within
twice as many where one in a thousand took longer before."""


class _Memory(threading.Thread):
    """Reads a process's memory twice a second until it is stopped."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._pid = pid
        self._ended = threading.Event()
        self.held: list[float] = []

    def run(self) -> None:
        while not self._ended.wait(0.5 if self.held else 0):
            self.held.append(memory(self._pid))

    def stop(self) -> None:
        self._ended.set()
        self.join()


def measure(settings: Settings, report: Report, folder: Path) -> None:
    wrk.check_is_here()
    open_loop.check_is_here()
    data = list(documents(settings.records, quick=settings.quick))
    # A quick flood is too short to fill a server that lets in as many as usual.
    narrow: dict[str, Any] = {"SERVER__MAX_REQUESTS": "16", "SERVER__WORKERS": "0"}
    times = 10 if settings.quick else 2
    with homeport.serving(folder, **(narrow if settings.quick else {})) as it:
        ours = Homeport(it, data, settings.owners)
        connections = 8 if settings.quick else _POSSIBLE
        possible = measured(
            ours, CREATE, folder, min(5.0, settings.seconds), connections=connections
        ).rate
        raw = [one.raw(it.address) for one in requests(ours, CREATE)]
        before = _records_at_rest(ours)
        calm_seconds = min(10.0, settings.seconds)
        clients = 64 if settings.quick else _CONNECTIONS
        usual = open_loop.run(it.address, raw, possible / 4, calm_seconds, connections=clients)
        held = memory(it.pid)
        watching = _Memory(it.pid)
        watching.start()
        both = open_loop.run(
            it.address, raw, possible * times, settings.seconds,
            connections=clients, then=(possible / 4, calm_seconds),
        )  # fmt: skip
        watching.stop()
        made = _records_at_rest(ours) - before
    tell(report, settings.seconds, possible, usual, both, made)
    tell_memory(report, held, watching.held)


def tell(
    report: Report,
    seconds: float,
    possible: float,
    usual: open_loop.Outcome,
    both: open_loop.Outcome,
    made: int,
) -> None:
    """What came of a flood of so many `seconds` and a quarter of what is possible afterwards
    (`both`), after such a quarter (`usual`); `made` records were there in the end."""
    flood = [one for one in both.answers if one.due < seconds]
    after = [replace(one, due=one.due - seconds) for one in both.answers if one.due >= seconds]
    statuses = Counter(one.status for one in flood)
    in_time = Counter(one.status for one in flood if one.due + one.took / 1000 <= seconds)
    refused = [one for one in flood if one.status == 503]
    table = report.table("Twice what is possible", "what", "value", "target", "reached")
    table.add("possible, creates a second (wrk)", possible, None, None)
    table.add("due a second", both.rate, None, None)
    sent = sum(one <= seconds for one in both.sent) / seconds
    table.add("sent a second", sent, None, None)
    table.add("answered 201 a second", in_time[201] / seconds, None, None)
    table.add("answered 503 a second", in_time[503] / seconds, None, None)
    missing = usual.missing + both.missing
    others = missing + sum(one.status != 201 for one in usual.answers)
    others += sum(count for status, count in statuses.items() if status not in (201, 503))
    is_answered = bool(usual.answers) and statuses[201] > 0
    table.add("other answers, and none", others, 0, is_answered and others == 0)
    without = sum(not one.retry_after for one in refused)
    table.add("503 without Retry-After", without, 0, bool(refused) and without == 0)
    fast = percentile([one.took for one in refused], 0.99) if refused else None
    table.add("503 answered within, p99, ms", fast, _CALM, fast is not None and fast <= _CALM)
    took = [one.took for one in flood if one.status == 201]
    within = percentile(took, 0.99) if took else None
    table.add("201 answered within, p99, ms", within, None, None)
    slowest = usual.percentile(0.999)
    table.add("at a quarter, before: p99.9, ms", slowest if usual.good() else None, None, None)
    calm = _calm_after(after, min(max(_CALM, slowest), 2 * _CALM))
    table.add("as before, s after the flood", calm, 1.0, calm is not None and calm <= 1)
    table.add("the client behind, p99, ms", both.behind, None, None)
    wanted = statuses[201] + sum(one.status == 201 for one in [*usual.answers, *after])
    lost = wanted - made
    table.add("answered 201 and not found", max(0, lost), 0, is_answered and lost <= 0)
    # What had no answer may have been made.
    if not -missing <= lost <= 0:
        report.faults.append(f"{wanted} creates were answered 201, and {made} records are there")
    if not is_answered:
        report.faults.append("no create was answered 201")
    if not refused:
        report.faults.append("nothing was answered 503: that was no flood")


def tell_memory(report: Report, before: float, held: Sequence[float]) -> None:
    """In MiB: before the flood, and as it was looked at from its beginning on."""
    table = report.table("Memory, MiB", "what", "value", "target", "reached")
    # Where the system does not tell, all of it is 0.
    grown = max(held) - before if before else None
    table.add("before the flood", before or None, None, None)
    table.add("at most, in the flood and after it", max(held) or None, None, None)
    table.add("grown", grown, _GROWN, None if grown is None else grown <= _GROWN)


def _calm_after(answers: list[Answer], within: float) -> float | None:
    """From when on every answer is good and comes within so many milliseconds, in seconds; None
    for never."""
    bad = [one.due for one in answers if one.status >= 300 or one.took > within]
    if not answers:
        return None
    last = max(bad, default=-_WINDOW)
    return None if last >= max(one.due for one in answers) else last + _WINDOW


def _records_at_rest(ours: Homeport) -> int:
    """How many there are once what clients no longer waited for has been done as well."""
    ours.freshen()
    ours.settle()
    count = -1
    while count != (count := _records(ours)):
        ours.settle()
        time.sleep(0.2)
    return count


def _records(ours: Homeport) -> int:
    """How many there are, by pulling all of everybody's changes."""
    connection = http.client.HTTPConnection(ours.running.address, timeout=60)
    count = 0
    for caller in ours.callers:
        path = "/v1/changes/me?collection=notes&limit=100"
        since = ""
        seen: set[str] = set()
        while True:
            answer = call(connection, Request("GET", path + since, caller))
            seen |= {one["id"] for one in answer["items"]}
            since = f"&since={quote(answer['checkpoint'])}"
            if not answer["more"]:
                break
        count += len(seen)
    connection.close()
    return count


if __name__ == "__main__":
    sys.exit(run("overload", __doc__, measure, USUAL))
