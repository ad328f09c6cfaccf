"""The open loop: requests at a constant rate, whatever the server does.

A closed loop sends less while a server stalls, and so hides the stall. Here each request has the
moment at which it is due, and its time runs from there, also while it waits for a connection.
wrk2 does this too, and is in no distribution.

A client on the server's own machine takes processor time from it, and one on an event loop as
much as the server itself. So this one is not woken by each answer: it looks at its sockets each
half millisecond, takes what has come and sends what is due, which makes times a millisecond too
long. How it does on a machine is measured with the bare HTTP server (`benchmarks.stalls` shows
it), and `behind` tells whether it kept up: where it is over two, the figures are the client's own.
"""

from __future__ import annotations

import gc
import re
import selectors
import socket
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

from benchmarks.harness import steal

_TICK: Final = 0.0005
_PATIENCE: Final = 10.0
"""Seconds for the last answers to come in."""
_READ: Final = 262_144
_LENGTH: Final = re.compile(rb"(?i)\r\ncontent-length: *(\d+)").search
_CHUNKED: Final = re.compile(rb"(?i)\r\ntransfer-encoding:").search
_CLOSES: Final = re.compile(rb"(?i)\r\nconnection: close").search
_RETRY_AFTER: Final = re.compile(rb"(?i)\r\nretry-after:").search


@dataclass(frozen=True, slots=True)
class Answer:
    """`due` is in seconds since the beginning, `took` in milliseconds from then."""

    due: float
    took: float
    status: int
    retry_after: bool


@dataclass(slots=True)
class Outcome:
    """`behind`: how late the client itself sent the slowest hundredth, in milliseconds, where a
    connection was free. `missing`: requests that had no answer in the end. `disturbed`: from when
    to when, in seconds since the beginning, the processors were not all ours; `stolen`: how much
    of them was not, 0.0 to 1.0. `sent`: when each request went out, which is later than it was due
    where it waited for a connection."""

    rate: float
    answers: list[Answer]
    behind: float
    missing: int
    disturbed: list[tuple[float, float]]
    sent: list[float] = field(default_factory=list)
    stolen: float = 0.0

    def good(self) -> list[Answer]:
        return [one for one in self.answers if one.status < 300]

    def bad(self) -> int:
        """How many had no answer, or not a good one."""
        return len(self.answers) - len(self.good()) + self.missing

    def undisturbed(self) -> list[Answer]:
        """The good ones for whose whole time the processors were ours."""
        return [
            one
            for one in self.good()
            if not steal.is_within(self.disturbed, one.due, one.due + one.took / 1000)
        ]

    def percentile(self, share: float) -> float:
        """Of the good answers, in milliseconds; 0 where there are none."""
        return percentile([one.took for one in self.good()], share)

    def stall(self) -> float:
        """The longest time without any answer, in milliseconds."""
        ends = sorted(one.due * 1000 + one.took for one in self.answers)
        return max((after - before for before, after in pairwise(ends)), default=0.0)


def percentile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


def run(
    address: str,
    requests: Sequence[bytes],
    rate: float,
    seconds: float,
    *,
    connections: int = 64,
    then: tuple[float, float] = (0.0, 0.0),
) -> Outcome:
    """Send `rate` requests a second for `seconds`, in order and over again; `then` is another
    rate, and for how many seconds, that follows at once."""
    due = moments((rate, seconds), then)
    host, _, port = address.partition(":")
    client = _Client((host, int(port)))
    gc.collect()
    gc.disable()
    before = steal.counted()
    try:
        client.open(connections)
        client.run(requests, due)
    finally:
        gc.enable()
        client.close()
    behind = percentile(client.lateness, 0.99)
    missing = len(due) - len(client.answers)
    times, stolen = client.steal.times(), steal.share(before, steal.counted())
    return Outcome(rate, client.answers, behind, missing, times, client.sent, stolen)


def moments(*phases: tuple[float, float]) -> list[float]:
    """When each request is due, in seconds from the beginning, where rates follow each other."""
    found: list[float] = []
    begins = 0.0
    for rate, seconds in phases:
        found += [begins + number / rate for number in range(int(rate * seconds))]
        begins += seconds
    return found


@dataclass(slots=True, eq=False)
class _Connection:
    """One request at a time, which was due at `due`, None where there is none. Answers end by their
    length, or by the last of their chunks."""

    socket: socket.socket
    due: float | None = None
    arrived: bytes = b""


class _Client:
    """Where the server ends a connection, another takes its place."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.answers: list[Answer] = []
        self.lateness: list[float] = []
        self.sent: list[float] = []
        self.steal = steal.Steal()
        self._address = address
        self._started = 0.0
        self._open = selectors.DefaultSelector()
        self._free: list[_Connection] = []
        self._waiting: deque[tuple[float, bytes]] = deque()
        """Requests that are due and have no connection, with the moments when they were."""

    def open(self, connections: int) -> None:
        for _ in range(connections):
            self._connect()

    def run(self, requests: Sequence[bytes], due: Sequence[float]) -> None:
        clock, count, sent = time.perf_counter, len(due), 0
        self._started = started = clock()
        end = started + max(due, default=0.0) + _PATIENCE
        while len(self.answers) < count and (now := clock()) < end:
            # Answers first: who is late with a request is so whatever else has come meanwhile.
            for key, _ in self._open.select(0):
                self._receive(key.data)
            while sent < count and started + due[sent] <= now:
                self._ask(started + due[sent], requests[sent % len(requests)])
                sent += 1
            self.steal.look(now - started)
            time.sleep(_TICK)

    def close(self) -> None:
        for key in list(self._open.get_map().values()):
            key.data.socket.close()
        self._open.close()

    def _connect(self) -> None:
        made = socket.create_connection(self._address)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        made.setblocking(False)
        connection = _Connection(made)
        self._open.register(made, selectors.EVENT_READ, connection)
        self._free.append(connection)

    def _ask(self, due: float, request: bytes) -> None:
        if self._free:
            self.lateness.append((time.perf_counter() - due) * 1000)
            self._send(self._free.pop(), due, request)
        else:
            self._waiting.append((due, request))

    def _send(self, connection: _Connection, due: float, request: bytes) -> None:
        connection.due = due
        try:
            connection.socket.sendall(request)
            self.sent.append(time.perf_counter() - self._started)
        except ConnectionError:
            self._replace(connection)

    def _receive(self, connection: _Connection) -> None:
        try:
            data = connection.socket.recv(_READ)
        except BlockingIOError:
            return
        except ConnectionError:
            data = b""
        if not data or connection.due is None:  # it has ended, or says what nobody asked for
            self._replace(connection)
            return
        arrived = connection.arrived = connection.arrived + data
        end = arrived.find(b"\r\n\r\n") + 4
        if end < 4:
            return
        head = arrived[:end]
        length = _LENGTH(head)
        if length is not None:
            is_whole = len(arrived) >= end + int(length[1])
        else:
            is_whole = _CHUNKED(head) is None or arrived.endswith(b"\r\n0\r\n\r\n")
        if is_whole:
            due, connection.due, connection.arrived = connection.due, None, b""
            self._answered(connection, due, int(head[9:12]), head)

    def _answered(self, connection: _Connection, due: float, status: int, head: bytes) -> None:
        took = (time.perf_counter() - due) * 1000
        retry_after = status == 503 and _RETRY_AFTER(head) is not None
        self.answers.append(Answer(due - self._started, took, status, retry_after))
        if _CLOSES(head) is not None:
            self._replace(connection)
        elif self._waiting:
            self._send(connection, *self._waiting.popleft())
        else:
            self._free.append(connection)

    def _replace(self, connection: _Connection) -> None:
        if connection in self._free:
            self._free.remove(connection)
        self._open.unregister(connection.socket)
        connection.socket.close()
        self._connect()
        if self._waiting:
            self._send(self._free.pop(), *self._waiting.popleft())
