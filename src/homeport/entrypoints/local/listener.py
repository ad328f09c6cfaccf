"""Listens for HTTP on the gateway's event loop: who may connect, for how long, and when to stop.

All of it runs on the loop's thread. To hand each request from a server's thread to the loop and
its answer back costs more than to parse it here.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from email.utils import formatdate
from typing import Final

from homeport.domain.errors import HomeportError
from homeport.entrypoints.local.connection import Connection
from homeport.entrypoints.local.incoming import Headers, Incoming

BACKLOG: Final = 1024
ACCEPTED_A_TURN: Final = 64
"""After so many new connections the loop gets a turn."""
OUT_OF_FILES_SECONDS: Final = 0.1
BURST: Final = 16
"""Answers that are sent together. Who reads them is woken by the first and is awake for the
others, which on a virtual machine saves as much as all else that an answer takes."""
SHORTEST_SWEEP: Final = 0.02


@dataclass(frozen=True, slots=True)
class Patience:
    """How long slow clients are waited for, in seconds: for a request's line and headers to
    arrive, which bounds idle connections too, and for a client to take more of its answer."""

    head: float
    answer: float


class AddressInUse(HomeportError):
    """Another program listens at this address already."""


class CannotListen(HomeportError):
    """There is no listening at this address."""


def bind(host: str, port: int) -> socket.socket:
    """A listening socket. Raises AddressInUse or CannotListen, in words for the user."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(BACKLOG)
    except OSError as exc:
        listening.close()
        if exc.errno == errno.EADDRINUSE:
            raise AddressInUse(f"Port {port} at {host} is in use by another program.") from exc
        raise CannotListen(f"Cannot listen at {host}:{port}: {exc.strerror}.") from exc
    return listening


class Listener:
    """Serves `listening` from `start` on: every request goes to `receive`. What is no request is
    answered as `refusal` says for its status, 400 or 431, and the connection ends.

    Every answer has the headers `common`. Clients beyond `connections` wait to be accepted.
    """

    def __init__(
        self,
        listening: socket.socket,
        loop: asyncio.AbstractEventLoop,
        receive: Callable[[Incoming], None],
        refusal: Callable[[int], tuple[Headers, str]],
        connections: int,
        patience: Patience,
        common: Headers,
    ) -> None:
        self.receive: Final = receive
        self.refusal: Final = refusal
        self.now: Final = loop.time
        self.head_seconds: Final = patience.head
        self.stopping = False
        self._listening = listening
        self._loop = loop
        self._most = connections
        self._answer_seconds = patience.answer
        self._lines = "".join(f"{name}: {value}\r\n" for name, value in common) + "\r\n"
        self._outgoing: list[tuple[asyncio.Transport, bytes]] = []
        self._second = 0
        self._dated = ""
        self._connections: set[Connection] = set()
        self._opening: set[asyncio.Task[object]] = set()
        self._accepted = 0
        """Connections, those included that are not opened yet."""
        self._is_accepting = False
        self._timers: list[asyncio.TimerHandle] = []
        self._empty: asyncio.Future[None] = loop.create_future()

    def start(self) -> None:
        _drop_who_does_not_read(self._listening, self._answer_seconds)
        self._listening.setblocking(False)
        self._accept_again()
        self._sweep()

    async def stop(self) -> None:
        """Accept no more, let requests in work be answered, then close every connection."""
        self.stopping = True
        self._pause_accepting()
        self._listening.close()
        self.flush()
        try:
            for one in list(self._connections):
                one.finish()
            if self._opening:
                await asyncio.wait(self._opening)
            if self._connections:
                await self._empty
        finally:
            for timer in self._timers:
                timer.cancel()
            for one in list(self._connections):
                one.abort()

    def soon(self, act: Callable[[], None]) -> None:
        self._loop.call_soon(act)

    def common(self) -> str:
        """The lines of headers that every answer has, the empty line after them included."""
        second = int(time.time())
        if second != self._second:
            self._second = second
            self._dated = f"date: {formatdate(second, usegmt=True)}\r\n{self._lines}"
        return self._dated

    def send(self, transport: asyncio.Transport, data: bytes) -> None:
        """Send this before long, together with what others send."""
        if not self._outgoing:
            self._loop.call_soon(self.flush)
        self._outgoing.append((transport, data))
        if len(self._outgoing) >= BURST:
            self.flush()

    def flush(self) -> None:
        """Send what waits to be sent."""
        outgoing, self._outgoing = self._outgoing, []
        for transport, data in outgoing:
            if not transport.is_closing():  # the others are to get theirs all the same
                transport.write(data)

    def joined(self, connection: Connection) -> None:
        self._connections.add(connection)
        if self.stopping:
            connection.finish()

    def left(self, connection: Connection) -> None:
        self._connections.discard(connection)
        self._make_room()
        if self.stopping and not self._connections and not self._empty.done():
            self._empty.set_result(None)

    def _accept(self) -> None:
        for _ in range(ACCEPTED_A_TURN):
            if self._accepted >= self._most:
                self._pause_accepting()  # until one leaves
                return
            try:
                client, _ = self._listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError:  # no more files or memory for now
                self._pause_accepting()
                self._later(OUT_OF_FILES_SECONDS, self._accept_again)
                return
            self._accepted += 1
            client.setblocking(False)
            with suppress(OSError):  # it has gone again, as opening it will find
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            opening: asyncio.Task[object] = self._loop.create_task(self._open(client))
            self._opening.add(opening)
            opening.add_done_callback(self._opening.discard)

    async def _open(self, client: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(lambda: Connection(self), client)
        except OSError:  # it has gone again
            client.close()
            self._make_room()

    def _make_room(self) -> None:
        self._accepted -= 1
        self._accept_again()

    def _accept_again(self) -> None:
        if not self._is_accepting and not self.stopping:
            self._is_accepting = True
            self._loop.add_reader(self._listening.fileno(), self._accept)

    def _pause_accepting(self) -> None:
        if self._is_accepting:
            self._is_accepting = False
            self._loop.remove_reader(self._listening.fileno())

    def _sweep(self) -> None:
        """One timer for all connections is cheaper than one for each."""
        now = self.now()
        for one in [one for one in self._connections if one.deadline and one.deadline <= now]:
            one.expire()
        self._later(max(SHORTEST_SWEEP, min(self.head_seconds / 4, 0.5)), self._sweep)

    def _later(self, seconds: float, act: Callable[[], None]) -> None:
        now = self._loop.time()
        self._timers = [one for one in self._timers if one.when() > now and not one.cancelled()]
        self._timers.append(self._loop.call_later(seconds, act))


def _drop_who_does_not_read(listening: socket.socket, seconds: float) -> None:
    """Have the system end connections that take nothing of what is sent for `seconds`. They
    inherit it from the listening socket; only Linux knows it."""
    option = getattr(socket, "TCP_USER_TIMEOUT", None)
    if option is not None:
        listening.setsockopt(socket.IPPROTO_TCP, option, max(1, int(seconds * 1000)))
