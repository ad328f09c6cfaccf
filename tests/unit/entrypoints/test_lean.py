"""The container, loaded without what it does not use. Each test needs a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

LOAD = "import sys; from homeport.entrypoints import lean; lean.load()\n"


def told(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", LOAD + code], capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout.strip()


def test_a_backend_is_built_without_what_nothing_here_uses(tmp_path: Path) -> None:
    code = f"""
from homeport import container
from homeport.definition import load
backend = container.build(load({str(tmp_path)!r}, {{"HOMEPORT_PROFILE": "memory"}}))
backend.records, backend.search, backend.messages
print(sorted({{"asyncio", "pydantic", "fastapi", "yaml", "starlette"}} & set(sys.modules)))
"""
    assert told(code) == "[]"


def test_what_stood_in_is_gone_afterwards() -> None:
    assert (
        told("import asyncio, pydantic; print(asyncio.run.__name__, pydantic.BaseModel.__name__)")
        == "run BaseModel"
    )


def test_what_is_awaited_is_awaited_all_the_same() -> None:
    assert (
        told("""
import asyncio
from dependency_injector import containers, providers

async def number() -> int:
    return 20

class Parts(containers.DeclarativeContainer):
    number = providers.Coroutine(number)
    both = providers.Callable(lambda one, other: one + other, number, number)
    kept = providers.Singleton(list, providers.List(number))

async def main() -> None:
    parts = Parts()
    print(await parts.both(), await parts.kept())

asyncio.run(main())
""")
        == "40 [20]"
    )


def test_what_is_loaded_already_stays() -> None:
    assert (
        told("""
import asyncio
before = sys.modules["asyncio"]
lean.load()
print(sys.modules["asyncio"] is before)
""")
        == "True"
    )


def test_what_another_version_asks_for_is_found_too(tmp_path: Path) -> None:
    """As older ones do, which a stand-in does not know."""
    package = tmp_path / "dependency_injector"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "containers.py").write_text("import asyncio\ntask = asyncio.tasks.Task\n")
    (package / "providers.py").write_text("from asyncio import CancelledError, Future\n")
    code = f"""
import sys
sys.path.insert(0, {str(tmp_path)!r})
from homeport.entrypoints import lean
lean.load()
import asyncio
from dependency_injector import containers, providers
print(containers.task is asyncio.Task, providers.CancelledError is asyncio.CancelledError)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "True True"
