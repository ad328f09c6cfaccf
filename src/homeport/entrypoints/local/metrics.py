"""What the gateway counts, in Prometheus' text format 0.0.4.

Counting a request costs a look-up in two dictionaries; all else is read when somebody asks.
"""

from __future__ import annotations

import os
import time
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from homeport.adapters.embedded.group_commit import CommitCounts
    from homeport.container import Backend
    from homeport.entrypoints.local.pumps import Pumps

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
BOUNDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
"""Upper bounds of the latency histogram, in seconds."""
COUNTED_BACKLOG: Final = 100_000
"""A longer backlog reads as this many: counting is work too."""


class Counts:
    """What one process has counted: requests by route and status, how long each route's took, and
    the commits of its database."""

    def __init__(self) -> None:
        self.counts: Final[dict[tuple[str, int], int]] = {}
        self.latencies: Final[dict[str, list[int]]] = {}
        self.seconds: Final[dict[str, float]] = {}
        self.refused = 0
        """Turned away at the door; they are in none of the others."""
        self.unread = 0
        """Connections that were ended since their clients did not read."""
        self.commits: CommitCounts | None = None

    def add(self, route: str, status: int, seconds: float) -> None:
        """Count one request. `route` is a route key, never a path: there are only so many."""
        key = (route, status)
        counts = self.counts
        try:
            counts[key] += 1
            self.latencies[route][bisect_left(BOUNDS, seconds)] += 1
            self.seconds[route] += seconds
        except KeyError:
            counts[key] = 1
            self.latencies.setdefault(route, [0] * (len(BOUNDS) + 1))
            self.latencies[route][bisect_left(BOUNDS, seconds)] += 1
            self.seconds[route] = self.seconds.get(route, 0.0) + seconds

    def cut_off(self) -> None:
        """Count a connection whose client does not read what is answered."""
        self.unread += 1

    def plus(self, others: Iterable[Counts]) -> Counts:
        """These and those of others, as they are now."""
        total = Counts()
        for one in (self, *others):
            total.take_over(one)
        return total

    def take_over(self, other: Counts) -> None:
        """Count what another has counted as well."""
        for key, count in other.counts.items():
            self.counts[key] = self.counts.get(key, 0) + count
        for route, buckets in other.latencies.items():
            known = self.latencies.get(route, [0] * len(buckets))
            self.latencies[route] = [a + b for a, b in zip(known, buckets, strict=True)]
            self.seconds[route] = self.seconds.get(route, 0.0) + other.seconds[route]
        self.refused += other.refused
        self.unread += other.unread
        if other.commits is not None:
            if self.commits is None:
                self.commits = type(other.commits)()
            self.commits.take_over(other.commits)


class Metrics:
    """Everything that `/metrics` shows of one gateway. `elsewhere` gives the ids of its other
    processes, with what each has counted."""

    def __init__(
        self,
        backend: Backend,
        pumps: Pumps,
        elsewhere: Callable[[], Mapping[int, Counts]] = dict,
    ) -> None:
        self.counts: Final = Counts()
        if backend.database is not None:
            self.counts.commits = backend.database.commits
        self._backend = backend
        self._pumps = pumps
        self._elsewhere = elsewhere
        self._began = time.time()

    def text(self) -> str:
        elsewhere = self._elsewhere()
        counts = self.counts.plus(elsewhere.values())
        return "\n".join(
            [*_requests(counts), *self._stores(counts), *self._process(), *_workers(elsewhere), ""]
        )

    def _stores(self, counts: Counts) -> Iterator[str]:
        if counts.commits is not None:
            yield from _commits(counts.commits)
        database = self._backend.database
        if database is not None:
            adapters = self._backend.definition.adapters
            if adapters.change_feed.use == "embedded":
                yield from _changes(database)
            if adapters.message_queue.use == "embedded":
                yield from _queue(database)
            yield from _dead_letters(database)
        lags = self._pumps.lag()
        for name, kind, text, value in (
            ("delivered_total", "counter", "Changes and messages handed on.", "delivered"),
            ("failures_total", "counter", "Batches that failed as a whole.", "failures"),
            ("idle", "gauge", "1 while nothing is due, nor held up by an outage.", "idle"),
        ):
            yield from _family(
                f"homeport_pump_{name}",
                kind,
                text,
                ((_labels(pump=lag.pump), int(getattr(lag, value))) for lag in lags),
            )

    def _process(self) -> Iterator[str]:
        uptime = time.time() - self._began
        yield from _single("homeport_uptime_seconds", "gauge", "Since the start.", uptime)
        memory = _resident_bytes()
        if memory is not None:
            name = "process_resident_memory_bytes"
            yield from _single(name, "gauge", "Resident memory.", memory)
        seconds = time.process_time()
        yield from _single("process_cpu_seconds_total", "counter", "Processor time.", seconds)


def _requests(requests: Counts) -> Iterator[str]:
    yield from _family(
        "homeport_requests_total",
        "counter",
        "Requests answered.",
        (
            (_labels(route=route or "none", status=str(status)), count)
            for (route, status), count in sorted(requests.counts.items())
        ),
    )
    name = "homeport_requests_refused_total"
    yield from _single(name, "counter", "Answered 503 at the door.", requests.refused)
    name = "homeport_connections_cut_off_total"
    text = "Ended, since their clients did not read what was answered."
    yield from _single(name, "counter", text, requests.unread)
    name = "homeport_request_duration_seconds"
    yield from _header(name, "histogram", "From a request's arrival to its answer.")
    for route, buckets in sorted(requests.latencies.items()):
        yield from _histogram(
            name, BOUNDS, buckets, requests.seconds[route], f"route={_quoted(route or 'none')}"
        )


def _commits(counts: CommitCounts) -> Iterator[str]:
    name = "homeport_commit_writes"
    yield from _header(name, "histogram", "Writes in each commit, which share one fsync.")
    yield from _histogram(name, counts.BOUNDS, counts.sizes, counts.writes, "")
    name = "homeport_commit_failures_total"
    yield from _single(name, "counter", "Commits that failed.", counts.failures)


def _changes(database: Any) -> Iterator[str]:
    """The index's backlog, as the data file has it. Consumers of some collections alone pass over
    the others' changes without moving on, so that their positions tell nothing."""
    behind: list[tuple[Any, Any]] = database.read(
        "SELECT name, (SELECT count(*) FROM (SELECT 1 FROM change_log WHERE version > position"
        " LIMIT ?)) + (SELECT count(*) FROM held_events WHERE consumer = name) FROM consumers"
        " WHERE name = 'indexing'",
        (COUNTED_BACKLOG,),
    )
    yield from _family(
        "homeport_changes_waiting",
        "gauge",
        "Changes that a consumer has still to see: the index's lag.",
        ((_labels(consumer=name), count) for name, count in behind),
    )


def _queue(database: Any) -> Iterator[str]:
    (depth,) = database.read("SELECT count(*) FROM queue")[0]
    yield from _single("homeport_queue_depth", "gauge", "Messages in the queue.", depth)


def _dead_letters(database: Any) -> Iterator[str]:
    """Those that are in the data file."""
    dead = database.read("SELECT source, count(*) FROM dead_letters GROUP BY source")
    yield from _family(
        "homeport_dead_letters",
        "gauge",
        "What could not be delivered.",
        ((_labels(source=source), count) for source, count in dead),
    )


def _header(name: str, kind: str, text: str) -> Iterator[str]:
    yield f"# HELP {name} {text}"
    yield f"# TYPE {name} {kind}"


def _family(name: str, kind: str, text: str, samples: Iterable[tuple[str, float]]) -> Iterator[str]:
    yield from _header(name, kind, text)
    for labels, value in samples:
        yield f"{name}{labels} {value}"


def _single(name: str, kind: str, text: str, value: float) -> Iterator[str]:
    return _family(name, kind, text, [("", value)])


def _histogram(
    name: str, bounds: Sequence[float], buckets: Sequence[int], total: float, label: str
) -> Iterator[str]:
    first = f"{label}," if label else ""
    counts = list(accumulate(buckets))
    for bound, count in zip((*bounds, "+Inf"), counts, strict=True):
        yield f'{name}_bucket{{{first}le="{bound}"}} {count}'
    labels = f"{{{label}}}" if label else ""
    yield f"{name}_sum{labels} {total}"
    yield f"{name}_count{labels} {counts[-1]}"


def _labels(**labels: str) -> str:
    return "{" + ",".join(f"{name}={_quoted(value)}" for name, value in labels.items()) + "}"


def _quoted(value: str) -> str:
    escaped = value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
    return f'"{escaped}"'


def _workers(pids: Iterable[int]) -> Iterator[str]:
    """What the further processes take of the machine. There are none but on Linux."""
    found = [
        (_labels(worker=str(number)), *used)
        for number, pid in enumerate(pids)
        if (used := _used_by(pid)) is not None
    ]
    if not found:
        return
    yield from _family(
        "homeport_worker_resident_memory_bytes",
        "gauge",
        "Resident memory of each further process.",
        ((label, memory) for label, memory, _ in found),
    )
    yield from _family(
        "homeport_worker_cpu_seconds_total",
        "counter",
        "Processor time of each further process.",
        ((label, seconds) for label, _, seconds in found),
    )


def _used_by(pid: int) -> tuple[int, float] | None:
    """Bytes, and seconds; None for a process that has ended."""
    memory = _resident_bytes(pid)
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    ticks = int(fields[11]) + int(fields[12])
    return memory or 0, ticks / os.sysconf("SC_CLK_TCK")


def _resident_bytes(pid: int | str = "self") -> int | None:
    """None where the system does not say it so."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")
