"""A server of its own for each measurement, and what the machine says about it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).parent
BIN = Path(sys.executable).parent
_PATIENCE = 120.0


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
) -> Iterator[tuple[int, float]]:
    """Run a server; gives its process id and the seconds from its start to its first 200."""
    # As pip installs it, compiled: where bytecode may not be kept, each start compiles our source.
    inherited = {name: it for name, it in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    log = folder / "server.log"
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
        yield process.pid, time.perf_counter() - started
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def homeport(folder: Path) -> Iterator[tuple[str, int, float]]:
    """`homeport serve` on the data in `folder`; gives address, process id, seconds to start."""
    port = free_port()
    settings = {
        "HOMEPORT_DATA_FOLDER": str(folder / "data"),
        "HOMEPORT_SERVER__PORT": str(port),
        "HOMEPORT_SERVER__ACCESS_LOG": "off",
        "HOMEPORT_LIMITS__GUESTS_PER_MINUTE": "0",
    }
    command = [str(BIN / "homeport"), "serve"]
    with running(command, port, "/v1/health", folder, **settings) as (pid, seconds):
        yield f"127.0.0.1:{port}", pid, seconds


@contextmanager
def hello(folder: Path) -> Iterator[str]:
    """The HTTP server alone, with an empty application; gives its address."""
    port = free_port()
    command = [
        *(str(BIN / "granian"), "--interface", "rsgi", "--loop", "uvloop", "--no-ws"),
        *("--host", "127.0.0.1", "--port", str(port), "--working-dir", str(HERE), "hello:app"),
    ]
    with running(command, port, "/", folder):
        yield f"127.0.0.1:{port}"


def memory(pid: int) -> float:
    """What a process and its children hold in memory, in MiB; 0 where /proc does not tell."""
    total = 0.0
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    for line in status.splitlines():
        if line.startswith("VmRSS:"):
            total = int(line.split()[1]) / 1024
    return total + sum(memory(int(child)) for child in children)
