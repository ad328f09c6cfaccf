"""What import-linter cannot say: the domain imports nothing but the standard library."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import homeport

PACKAGE = Path(homeport.__file__).parent
DOMAIN = PACKAGE / "domain"


def imports(source: str) -> Iterator[str]:
    """The full name of everything that a module imports, wherever in it."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "." * node.level + (node.module or "")


def test_the_domain_imports_only_itself_and_the_standard_library() -> None:
    modules = sorted(DOMAIN.rglob("*.py"))
    assert modules
    strangers = [
        f"{module.relative_to(PACKAGE)} imports {name}"
        for module in modules
        for name in imports(module.read_text())
        if not name.startswith("homeport.domain")
        and name.partition(".")[0] not in sys.stdlib_module_names
    ]
    assert strangers == []


def test_the_domain_does_no_io_of_its_own() -> None:
    """Time, randomness, files and sockets come in through ports."""
    outside = {
        "asyncio", "http", "io", "multiprocessing", "os", "pathlib", "random", "secrets", "shutil",
        "socket", "sqlite3", "ssl", "subprocess", "tempfile", "threading", "time", "urllib",
    }  # fmt: skip
    found = [
        f"{module.relative_to(PACKAGE)} imports {name}"
        for module in sorted(DOMAIN.rglob("*.py"))
        for name in imports(module.read_text())
        if name.partition(".")[0] in outside
    ]
    assert found == []


def test_every_folder_is_a_package_so_that_the_wheel_has_it() -> None:
    folders = {module.parent for module in PACKAGE.rglob("*.py")}
    assert [folder for folder in sorted(folders) if not (folder / "__init__.py").is_file()] == []
    assert (PACKAGE / "py.typed").is_file()
