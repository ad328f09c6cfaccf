"""Types and a client that TypeScript's own tools make of the running server's document.

`openapi-typescript` writes the types, `openapi-fetch` brings the client, `tsc` compiles the story
strictly, and Node tells it to a server. What npm installs is locked, and kept under `.cache/`.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.servers import serving
from tests.tools import needs

_SOURCES = Path(__file__).with_name("typescript")
_CACHE = Path(__file__).parents[2] / ".cache" / "typescript"
_INSTALL_SECONDS = 300
_SECONDS = 120


def run(*command: str | Path, folder: Path, seconds: int = _SECONDS) -> str:
    """What a command printed; what it complained of, where it failed."""
    done = subprocess.run(
        command,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    assert done.returncode == 0, f"{command}:\n{done.stdout}\n{done.stderr}"
    return done.stdout


def installed() -> Path:
    """A folder with `node_modules`, as the lock file says; made when the lock file changes."""
    lock = _SOURCES / "package-lock.json"
    folder = _CACHE / hashlib.sha256(lock.read_bytes()).hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        if not (folder / ".installed").exists():
            for name in ("package.json", "package-lock.json", ".npmrc"):
                shutil.copy(_SOURCES / name, folder)
            run("npm", "ci", "--ignore-scripts", folder=folder, seconds=_INSTALL_SECONDS)
            (folder / ".installed").touch()
    return folder


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The story's sources beside what they need."""
    needs("the TypeScript client", "node", "npm")
    folder = tmp_path / "client"
    folder.mkdir()
    for name in ("package.json", "tsconfig.json", "story.ts"):
        shutil.copy(_SOURCES / name, folder)
    (folder / "node_modules").symlink_to(installed() / "node_modules")
    return folder


def test_a_generated_client_tells_the_story(project: Path, tmp_path: Path) -> None:
    tools = project / "node_modules" / ".bin"
    with serving(tmp_path / "data") as server:
        document = f"{server.url}/v1/openapi.json"
        types = ("--default-non-nullable=false", "--output", "api.d.ts")
        run(tools / "openapi-typescript", document, *types, folder=project)
        run(tools / "tsc", folder=project)
        told = json.loads(run("node", "out/story.js", server.url, folder=project))
    assert told == {
        "found": 3,
        "patched": {
            "title": "Reading a file",
            "body": "open() gives a file to read from.",
            "lines": 13,
        },
        "refused": 412,
        "devices": 1,
        "inbox": "A note for you",
    }


def test_the_lock_file_names_no_registry() -> None:
    packages = json.loads((_SOURCES / "package-lock.json").read_text())["packages"]
    assert len(packages) > 4
    assert not [name for name, one in packages.items() if "resolved" in one]
    assert all("integrity" in one for name, one in packages.items() if name)
