"""More members in a space, and more spaces of one identity.

There is one server, which the sizes take by turns. Its memberships are written while it is stopped.
"""

from __future__ import annotations

import http.client
import random
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

from benchmarks.harness import wrk
from benchmarks.harness.command import Settings
from benchmarks.harness.corpus import documents, words
from benchmarks.harness.results import Report
from benchmarks.harness.rounds import Spread, interleaved, ratios
from benchmarks.harness.traffic import Caller, Request, call, checked, write
from benchmarks.harness.wrk import Load
from benchmarks.servers import homeport
from homeport.container import build
from homeport.definition import load
from homeport.domain.model.data import Data
from homeport.domain.model.membership import Membership, Role
from homeport.domain.model.record import Key
from homeport.domain.model.writes import Put

_MEMBERS: Final = (1, 10, 100, 1000)
_SPACES: Final = (1, 20, 195)
"""An identity may be in 200: one here is in those with members as well."""
_RECORDS: Final = 200


def by_members(settings: Settings, report: Report, folder: Path) -> None:
    data = list(documents(_RECORDS, quick=settings.quick))
    with homeport.serving(folder) as it:
        callers = {count: _guest(it.address) for count in _SPACES}
    members = _MEMBERS[:2] if settings.quick else _MEMBERS
    spaces = _SPACES[:2] if settings.quick else _SPACES
    caller = callers[_SPACES[0]]
    _fill(folder, data, caller, callers, members, spaces)
    with homeport.serving(folder) as it:
        _settle(it.address, caller)

        def measured(requests: list[Request]) -> Load:
            checked(it.address, requests, 5)
            raw = (one.raw(it.address) for one in requests)
            load = wrk.wrk(
                it.address, write(folder / "traffic", raw), settings.seconds, connections=1
            )
            if load.bad:
                raise RuntimeError(f"{requests[0].path}: {load.bad} answers were no good ones")
            return load

        def by_turns(sides: dict[int, Callable[[], Load]]) -> dict[int, list[float]]:
            loads = interleaved(settings.rounds, sides)
            return {count: [one.p50 for one in some] for count, some in loads.items()}

        by_space = {
            operation: by_turns(
                {
                    one: partial(measured, _requests(operation, f"members-{one}", caller, data))
                    for one in members
                }
            )
            for operation in ("get", "list", "create")
        }
        searches = by_turns(
            {count: partial(measured, _searches(callers[count], data)) for count in spaces}
        )
    tell(report, "members of a space", by_space)
    tell(report, "spaces of an identity", {"search a word": searches})


def tell(report: Report, grown: str, p50: Mapping[str, Mapping[int, Sequence[float]]]) -> None:
    """Of each operation, the middle request's milliseconds in each round, by how many there are."""
    column = grown.partition(" ")[0]
    table = report.table(f"By {grown}: p50 in ms", column, *p50)
    compared = report.table(
        f"p50 with the most {grown} over p50 with the fewest, within a round",
        *("operation", "median", "spread"),
    )
    for count in next(iter(p50.values())):
        rounds = {operation: by_count[count] for operation, by_count in p50.items()}
        table.add(count, *(Spread.of(some).median for some in rounds.values()), **rounds)
    for operation, by_count in p50.items():
        ratio = ratios(by_count[max(by_count)], by_count[min(by_count)])
        compared.add(operation, ratio.median, ratio)


def _fill(
    folder: Path,
    data: list[dict[str, Any]],
    caller: Caller,
    callers: dict[int, Caller],
    members: tuple[int, ...],
    spaces: tuple[int, ...],
) -> None:
    backend = build(load(folder, {"HOMEPORT_DATA_FOLDER": str(folder / "data")}))
    try:
        for count in members:
            space = f"members-{count}"
            backend.store.put_membership(Membership(space, caller.id, Role.WRITER))
            for number in range(count - 1):
                one = Membership(space, f"somebody-{number}", Role.WRITER)
                backend.store.put_membership(one)
            for start in range(0, len(data), homeport.BATCH):
                backend.store.write(
                    [
                        Put(Key(space, "notes", f"note-{start + place}"), caller.id, Data.of(one))
                        for place, one in enumerate(data[start : start + homeport.BATCH])
                    ]
                )
        for count in spaces:
            for number in range(count):
                space = f"space-{count}-{number}"
                backend.store.put_membership(Membership(space, callers[count].id, Role.WRITER))
                note = Put(
                    Key(space, "notes", "note"),
                    callers[count].id,
                    Data.of(data[number % len(data)]),
                )
                backend.store.write([note])
    finally:
        backend.close()


def _requests(
    operation: str, space: str, caller: Caller, data: list[dict[str, Any]]
) -> list[Request]:
    path = f"/v1/records/{space}/notes"
    chance = random.Random(7)
    match operation:
        case "get":
            ids = [f"note-{chance.randrange(len(data))}" for _ in range(500)]
            return [Request("GET", f"{path}/{one}", caller) for one in ids]
        case "list":
            page = f"{path}?limit=20"
            return [Request("GET", page, caller, check=lambda it: len(it["items"]) == 20)]
        case _:
            return [Request("POST", path, caller, one) for one in data]


def _searches(caller: Caller, data: list[dict[str, Any]]) -> list[Request]:
    return [Request("GET", f"/v1/search?q={one}&limit=10", caller) for one in words(data)]


def _guest(address: str) -> Caller:
    connection = http.client.HTTPConnection(address, timeout=60)
    answer = call(connection, Request("POST", "/v1/identity/guest", body={}))
    connection.close()
    return Caller(answer["identity"]["id"], answer["access_token"])


def _settle(address: str, caller: Caller) -> None:
    import time

    connection = http.client.HTTPConnection(address, timeout=60)
    deadline = time.monotonic() + 60
    while not call(connection, Request("GET", "/local/status", caller))["idle"]:
        if time.monotonic() > deadline:
            raise RuntimeError("the index has not caught up")
        time.sleep(0.02)
    connection.close()
