"""More records, and so a larger index; and the same records in more spaces.

Servers with each size run side by side, and take turns: one connection, the time of the middle
request. They run on copies of data folders that are loaded once and kept (see `loading`).
"""

from __future__ import annotations

import http.client
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import Any, Final

from benchmarks.growing import loading
from benchmarks.harness.command import Settings
from benchmarks.harness.corpus import documents
from benchmarks.harness.results import Report
from benchmarks.harness.rounds import Spread, interleaved, ratios
from benchmarks.harness.traffic import Request, call
from benchmarks.harness.wrk import Load
from benchmarks.servers import homeport
from benchmarks.servers.homeport import Homeport
from benchmarks.servers.loads import (
    CREATE,
    GET,
    LIST,
    MERGE,
    SEARCH_FREQUENT,
    SEARCH_OWN,
    SEARCH_RARE,
    measured,
)

_TARGET: Final = 1.2
"""With the most records over with the fewest."""
_SEARCHES: Final = (SEARCH_FREQUENT, SEARCH_RARE, SEARCH_OWN)
"""Two have as many hits at each size: for a word that as large a share of the records holds, and
for one that as many do. The third has more of them the more records there are."""
_OPERATIONS: Final = (GET, LIST, *_SEARCHES, CREATE, MERGE)
_QUICK: Final = (GET, *_SEARCHES)
_KINDS: Final = 20_000
"""Requests all over the data, so that what is asked for is not what was just read."""
_LEAST: Final = 200
"""Records of which there are words to search for, and a page to list."""
_FOUND: Final = 10
"""Records that are written and searched for until they are found, each round."""
_PATIENCE: Final = 60.0
_POLL: Final = 0.005
"""Between two searches: what indexes gives way to more of them than some hundred a second."""


def by_records(settings: Settings, report: Report, folder: Path) -> None:
    """`settings.records` is the most; a tenth and a hundredth of it are measured as well. Searches
    once more in the index as it grew, before a server has put it together anew."""
    data = list(documents(settings.records, quick=settings.quick))
    wanted = (settings.records // 100, settings.records // 10, settings.records)
    sizes = wanted[-1:] if settings.quick else [one for one in wanted if one >= _LEAST]
    owners = max(1, min(settings.owners, sizes[0] // 20))  # a page is twenty
    kept = _loaded(settings, folder, "records", {size: (data[:size], owners) for size in sizes})
    settled = {size: loading.settled(one) for size, one in kept.items()}
    with _serving(folder / "settled", settled, data) as peers:
        p50 = _measured(settings, folder, peers)
        print("  until found ...", flush=True)
        finding = {str(size): partial(_until_found, peer) for size, peer in peers.items()}
        waited = interleaved(settings.rounds, finding)
    _tell(report, "records", p50, _TARGET)
    _tell_loads(report, "records", kept)
    index = report.table(
        "By size of the index: milliseconds",
        *("MiB", "records", SEARCH_FREQUENT, "from a write until it is found"),
    )
    for size, one in settled.items():
        search = Spread.of(p50[SEARCH_FREQUENT][size]).median
        until = Spread.of(waited[str(size)]).median
        index.add(one.mebibytes("index"), size, search, until)
    with _serving(folder / "grown", kept, data, homeport.variant("scattered")) as peers:
        p50 = _measured(settings, folder, peers, _SEARCHES)
    _tell(report, "records of an index as it grew", p50, _TARGET)


def by_spaces(settings: Settings, report: Report, folder: Path) -> None:
    """A tenth of the records, in ten, a hundred and a thousand spaces."""
    data = list(documents(settings.records // 10))
    owners = [one for one in (10, 100, 1000) if one <= len(data) // 20]
    kept = _loaded(settings, folder, "spaces", {one: (data, one) for one in owners})
    with _serving(folder, kept, data) as peers:
        p50 = _measured(settings, folder, peers)
    _tell(report, "spaces", p50)
    _tell_loads(report, "spaces", kept)


def _loaded(
    settings: Settings,
    folder: Path,
    grown: str,
    variants: Mapping[int, tuple[Sequence[dict[str, Any]], int]],
) -> dict[int, loading.Loaded]:
    """A data folder of each size, from its documents and the number of their owners."""
    root = folder if settings.quick else loading.KEPT
    kept = {}
    for size, (data, owners) in variants.items():
        print(f"  {size:,} {grown} ...", flush=True)
        kept[size] = loading.loaded(len(data), owners, root, quick=settings.quick)
    return kept


@contextmanager
def _serving(
    folder: Path,
    kept: Mapping[int, loading.Loaded],
    data: Sequence[dict[str, Any]],
    program: Sequence[str] = (),
) -> Iterator[dict[int, Homeport]]:
    """A server for each, on a copy of it."""
    with ExitStack() as stack:
        peers = {}
        for size, one in kept.items():
            place = folder / str(size)
            place.mkdir(parents=True)
            one.copied(place)
            it = stack.enter_context(homeport.serving(place, program=program))
            peers[size] = Homeport(it, data[: len(one.ids)], len(one.callers), kept=one)
        yield peers


def _measured(
    settings: Settings,
    folder: Path,
    peers: Mapping[int, Homeport],
    operations: Sequence[str] = _OPERATIONS,
) -> dict[str, dict[int, list[float]]]:
    """The middle request's milliseconds, by operation and size, of each round."""
    p50: dict[str, dict[int, list[float]]] = {}
    for operation in operations:
        if settings.quick and operation not in _QUICK:
            continue
        print(f"  {operation} ...", flush=True)
        sides: dict[str, Callable[[], Load]] = {
            str(size): partial(
                measured, peer, operation, folder, settings.seconds, connections=1, kinds=_KINDS
            )
            for size, peer in peers.items()
        }
        loads = interleaved(settings.rounds, sides, attrgetter("stolen"))
        p50[operation] = {int(size): [one.p50 for one in some] for size, some in loads.items()}
    return p50


def _tell(
    report: Report,
    grown: str,
    p50: Mapping[str, Mapping[int, Sequence[float]]],
    target: float | None = None,
) -> None:
    table = report.table(f"By {grown}: p50 in ms", grown, *p50)
    compared = report.table(
        f"p50 with the most {grown} over p50 with the fewest, within a round",
        *("operation", "median", "spread", "target", "reached"),
    )
    for size in next(iter(p50.values())):
        table.add(size, *(Spread.of(by_size[size]).median for by_size in p50.values()))
    for operation, by_size in p50.items():
        ratio = ratios(by_size[max(by_size)], by_size[min(by_size)])
        reached = None if target is None else ratio.median <= target
        compared.add(operation, ratio.median, ratio, target, reached)


def _tell_loads(report: Report, grown: str, kept: Mapping[int, loading.Loaded]) -> None:
    table = report.table(
        f"How {grown} were loaded, in one process without a server",
        *(grown, "written a second", "indexed a second", "database MiB", "index MiB"),
    )
    for size, one in kept.items():
        sizes = (one.mebibytes("homeport.db"), one.mebibytes("index"))
        table.add(size, one.written, one.indexed, *sizes)


def _until_found(peer: Homeport) -> float:
    """Milliseconds from the answer to a write until a search finds the record, the middle one."""
    peer.freshen()
    peer.settle()
    connection = http.client.HTTPConnection(peer.running.address, timeout=60)
    took = []
    for _ in range(_FOUND):
        word = "".join(random.choices("bcdfghjkmnpqrstvwxz", k=14))
        caller = random.choice(peer.callers)
        body = {"title": word, "body": word, "kind": "found", "n": 0, "done": False}
        call(connection, Request("POST", "/v1/records/me/notes", caller, body))
        asked = Request("GET", f"/v1/search?q={word}&limit=1", caller)
        started = time.perf_counter()
        while not call(connection, asked)["hits"]:
            if time.perf_counter() - started > _PATIENCE:
                raise RuntimeError(f"{word} is not found after {_PATIENCE:.0f} s")
            time.sleep(_POLL)
        took.append((time.perf_counter() - started) * 1000)
    connection.close()
    return Spread.of(took).median
