"""The processes of a server: which one answers, and how to have a second one."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

import pytest

from homeport.entrypoints.operation import PREFIX
from tests.clients import Answer, Client
from tests.servers import Server

PATIENCE: Final = 20.0
AT_ONCE: Final = 20
"""Requests that are sent on a connection without waiting for answers: fewer than are refused."""

needs_workers: Final = pytest.mark.skipif(
    len(os.sched_getaffinity(0)) < 2 if hasattr(os, "sched_getaffinity") else True,
    reason="one processor, or no Linux: no workers",
)


def wake_worker(server: Server) -> None:
    """Ask for so much that the gateway starts a worker, until it has handed a connection over."""
    assert busy(server, PATIENCE, enough=2) == 2


def busy(server: Server, seconds: float, enough: int | None = None) -> int:
    """Ask for much on two connections for so long, or until `enough` processes answer. Returns
    how many did at last."""
    request = f"GET {PREFIX}/health HTTP/1.1\r\nhost: a\r\n\r\n".encode()
    host, port = server.address.split(":")
    with ExitStack() as closing:
        connections = [
            closing.enter_context(socket.create_connection((host, int(port)), PATIENCE))
            for _ in range(2)
        ]
        until = time.monotonic() + seconds
        while True:
            found = {_asked(one, request) for one in connections}
            if len(found) == enough or time.monotonic() > until:
                return len(found)


def _asked(connection: socket.socket, request: bytes) -> bytes:
    """Which process answered."""
    connection.sendall(request * AT_ONCE)
    answers = b""
    while answers.count(b"x-request-id: ") < AT_ONCE or not answers.endswith(b"}"):
        answers += connection.recv(65536)
    return answers.partition(b"x-request-id: ")[2][:16]


def process_of(answer: Answer) -> str:
    """Each process begins its requests' ids in its own way."""
    return answer.headers["x-request-id"][:16]


def children_of(server: Server) -> list[int]:
    pid = server.process.pid
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def eventually(is_so: Callable[[], bool], pause: float = 0.02) -> bool:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        if is_so():
            return True
        time.sleep(pause)
    return is_so()


@contextmanager
def client_of_worker(server: Server) -> Iterator[Client]:
    """A connection to the worker."""
    with ExitStack() as closing:
        with Client(server.address) as alone:
            first = process_of(alone.ask("GET", f"{PREFIX}/health"))
        wake_worker(server)
        for _ in range(AT_ONCE):
            client = closing.enter_context(Client(server.address))
            if process_of(client.ask("GET", f"{PREFIX}/health")) != first:
                yield client
                return
        raise AssertionError("no connection came to the worker")
