"""How long the slowest answers take at half of what is possible, and whether anything stops.

What is possible is measured with wrk right before each load, since a machine is quicker in some
minutes than in others; the loads themselves are open loops at a constant rate, so that a stall
counts for every request that it meets, and take turns. Beside them go checkpoints, batches of the
index and their merges, and messages to a hundred recipients with a device each. The first rows
show the client's own limits, against the bare HTTP server.
"""

from __future__ import annotations

import http.client
import random
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from functools import partial
from operator import attrgetter
from pathlib import Path
from statistics import median
from typing import Final

from benchmarks.harness import open_loop, wrk
from benchmarks.harness.command import Settings, run
from benchmarks.harness.corpus import documents
from benchmarks.harness.open_loop import Outcome, percentile
from benchmarks.harness.results import Report, Table
from benchmarks.harness.rounds import Spread, interleaved
from benchmarks.harness.traffic import Caller, Request, call
from benchmarks.servers import bare, homeport, pocketbase
from benchmarks.servers.homeport import Homeport
from benchmarks.servers.loads import CREATE, GET, MIXED, Peer, measured, requests

USUAL: Final = Settings(seconds=30.0, rounds=3)
_TARGET, _STALL = 10.0, 100.0
_CLIENT_RATES: Final = (2_000, 5_000, 10_000, 15_000, 20_000)
_FAN_OUT: Final = "mixed, and messages to 100"
_RECIPIENTS: Final = 100
_EVERY: Final = 500
"""One request in so many is a message."""


def measure(settings: Settings, report: Report, folder: Path) -> None:
    wrk.check_is_here()
    open_loop.check_is_here()
    seconds = settings.seconds
    data = list(documents(settings.records, quick=settings.quick))
    client = _table(report, "The client's own limits: the bare HTTP server")
    with bare.serving(folder) as address:
        for rate in _CLIENT_RATES[: 1 if settings.quick else None]:
            raw = [bare.REQUEST.raw(address)]
            one = open_loop.run(address, raw, rate, min(seconds, 5.0))
            check(report, "nothing", "bare", one)
            tell(client, "nothing", "bare", [one])
    table = _table(report, "At half of what is possible")
    with ExitStack() as stack:
        folders = [folder / "homeport", folder / "pocketbase"]
        for place in folders:
            place.mkdir()
        ours = Homeport(stack.enter_context(homeport.serving(folders[0])), data, settings.owners)
        _register(ours)
        peers: list[Peer] = [ours]
        if pocketbase.is_here():
            filled = pocketbase.filled(folders[1], data, settings.owners)
            peers.append(stack.enter_context(filled))
        else:
            report.leave_out("PocketBase: `make bench` installs it")
        for operation in (MIXED,) if settings.quick else (GET, CREATE, MIXED):
            print(f"  {operation} ...", flush=True)
            sides: dict[tuple[str, str], Callable[[], Outcome]] = {}
            for peer in peers:
                half = partial(_at_half, report, peer, operation, folder, seconds)
                sides[operation, peer.name] = half
                if peer is ours and operation == MIXED:
                    sides[_FAN_OUT, peer.name] = partial(half, messages=True)
            found = interleaved(settings.rounds, sides, attrgetter("stolen"))
            for (what, name), outcomes in found.items():
                tell(table, what, name, outcomes, is_target=name == ours.name)
    report.notes.append(
        "Rates, each half of what was possible right before, and times are those of the middle "
        "round, each column by itself; `spread` is the least and the most p99 of a round. `over "
        "100 ms` and `no good answer` count what was in any of those that count; one that was not "
        "answered well is a fault in any."
    )
    report.notes.append(
        "`behind` is the client's own lateness (p99, ms): where it is over 2 ms, the client was "
        "too slow, or had no processor to itself. `undisturbed` is the share of good answers "
        "that came while the machine below took no processor away (steal), nor shortly before."
    )


def _at_half(
    report: Report,
    peer: Peer,
    operation: str,
    folder: Path,
    seconds: float,
    *,
    messages: bool = False,
) -> Outcome:
    """What is possible, and then half of it: checked here, since not every round counts."""
    possible = measured(peer, operation, folder, min(seconds, 5.0)).rate
    peer.freshen()
    wanted = requests(peer, operation)
    if messages and isinstance(peer, Homeport):
        wanted = _with_messages(peer.callers, wanted)
    peer.settle()
    address = peer.running.address
    found = open_loop.run(address, [one.raw(address) for one in wanted], possible / 2, seconds)
    check(report, _FAN_OUT if messages else operation, peer.name, found)
    return found


def _register(ours: Homeport) -> None:
    """Give everybody a device, and see that a message to one of them becomes a push."""
    connection = http.client.HTTPConnection(ours.running.address, timeout=60)
    for number, caller in enumerate(ours.callers):
        device = {"platform": "fcm", "token": f"token-{number}"}
        call(connection, Request("PUT", "/v1/devices/phone", caller, device))
    sender, recipient = ours.callers[0], ours.callers[-1]
    answer = call(connection, _message(sender, [recipient]))
    ours.settle()
    pushes = call(connection, Request("GET", "/local/pushes", recipient))["items"]
    connection.close()
    if answer["state"] != "queued" or [one["device"] for one in pushes] != ["phone"]:
        raise RuntimeError(f"the message {answer} became the pushes {pushes}")


def _with_messages(callers: Sequence[Caller], wanted: Sequence[Request]) -> list[Request]:
    """The requests with some that write to a hundred others."""
    chance = random.Random(6)
    return [
        _message(chance.choice(callers), callers[:_RECIPIENTS]) if number % _EVERY == 0 else one
        for number, one in enumerate(wanted)
    ]


def _message(sender: Caller, to: Iterable[Caller]) -> Request:
    body = {"title": "News", "text": "Soup is ready.", "to": [one.id for one in to]}
    return Request("POST", "/v1/messages", sender, body)


def _table(report: Report, title: str) -> Table:
    return report.table(
        title, "operation", "server", "a second", "p50 ms", "p99 ms", "spread", "undisturbed",
        "their p99 ms", "slowest ms", "over 100 ms", "longest pause ms", "no good answer", "behind",
        "reached",
    )  # fmt: skip


def check(report: Report, operation: str, server: str, outcome: Outcome) -> None:
    """Anything but good answers is a fault."""
    if outcome.bad() or not outcome.answers:
        good = len(outcome.good())
        report.faults.append(
            f"{operation}, {server}: {good} good answers, and {outcome.bad()} that are none"
        )


def tell(
    table: Table,
    operation: str,
    server: str,
    outcomes: Sequence[Outcome],
    *,
    is_target: bool = False,
) -> None:
    """A row for the rounds of one load. The target: every answer a good one, and in the middle
    round p99 under 10 ms, and nothing over 100."""
    bad = sum(one.bad() for one in outcomes)
    is_answered = bad == 0 and all(one.answers for one in outcomes)
    rates = [one.rate for one in outcomes]
    some = [one for one in outcomes if one.good()]
    if not some:
        reached = False if is_target else None
        table.add(operation, server, median(rates), *[None] * 8, bad, None, reached)
        return
    p50s, p99s, slowest = ([one.percentile(part) for one in some] for part in (0.5, 0.99, 1.0))
    p99 = Spread.of(p99s)
    calm = [[answer.took for answer in one.undisturbed()] for one in some]
    shares = [len(took) / len(one.good()) for took, one in zip(calm, some, strict=True)]
    theirs = [percentile(took, 0.99) for took in calm if took]
    behind = [one.behind for one in some]
    is_reached = is_answered and p99.median < _TARGET and median(slowest) < _STALL
    table.add(
        *(operation, server, median(rates), median(p50s), p99.median, p99, median(shares)),
        *(median(theirs) if theirs else None, median(slowest)),
        sum(answer.took > _STALL for one in outcomes for answer in one.answers),
        *(median(one.stall() for one in some), bad, median(behind)),
        is_reached if is_target else None,
        undisturbed=shares,
        behind=behind,
        **{"a second": rates, "p50 ms": p50s, "slowest ms": slowest},
    )


if __name__ == "__main__":
    sys.exit(run("stalls", __doc__, measure, USUAL))
