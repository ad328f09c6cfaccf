"""Packages for another machine, or another Python, than this one: pip fetches their wheels."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from packaging.utils import canonicalize_name

from homeport.entrypoints.bundling.distributions import Target
from homeport.entrypoints.bundling.faults import BundleFault

_MACHINES: Final = {"x86_64": "x86_64", "arm64": "aarch64"}
_OLDEST: Final = 17


def fetch(versions: Mapping[str, str], target: Target, locked: Path | None, folder: Path) -> None:
    """Install wheels of these versions into `folder`. `locked` is a requirements file whose
    hashes they must have; without one only their versions are held.

    Raises BundleFault where there is none for the target, or where `locked` lacks one.
    """
    listed = folder.with_suffix(".txt")
    if locked is None:
        listed.write_text("".join(f"{name}=={one}\n" for name, one in versions.items()))
    else:
        listed.write_text("".join(_locked(locked, versions)))
    _, newest = target.glibc
    platforms = [
        f"--platform=manylinux_2_{minor}_{target.machine}"
        for minor in range(newest, _OLDEST - 1, -1)
    ]
    command = [
        sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
        "--no-deps", "--no-compile", "--only-binary=:all:", "--implementation=cp",
        f"--python-version={target.version}", *platforms,
        f"--platform=manylinux2014_{target.machine}", f"--target={folder}",
        *(() if locked is None else ("--require-hashes",)), f"--requirement={listed}",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - pip
    if done.returncode != 0:
        said = done.stderr.strip().splitlines()
        raise BundleFault(
            f"pip finds no wheels for Python {target.version} on {target.machine}: "
            f"{said[-1] if said else 'it says nothing'}"
        )


def machine_of(platform: str) -> str:
    """Lambda's name of an architecture as `uname -m` has it."""
    return _MACHINES[platform]


def _locked(file: Path, versions: Mapping[str, str]) -> Iterator[str]:
    """The entries of these packages, with their hashes."""
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BundleFault(f"{file} cannot be read: {error}.") from error
    entries: dict[str, str] = {}
    for entry in re.split(r"\n(?=\S)", text):
        name = re.match(r"[A-Za-z0-9._-]+(?===)", entry)
        if name is not None:
            entries[canonicalize_name(name[0])] = entry
    missing = sorted(set(versions) - set(entries))
    if missing:
        raise BundleFault(f"{file} does not lock {', '.join(missing)}.")
    for one in versions:
        yield entries[one].rstrip() + "\n"
