"""Reads requests' bodies, which come when they come."""

from __future__ import annotations

import asyncio
from typing import Final

from homeport.domain.errors import HomeportError, Invalid, Overloaded, TooLarge
from homeport.entrypoints.local import greenlets
from homeport.entrypoints.local.incoming import Body, Incoming
from homeport.entrypoints.local.room import Room

SMALL: Final = 16 * 1024
"""Bytes of a body that is read at once, whoever sends it: connections bound how many are."""
ROOM: Final = 64 * 1024 * 1024
"""Bytes of larger ones that are on their way at once, as they were announced."""


class BodyIncomplete(Invalid):
    """The body took too long to arrive, or its connection ended before it did."""


class UnreadBody(Exception):
    """The body will not be read to its end, for the reason that `error` gives: whatever else
    comes on this connection cannot be told from it."""

    def __init__(self, error: HomeportError) -> None:
        super().__init__(error.detail)
        self.error: Final = error


class BodyReader:
    """Reads bodies in greenlets, and gives up on those that take longer than `seconds`.

    Large ones that are on their way at once have `ROOM` bytes together, and those from one
    address a quarter of it: who is slow to send must not fill the memory.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, most: int, seconds: float) -> None:
        self._loop = loop
        self._most = most
        self._seconds = seconds
        self._waiting: dict[greenlets.Wakeup, float] = {}
        self._sweeping = False
        self._room = Room(ROOM)

    def read(self, incoming: Incoming, length: str | None, network: str) -> bytes:
        """The whole body, or UnreadBody. `length` is the Content-Length, None where the body
        comes in chunks; `network` is what counts as one address."""
        deadline = self._loop.time() + self._seconds
        if length is None:
            return self._read_chunks(incoming, deadline, network)
        # Sent twice with the same value, it is joined by a comma.
        size = int(length.partition(",")[0])
        if size > self._most:
            raise self._too_large()
        if size == 0:
            return b""
        if size <= SMALL:
            return self._collect(incoming.body, deadline)
        self._take(network, size)
        try:
            return self._collect(incoming.body, deadline)
        finally:
            self._room.give_back(network, size)

    def _read_chunks(self, incoming: Incoming, deadline: float, network: str) -> bytes:
        chunks: list[bytes] = []
        size = taken = 0
        try:
            while chunk := self._next(incoming.body, deadline):
                size += len(chunk)
                if size > self._most:
                    raise self._too_large()
                if size > SMALL:
                    self._take(network, size - taken)
                    taken = size
                chunks.append(chunk)
            return b"".join(chunks)
        finally:
            self._room.give_back(network, taken)

    def _collect(self, body: Body, deadline: float) -> bytes:
        chunks: list[bytes] = []
        while chunk := self._next(body, deadline):
            chunks.append(chunk)
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    def _next(self, body: Body, deadline: float) -> bytes:
        """What comes next of the body; b"" at its end. Raises UnreadBody."""
        while not (chunk := body.take()):
            if body.ended:
                return b""
            if body.broken:
                raise _incomplete("The connection ended before the body did.")
            self._wait(body, deadline)
        return chunk

    def _wait(self, body: Body, deadline: float) -> None:
        wakeup = greenlets.Wakeup()
        self._waiting[wakeup] = deadline
        if not self._sweeping:
            self._sweeping = True
            self._loop.call_later(self._seconds / 4, self._sweep)
        body.when_more(wakeup)
        wakeup.wait()
        self._waiting.pop(wakeup, None)
        if wakeup.over:
            body.when_more(None)
            raise _incomplete("The body did not arrive in time.")

    def _take(self, network: str, size: int) -> None:
        if not self._room.take(network, size):
            raise UnreadBody(Overloaded("Too much is being sent at once. Try again in a moment."))

    def _too_large(self) -> UnreadBody:
        return UnreadBody(TooLarge(f"The body is over {self._most:,} bytes."))

    def _sweep(self) -> None:
        """One timer for all that wait is cheaper than one for each."""
        now = self._loop.time()
        for wakeup in [one for one, deadline in self._waiting.items() if deadline <= now]:
            wakeup.cancel()
        self._sweeping = bool(self._waiting)
        if self._sweeping:
            self._loop.call_later(self._seconds / 4, self._sweep)


def _incomplete(detail: str) -> UnreadBody:
    return UnreadBody(BodyIncomplete(detail))
