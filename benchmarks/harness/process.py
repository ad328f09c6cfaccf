"""A server's process, and what the machine says about it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

_PATIENCE = 120.0
_LOOK_SECONDS = 0.1
_CALM_LOOKS = 3
_CALM_SHARE = 0.1
"""Of one processor, which a process at rest may still take."""


@dataclass(frozen=True, slots=True)
class Running:
    """`started` is in seconds, from the process's start to its first 200."""

    address: str
    pid: int
    started: float


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _answers(port: int, path: str) -> bool:
    """Whether the server answers 200. Raw, since a client library takes longer than the answer."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
            connection.sendall(request.encode())
            return b" 200 " in connection.recv(64)
    except OSError:
        return False


@contextmanager
def running(
    command: Sequence[str], port: int, path: str, folder: Path, **settings: str
) -> Iterator[Running]:
    """Run a server on `port` until the block ends. Raises RuntimeError where it does not start."""
    # As pip installs it, compiled: where bytecode may not be kept, each start compiles our source.
    inherited = {name: it for name, it in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    log = folder / f"server-{port}.log"
    with log.open("ab") as output:
        started = time.perf_counter()
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**inherited, **settings},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        while not _answers(port, path):
            if process.poll() is not None or time.perf_counter() - started > _PATIENCE:
                raise RuntimeError(f"{command[0]} does not answer:\n{log.read_text()}")
            time.sleep(0.002)
        yield Running(f"127.0.0.1:{port}", process.pid, time.perf_counter() - started)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def come_to_rest(pid: int, patience: float = 60.0) -> None:
    """Wait until a process and its children compute hardly anything any more, also what they tell
    nobody of: segments merged, garbage collected, pages moved. Raises RuntimeError where they
    still do after `patience` seconds."""
    most = round(_CALM_SHARE * _LOOK_SECONDS * os.sysconf("SC_CLK_TCK"))
    ends = time.perf_counter() + patience
    calm, before = 0, _ticks(pid)
    while calm < _CALM_LOOKS:
        if time.perf_counter() > ends:
            raise RuntimeError(f"process {pid} has not come to rest after {patience:.0f} s")
        time.sleep(_LOOK_SECONDS)
        now = _ticks(pid)
        # It is less where a child has ended.
        calm = calm + 1 if 0 <= now - before <= most else 0
        before = now


def memory(pid: int) -> float:
    """What a process and its children hold in memory, in MiB; 0 where /proc does not tell. What
    they share, with each other or with anybody, counts once."""
    found = [_held(one) for one in _tree(pid)]
    return sum(private for private, _ in found) + max((shared for _, shared in found), default=0.0)


def _tree(pid: int) -> list[int]:
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    return [pid, *(one for child in children for one in _tree(int(child)))]


def _ticks(pid: int) -> int:
    """Of the processor's time, what a process and its children have taken."""
    ticks = 0
    for one in _tree(pid):
        with suppress(OSError):  # it has ended meanwhile
            fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
    return ticks


def _held(pid: int) -> tuple[float, float]:
    """Its own memory, and what it shares."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0, 0.0
    sizes = {
        name: int(rest.split()[0]) / 1024
        for line in lines[1:]
        for name, _, rest in [line.partition(":")]
    }
    private = sizes["Private_Clean"] + sizes["Private_Dirty"]
    return private, sizes["Rss"] - private
