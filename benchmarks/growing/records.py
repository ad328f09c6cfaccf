"""More records, and so a larger index; and the same records in more spaces.

Servers with each size run side by side, and take turns: one connection, the time of the middle
request. They run on copies of data folders that are loaded once and kept (see `loading`).
"""

from __future__ import annotations

import http.client
import random
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
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
    SEARCH_FULL,
    SEARCH_OWN,
    measured,
)

_OPERATIONS: Final = (GET, LIST, SEARCH_OWN, SEARCH_FULL, CREATE, MERGE)
"""Of the words of the one search a small collection holds fewer records than fill a page, so that
it reads more of a large one. Of those of the other all have enough for its page."""
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
    """`settings.records` is the most; a tenth and a hundredth of it are measured as well."""
    data = list(documents(settings.records, quick=settings.quick))
    wanted = (settings.records // 100, settings.records // 10, settings.records)
    sizes = wanted[-1:] if settings.quick else [one for one in wanted if one >= _LEAST]
    owners = max(1, min(settings.owners, sizes[0] // 20))  # a page is twenty
    variants = {size: (data[:size], owners) for size in sizes}
    _compare(settings, report, folder, "records", variants, target=1.2, found=True)


def by_spaces(settings: Settings, report: Report, folder: Path) -> None:
    """A tenth of the records, in ten, a hundred and a thousand spaces."""
    data = list(documents(settings.records // 10))
    owners = [one for one in (10, 100, 1000) if one <= len(data) // 20]
    _compare(settings, report, folder, "spaces", {one: (data, one) for one in owners})


def _compare(
    settings: Settings,
    report: Report,
    folder: Path,
    grown: str,
    variants: Mapping[int, tuple[Sequence[dict[str, Any]], int]],
    target: float | None = None,
    *,
    found: bool = False,
) -> None:
    """`found`: measure as well how long it takes until what is written is found."""
    table = report.table(f"By {grown}: p50 in ms", grown, *_OPERATIONS)
    compared = report.table(
        f"p50 with the most {grown} over p50 with the fewest, within a round",
        *("operation", "median", "spread", "target", "reached"),
    )
    with ExitStack() as stack:
        kept, peers = {}, {}
        for size, (data, owners) in variants.items():
            place = folder / f"{grown}-{size}"
            place.mkdir()
            print(f"  {size:,} {grown} ...", flush=True)
            root = folder if settings.quick else loading.KEPT
            kept[size] = loading.loaded(len(data), owners, root, quick=settings.quick)
            kept[size].copied(place)
            it = stack.enter_context(homeport.serving(place))
            peers[size] = Homeport(it, data, owners, kept=kept[size])
        p50: dict[str, dict[int, list[float]]] = {}
        for operation in (GET, SEARCH_OWN, SEARCH_FULL) if settings.quick else _OPERATIONS:
            print(f"  {operation} ...", flush=True)
            sides: dict[str, Callable[[], Load]] = {
                str(size): partial(
                    measured, peer, operation, folder, settings.seconds, connections=1, kinds=_KINDS
                )
                for size, peer in peers.items()
            }
            loads = interleaved(settings.rounds, sides)
            p50[operation] = {int(size): [one.p50 for one in some] for size, some in loads.items()}
        waited: dict[str, list[float]] = {}
        if found:
            print("  until found ...", flush=True)
            finding = {str(size): partial(_until_found, peer) for size, peer in peers.items()}
            waited = interleaved(settings.rounds, finding)
    for size in variants:
        medians = [Spread.of(p50[one][size]).median if one in p50 else None for one in _OPERATIONS]
        table.add(size, *medians)
    for operation, by_size in p50.items():
        ratio = ratios(by_size[max(by_size)], by_size[min(by_size)])
        reached = None if target is None else ratio.median <= target
        compared.add(operation, ratio.median, str(ratio), target, reached)
    _tell_loads(report, grown, kept)
    if found:
        index = report.table(
            "By size of the index: milliseconds",
            *("MiB", "records", SEARCH_OWN, "from a write until it is found"),
        )
        for size, one in kept.items():
            search = Spread.of(p50[SEARCH_OWN][size]).median
            until = Spread.of(waited[str(size)]).median
            index.add(one.mebibytes("index"), size, search, until)


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
