"""The commands in the documents, run for real: by a shell, in a folder as its reader would have.

FOLDER/homeport.toml          a collection with a schema, and a subscriber
FOLDER/var/lib/homeport       what the documents call /var/lib/homeport, with something of all
FOLDER/home                   what they call ~
FOLDER/soup.json, ...         what commands read
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from homeport.adapters.memory.clock import ManualClock
from homeport.container import CONSUMERS, build
from homeport.definition import load
from homeport.domain.events import RecordChanged
from homeport.domain.model import versions
from homeport.domain.model.data import Data
from homeport.domain.model.record import Key
from homeport.domain.model.writes import Put
from tests import mutation
from tests.servers import free_port

REPOSITORY: Final = Path(__file__).parents[1]
_BIN: Final = Path(sys.executable).parent
_SECONDS: Final = 60
_MADE: Final = "-o .venv/.installed-run"
"""The environment is there: `make` is not to set it up anew."""
_SHOWN_VERSION: Final = "00d1a2b3c4d5e6f7"
"""Stands in the documents for the version that a record is at."""

_DEFINITION: Final = """
data_folder = "var/lib/homeport"

[collections.recipes]
read = "anyone"
schema = "recipe.json"

[[subscribers]]
name = "welcome"
on = "recipes"
call = "builtins:print"
"""
_FILES: Final = {
    "recipe.json": {"required": ["title"]},
    "new.json": {"required": ["title"], "properties": {"title": {"type": "string"}}},
    "soup.json": {"title": "Soup"},
    "bread.json": {"title": "Bread"},
}


def _mutates(arguments: Sequence[str]) -> None:
    make, target, given = arguments
    assert (make, target) == ("make", "mutate")
    for name in mutation.parsed(shlex.split(given.removeprefix("ARGS="))).modules:
        mutation.pattern_of(name)


def _takes_steps(arguments: Sequence[str]) -> None:
    setting, *_, tests = arguments
    assert setting.partition("=")[0] in Path("tests/stateful/conftest.py").read_text()
    assert Path(tests).is_file()


def _takes_histories(arguments: Sequence[str]) -> None:
    setting, *_, tests = arguments
    assert f'"{setting.partition("=")[0]}"' in Path(tests).read_text()


NOT_RUN: Final[Mapping[str, tuple[str, Callable[[Sequence[str]], None]]]] = {
    "make mutate ARGS=src/homeport/domain/access.py": ("takes minutes", _mutates),
    'make mutate ARGS="src/homeport/domain/model --jobs 1"': ("takes minutes", _mutates),
    "STATEFUL_EXAMPLES=1000 .venv/bin/python -m pytest tests/stateful/test_agreement.py": (
        "takes minutes",
        _takes_steps,
    ),
    "CONVERGENCE_HISTORIES=1000 .venv/bin/python -m pytest "
    "tests/contract/test_search_convergence.py": (
        "takes minutes",
        _takes_histories,
    ),
}
"""The only commands that do not run: why, and what holds their words against what is there."""


@cache
def _template() -> tuple[TemporaryDirectory[str], str]:
    """A folder for commands, and the version of the soup in it. It is made once, and copied."""
    made = TemporaryDirectory(prefix="homeport-commands-")
    folder = Path(made.name)
    for name, value in _FILES.items():
        (folder / name).write_text(json.dumps(value))
    (folder / "homeport.toml").write_text(_DEFINITION)
    for place in ("home/.zfunc", "var/backups/homeport"):
        (folder / place).mkdir(parents=True)

    clock = ManualClock()
    backend = build(load(folder, {}), clock=clock)
    backend.identities.sign_up("ann@example.org", "correct horse battery")
    names = ("soup", *(f"r{number}" for number in range(8)))
    writes = [Put(Key("public", "recipes", one), "ann", Data.of({"title": one})) for one in names]
    soup, *_ = backend.store.write(writes)

    def fail(events: Sequence[RecordChanged]) -> dict[int, str]:
        return dict.fromkeys(range(len(events)), "on purpose")

    for _ in range(5):  # until what fails is dead
        while backend.feed.deliver("subscriber:welcome", fail):
            pass
        clock.advance(120)
    for consumer in (*CONSUMERS, "subscriber:newsletter"):
        while backend.feed.deliver(consumer, lambda _: {}):
            pass
    backend.indexing.rebuild()
    backend.close()
    return made, versions.to_text(soup.version)


def prepare(folder: Path) -> str:
    """Make a new `folder` for commands; returns the version of the soup in it."""
    made, version = _template()
    shutil.copytree(made.name, folder, symlinks=True)
    return version


def not_run(lines: Sequence[str]) -> bool:
    """Whether a block is one of those that do not run; its words are held against what is there."""
    listed = [NOT_RUN[line] for line in lines if line in NOT_RUN]
    if not lines or len(listed) < len(lines):
        return False
    with contextlib.chdir(REPOSITORY):
        for line, (_, check) in zip(lines, listed, strict=True):
            check(shlex.split(line))
    return True


def run(script: str, folder: Path) -> str:
    """What the commands print, run in a new `folder`. Raises AssertionError where one fails."""
    version = prepare(folder)
    port = str(free_port())
    for shown, meant in {
        "/var/": f"{folder}/var/",
        "8090": port,
        _SHOWN_VERSION: version,
        "make ": f"make --no-print-directory {_MADE} BIN={_BIN} ",
        ".venv/bin/": f"{_BIN}/",
    }.items():
        script = script.replace(shown, meant)
    environ = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("HOMEPORT_", "MAKE"))
    }
    environ |= {
        "PATH": f"{_BIN}{os.pathsep}{os.environ['PATH']}",
        "HOME": f"{folder}/home",
        "HOMEPORT_SERVER__PORT": port,
    }
    cwd = folder
    if "make " in script:
        cwd, environ["HOMEPORT_DATA_FOLDER"] = REPOSITORY, f"{folder}/new"
    with (folder / "log").open("w+") as log:
        process = subprocess.Popen(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=cwd,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            if _serves(script):
                _wait_for(f"http://127.0.0.1:{port}/v1/health", process)
                os.killpg(process.pid, signal.SIGINT)
            code = process.wait(_SECONDS)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        log.seek(0)
        printed = log.read()
    # `make` itself ends with an error where it is interrupted.
    stopped = _serves(script) and "make" in script and code in (2, 130, -signal.SIGINT)
    assert code == 0 or stopped, f"exit code {code}:\n{printed}"
    return printed


def _serves(script: str) -> bool:
    return script.split()[:2] == ["homeport", "serve"] or (
        script.startswith("make") and script.rsplit(maxsplit=1)[-1] == "run"
    )


def _wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _SECONDS
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            assert process.poll() is None and time.monotonic() < deadline, f"no answer from {url}"
            time.sleep(0.02)
