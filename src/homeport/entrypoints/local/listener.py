"""Listens for HTTP with granian's Rust server, in this process and on this event loop.

The only module that knows granian. Its own embeddable server starts an asyncio task for every
request; here each request is handed over as it is, since a greenlet will run it. Granian speaks
HTTP/1.0 and 1.1 in a thread of its own, keeps connections alive, and answers malformed requests.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.machinery import PathFinder
from importlib.util import find_spec, module_from_spec
from typing import Any, Final, Protocol

from homeport.domain.errors import HomeportError

BACKLOG: Final = 1024
HEAD_BYTES: Final = 65_536
"""Of a request's line and headers. A little more may get through, never much."""
_GRANIAN: Final = "granian._granian"


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
