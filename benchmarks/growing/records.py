"""More records, and so a larger index; and the same records in more spaces.

Servers with each size run side by side, and take turns: one connection, the time of the middle
request.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, Final

from benchmarks.harness.command import Settings
from benchmarks.harness.corpus import documents
from benchmarks.harness.results import Report
from benchmarks.harness.rounds import Spread, interleaved, ratios
from benchmarks.harness.wrk import Load
from benchmarks.servers import homeport
from benchmarks.servers.homeport import Homeport
from benchmarks.servers.loads import CREATE, GET, LIST, MERGE, SEARCH_OWN, measured

_OPERATIONS: Final = (GET, LIST, SEARCH_OWN, CREATE, MERGE)
_KINDS: Final = 20_000
"""Requests all over the data, so that what is asked for is not what was just read."""


def by_records(settings: Settings, report: Report, folder: Path) -> None:
    """`settings.records` is the most; a tenth and a hundredth of it are measured as well."""
    data = list(documents(settings.records, quick=settings.quick))
    sizes = [settings.records // 100, settings.records // 10, settings.records]
    if settings.quick:
        sizes = sizes[-1:]
    owners = max(1, min(settings.owners, sizes[0] // 20))  # a page is twenty
    variants = {size: (data[:size], owners) for size in sizes}
    _compare(settings, report, folder, "records", variants, target=1.2)


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
) -> None:
    table = report.table(f"By {grown}: p50 in ms", grown, *_OPERATIONS)
    compared = report.table(
        f"p50 with the most {grown} over p50 with the fewest, within a round",
        *("operation", "median", "spread", "target", "reached"),
    )
    with ExitStack() as stack:
        peers = {}
        for size, (data, owners) in variants.items():
            place = folder / f"{grown}-{size}"
            place.mkdir()
            print(f"  {size:,} {grown} ...", flush=True)
            it = stack.enter_context(homeport.serving(place))
            peers[size] = Homeport(it, data, owners)
        p50: dict[str, dict[int, list[float]]] = {}
        for operation in (GET,) if settings.quick else _OPERATIONS:
            print(f"  {operation} ...", flush=True)
            sides: dict[str, Callable[[], Load]] = {
                str(size): partial(
                    measured, peer, operation, folder, settings.seconds, connections=1, kinds=_KINDS
                )
                for size, peer in peers.items()
            }
            found = interleaved(settings.rounds, sides)
            p50[operation] = {int(size): [one.p50 for one in some] for size, some in found.items()}
    for size in variants:
        medians = [Spread.of(p50[one][size]).median if one in p50 else None for one in _OPERATIONS]
        table.add(size, *medians)
    for operation, by_size in p50.items():
        ratio = ratios(by_size[max(by_size)], by_size[min(by_size)])
        reached = None if target is None else ratio.median <= target
        compared.add(operation, ratio.median, str(ratio), target, reached)
