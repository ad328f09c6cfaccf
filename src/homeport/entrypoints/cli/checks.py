"""What `homeport doctor` finds of the program and the definition. Nothing is changed."""

from __future__ import annotations

import platform
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from importlib import metadata
from typing import Final

from homeport import __version__
from homeport.definition import Adapters, Definition, DefinitionError
from homeport.domain.errors import HomeportError
from homeport.entrypoints.cli.exits import Failure
from homeport.entrypoints.cli.opening import find_own_code, look_at_own_adapters

_OPTIONAL: Final = re.compile(r"^([A-Za-z0-9_.-]+).*extra == ['\"](\w+)['\"]")


class Status(StrEnum):
    OK = "ok"
    WARNING = "warning"
    FAULT = "fault"


@dataclass(frozen=True, slots=True)
class Finding:
    """What the check `name` found, as sentences. `cure` is what to do, where something is wrong."""

    name: str
    status: Status
    detail: str
    cure: str = ""


def ok(name: str, detail: str) -> Finding:
    return Finding(name, Status.OK, detail)


def warning(name: str, detail: str, cure: str) -> Finding:
    return Finding(name, Status.WARNING, detail, cure)


def fault(name: str, detail: str, cure: str) -> Finding:
    return Finding(name, Status.FAULT, detail, cure)


def versions() -> Iterator[Finding]:
    """This program, what it runs on, and the packages of a server."""
    yield ok("versions", f"homeport {__version__}, Python {platform.python_version()}")
    yield from packages("local")


def packages(extra: str) -> Iterator[Finding]:
    """The packages of one of the distribution's extras."""
    found, missing = [], []
    for line in metadata.requires("homeport") or ():
        named = _OPTIONAL.match(line)
        if named is None or named[2] != extra:
            continue
        try:
            found.append(f"{named[1]} {metadata.version(named[1])}")
        except metadata.PackageNotFoundError:
            missing.append(named[1])
    if missing:
        detail = f"Missing: {', '.join(missing)}."
        yield fault("packages", detail, f"Run: pip install 'homeport[{extra}]'")
    else:
        yield ok("packages", ", ".join(found))


def definition(found: Definition, source: str) -> Iterator[Finding]:
    """Settings that load: whether what they name is there."""
    chosen = {port: getattr(found.adapters, port).use for port in Adapters.names()}
    uses = ", ".join(sorted(set(chosen.values())))
    names = ", ".join(one.name for one in found.catalog().declared()) or "none"
    yield ok("definition", f"{source}; adapters: {uses}; collections: {names}")
    if chosen["push_gateway"] == "embedded":
        yield ok("pushes", "kept in the data folder, sent nowhere")
    try:
        look_at_own_adapters(found)
    except Failure as failure:
        for line in str(failure).splitlines():
            yield fault("adapters", line, "Install it, or correct the setting or the adapter.")
    yield from _schemas(found)
    yield from _subscribers(found)


def _schemas(found: Definition) -> Iterator[Finding]:
    from homeport.container import build

    schemas = build(found).schemas
    for name in schemas.declared():
        try:
            schemas.of(name)
        except (HomeportError, ModuleNotFoundError) as error:
            yield fault(f"schema of {name}", str(error), "Correct the schema.")


def _subscribers(found: Definition) -> Iterator[Finding]:
    from homeport.definition.calls import subscriptions

    find_own_code()
    try:
        subscriptions(found.subscribers, None)
    except DefinitionError as error:
        for problem in error.problems:
            yield fault("subscribers", str(problem), "Correct `call`, or install its module.")
