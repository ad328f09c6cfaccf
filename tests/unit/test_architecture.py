"""What import-linter cannot say: the domain imports nothing but the standard library."""

from __future__ import annotations

import ast
import re
import sys
from functools import cache
from pathlib import Path

import homeport

PACKAGE = Path(homeport.__file__).parent
DOMAIN = PACKAGE / "domain"


@cache
def imports() -> list[tuple[str, str]]:
    """Every module of the domain with the full name of everything that it imports, anywhere."""
    found = []
    for module in sorted(DOMAIN.rglob("*.py")):
        where = str(module.relative_to(PACKAGE))
        for node in ast.walk(ast.parse(module.read_text())):
            if isinstance(node, ast.Import):
                found += [(where, alias.name) for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                found.append((where, "." * node.level + (node.module or "")))
    assert found
    return found


def test_the_domain_imports_only_itself_and_the_standard_library() -> None:
    strangers = [
        f"{module} imports {name}"
        for module, name in imports()
        if not name.startswith("homeport.domain")
        and name.partition(".")[0] not in sys.stdlib_module_names
    ]
    assert strangers == []


def test_the_domain_does_no_io_of_its_own() -> None:
    """Time, randomness, files and sockets come in through ports. Locks are none of these: an
    index is rebuilt in several parts side by side."""
    outside = {
        "asyncio", "http", "io", "multiprocessing", "os", "pathlib", "random", "secrets", "shutil",
        "socket", "sqlite3", "ssl", "subprocess", "tempfile", "time", "urllib",
    }  # fmt: skip
    found = [
        f"{module} imports {name}"
        for module, name in imports()
        if name.partition(".")[0] in outside
    ]
    assert found == []


def test_every_folder_is_a_package_so_that_the_wheel_has_it() -> None:
    folders = {module.parent for module in PACKAGE.rglob("*.py")}
    assert [folder for folder in sorted(folders) if not (folder / "__init__.py").is_file()] == []
    assert (PACKAGE / "py.typed").is_file()


def test_the_domains_tests_build_no_backend() -> None:
    """What they test stands alone, and so the whole suite takes a second or two."""
    tests = sorted((Path(__file__).parent / "domain").glob("*.py"))
    assert tests
    beyond = re.compile(r"homeport\.(container|definition|entrypoints|testing)")
    assert [test.name for test in tests if beyond.search(test.read_text())] == []
