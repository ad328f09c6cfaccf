"""Finds the target's Python, and has it compile a bundle.

Bytecode is marked `unchecked-hash`: by its time stamp it would be stale once an archive has set
all times to one, and the whole start would be four times slower.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Final

from homeport.entrypoints.bundling.distributions import Target
from homeport.entrypoints.bundling.faults import BundleFault

TASK: Final = "/var/task/"
"""Where Lambda unpacks a bundle, as stack traces tell it."""

_COMPILE: Final = """
import hashlib, importlib.util, os, py_compile, shutil, sys
root, prefix, keep, done = sys.argv[1], sys.argv[2], sys.argv[3] == "keep", sys.argv[4]
for path in sys.stdin.read().splitlines():
    source = os.path.join(root, path)
    with open(source, "rb") as file:
        text = file.read()
    made = os.path.join(done, hashlib.sha256(path.encode() + bytes(1) + text).hexdigest())
    if not os.path.exists(made):
        py_compile.compile(
            source, made, prefix + path, doraise=True,
            invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
        )
    target = importlib.util.cache_from_source(source) if keep else source + "c"
    os.makedirs(os.path.dirname(target), exist_ok=True)
    shutil.copyfile(made, target)
    if not keep:
        os.remove(source)
"""
_VERSION: Final = "import sys; print(*sys.version_info[:2], sep='.')"


def interpreter_of(target: Target) -> str:
    """The program. Raises BundleFault where this version of Python is not installed."""
    if sys.version_info[:2] == target.python:
        return sys.executable
    name = f"python{target.version}"
    found = shutil.which(name)
    # What is found may be a stand-in that only says that there is none.
    if found is None or _run([found, "-I", "-c", _VERSION]).stdout.strip() != target.version:
        raise BundleFault(
            f"{name} is not installed here, and only it can compile for itself. Install it, or "
            "choose another --python."
        )
    return found


def compile_all(
    program: str, folder: Path, paths: Iterable[PurePosixPath], done: Path, *, keep_sources: bool
) -> None:
    """Compile these modules in `folder`, in the order of their names. Where their sources are
    not kept, the bytecode takes their place. What `done` has, which is a folder of this program's
    alone, was compiled before. Raises BundleFault where one has a wrong syntax."""
    listed = "\n".join(sorted(map(str, paths)))
    keep = "keep" if keep_sources else "drop"
    ended = _run([program, "-I", "-c", _COMPILE, str(folder), TASK, keep, str(done)], listed)
    if ended.returncode != 0:
        said = ended.stderr.strip().splitlines()
        raise BundleFault(f"{program} cannot compile the bundle: {said[-1] if said else ''}")


def _run(command: list[str], given: str = "") -> subprocess.CompletedProcess[str]:
    # Sets in constants are written in the order of their hashes.
    environment = {name: one for name, one in os.environ.items() if not name.startswith("PYTHON")}
    environment["PYTHONHASHSEED"] = "0"
    return subprocess.run(  # noqa: S603 - a Python
        command, input=given, env=environment, capture_output=True, text=True, check=False
    )
