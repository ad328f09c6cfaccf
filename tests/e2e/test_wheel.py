"""The wheel, installed in a clean environment, is whole: alone, and with the extra `local`."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
REQUIREMENTS = REPOSITORY / "requirements"


def run(*command: str | Path, cwd: Path) -> str:
    """What a command prints; its complaint fails the test."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from the source distribution, so that one is whole too."""
    folder = tmp_path_factory.mktemp("dist")
    run(
        *(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, REPOSITORY),
        cwd=folder,
    )
    (built,) = folder.glob("*.whl")
    return built


def test_it_holds_every_module_and_nothing_else(wheel: Path) -> None:
    source = REPOSITORY / "src"
    modules = {
        str(path.relative_to(source))
        for path in source.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert names == modules
    assert "homeport/py.typed" in names


def test_its_metadata_say_what_it_needs(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (metadata,) = (name for name in names if name.endswith(".dist-info/METADATA"))
        headers = Parser().parsestr(archive.read(metadata).decode())
    needs = headers.get_all("Requires-Dist") or []
    core = {need.split(">")[0] for need in needs if "extra ==" not in need}
    assert core == {"dependency-injector", "pydantic"}
    assert set(headers.get_all("Provides-Extra") or []) == {
        "aws", "deploy", "local", "opensearch", "schema", "testing",
    }  # fmt: skip
    assert headers["License-Expression"] == "Apache-2.0"
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)


CORE = """
import importlib, pkgutil, sys
import homeport, homeport.domain, homeport.adapters.memory

for package in (homeport.domain, homeport.adapters.memory):
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        importlib.import_module(module.name)

from homeport.container import build
from homeport.definition import Adapters, Definition
from homeport.domain.search import SearchRequest

memory = Adapters.of(dict.fromkeys(Adapters.names(), "memory"))
backend = build(Definition(adapters=memory))
ann = backend.identities.guest().identity.principal
backend.records.create(ann, "me", "notes", {"title": "Hello"})
backend.feed.deliver("indexing", backend.indexing.consume)
(hit,) = backend.search.search(ann, SearchRequest("hello")).hits
print(hit.record.data["title"], homeport.__file__.startswith(sys.prefix))
"""


def test_it_works_where_nothing_else_is_installed(wheel: Path, tmp_path: Path) -> None:
    environment = tmp_path / "clean"
    run(sys.executable, "-m", "venv", "--without-pip", environment, cwd=tmp_path)
    python = environment / "bin" / "python"
    # This environment's pip works in the other: one of its own would take as long as the rest.
    pip = (sys.executable, "-m", "pip", "--python", python, "--disable-pip-version-check")
    install = (*pip, "--quiet", "install", "--no-compile")

    run(*install, "--require-hashes", "--requirement", REQUIREMENTS / "core.txt", cwd=tmp_path)
    run(*install, "--no-deps", wheel, cwd=tmp_path)
    run(*pip, "check", cwd=tmp_path)
    assert run(python, "-I", "-c", CORE, cwd=tmp_path) == "Hello True\n"

    run(*install, "--require-hashes", "--requirement", REQUIREMENTS / "run.txt", cwd=tmp_path)
    version = run(environment / "bin" / "homeport", "version", cwd=tmp_path)
    assert wheel.name.split("-")[1] in version
