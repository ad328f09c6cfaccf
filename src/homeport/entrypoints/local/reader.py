"""A reader: serves the connections that it is handed, and asks the gateway's process for all that
writes."""

from __future__ import annotations

import asyncio
import logging
import os
import select
import socket
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Final, TextIO

from homeport.entrypoints.local import greenlets
from homeport.entrypoints.local.access_log import AccessLog
from homeport.entrypoints.local.channel import Channel, Message
from homeport.entrypoints.local.exchange import Handler
from homeport.entrypoints.local.indexing import Causes, Indexer
from homeport.entrypoints.local.metrics import RequestCounts
from homeport.entrypoints.local.pacing import Pacing, clock_of_this_thread
from homeport.entrypoints.local.readers import Ends
from homeport.entrypoints.local.serving import Serving, loop_of_its_own
from homeport.entrypoints.local.settings import GatewaySettings

if TYPE_CHECKING:
    from homeport.container import Backend
    from homeport.domain.events import RecordChanged

log: Final = logging.getLogger("homeport.gateway")

HANDED_A_TURN: Final = 64
ORPHANED: Final = 1
"""What it ends with where its parent is gone."""


class Reader:
    """Does what is `safe`, a set of route keys, with the handlers that `handlers` gives for the
    backend, and has the gateway's process do all else of `routes` (route key -> function)."""

    def __init__(
        self,
        ends: Ends,
        settings: GatewaySettings,
        backend: Callable[[], AbstractContextManager[Backend]],
        handlers: Callable[[Backend], Mapping[str, Handler]],
        routes: Mapping[str, str],
        safe: frozenset[str],
        stream: TextIO | None = None,
    ) -> None:
        self._ends = ends
        self._settings = settings
        self._backend = backend
        self._make_handlers = handlers
        self._routes = routes
        self._safe = safe
        self._stream = stream
        self._counts = RequestCounts()
        self._calls: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._called = 0

    def run(self) -> None:
        """Sleep until there is a connection, and serve until the parent says stop."""
        waiting = select.poll()
        waiting.register(self._ends.clients, select.POLLIN)
        waiting.register(self._ends.messages, select.POLLIN)
        waiting.poll()
        if not _is_handed_something(self._ends.clients):
            return  # the parent has no work for it, and ends
        with (
            self._backend() as backend,
            loop_of_its_own(self._settings, self._stream) as (loop, requests),
        ):
            loop.run_until_complete(self._serve(loop, backend, requests))

    async def _serve(
        self, loop: asyncio.AbstractEventLoop, backend: Backend, requests: AccessLog | None
    ) -> None:
        self._loop = loop
        self._stop, self._end = asyncio.Event(), asyncio.Event()
        self._channel = channel = Channel(loop, self._receive, self._lost)
        serving = Serving(
            loop,
            backend,
            self._shared(self._make_handlers(backend)),
            self._routes,
            self._settings,
            {},  # limits are where all requests of an address are known
            self._counts,
            requests,
            lambda: channel.send("left"),
        )
        self._connections = serving.connections

        def consume(events: Sequence[RecordChanged]) -> Causes:
            return backend.indexing.consume(events)  # a service is made when there is work

        self._indexer = indexer = Indexer(
            loop,
            consume,
            Pacing(lambda: serving.exchanges.served, clock_of_this_thread()),
            lambda outcome: channel.send("indexed", outcome),
        )
        await channel.open(self._ends.messages)  # last, since messages come from here on
        self._connections.start()
        loop.add_reader(self._ends.clients.fileno(), self._take)
        await self._stop.wait()
        loop.remove_reader(self._ends.clients.fileno())
        self._take()
        await self._connections.stop()
        channel.send("drained")
        await self._end.wait()
        indexer.close()
        serving.close()

    def _shared(self, own: Mapping[str, Handler]) -> dict[str, Handler]:
        """Handlers of all functions, which do here what only reads."""

        def of(function: str) -> Handler:
            handler = own.get(function)

            def handle(event: dict[str, Any], context: Any) -> Any:
                if handler is not None and event["routeKey"] in self._safe:
                    return handler(event, context)
                return self._call(function, event)

            return handle

        return {function: of(function) for function in {*self._routes.values(), *own}}

    def _call(self, function: str, event: dict[str, Any]) -> dict[str, Any]:
        self._called = number = self._called + 1
        self._calls[number] = answer = self._loop.create_future()
        self._channel.send("call", number, function, event)
        return greenlets.wait(answer)

    def _receive(self, message: Message) -> None:
        match message:
            case ("answer", number, result):
                self._calls.pop(number).set_result(result)
            case ("index", packed):
                self._indexer.take(packed)
            case ("count",):
                self._channel.send("counted", self._counts)
            case ("stop",):
                self._stop.set()
            case _:
                raise ValueError(f"no message for a reader: {message[0]!r}")

    def _lost(self) -> None:
        if not self._stop.is_set():
            os._exit(ORPHANED)  # whatever was acknowledged is durable
        self._end.set()

    def _take(self) -> None:
        for _ in range(HANDED_A_TURN):
            try:
                _, handed, _, _ = socket.recv_fds(self._ends.clients, 1, 1)
            except (BlockingIOError, InterruptedError):
                return
            if not handed:
                return  # the parent is gone, as the channel tells
            for one in handed:
                self._connections.take(socket.socket(fileno=one))


def _is_handed_something(clients: socket.socket) -> bool:
    clients.setblocking(False)
    try:
        return bool(clients.recv(1, socket.MSG_PEEK))
    except BlockingIOError:
        return False
