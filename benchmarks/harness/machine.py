"""On what the figures were measured."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import apsw

_REPOSITORY: Final = Path(__file__).parents[2]
_PEERS: Final = _REPOSITORY / ".venv"
"""Where the Makefile puts what is compared with."""
_PACKAGES: Final = (
    *("homeport", "apsw", "greenlet", "httptools", "pydantic", "tantivy", "uvloop", "boto3"),
    *("dependency-injector", "opensearch-py"),
)
_PEERS_PACKAGES: Final = (
    *("aws-lambda-powertools", "boto3", "fastapi", "mangum", "pydantic", "starlette"),
)


def described() -> dict[str, Any]:
    """Processor, memory, load, system and versions, and when: for the head of a result. `peers`
    are the versions of what is compared with, where it is there."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "processor": _processor(),
        "processors": os.cpu_count(),
        "memory GiB": _memory(),
        "load before": round(os.getloadavg()[0], 2),
        "system": f"{platform.system()} {platform.release()}",
        "commit": _commit(),
        "versions": {
            "python": f"{sys.version} in {sys.base_prefix}",
            "wrk": _wrk(),
            "sqlite": apsw.sqlite_lib_version(),
            **_packages(_PACKAGES, sys.path),
        },
        "peers": {
            "pocketbase": _pocketbase(),
            **_packages(_PEERS_PACKAGES, [str(_PEERS / "bench-lambda")]),
        },
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def _memory() -> float | None:
    if sys.platform == "win32":
        return None
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    except (OSError, ValueError):
        return None


def _wrk() -> str | None:
    told = _told("wrk", "-v")
    return told.splitlines()[0].removeprefix("wrk ").partition(" [")[0] if told else None


def _pocketbase() -> str | None:
    told = _told(str(_PEERS / "bench" / "bin" / "pocketbase"), "--version")
    return told.strip().removeprefix("pocketbase version ") if told else None


def _commit() -> str | None:
    """Of what is measured, with `-dirty` where files differ from it; None where it is no
    checkout."""
    git = ("git", "-C", str(_REPOSITORY))
    commit = _told(*git, "rev-parse", "HEAD")
    if not commit:
        return None
    return commit.strip() + ("-dirty" if _told(*git, "status", "--porcelain") else "")


def _told(*command: str) -> str | None:
    """What a program prints; None where it is not there."""
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout
    except OSError:
        return None


def _packages(names: Sequence[str], path: Sequence[str]) -> dict[str, str]:
    """The versions of those that are installed in the folders of `path`."""
    found = {}
    for name in names:
        for one in metadata.distributions(name=name, path=list(path)):
            found[name] = one.version
            break
    return found
