"""What a warm handler itself costs, with the store stubbed, next to other ways to write one.

Ours checks who calls, reads the request, validates the data against the collection's schema and
writes the answer; the others look up one item and answer it.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

from benchmarks.harness.command import Settings, run
from benchmarks.harness.results import Report
from benchmarks.harness.rounds import Spread, interleaved
from benchmarks.lambdas import processes
from benchmarks.lambdas.processes import request
from benchmarks.lambdas.stub_aws import StubAws
from homeport.container import build
from homeport.definition import Definition
from homeport.domain.model.data import Data
from homeport.domain.model.record import Key, Record
from homeport.domain.model.writes import Guard, Write
from homeport.entrypoints.lambdas import records

USUAL: Final = Settings(rounds=7)
_TARGET: Final = 20.0
_CHECKED: Final = "create, checked by a schema"
_ROUTE: Final = "/v1/records/{space}/{collection}"
_PATH: Final = "/v1/records/me/notes"
_PLACE: Final = {"space": "me", "collection": "notes"}
_DATA: Final = {"title": "Soup", "body": "made to be counted", "n": 1, "done": False}
_SCHEMA: Final = {
    "required": ["title"],
    "properties": {"title": {"type": "string", "maxLength": 100}, "n": {"type": "integer"}},
}
_KEYS: Final = {"AWS_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "-", "AWS_SECRET_ACCESS_KEY": "-"}
"""With credentials nothing is asked of the machine that it runs on."""
_RECORD: Final = Record(
    Key("ann", "notes", "0197"), "ann", 1 << 40, 1 << 40, Data('{"title":"Soup","n":1}')
)


class StubStore:
    """Answers at once with the same record."""

    def get(self, key: Key, guard: Guard | None = None) -> Record:
        return _RECORD

    def write(self, writes: Sequence[Write], guard: Guard | None = None) -> list[Record]:
        return [_RECORD]


def measure(settings: Settings, report: Report, folder: Path) -> None:
    table = report.table(
        "A warm call, in microseconds", "handler", "median", "spread", "target", "reached"
    )
    collections: dict[str, Any] = {"checked": {"schema": _SCHEMA}}
    definition = Definition.of({"profile": "memory", "collections": collections})
    handler = records.build(build(definition, record_store=StubStore()))
    get = request(f"GET {_ROUTE}/{{id}}", f"{_PATH}/0197", id="0197", **_PLACE)
    create = request(f"POST {_ROUTE}", _PATH, _DATA, **_PLACE)
    checked = request(
        f"POST {_ROUTE}", "/v1/records/me/checked", _DATA, space="me", collection="checked"
    )
    calls: dict[str, Callable[[], float]] = {}
    for name, event, status in (
        ("GET", get, 200), ("create", create, 201), (_CHECKED, checked, 201),
    ):  # fmt: skip
        answer = handler(event, None)
        if answer["statusCode"] != status:
            raise RuntimeError(f"the handler answered {answer}")
        times = 20 if settings.quick else 1000
        calls[f"Homeport, {name}"] = partial(_microseconds, handler, event, times)
    with StubAws() as aws:
        if processes.are_peers_here():
            place = folder / "event.json"
            place.write_text(json.dumps(get))
            environ = {**_KEYS, "AWS_ENDPOINT_URL": aws.endpoint}
            for name in processes.PEERS:
                function = processes.peer(name, place)
                times = 20 if settings.quick else 1000
                calls[f"{name}, one item"] = partial(_warm, function, environ, times)
        else:
            report.leave_out("other handlers: `make bench` installs them")
        found = interleaved(settings.rounds, calls)
    for name, some in found.items():
        took = Spread.of(some)
        target = _TARGET if name == f"Homeport, {_CHECKED}" else None
        reached = None if target is None else took.median <= target
        table.add(name, took.median, took, target, reached)


def _warm(function: processes.Function, environ: dict[str, str], times: int) -> float:
    """Of a process of its own, whose first call has a store that answers, and whose others are
    timed."""
    return processes.answered(function, environ, times).warm


def _microseconds(handler: Callable[[Any, Any], object], event: Any, times: int) -> float:
    """Of the best of ten runs, as the others' are: the first ones warm up."""

    def run() -> float:
        started = time.perf_counter()
        for _ in range(times):
            handler(event, None)
        return (time.perf_counter() - started) / times * 1e6

    return min(run() for _ in range(10))


if __name__ == "__main__":
    sys.exit(run("handlers", __doc__, measure, USUAL))
