"""Importing costs little and does nothing: no files, sockets, processes or threads, and no
module of an adapter that was not chosen."""

from __future__ import annotations

import json
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import homeport

NEVER_RUN = {"homeport.__main__"}
MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(homeport.__path__, "homeport.")
    if module.name not in NEVER_RUN
)

WATCH = """
import importlib, json, os, sys, threading

DEEDS = {
    "os.exec", "os.fork", "os.forkpty", "os.mkdir", "os.posix_spawn", "os.remove", "os.rename",
    "os.rmdir", "os.spawn", "os.system", "os.truncate", "urllib.Request",
}
deeds = []
current = ""

def watch(event, arguments):
    if event == "open":
        path, mode, flags = arguments
        if isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            deeds.append([current, event, str(path)])
    elif event in DEEDS or event.partition(".")[0] in {"socket", "sqlite3", "subprocess"}:
        deeds.append([current, event, str(arguments)[:200]])

sys.addaudithook(watch)
for current in json.loads(sys.argv[1]):
    importlib.import_module(current)
    for thread in threading.enumerate():
        if thread is not threading.main_thread():
            deeds.append([current, "thread", thread.name])
print(json.dumps({"deeds": deeds, "modules": sorted(sys.modules)}))
"""


def import_in_new_process(modules: list[str], folder: Path) -> tuple[list[object], set[str]]:
    """What importing `modules` did, and everything that is loaded after it."""
    done = subprocess.run(
        [sys.executable, "-B", "-c", WATCH, json.dumps(modules)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    return answer["deeds"], set(answer["modules"])


def test_importing_any_module_does_no_io(tmp_path: Path) -> None:
    deeds, loaded = import_in_new_process(MODULES, tmp_path)
    assert deeds == []
    assert set(MODULES) <= loaded
    assert list(tmp_path.iterdir()) == []


LOCAL = {"apsw", "argon2", "greenlet", "httptools", "jwt", "rich", "tantivy", "uvloop"}
TESTING = {"hypothesis", "pytest"}
CLOUD = {"aws_cdk", "boto3", "botocore", "opensearchpy"}
EDGES = {"dependency_injector", "pydantic"}


@pytest.mark.parametrize(
    ("modules", "forbidden"),
    [
        (["homeport"], LOCAL | TESTING | CLOUD | EDGES | {"homeport.domain"}),
        (
            [name for name in MODULES if name.startswith("homeport.domain")],
            LOCAL | TESTING | CLOUD | EDGES | {"homeport.adapters"},
        ),
        (
            [name for name in MODULES if name.startswith("homeport.adapters.memory")],
            LOCAL | TESTING | CLOUD | EDGES | {"homeport.adapters.embedded"},
        ),
        (
            [name for name in MODULES if name.startswith("homeport.entrypoints.lambdas")],
            LOCAL
            | TESTING
            | CLOUD
            | EDGES
            | {"homeport.adapters.embedded", "homeport.entrypoints.local"},
        ),
        (
            ["homeport.container"],
            LOCAL | TESTING | CLOUD | {"homeport.adapters.embedded", "homeport.entrypoints"},
        ),
        (["homeport.testing"], LOCAL | CLOUD | {"homeport.adapters.embedded", "hypothesis"}),
        (["homeport.entrypoints.cli"], LOCAL | TESTING | CLOUD | {"homeport.adapters"}),
        # What the function that indexes has no use for.
        (
            [
                "homeport.adapters.aws.search_index",
                "homeport.definition",
                "homeport.domain.indexing",
            ],
            {
                "homeport.adapters.aws.search_query",
                "homeport.domain.index_verify",
                "homeport.domain.model.query",
                "homeport.domain.query_parser",
                "tomllib",
            },
        ),
    ],
    ids=["homeport", "domain", "memory", "lambdas", "container", "testing", "cli", "indexing"],
)
def test_what_is_not_needed_is_not_loaded(
    modules: list[str], forbidden: set[str], tmp_path: Path
) -> None:
    assert modules
    _, loaded = import_in_new_process(modules, tmp_path)
    assert sorted(loaded & forbidden) == []


OPEN = """
import json, sys
from homeport.definition import load
from homeport.entrypoints.cli.opening import opened
with opened(load(sys.argv[1], {"HOMEPORT_PROFILE": "memory"})):
    import dependency_injector.providers as made
    found = [name for name in sys.argv[2:] if name in sys.modules]
    print(json.dumps([found, made.yaml is not None]))
"""
LOOKED_FOR = ("fastapi", "pydantic", "starlette", "werkzeug", "yaml")


@pytest.mark.parametrize("has_own_code", [False, True])
def test_a_command_loads_none_of_what_dependency_injector_can_work_with(
    has_own_code: bool, tmp_path: Path
) -> None:
    """Unless there is code of the app's own, which may use the two together."""
    own = '[[subscribers]]\nname = "a"\non = "notes"\ncall = "json:loads"\n'
    definition = tmp_path / "homeport.toml"
    definition.write_text(own if has_own_code else "")
    done = subprocess.run(
        [sys.executable, "-c", OPEN, definition, *LOOKED_FOR],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found, has_yaml = json.loads(done.stdout)
    assert (found != [], has_yaml) == (has_own_code, has_own_code)
