"""Reads requests' bodies, which come when they come."""

from __future__ import annotations

import asyncio
import contextvars
from typing import Any, Final

from homeport.domain.errors import HomeportError, Invalid, Overloaded, TooLarge
from homeport.entrypoints.local import greenlets
from homeport.entrypoints.local.listener import Incoming

SMALL: Final = 16 * 1024
"""Bytes of a body that is read at once, whoever sends it: connections bound how many are."""
ROOM: Final = 64 * 1024 * 1024
"""Bytes of larger ones that are on their way at once, as they were announced."""
_CONTEXT: Final = contextvars.Context()


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
        self._room = _Room()

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
            return self._wait(incoming.proto(), deadline)
        try:
            self._room.take(network, size)
        except UnreadBody:
            self.leave(incoming)
            raise
        try:
            return self._wait(incoming.proto(), deadline)
        finally:
            self._room.give_back(network, size)

    def leave(self, incoming: Incoming) -> None:
        """Read nothing of the body. Otherwise the connection would wait for it after the answer."""
        incoming.proto().cancel()

    def _read_chunks(self, incoming: Incoming, deadline: float, network: str) -> bytes:
        chunks: list[bytes] = []
        size = taken = 0
        stream = incoming.proto.__aiter__()
        try:
            while chunk := self._wait(stream.__anext__(), deadline):
                size += len(chunk)
                if size > self._most:
                    raise self._too_large()
                if size > SMALL:
                    self._room.take(network, size - taken)
                    taken = size
                chunks.append(chunk)
            return b"".join(chunks)
        finally:
            self._room.give_back(network, taken)

    def _wait(self, awaitable: Any, deadline: float) -> bytes:
        """What granian's awaitable comes to. It calls back as a future does, once."""
        wakeup = greenlets.Wakeup()
        self._waiting[wakeup] = deadline
        if not self._sweeping:
            self._sweeping = True
            self._loop.call_later(self._seconds / 4, self._sweep)
        awaitable.add_done_callback(wakeup, context=_CONTEXT)
        wakeup.wait()
        self._waiting.pop(wakeup, None)
        if wakeup.over:
            awaitable.cancel()  # or the connection would go on waiting for the rest
            raise _incomplete("The body did not arrive in time.")
        try:
            next(awaitable)
        except StopIteration as done:
            body: bytes = done.value
            return body
        except Exception as exc:
            # Granian keeps it, and its traceback would keep granian's awaitable: for ever, since
            # Python's collector does not see through the one to the other.
            exc.__traceback__ = None
            raise _incomplete("The connection ended before the body did.") from exc
        raise _incomplete("The body did not arrive.")

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


class _Room:
    """What large bodies on their way may take together, and those from one address."""

    def __init__(self) -> None:
        self._taken = 0
        self._by_network: dict[str, int] = {}

    def take(self, network: str, size: int) -> None:
        theirs = self._by_network.get(network, 0) + size
        if self._taken + size > ROOM or theirs > ROOM // 4:
            raise UnreadBody(Overloaded("Too much is being sent at once. Try again in a moment."))
        self._taken += size
        self._by_network[network] = theirs

    def give_back(self, network: str, size: int) -> None:
        self._taken -= size
        left = self._by_network.get(network, 0) - size
        if left > 0:
            self._by_network[network] = left
        else:
            self._by_network.pop(network, None)
