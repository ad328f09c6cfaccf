"""How long the slowest answers take at half of what is possible, and whether anything stops.

What is possible is measured with wrk just before; the load itself is an open loop at a constant
rate, so that a stall counts for every request that it meets. Beside it go checkpoints, batches
of the index and their merges, and messages to a hundred recipients. The first rows show the
client's own limits, against the bare HTTP server.
"""

from __future__ import annotations

import random
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from benchmarks.harness import open_loop, wrk
from benchmarks.harness.command import Settings, run
from benchmarks.harness.corpus import documents
from benchmarks.harness.open_loop import Outcome, percentile
from benchmarks.harness.results import Report, Table
from benchmarks.harness.traffic import Request
from benchmarks.servers import bare, homeport, pocketbase
from benchmarks.servers.homeport import Homeport
from benchmarks.servers.loads import CREATE, GET, MIXED, Peer, measured, requests

USUAL: Final = Settings(seconds=30.0, rounds=1)
_TARGET, _STALL = 10.0, 100.0
_CLIENT_RATES: Final = (2_000, 5_000, 10_000, 15_000, 20_000)
_FAN_OUT: Final = "mixed, and messages to 100"
_EVERY: Final = 500
"""One request in so many is a message."""


def measure(settings: Settings, report: Report, folder: Path) -> None:
    wrk.check_is_here()
    seconds = settings.seconds
    data = list(documents(settings.records, quick=settings.quick))
    client = _table(report, "The client's own limits: the bare HTTP server")
    with bare.serving(folder) as address:
        for rate in _CLIENT_RATES[: 1 if settings.quick else None]:
            one = open_loop.run(address, [bare.REQUEST.raw(address)], rate, min(seconds, 5.0))
            _add(client, "nothing", "bare", rate, one, is_target=False)
    table = _table(report, "At half of what is possible")
    with ExitStack() as stack:
        folders = [folder / "homeport", folder / "pocketbase"]
        for place in folders:
            place.mkdir()
        ours = Homeport(stack.enter_context(homeport.serving(folders[0])), data, settings.owners)
        peers: list[Peer] = [ours]
        if pocketbase.is_here():
            filled = pocketbase.filled(folders[1], data, settings.owners)
            peers.append(stack.enter_context(filled))
        else:
            report.leave_out("PocketBase: `make bench` installs it")
        for operation in (MIXED,) if settings.quick else (GET, CREATE, MIXED):
            print(f"  {operation} ...", flush=True)
            for peer in peers:
                most = measured(peer, operation, folder, min(seconds, 5.0)).rate
                raw = [one.raw(peer.running.address) for one in requests(peer, operation)]
                if peer is ours and operation == MIXED:
                    _constant(table, f"{operation}", peer, most / 2, raw, seconds)
                    raw = _with_messages(ours, raw)
                    _constant(table, _FAN_OUT, peer, most / 2, raw, seconds)
                else:
                    _constant(table, operation, peer, most / 2, raw, seconds)
    report.notes.append(
        "`behind` is the client's own lateness (p99, ms): where it is over 2 ms, the client was "
        "too slow, or had no processor to itself. `undisturbed` is the share of good answers "
        "that came while the machine below took no processor away (steal), nor shortly before."
    )


def _constant(
    table: Table, operation: str, peer: Peer, rate: float, raw: list[bytes], seconds: float
) -> None:
    peer.freshen()
    peer.settle()
    outcome = open_loop.run(peer.running.address, raw, rate, seconds)
    _add(table, operation, peer.name, rate, outcome, is_target=peer.name == Homeport.__name__)


def _with_messages(ours: Homeport, raw: list[bytes]) -> list[bytes]:
    """The requests with some that write to a hundred others, each with a device."""
    to = [one.id for one in ours.callers[:100]]
    chance = random.Random(6)
    message = {"title": "News", "text": "Soup is ready.", "to": to}
    host = ours.running.address
    return [
        Request("POST", "/v1/messages", chance.choice(ours.callers), message).raw(host)
        if number % _EVERY == 0
        else one
        for number, one in enumerate(raw)
    ]


def _table(report: Report, title: str) -> Table:
    return report.table(
        title, "operation", "server", "a second", "p50 ms", "p99 ms", "undisturbed", "their p99 ms",
        "slowest ms", "over 100 ms", "longest pause ms", "no good answer", "behind", "reached",
    )  # fmt: skip


def _add(
    table: Table, operation: str, server: str, rate: float, one: Outcome, *, is_target: bool
) -> None:
    """The target: p99 under 10 ms, and nothing over 100."""
    slowest = one.percentile(1.0)
    reached = one.percentile(0.99) < _TARGET and slowest < _STALL
    calm = [answer.took for answer in one.undisturbed()]
    table.add(
        *(operation, server, rate, one.percentile(0.5), one.percentile(0.99)),
        *(len(calm) / max(1, len(one.good())), percentile(calm, 0.99), slowest),
        sum(answer.took > _STALL for answer in one.answers),
        *(one.stall(), len(one.answers) - len(one.good()) + one.missing, one.behind),
        reached if is_target else None,
    )


if __name__ == "__main__":
    sys.exit(run("stalls", __doc__, measure, USUAL))
