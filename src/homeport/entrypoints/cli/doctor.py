"""`homeport doctor`: every check, one after the other, whatever the ones before have found."""

from __future__ import annotations

import json
from argparse import Namespace
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from pathlib import Path

from homeport.definition import Adapters, Definition
from homeport.entrypoints.cli import aws_checks, checks, data_checks, opensearch_checks
from homeport.entrypoints.cli.checks import Finding, Status
from homeport.entrypoints.cli.exits import Exit, Failure
from homeport.entrypoints.cli.opening import definition_of, source_of

_SIGNS = {Status.OK: "ok     ", Status.WARNING: "warning", Status.FAULT: "FAULT  "}

_CORRECT = "Correct it: `homeport init` writes a file that explains each setting."


def run(arguments: Namespace) -> int:
    findings: list[Finding] = []
    for finding in _examine(arguments):
        findings.append(finding)
        if not arguments.json:
            _tell(finding)
    counts = Counter(one.status for one in findings)
    if arguments.json:
        print(json.dumps({"checks": [asdict(one) for one in findings]}, indent=2))
    else:
        faults, warnings = counts[Status.FAULT], counts[Status.WARNING]
        print(
            "\nAll is well."
            if not faults + warnings
            else f"\nFaults: {faults}; warnings: {warnings}."
        )
    return Exit.FAILED if counts[Status.FAULT] else Exit.OK


def _examine(arguments: Namespace) -> Iterator[Finding]:
    yield from _guarded("versions", checks.versions)
    try:
        found = definition_of(arguments)
    except Failure as failure:
        for line in str(failure).splitlines():
            yield checks.fault(
                "definition", line, "Correct it: `homeport init` explains each setting."
            )
        if arguments.data is None:
            return
        # The folder is named all the same: it can be looked at.
        found = Definition(data_folder=Path(arguments.data))
        known = False
    else:
        known = True
        source = source_of(arguments.definition)
        yield from _guarded("definition", lambda: checks.definition(found, source))
        for check, look in aws_checks.looks(found):
            yield from _guarded(check, look)
        if found.adapters.search_index.use == "opensearch":
            yield from _guarded("search", lambda: opensearch_checks.index(found))
        if not _in_a_folder(found):
            yield from _guarded("server", lambda: data_checks.server(found, None))
            return
    place = found.data_folder
    yield from _guarded("folder", lambda: data_checks.folder(place))
    yield from _guarded("disk", lambda: data_checks.disk(place))
    held_by = _holder(place)
    served = held_by is not None
    settings = found if known else None
    yield from _guarded("database", lambda: data_checks.database(place, settings, served=served))
    if known:
        yield from _guarded("index", lambda: data_checks.index(place, found))
        yield from _guarded("server", lambda: data_checks.server(found, held_by))


def _in_a_folder(found: Definition) -> bool:
    uses = {getattr(found.adapters, port).use for port in Adapters.names()}
    return "embedded" in uses


def _guarded(check: str, look: Callable[[], Iterable[Finding]]) -> Iterator[Finding]:
    """What a check finds. One that fails itself is a finding too, and the others go on."""
    try:
        yield from look()
    except ModuleNotFoundError as error:
        yield checks.fault(
            check, f"Not looked at: the package {error.name} is missing.", "See packages."
        )
    except Exception as error:  # noqa: BLE001 - whatever it is, the operator is to see the rest
        detail = f"Not looked at: {type(error).__name__}: {error}"
        yield checks.fault(check, detail, "Where the other findings do not say why: report it.")


def _holder(place: Path) -> str | None:
    try:
        from homeport.adapters.embedded.examination import holder
    except ModuleNotFoundError:
        return None
    return holder(place)


def _tell(finding: Finding) -> None:
    print(f"{_SIGNS[finding.status]}  {finding.name:12}  {finding.detail}", flush=True)
    if finding.cure:
        print(f"{'':23}{finding.cure}", flush=True)
