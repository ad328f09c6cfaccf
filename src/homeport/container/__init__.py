"""The one composition root: which adapter stands behind which port, and who gets what.

`build(definition)` gives a Backend. Modules of adapters that the definition does not choose
are never imported, nor are services that nobody asks for: a function that stores records never
loads what searches. Everything is built when it is first asked for.
"""

from __future__ import annotations

from typing import Any

from dependency_injector import providers

from homeport.container.backend import CONSUMERS, Backend
from homeport.container.choosing import Place, call, ignore
from homeport.container.parts import Container
from homeport.definition import Definition, DefinitionError, Problem
from homeport.domain.pauses import go_on

__all__ = [
    "CONSUMERS",
    "Backend",
    "Container",
    "Place",
    "assemble",
    "build",
    "call",
    "check_own_adapters",
    "go_on",
    "ignore",
]


def assemble(definition: Definition, **overrides: Any) -> Container:
    """The parts of a backend as `definition` describes it. `overrides` replace parts by name:
    `clock`, `ids`, `retry`, `offload`, `pause`, `on_aws_call`, `place` (where this process
    stands to the data folder), or a port's adapter."""
    container = Container(definition=definition)
    for name, part in overrides.items():
        getattr(container, name).override(providers.Object(part))
    return container


def build(definition: Definition, **overrides: Any) -> Backend:
    """A backend as `definition` describes it, with `overrides` as `assemble` takes them."""
    return Backend(assemble(definition, **overrides))


def check_own_adapters(definition: Definition) -> None:
    """Import the adapters that are not ours, and see whether they can be made and have what their
    ports ask for. Nothing is made. Raises DefinitionError with all that cannot be used."""
    from homeport.container.own_adapters import checked

    container: Any = Container(definition=definition)
    names = {"search.shadow": "shadow_index", "adapters.search_index": "first_index"}
    problems: list[Problem] = []
    for key, port, adapter in definition.own_adapters():
        chosen = getattr(container, names.get(key, port))
        try:
            checked(port, key, adapter, chosen.providers["own"].kwargs)
        except DefinitionError as error:
            problems += error.problems
    if problems:
        raise DefinitionError(problems)
