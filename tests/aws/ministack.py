"""The emulator of AWS as a process of its own, on a free port of 127.0.0.1."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.aws.resources import EndpointSession
from tests.servers import free_port

_PROGRAM = Path(sys.prefix) / "ministack" / "bin" / "ministack"
_START_SECONDS = 60
_STOP_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Ministack:
    """An emulator that answers. `session` makes clients that talk to it."""

    endpoint: str
    session: EndpointSession
    folder: Path
    """Where it keeps its state, and `ministack.log`."""


@contextmanager
def ministack(folder: Path) -> Iterator[Ministack]:
    """One for the length of a with-block. Where it is not installed the test is left out, and
    says so; with CI=true it fails."""
    if not _PROGRAM.exists():
        sentence = "LEFT OUT: what needs ministack; `make test` installs it"
        if os.environ.get("CI") == "true":
            pytest.fail(sentence, pytrace=False)
        pytest.skip(sentence)
    port = free_port()
    temporary = folder / "tmp"
    temporary.mkdir()
    log = folder / "ministack.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [_PROGRAM],
            cwd=folder,
            env={
                "PATH": os.environ["PATH"],
                "BIND_HOST": "127.0.0.1",  # it would listen on all interfaces
                "GATEWAY_PORT": str(port),
                "MINISTACK_REGION": "eu-west-1",
                "STATE_DIR": str(folder / "state"),
                "TMPDIR": str(temporary),  # it leaves folders of its functions behind
                "IOT_MTLS_ENABLED": "0",  # and this one on all interfaces too
                "AUTH": "true",  # closer to AWS in whom it believes
            },
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    endpoint = f"http://127.0.0.1:{port}"
    try:
        _wait_for(process, endpoint, log)
        yield Ministack(endpoint, EndpointSession(endpoint), folder)
    finally:
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_for(process: subprocess.Popen[bytes], endpoint: str, log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{endpoint}/_ministack/health", timeout=5):
                return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.02)
    raise RuntimeError(f"ministack did not start:\n{log.read_text()}")
