"""The closed loop: wrk, one thread, each connection sending as soon as it has its answer."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.harness import steal
from benchmarks.harness.command import LeftOut

CONNECTIONS: Final = 32
LUA: Final = Path(__file__).parents[1] / "lua"
REPLAY: Final = "replay.lua"
MERGE_IF_MATCH: Final = "merge_if_match.lua"


@dataclass(frozen=True, slots=True)
class Load:
    """Answers per second, times in milliseconds, answers that were not good, the mean length of
    an answer, its head included, the seconds of work that the load has left behind, and the share
    of the processors that the machine below took away meanwhile."""

    rate: float
    p50: float
    p99: float
    bad: int
    size: float
    owed: float = 0.0
    stolen: float = 0.0


def check_is_here() -> None:
    """Raises LeftOut where wrk is not installed."""
    if shutil.which("wrk") is None:
        raise LeftOut("the loads: wrk is not on this machine (Debian: wrk)")


def whole(seconds: float) -> int:
    """How long a load lasts that is asked for so: wrk knows whole seconds alone."""
    return max(1, round(seconds))


def wrk(
    address: str,
    traffic: Path,
    seconds: float,
    *,
    connections: int = CONNECTIONS,
    script: str = REPLAY,
    seed: int = 0,
) -> Load:
    """Put a load on the server at `address`; `seed` is where in the file it begins."""
    check_is_here()
    command: list[str | Path] = [
        *("wrk", "-t1", f"-c{connections}", f"-d{whole(seconds)}s"),
        *("--timeout", "60s", "-s", LUA / script, f"http://{address}"),
    ]
    environ = {**os.environ, "LUA": str(LUA), "TRAFFIC": str(traffic), "SEED": str(seed)}
    text = ""
    before = steal.counted()
    if seconds < 1:
        text = _cut_short(command, environ, seconds)
    if "RESULT " not in text:
        done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
        text = done.stdout + done.stderr
    stolen = steal.share(before, steal.counted())
    results = [line for line in text.splitlines() if line.startswith("RESULT ")]
    if not results:
        raise RuntimeError(f"wrk gave no result:\n{text}")
    count, took, bad, size, p50, p99 = (int(one) for one in results[-1].split()[1:])
    return Load(
        count / took * 1e6, p50 / 1000, p99 / 1000, bad, size / max(1, count), stolen=stolen
    )


def _cut_short(command: Sequence[str | Path], environ: Mapping[str, str], seconds: float) -> str:
    """What wrk prints when it is interrupted: it knows whole seconds only."""
    process = subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True)
    time.sleep(seconds)
    process.send_signal(signal.SIGINT)
    return process.communicate()[0]
