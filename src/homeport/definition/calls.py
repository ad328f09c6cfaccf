"""Finds the functions that a definition's subscribers name."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from typing import Any, Final

from homeport.definition.problems import DefinitionError, Problem, dotted
from homeport.definition.subscribers import SubscriberSettings
from homeport.domain.subscribers import Subscription

_BACKEND: Final = "backend"
"""A function with a parameter of this name gets the whole backend there."""


def subscriptions(settings: Sequence[SubscriberSettings], backend: object) -> list[Subscription]:
    """Import each function. Raises DefinitionError with all that cannot be called."""
    found: list[Subscription] = []
    problems: list[Problem] = []
    for place, one in enumerate(settings):
        try:
            call = _function(one.call, backend)
        except ValueError as error:
            key = dotted(("subscribers", place, "call"))
            problems.append(Problem("", key, f'"{one.call}" {error}'))
        else:
            found.append(Subscription(one.name, frozenset(one.on), call))
    if problems:
        raise DefinitionError(problems)
    return found


def _function(path: str, backend: object) -> Callable[..., object]:
    """The function at `package.module:function`. ValueError says what is wrong with it."""
    module, _, name = path.partition(":")
    try:
        call: Any = getattr(import_module(module), name)
    except (Exception, SystemExit) as exc:
        reason = exc if isinstance(exc, ImportError | AttributeError) else repr(exc)
        raise ValueError(f"cannot be imported: {reason}") from exc
    if not callable(call):
        raise ValueError(f"is not a function but {type(call).__name__}")  # noqa: TRY004 - one kind for all
    if inspect.iscoroutinefunction(call) or inspect.isgeneratorfunction(call):
        raise ValueError("must be a plain function: an async one or a generator would not run")
    try:
        signature = inspect.signature(call)
    except ValueError:  # some that are written in C do not tell
        return call  # type: ignore[no-any-return]  # it is callable
    named = signature.parameters.get(_BACKEND)
    extra = {} if named is None else {_BACKEND: backend}
    try:
        signature.bind(None, None, **extra)
    except TypeError as exc:
        raise ValueError("must take an event and a record") from exc
    return partial(call, **extra) if extra else call
