"""What all connections of an event loop share: their answers go out together, their deadlines are
looked at together, and at the end they are closed together."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from email.utils import formatdate
from typing import Final

from homeport.entrypoints.local import unread
from homeport.entrypoints.local.connection import Connection
from homeport.entrypoints.local.incoming import Headers, Incoming
from homeport.entrypoints.local.room import Room

BURST: Final = 16
"""Answers that are sent together. Who reads them is woken by the first and is awake for the
others, which on a virtual machine saves as much as all else that an answer takes."""
SHORTEST_SWEEP: Final = 0.02


class Connections:
    """The clients' connections of one loop: every request goes to `receive`. What is no request
    is answered as `refusal` says for its status, 400 or 431, and the connection ends.

    Every answer has the headers `common`. `head_seconds` is how long a request's line and headers
    may take to arrive, which bounds idle connections too. `on_leaving` is called when there is
    one connection less, and `on_cut_off` when one is ended since its client does not read.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        receive: Callable[[Incoming], None],
        refusal: Callable[[int], tuple[Headers, str]],
        head_seconds: float,
        common: Headers,
        on_leaving: Callable[[], None] = lambda: None,
        on_cut_off: Callable[[], None] = lambda: None,
    ) -> None:
        self.receive: Final = receive
        self.refusal: Final = refusal
        self.now: Final = loop.time
        self.head_seconds: Final = head_seconds
        self.room: Final = Room(unread.ROOM)
        self.on_cut_off: Final = on_cut_off
        self.stopping = False
        self.surplus = 0
        """How many connections to hand over, as soon as each is between two requests."""
        self.hand_over: Callable[[socket.socket], bool] = lambda _: False
        """Gives a connection to another process, or does not."""
        self.open = 0
        """Connections, those included that are being opened."""
        self._loop = loop
        self._on_leaving = on_leaving
        self._lines = "".join(f"{name}: {value}\r\n" for name, value in common) + "\r\n"
        self._outgoing: list[tuple[asyncio.Transport, bytes]] = []
        self._second = 0
        self._dated = ""
        self._connections: set[Connection] = set()
        self._opening: set[asyncio.Task[object]] = set()
        self._sweeping: asyncio.TimerHandle | None = None
        self._empty: asyncio.Future[None] = loop.create_future()

    def start(self) -> None:
        self._sweep()

    def take(self, client: socket.socket) -> None:
        """Serve a client that has been accepted."""
        self.open += 1
        client.setblocking(False)
        with suppress(OSError):  # it has gone again, as opening it will find
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        opening: asyncio.Task[object] = self._loop.create_task(self._open(client))
        self._opening.add(opening)
        opening.add_done_callback(self._opening.discard)

    async def stop(self) -> None:
        """Let requests in work be answered, then close every connection."""
        self.stopping = True
        self.surplus = 0
        self.flush()
        try:
            for one in list(self._connections):
                one.finish()
            if self._opening:
                await asyncio.wait(self._opening)
            if self._connections:
                await self._empty
        finally:
            if self._sweeping is not None:
                self._sweeping.cancel()
            for one in list(self._connections):
                one.abort()

    def soon(self, act: Callable[[], object]) -> None:
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

    def part(self, connection: Connection, transport: asyncio.Transport) -> bool:
        """Let another process go on with a connection, if one is to. Returns whether it does: then
        it is over here."""
        if self.surplus <= 0:
            return False
        if not self.hand_over(transport.get_extra_info("socket")):
            self.surplus = 0  # until there is a change, none is taken
            return False
        self.surplus -= 1
        self._connections.discard(connection)
        self.open -= 1
        transport.abort()
        return True

    def left(self, connection: Connection) -> None:
        if connection not in self._connections:
            return  # another process goes on with it
        self._connections.discard(connection)
        self._one_less()
        if self.stopping and not self._connections and not self._empty.done():
            self._empty.set_result(None)

    async def _open(self, client: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(lambda: Connection(self), client)
        except OSError:  # it has gone again
            client.close()
            self._one_less()

    def _one_less(self) -> None:
        self.open -= 1
        self._on_leaving()

    def _sweep(self) -> None:
        """One timer for all connections is cheaper than one for each."""
        now = self.now()
        for one in [one for one in self._connections if one.deadline and one.deadline <= now]:
            one.expire()
        pause = max(SHORTEST_SWEEP, min(self.head_seconds / 4, 0.5))
        self._sweeping = self._loop.call_later(pause, self._sweep)
