"""Messages between the server's processes: what waits to be sent goes out together.

Each frame is its length, four bytes, and a pickled list of messages. Both ends are the same
program, one the other's child, and nobody else has the socket.
"""

from __future__ import annotations

import asyncio
import pickle
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, cast

Message: TypeAlias = tuple[Any, ...]
"""What it is, and what belongs to it."""

_LENGTH: Final = 4


@dataclass(frozen=True, slots=True)
class Ends:
    """One side of what two processes have in common: a stream of messages, and a socket that
    clients' connections are handed through."""

    messages: socket.socket
    clients: socket.socket

    @classmethod
    def pair(cls) -> tuple[Ends, Ends]:
        messages = socket.socketpair()
        clients = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        return cls(messages[0], clients[0]), cls(messages[1], clients[1])

    def close(self) -> None:
        self.messages.close()
        self.clients.close()


def first(end: socket.socket) -> Message:
    """The message that the other end sends before all others, waited for without a loop. Raises
    EOFError where none comes."""
    content = _read(end, int.from_bytes(_read(end, _LENGTH), "little"))
    (message,) = pickle.loads(content)  # noqa: S301 - of the other end alone, see above
    return cast("Message", message)


def _read(end: socket.socket, size: int) -> bytes:
    content = bytearray()
    while len(content) < size:
        more = end.recv(size - len(content))
        if not more:
            raise EOFError
        content += more
    return bytes(content)


class Channel(asyncio.Protocol):
    """One end: gives each message that comes to `receive`, and calls `lost` when no more will."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        receive: Callable[[Message], None],
        lost: Callable[[], None],
    ) -> None:
        self._loop = loop
        self._receive = receive
        self._lost = lost
        self._transport: asyncio.Transport | None = None
        self._outgoing: list[Message] = []
        self._arrived = bytearray()

    async def open(self, end: socket.socket) -> None:
        """Use this end of a pair of stream sockets."""
        end.setblocking(False)
        await self._loop.create_connection(lambda: self, sock=end)

    def send(self, *message: Any) -> None:
        """Send it before long; to nobody, where the other end is gone."""
        if not self._outgoing:
            self._loop.call_soon(self.flush)
        self._outgoing.append(message)

    def close(self) -> None:
        """Send what waits, and then no more."""
        self.flush()
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """End it, whatever waits."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._lost()

    def data_received(self, data: bytes) -> None:
        arrived = self._arrived
        arrived += data
        start = 0
        while len(arrived) - start >= _LENGTH:
            end = start + _LENGTH + int.from_bytes(arrived[start : start + _LENGTH], "little")
            if len(arrived) < end:
                break
            # Of the other end alone, see above.
            messages = pickle.loads(memoryview(arrived)[start + _LENGTH : end])  # noqa: S301
            start = end
            for message in messages:
                self._receive(message)
        del arrived[:start]

    def flush(self) -> None:
        """Send what waits, now."""
        outgoing, self._outgoing = self._outgoing, []
        if outgoing and self._transport is not None and not self._transport.is_closing():
            try:
                content = pickle.dumps(outgoing, pickle.HIGHEST_PROTOCOL)
            except Exception:  # those who wait for an answer would wait for ever
                self.abort()
                raise
            self._transport.write(len(content).to_bytes(_LENGTH, "little") + content)
