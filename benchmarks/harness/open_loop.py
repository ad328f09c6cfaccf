"""The open loop: requests at a constant rate, whatever the server does.

A closed loop sends less while a server stalls, and so hides the stall. Here each request has the
moment at which it is due, and its time runs from there, also while it waits for a connection.
wrk2 does this too, and is in no distribution; this takes uvloop alone. How fast it is on a
machine is measured with the bare HTTP server (`benchmarks.stalls` shows it), and `behind` tells
whether it kept up. It looks at the clock each millisecond: on a machine at rest times are up to
that much too long, and where `behind` is over two, the figures are the client's own.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final, cast

import uvloop

_TICK: Final = 0.0005
_PATIENCE: Final = 10.0
"""Seconds for the last answers to come in."""


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
    connection was free. `missing`: requests that had no answer in the end."""

    rate: float
    answers: list[Answer]
    behind: float
    missing: int

    def good(self) -> list[Answer]:
        return [one for one in self.answers if one.status < 300]

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
    gc.collect()
    gc.disable()
    try:
        return uvloop.run(
            _run(address, requests, moments((rate, seconds), then), rate, connections)
        )
    finally:
        gc.enable()


def moments(*phases: tuple[float, float]) -> list[float]:
    """When each request is due, in seconds from the beginning, where rates follow each other."""
    found: list[float] = []
    begins = 0.0
    for rate, seconds in phases:
        found += [begins + number / rate for number in range(int(rate * seconds))]
        begins += seconds
    return found


@dataclass(slots=True)
class _Client:
    """What the connections share."""

    requests: Sequence[bytes]
    started: float
    free: list[_Connection] = field(default_factory=list)
    waiting: deque[tuple[float, bytes]] = field(default_factory=deque)
    answers: list[Answer] = field(default_factory=list)
    lateness: list[float] = field(default_factory=list)
    lost: int = 0

    def send(self, due: float, request: bytes) -> None:
        if self.free:
            self.lateness.append((time.perf_counter() - due) * 1000)
            self.free.pop().send(due, request)
        else:
            self.waiting.append((due, request))


class _Connection(asyncio.Protocol):
    """One request at a time. Answers end by their length, or by the last of their chunks. Where
    the server ends it, another takes its place."""

    def __init__(self, client: _Client) -> None:
        self._client = client
        self._due = 0.0
        self._buffer = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self in self._client.free:
            self._client.free.remove(self)
        self._client.lost += 1

    def send(self, due: float, request: bytes) -> None:
        assert self._transport is not None
        self._due = due
        self._transport.write(request)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer = self._buffer + data if self._buffer else data
        end = buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = buffer[:end].lower()
        _, found, after = head.partition(b"\r\ncontent-length:")
        if found:
            is_whole = len(buffer) >= end + 4 + int(after.partition(b"\r\n")[0])
        else:
            is_whole = b"\r\ntransfer-encoding:" not in head or buffer.endswith(b"\r\n0\r\n\r\n")
        if is_whole:
            self._buffer = b""
            self._answered(int(head[9:12]), head)

    def _answered(self, status: int, head: bytes) -> None:
        client = self._client
        took = (time.perf_counter() - self._due) * 1000
        retry_after = status == 503 and b"\r\nretry-after:" in head
        client.answers.append(Answer(self._due - client.started, took, status, retry_after))
        if b"\r\nconnection: close" in head:
            self.close()
        elif client.waiting:
            self.send(*client.waiting.popleft())
        else:
            client.free.append(self)


async def _run(
    address: str,
    requests: Sequence[bytes],
    due: Sequence[float],
    rate: float,
    connections: int,
) -> Outcome:
    loop = asyncio.get_running_loop()
    host, _, port = address.partition(":")
    client = _Client(requests, 0.0)
    opened: list[_Connection] = []

    async def open_another() -> None:
        _, made = await loop.create_connection(lambda: _Connection(client), host, int(port))
        opened.append(made)
        client.free.append(made)

    for _ in range(connections):
        await open_another()
    count = len(due)
    client.started = started = time.perf_counter()
    sent = 0
    while sent < count:
        now = time.perf_counter()
        while sent < count and started + due[sent] <= now:
            client.send(started + due[sent], requests[sent % len(requests)])
            sent += 1
        if client.lost:
            client.lost -= 1
            await open_another()
        await asyncio.sleep(_TICK)
    deadline = time.perf_counter() + _PATIENCE
    # An event that each answer looks at would slow all of them.
    while len(client.answers) < count and time.perf_counter() < deadline:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    for one in opened:
        one.close()
    await asyncio.sleep(0)
    behind = percentile(client.lateness, 0.99)
    return Outcome(rate, client.answers, behind, count - len(client.answers))
