"""The HTTP server under the gateway with an application that does nothing: the yardstick of a
machine, and of the clients that measure."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from benchmarks.harness.process import free_port, running
from benchmarks.harness.traffic import Request

REQUEST: Final = Request("GET", "/", check=lambda answer: answer == {"hello": "world"})


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Gives its address."""
    port = free_port()
    command = [sys.executable, "-P", str(Path(__file__).with_name("hello.py")), str(port)]
    with running(command, port, "/", folder) as it:
        yield it.address
