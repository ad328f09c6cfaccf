"""Loads the container without what dependency-injector looks for and nothing here uses.

It can wire web frameworks and read settings' models, and loads each such package that is
installed: in an environment with some of them, half as long as all else that a start takes.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import TYPE_CHECKING, Final

from homeport.definition import Adapters, Definition

if TYPE_CHECKING:
    from homeport.container import Backend

_LOOKED_FOR: Final = (
    "fast_depends",
    "fastapi",
    "pydantic",
    "pydantic_settings",
    "starlette",
    "werkzeug",
    "yaml",
)


def builder(definition: Definition) -> Callable[..., Backend]:
    """`homeport.container.build`."""
    if _has_own_code(definition):
        from homeport.container import build
    else:
        with _without(*_LOOKED_FOR):
            from homeport.container import build
    return build


def _has_own_code(definition: Definition) -> bool:
    """An app's own code may use these packages with dependency-injector."""
    adapters = (getattr(definition.adapters, port) for port in Adapters.names())
    return bool(definition.subscribers) or not all(one.built_in for one in adapters)


@contextmanager
def _without(*names: str) -> Iterator[None]:
    """Let these packages not be found, but for those that are loaded already. Of pydantic the
    version is asked, whether or not it is there."""
    placed: dict[str, ModuleType | None] = dict.fromkeys(names)
    placed["pydantic"] = ModuleType("pydantic")
    vars(placed["pydantic"])["VERSION"] = "2"
    placed = {name: one for name, one in placed.items() if name not in sys.modules}
    sys.modules.update(placed)  # type: ignore[arg-type]  # None is what the language has for it
    try:
        yield
    finally:
        for name, one in placed.items():
            if sys.modules.get(name, name) is one:
                del sys.modules[name]
