"""Real servers for tests: `homeport serve` on a free port of 127.0.0.1."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Final

HOMEPORT = Path(sys.executable).with_name("homeport")
_START_SECONDS = 30
_STOP_SECONDS = 20
_PORTS: Final = 2_000


@dataclass(frozen=True, slots=True)
class Server:
    """A server that answers. `address` is host:port, `log` what it printed."""

    process: subprocess.Popen[bytes]
    address: str
    log: Path

    @property
    def url(self) -> str:
        return f"http://{self.address}"

    def stop(self) -> int:
        """Ask it to stop, as a terminal or a supervisor would; returns its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(_STOP_SECONDS)


def _ports_of_this_worker() -> Iterator[int]:
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 10
    ports = list(range(12_000 + worker * _PORTS, 12_000 + (worker + 1) * _PORTS))
    start = os.getpid() % _PORTS
    return cycle(ports[start:] + ports[:start])


_ports: Final = _ports_of_this_worker()


def free_port() -> int:
    """A port that nobody listens on, another one each time.

    Tests that run side by side look in ranges of their own, and all below the ports that
    connections get: nobody takes one between its being found and its being used.
    """
    return first_free(islice(_ports, _PORTS))


def first_free(ports: Iterable[int]) -> int:
    """The first of these that nobody listens on."""
    for port in ports:
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError("none of these ports is free")


def start(
    folder: Path,
    settings: Mapping[str, str] | None = None,
    command: Sequence[str | Path] = (HOMEPORT, "serve"),
) -> Server:
    """Serve from the data folder `folder`, without limits per address, and wait until it does.

    `settings` are HOMEPORT_* variables without their prefix.
    """
    port = free_port()
    chosen = {
        "DATA_FOLDER": str(folder),
        "SERVER__PORT": str(port),
        "LIMITS__GUESTS_PER_MINUTE": "0",
        "LIMITS__SIGN_UPS_PER_MINUTE": "0",
        "LIMITS__SIGN_INS_PER_MINUTE": "0",
        **(settings or {}),
    }
    folder.mkdir(parents=True, exist_ok=True)
    log = folder.with_name(folder.name + ".log")
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            cwd=folder.parent,
            env={**os.environ, **{f"HOMEPORT_{name}": value for name, value in chosen.items()}},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    server = Server(process, f"127.0.0.1:{port}", log)
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{server.url}/v1/health", timeout=5):
                return server
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.01)
    process.kill()
    process.wait()
    raise RuntimeError(f"the server did not start:\n{log.read_text()}")


@contextmanager
def serving(folder: Path, settings: Mapping[str, str] | None = None) -> Iterator[Server]:
    """A server for the length of a with-block."""
    server = start(folder, settings)
    try:
        yield server
    finally:
        if server.process.poll() is None:
            try:
                server.stop()
            except subprocess.TimeoutExpired:
                server.process.kill()
                server.process.wait()
