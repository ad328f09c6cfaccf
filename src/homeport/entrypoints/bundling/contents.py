"""What goes into the bundle of a function."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import homeport
from homeport.definition import Adapters, Definition
from homeport.entrypoints.bundling.faults import BundleFault
from homeport.entrypoints.lambdas.needs import PORTS, SERVICES, services_called

_AWS: Final = frozenset(SERVICES)
_CORE: Final = ("dependency-injector", "pydantic")
_OF_ADAPTERS: Final = {
    ("identity_provider", "dynamodb"): ("argon2-cffi", "PyJWT"),
    ("search_index", "opensearch"): ("opensearch-py",),
}
"""Packages that an adapter needs beside botocore."""
_SCHEMA: Final = "jsonschema-rs"
_WRITING: Final = frozenset({"records", "subscribers"})
"""Functions whose services hold what they write against a collection's schema."""
_DESCRIBING: Final = "health"
_NEVER: Final = ("testing", "entrypoints/cli", "entrypoints/local", "entrypoints/bundling")


@dataclass(frozen=True, slots=True)
class Contents:
    """`distributions` are wanted by name; what they need in turn is not among them. `services`
    are those of AWS whose description goes along. `modules` are homeport's own, from its folder."""

    function: str
    distributions: tuple[str, ...]
    services: frozenset[str]
    modules: tuple[Path, ...]


def contents_of(function: str, definition: Definition) -> Contents:
    """What a function needs with the adapters that are chosen.

    Raises BundleFault where one of them cannot work in a function.
    """
    ports = tuple(Adapters.names()) if function == "subscribers" else PORTS[function]
    uses = [(port, use) for port in ports for use in definition.uses(port)]
    used = {use for _, use in uses}
    for port, use in uses:
        if use == "embedded":
            raise BundleFault(
                f'adapters.{port} is "embedded", which keeps its data on the machine: a function '
                "has none of its own. Choose another, as with HOMEPORT_PROFILE=aws."
            )
    wanted: list[str] = list(_CORE)
    on_aws = not _AWS.isdisjoint(used)
    if on_aws:
        # Ours call botocore; who calls AWS in code of their own expects boto3.
        wanted.append("boto3" if any(own_code(definition, function)) else "botocore")
    for one in uses:
        wanted += _OF_ADAPTERS.get(one, ())
    has_schema = function in _WRITING and any(
        one.schema is not None for one in definition.collections.values()
    )
    if has_schema:
        wanted.append(_SCHEMA)
    packages = {"memory": "memory" in used, "aws": on_aws, "jsonschema": has_schema}
    packages["credentials"] = "identity_provider" in ports
    packages["opensearch"] = "opensearch" in used
    chosen = {name for name, is_needed in packages.items() if is_needed}
    return Contents(
        function,
        tuple(dict.fromkeys(wanted)),
        frozenset(services_called(ports, function, definition)),
        tuple(_modules(function, chosen)),
    )


def own_code(definition: Definition, function: str) -> Iterator[str]:
    """The top-level names of adapters that are not ours, and of subscribers."""
    ports: Iterable[str] = PORTS[function]
    if function == "subscribers":
        ports = Adapters.names()
        yield from (_top(one.call) for one in definition.subscribers)
    for _, port, adapter in definition.own_adapters():
        if port in ports:
            yield _top(adapter.use)


def _top(path: str) -> str:
    return path.partition(":")[0].partition(".")[0]


def _modules(function: str, adapters: set[str]) -> Iterator[Path]:
    root = Path(homeport.__file__).parent
    for file in sorted(root.rglob("*.py")):
        path = file.relative_to(root)
        name = path.as_posix()
        if name.startswith(tuple(f"{one}/" for one in _NEVER)):
            continue
        if path.parts[0] == "adapters" and len(path.parts) > 2 and path.parts[1] not in adapters:
            continue
        if path.name.startswith("openapi") and function != _DESCRIBING:
            continue
        yield path
