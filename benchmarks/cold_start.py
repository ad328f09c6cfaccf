"""How long a function takes from the start of its process to its first answer.

Ours are bundles, as they are deployed, each with an event that it is there for; the others
answer a request with one item, with packages as pip installs them, and the bare one with trimmed
data as well. AWS is stood for by a server that answers at once what an
emulator answered before. What Lambda itself adds, and its runtime client, are the same for all
and are left out.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

from benchmarks.harness.command import Settings, run
from benchmarks.harness.results import Report
from benchmarks.harness.rounds import Spread, interleaved, ratios
from benchmarks.lambdas import deployed, processes
from benchmarks.lambdas.processes import Function, answered
from benchmarks.lambdas.stub_aws import Recorded, StubAws

USUAL: Final = Settings(rounds=15)
_TARGETS: Final = {"records": 1.0} | dict.fromkeys(
    ("search", "messages", "indexing", "delivery"), 1.2
)
_BARE: Final = "bare boto3"
_TRIMMED: Final = "bare boto3, its data trimmed as ours"
_KEYS: Final = {
    "AWS_REGION": "eu-west-1",
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
}


def measure(settings: Settings, report: Report, folder: Path) -> None:
    table = report.table(
        "From the process's start to its first answer", "function", "calls to AWS", "ms", "spread",
        "ratio to bare boto3", "its spread", "target", "reached",
    )  # fmt: skip
    sides: dict[str, Callable[[], float]] = {}
    calls: dict[str, int] = {}
    with StubAws() as aws:
        environ = {**_KEYS, "AWS_ENDPOINT_URL": aws.endpoint}
        if processes.are_peers_here():
            place = folder / "event.json"
            place.write_text(json.dumps(_event_of_peers()))
            for name in processes.PEERS:
                sides[name] = partial(_timed, processes.peer(name, place), environ, aws, ())
                calls[name] = 1
            trimmed = processes.trimmed(place, folder / "trimmed")
            sides[_TRIMMED] = partial(_timed, trimmed, environ, aws, ())
            calls[_TRIMMED] = 1
        else:
            report.leave_out("other functions: `make bench` installs them")
        with deployed.deployed() as around:
            told = {
                **environ,
                **around.environ,
                "HOMEPORT_AWS__SEARCH_ENDPOINT": aws.endpoint,
                "HOMEPORT_AWS__DOCUMENT_ENDPOINT": aws.endpoint,
            }
            for name in deployed.FUNCTIONS[: 1 if settings.quick else None]:
                print(f"  bundling {name} ...", flush=True)
                place = folder / f"{name}.json"
                event, marks = around.events[name]
                place.write_text(json.dumps(event))
                bundle = _bundled(name, folder / name)
                function = Function(name, (bundle,), "homeport_function", place, marks)
                aws.record(around.search)
                waited = answered(function, told).waited
                if waited:
                    report.notes.append(
                        f"{name} waits {waited:g} s on purpose: CloudSearch promises no order "
                        "within a second. That is left out of its time."
                    )
                recorded = aws.recorded
                sides[name] = partial(_timed, function, told, aws, recorded)
                calls[name] = len(recorded)
        found = interleaved(settings.rounds, sides)
    bare = found.get(_BARE)
    for name, took in found.items():
        spread = Spread.of([one * 1000 for one in took])
        ratio = None if bare is None else ratios(took, bare)
        target = _TARGETS.get(name)
        table.add(
            *(name, calls[name], spread.median, spread),
            *((None, None) if ratio is None else (ratio.median, ratio)),
            target,
            None if target is None or ratio is None else ratio.median <= target,
        )


def _timed(
    function: Function, environ: dict[str, str], aws: StubAws, recorded: list[Recorded] | tuple[()]
) -> float:
    aws.play(recorded)
    return answered(function, environ).start


def _bundled(name: str, folder: Path) -> Path:
    environ = {one: value for one, value in os.environ.items() if not one.startswith("HOMEPORT_")}
    subprocess.run(
        [Path(sys.executable).with_name("homeport"), "bundle", name, "-o", folder],
        cwd=folder.parent,
        env={**environ, "HOMEPORT_PROFILE": "aws"},
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return folder


def _event_of_peers() -> dict[str, object]:
    route = "GET /v1/records/{space}/{collection}/{id}"
    return processes.request(
        route, "/v1/records/me/notes/0197", id="0197", space="me", collection="notes"
    )


if __name__ == "__main__":
    sys.exit(run("cold_start", __doc__, measure, USUAL))
