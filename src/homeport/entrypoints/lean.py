"""Loads dependency-injector without what it looks for and nothing here uses.

It can wire web frameworks, read settings' models and await what it provides. It loads each such
package that is installed, and asyncio: in a function a twentieth of a start, and for a command in
an environment with some of them half as long as all else.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import Any, Final

_LOOKED_FOR: Final = (
    "fast_depends",
    "fastapi",
    "pydantic_settings",
    "starlette",
    "werkzeug",
    "yaml",
)
_AWAITING: Final = ("Future", "ensure_future", "gather", "iscoroutinefunction")
"""What it takes from asyncio."""


def load() -> None:
    """Load it so. For a process that has one thread yet, and in which no code of an app's own uses
    these packages with it: it does not come to know pydantic's settings or web frameworks, and
    asyncio does not know its providers for coroutine functions."""
    with _standing_in():
        import dependency_injector.containers
        import dependency_injector.providers  # noqa: F401  # it is loaded, no more


@contextmanager
def _standing_in() -> Iterator[None]:
    """Let the packages not be found, but for those that are loaded already. Of pydantic the
    version is asked, whether or not it is there; asyncio is loaded when something of it is used,
    or asked for that is not known here."""
    placed: dict[str, ModuleType | None] = dict.fromkeys(_LOOKED_FOR)
    placed["pydantic"] = _module("pydantic", VERSION="2")
    placed["asyncio"] = _module(
        "asyncio", __getattr__=_of_asyncio, **{name: _late(name) for name in _AWAITING}
    )
    placed = {name: one for name, one in placed.items() if name not in sys.modules}
    sys.modules.update(placed)  # type: ignore[arg-type]  # None is what the language has for it
    try:
        yield
    finally:
        for name, one in placed.items():
            if sys.modules.get(name, name) is one:
                del sys.modules[name]


def _module(name: str, **content: object) -> ModuleType:
    module = ModuleType(name)
    vars(module).update(content)
    return module


def _late(name: str) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        return _of_asyncio(name)(*args, **kwargs)

    return call


def _of_asyncio(name: str) -> Any:
    """Something of the real one. Raises AttributeError for what the language asks of a module."""
    if name.startswith("__"):
        raise AttributeError(name)
    if vars(sys.modules.get("asyncio", sys)).get("__getattr__") is _of_asyncio:
        del sys.modules["asyncio"]
    return getattr(import_module("asyncio"), name)
