"""Listens for HTTP with granian's Rust server, in this process and on this event loop.

The only module that knows granian. Its own embeddable server starts an asyncio task for every
request; here each request is handed over as it is, since a greenlet will run it. Granian speaks
HTTP/1.0 and 1.1 in a thread of its own, keeps connections alive, and answers malformed requests.
"""

from __future__ import annotations

import asyncio
import contextvars
import errno
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.machinery import PathFinder
from importlib.util import find_spec, module_from_spec
from typing import Any, Final, Protocol

from homeport.domain.errors import HomeportError, Invalid, TooLarge
from homeport.entrypoints.local import greenlets

BACKLOG: Final = 1024
HEAD_BYTES: Final = 65_536
"""Of a request's line and headers. A little more may get through, never much."""
_GRANIAN: Final = "granian._granian"
_CONTEXT: Final = contextvars.Context()


@dataclass(frozen=True, slots=True)
class Patience:
    """How long slow clients are waited for, in seconds: for a request's line and headers to
    arrive, which bounds idle connections too, and for a client to take more of its answer."""

    head: float
    answer: float


@dataclass(frozen=True, slots=True)
class _Http1:
    """HTTP/1 settings by the names that granian reads; times in milliseconds."""

    header_read_timeout: int
    keep_alive: bool = True
    max_buffer_size: int = HEAD_BYTES
    pipeline_flush: bool = False


class AddressInUse(HomeportError):
    """Another program listens at this address already."""


class CannotListen(HomeportError):
    """There is no listening at this address."""


class Scope(Protocol):
    """What granian knows of a request. `path` is percent-decoded, header names are lower case;
    header values that are not printable ASCII are missing."""

    method: str
    path: str
    query_string: str
    http_version: str
    client: str
    headers: Any


class Channel(Protocol):
    """Reads the body and sends the answer, once."""

    def __call__(self) -> Any: ...
    def __aiter__(self) -> Any: ...
    def response_str(self, status: int, headers: list[tuple[str, str]], body: str) -> None: ...
    def response_bytes(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None: ...


class Incoming(Protocol):
    """One request."""

    scope: Scope
    proto: Channel


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
    """Serves `listening` from `start` on; every request goes to `receive`, in another thread."""

    def __init__(
        self,
        listening: socket.socket,
        loop: asyncio.AbstractEventLoop,
        receive: Callable[[Incoming], None],
        connections: int,
        patience: Patience,
    ) -> None:
        self._listening = listening
        self._loop = loop
        self._receive = receive
        self._connections = connections
        self._patience = patience
        self._signal: Any = None
        self._stopped: asyncio.Future[None] = loop.create_future()

    def start(self) -> None:
        granian = _load_granian()
        _drop_who_does_not_read(self._listening, self._patience.answer)
        descriptor = self._listening.detach()  # granian's from now on; it closes it
        signal = granian.WorkerSignal()
        signal.add_cb(lambda: self._loop.call_soon_threadsafe(self._end))
        worker = granian.RSGIWorker(
            1,
            (None, granian.SocketHolder(descriptor, False, BACKLOG)),
            None,  # no channel to a parent process
            1,  # threads of its HTTP runtime
            8,  # threads at most for its blocking work, which there is none of
            1,  # threads that enter Python
            30,
            self._connections,
            "1",
            _Http1(max(1, int(self._patience.head * 1000))),
            None,
            False,  # no websockets
            None,
            False,  # no TLS: from here on, its settings
            None,
            None,
            None,
            "tls1.3",
            None,
            [],
            False,
            (None, None),  # no metrics
        )
        worker.serve_async(_scheduler(granian, self._loop, self._receive), self._loop, signal)
        self._signal = signal

    async def stop(self) -> None:
        """Accept no more, let requests in flight be answered, then close every connection."""
        if self._signal is not None:
            self._signal.set()
            await self._stopped

    def _end(self) -> None:
        if not self._stopped.done():
            self._stopped.set_result(None)


def _drop_who_does_not_read(listening: socket.socket, seconds: float) -> None:
    """Have the system end connections that take nothing of what is sent for `seconds`. They
    inherit it from the listening socket; only Linux knows it."""
    option = getattr(socket, "TCP_USER_TIMEOUT", None)
    if option is not None:
        listening.setsockopt(socket.IPPROTO_TCP, option, max(1, int(seconds * 1000)))


def _load_granian() -> Any:
    """Granian's extension module, without the package around it: its multi-process server and
    command line take longer to import than the rest of this gateway."""
    loaded = sys.modules.get(_GRANIAN)
    if loaded is not None:
        return loaded
    package = find_spec("granian")
    spec = None
    if package is not None and package.submodule_search_locations is not None:
        spec = PathFinder.find_spec(_GRANIAN, package.submodule_search_locations)
    if spec is None or spec.loader is None:
        raise ImportError("The local gateway needs granian: pip install 'homeport[local]'.")
    module = module_from_spec(spec)
    sys.modules[_GRANIAN] = module  # it can be loaded only once
    spec.loader.exec_module(module)
    return module


def _scheduler(
    granian: Any, loop: asyncio.AbstractEventLoop, receive: Callable[[Incoming], None]
) -> Any:
    class Scheduler(granian.CallbackScheduler):  # type: ignore[misc]  # an extension's class
        def __init__(self, *_: Any) -> None:
            super().__init__()
            self._schedule_fn = receive

    return Scheduler(loop, None, None, _nothing, _nothing)


def _nothing(*_: object) -> None:
    """Granian would enter and leave asyncio tasks here; there are none."""


class BodyIncomplete(Invalid):
    """The body took too long to arrive, or its connection ended before it did."""


class UnreadBody(Exception):
    """The body will not be read to its end, for the reason that `error` gives: whatever else
    comes on this connection cannot be told from it."""

    def __init__(self, error: HomeportError) -> None:
        super().__init__(error.detail)
        self.error: Final = error


class BodyReader:
    """Reads bodies in greenlets, and gives up on those that take longer than `seconds`."""

    def __init__(self, loop: asyncio.AbstractEventLoop, most: int, seconds: float) -> None:
        self._loop = loop
        self._most = most
        self._seconds = seconds
        self._waiting: dict[greenlets.Wakeup, float] = {}
        self._sweeping = False

    def read(self, incoming: Incoming, length: str | None) -> bytes:
        """The whole body, or UnreadBody. `length` is the Content-Length, None where the body
        comes in chunks."""
        deadline = self._loop.time() + self._seconds
        if length is not None:
            # Sent twice with the same value, it is joined by a comma.
            if int(length.partition(",")[0]) > self._most:
                raise self._too_large()
            if length == "0":
                return b""
            return self._wait(incoming.proto(), deadline)
        chunks: list[bytes] = []
        size = 0
        stream = incoming.proto.__aiter__()
        while chunk := self._wait(stream.__anext__(), deadline):
            size += len(chunk)
            if size > self._most:
                raise self._too_large()
            chunks.append(chunk)
        return b"".join(chunks)

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
