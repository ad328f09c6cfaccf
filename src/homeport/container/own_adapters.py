"""Adapters that are not ours: whether one can be what the definition says that it is.

A wrong one is told by its key before a request comes upon it. What it lacks is read off the port,
once it is made: a constructor may set methods and properties that the class does not have.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import partial
from importlib import import_module
from types import FunctionType
from typing import Any, Final

from homeport.definition import Adapter, DefinitionError, Problem, dotted

_METHODS: Final = (FunctionType, staticmethod, classmethod)
_GATHERING: Final = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def made(port: str, key: str, adapter: Adapter, **parts: Any) -> Any:
    """The adapter: its options, and those of `parts` that its constructor names. Raises
    DefinitionError, under `key`, where it cannot be made or has not what the port asks for."""
    kind = checked(port, key, adapter, parts)
    named = _parameters(kind) or {}
    given = {name: part for name, part in parts.items() if name in named}
    part = kind(**given, **adapter.options)
    _refuse(key, adapter, _faults(port, part))
    return part


def checked(port: str, key: str, adapter: Adapter, parts: Collection[str]) -> Callable[..., Any]:
    """What makes the adapter, imported and looked at: nothing is made. Raises DefinitionError."""
    kind = _imported(key, adapter)
    if not callable(kind):
        _refuse(key, adapter, [f"is not a class but {type(kind).__name__}"])
    problems = list(_misfits(kind, key, adapter, parts))
    if problems:
        raise DefinitionError(problems)
    if isinstance(kind, type):
        if inspect.isabstract(kind) or getattr(kind, "_is_protocol", False):
            _refuse(key, adapter, ["is abstract: name a class that does what it says"])
        _refuse(key, adapter, list(_misfitting(port, kind)))
    return kind  # type: ignore[no-any-return]  # it is callable


def _imported(key: str, adapter: Adapter) -> Any:
    module, _, name = adapter.use.partition(":")
    try:
        return getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        reason = f'"{adapter.use}" cannot be imported: {error}.'
        raise DefinitionError([Problem("", key, reason)]) from error


def _misfits(
    kind: Callable[..., Any], key: str, adapter: Adapter, parts: Collection[str]
) -> Iterator[Problem]:
    """What of the options the constructor does not take, and what it wants besides."""
    parameters = _parameters(kind)
    if parameters is None:
        return
    plain = [one for one in parameters.values() if one.kind not in _GATHERING]
    takes = [one.name for one in plain if one.name not in parts]
    takes_any = any(one.kind is inspect.Parameter.VAR_KEYWORD for one in parameters.values())
    for option in adapter.options:
        at = f"{key}.options.{dotted((option,))}"
        if option in parts and option in parameters:
            reason = "this comes from the backend: leave it out, or give the parameter another name"
            yield Problem("", at, reason)
        elif not takes_any and option not in takes:
            allowed = f"Allowed: {', '.join(takes)}." if takes else "It takes none."
            yield Problem("", at, f'"{adapter.use}" has no such option. {allowed}')
    for one in plain:
        unset = one.default is inspect.Parameter.empty and one.name not in adapter.options
        if unset and one.name not in parts:
            known = ", ".join(sorted(parts))
            reason = (
                f'"{adapter.use}" needs `{one.name}`: give it in `options`. Without them a '
                f"constructor gets what it names of {known}."
            )
            yield Problem("", key, reason)


def _parameters(kind: Callable[..., Any]) -> Mapping[str, inspect.Parameter] | None:
    try:
        return inspect.signature(kind).parameters
    except ValueError:  # some that are written in C do not tell
        return None


def _faults(port: str, part: Any) -> list[str]:
    """What an adapter that was made has not of its port."""
    methods, properties = _asked(port)
    lacking = [one for one in (*methods, *properties) if not _has(part, one)]
    if lacking:
        what = f"is no {port.replace('_', ' ')}: it has no {', '.join(lacking)}"
        return [what]
    return [
        fault
        for method, declared in methods.items()
        if (fault := _misfit(part, method, declared)) is not None
    ]


def _misfitting(port: str, kind: type) -> Iterator[str]:
    """Why methods that a class has would not do. What it lacks its constructor may set yet."""
    for method, declared in _asked(port)[0].items():
        if isinstance(inspect.getattr_static(kind, method, None), _METHODS):
            fault = _misfit(kind, method, declared)
            if fault is not None:
                yield fault


def _asked(port: str) -> tuple[Mapping[str, Callable[..., Any]], list[str]]:
    """The port's methods by name, and the names of its properties."""
    name = "".join(word.title() for word in port.split("_"))
    asked = vars(getattr(import_module(f"homeport.domain.ports.{port}"), name))
    public = {one: value for one, value in asked.items() if not one.startswith("_")}
    methods = {one: value for one, value in public.items() if inspect.isfunction(value)}
    return methods, [one for one, value in public.items() if isinstance(value, property)]


def _has(part: Any, name: str) -> bool:
    # The class first: no property is computed.
    return hasattr(type(part), name) or hasattr(part, name)


def _misfit(part: Any, name: str, declared: Callable[..., Any]) -> str | None:
    """Why a method cannot be called as the port's is."""
    method = getattr(part, name)
    if not callable(method):
        return f"has a `{name}` that is no method"
    if inspect.iscoroutinefunction(method):
        return f"has an async `{name}`: nothing would wait for it"
    if isinstance(part, type) and inspect.isfunction(inspect.getattr_static(part, name)):
        method = partial(method, None)  # itself
    wanted = list(inspect.signature(declared).parameters)[1:]
    try:
        inspect.signature(method).bind(*wanted)
    except ValueError:
        return None
    except TypeError:
        return f"has a `{name}` that does not take {', '.join(wanted) or 'no arguments'}"
    return None


def _refuse(key: str, adapter: Adapter, faults: list[str]) -> None:
    if faults:
        raise DefinitionError([Problem("", key, f'"{adapter.use}" {one}') for one in faults])
