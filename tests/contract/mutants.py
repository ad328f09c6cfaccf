"""What the broken adapters break, method by method of the ports.

A mutant breaks what it overrides of its port. One that overrides the sound adapter's inner
workings says with `breaks` which methods of the port go wrong by it.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeVar

from homeport.domain import ports
from homeport.testing.contract import Contract

_BREAKS: Final = "__breaks__"
_T = TypeVar("_T")


def breaks(*methods: Callable[..., Any]) -> Callable[[type[_T]], type[_T]]:
    """Say which methods of its port a mutant breaks, beside those that it overrides."""

    def mark(mutant: type[_T]) -> type[_T]:
        setattr(mutant, _BREAKS, frozenset(method.__name__ for method in methods))
        return mutant

    return mark


@dataclass(frozen=True, slots=True)
class Herd:
    """The mutants of one port: what each is called -> its class, a subclass of `sound`.

    `suite` makes the contract suite over such a class; `adapter` is what the mutants derive
    from where the suite is given something that holds one.
    """

    name: str
    port: type
    sound: type
    suite: Callable[[Any], type[Contract]]
    mutants: Mapping[str, type]
    part: Mapping[str, Callable[[Any], type[Contract]]] | None = None
    """Mutants that only a part of the suite is run over, as the rest takes long."""

    def suites(self) -> dict[str, type[Contract]]:
        """What is wrong -> the suite over it."""
        parts = self.part or {}
        return {name: parts.get(name, self.suite)(one) for name, one in self.mutants.items()}


def methods_of(port: type) -> frozenset[str]:
    """The public methods and properties of a port."""
    return frozenset(
        name
        for kind in port.__mro__
        if kind not in {Protocol, object}
        for name, value in vars(kind).items()
        if not name.startswith("_") and (inspect.isfunction(value) or isinstance(value, property))
    )


def broken_by(mutant: type, sound: type, port: type) -> frozenset[str]:
    """The methods of `port` that this mutant of `sound` breaks."""
    made = [kind for kind in mutant.__mro__ if not issubclass(sound, kind)]
    overridden = {name for kind in made for name in vars(kind)}
    said: set[str] = set().union(*(vars(kind).get(_BREAKS, ()) for kind in made))
    return methods_of(port) & (overridden | said)


def every_port() -> list[type]:
    """Every port of the domain."""
    modules = [
        importlib.import_module(f"{ports.__name__}.{one.name}")
        for one in pkgutil.iter_modules(ports.__path__)
    ]
    return [
        kind
        for module in modules
        for kind in vars(module).values()
        if inspect.isclass(kind)
        and getattr(kind, "_is_protocol", False)
        and kind.__module__ == module.__name__
    ]


def without_mutant(every: Iterable[type], herds: Iterable[Herd]) -> list[str]:
    """`Port.method` for each public method and property that no mutant breaks."""
    covered = {
        (herd.port, method)
        for herd in herds
        for mutant in herd.mutants.values()
        for method in broken_by(mutant, herd.sound, herd.port)
    }
    return [
        f"{port.__name__}.{method}"
        for port in every
        for method in sorted(methods_of(port))
        if (port, method) not in covered
    ]
