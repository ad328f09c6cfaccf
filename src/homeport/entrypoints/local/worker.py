"""A worker: serves the connections that it is handed, and asks the gateway's process for what is
counted there."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import threading
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from homeport.entrypoints import garbage
from homeport.entrypoints.local import greenlets
from homeport.entrypoints.local.access_log import AccessLog
from homeport.entrypoints.local.channel import Channel, Ends, Message
from homeport.entrypoints.local.exchange import Handler
from homeport.entrypoints.local.indexing import Causes, Indexer
from homeport.entrypoints.local.metrics import Counts
from homeport.entrypoints.local.pacing import Pacing, clock_of_this_thread
from homeport.entrypoints.local.serving import Serving, allow_open_files, loop_of_its_own
from homeport.entrypoints.local.settings import GatewaySettings

if TYPE_CHECKING:
    from homeport.container import Backend
    from homeport.domain.events import RecordChanged

log: Final = logging.getLogger("homeport.gateway")

HANDED_A_TURN: Final = 64
ORPHANED: Final = 1
"""What it ends with where its parent is gone."""


class WorkerLoop:
    """Serves `routes` (route key -> function) with `handlers`. What these have not, and the route
    keys of `asked`, the gateway's process does."""

    def __init__(
        self,
        backend: Backend,
        handlers: Mapping[str, Handler],
        routes: Mapping[str, str],
        asked: frozenset[str],
        settings: GatewaySettings,
        ends: Ends,
    ) -> None:
        self._backend = backend
        self._handlers = handlers
        self._routes = routes
        self._asked = asked
        self._settings = settings
        self._ends = ends
        self._counts = Counts()
        self._calls: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._called = 0
        self._is_drained = False
        self._processes = 2
        """That serve, as far as it was told."""

    def run(self) -> None:
        """Serve until the gateway's process says stop, and then end."""
        self._most = allow_open_files(self._settings.connections)
        with loop_of_its_own(self._settings, None) as (loop, requests):
            loop.run_until_complete(self._serve(loop, requests))

    async def _serve(self, loop: asyncio.AbstractEventLoop, requests: AccessLog | None) -> None:
        self._loop = loop
        self._stop, self._end = asyncio.Event(), asyncio.Event()
        self._channel = channel = Channel(loop, self._receive, self._lost)
        serving = Serving(
            loop,
            self._backend,
            self._shared(self._handlers),
            self._routes,
            self._settings,
            {},  # limits are where all requests of an address are known
            self._counts,
            requests,
            lambda: channel.send("left"),
        )
        self._exchanges = serving.exchanges
        self._connections = connections = serving.connections
        self._admission = serving.admission
        self._admission.share(self._processes)
        clock = clock_of_this_thread()
        pacing = Pacing(
            lambda: serving.exchanges.served * self._processes,
            clock,
            # tantivy's threads do half of the work, also between two batches.
            worked=lambda: time.process_time() - clock(),
        )
        self._indexer = indexer = Indexer(
            loop,
            self._consume,
            pacing,
            lambda outcome: channel.send("indexed", outcome),
        )
        database = self._backend.database
        self._counts.commits = database.commits
        database.attach(loop, greenlets.wait)
        database.listeners.append(lambda: channel.send("committed"))
        clients = self._ends.clients
        clients.setblocking(False)
        connections.start()
        loop.add_reader(clients.fileno(), self._take)
        await channel.open(self._ends.messages)
        channel.send("serving", self._most)
        garbage.while_serving()
        await self._stop.wait()
        loop.remove_reader(clients.fileno())
        await connections.stop()
        database.detach()
        self._is_drained = True
        channel.send("drained")
        await self._end.wait()
        indexer.close()
        serving.close()

    def _consume(self, events: Sequence[RecordChanged]) -> Causes:
        return self._backend.indexing.consume(events)  # a service is made when there is work

    def _shared(self, own: Mapping[str, Handler]) -> dict[str, Handler]:
        """Handlers of all functions, which do here what may be done anywhere."""

        def of(function: str) -> Handler:
            handler = own.get(function)

            def handle(event: dict[str, Any], context: Any) -> Any:
                if handler is None or event["routeKey"] in self._asked:
                    return self._call(function, event)
                return handler(event, context)

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
            case ("refused", number, result):
                self._admission.refused_beyond()
                self._calls.pop(number).set_result(result)
            case ("index", packed):
                self._indexer.take(packed)
            case ("look", processes, share):
                self._processes = processes
                share.keep({threading.get_native_id(), self._backend.database.commit_thread})
                self._admission.share(processes)
                self._channel.send("looked", self._exchanges.served)
            case ("count",):
                self._channel.send("counted", self._counts)
            case ("stop",):
                self._stop.set()
            case _:
                raise ValueError(f"no message for a worker: {message[0]!r}")

    def _lost(self) -> None:
        if not self._is_drained:
            # Nobody answers its calls any more. What was acknowledged is durable.
            os._exit(ORPHANED)
        self._end.set()

    def _take(self) -> None:
        for _ in range(HANDED_A_TURN):
            try:
                data, handed, _, _ = socket.recv_fds(self._ends.clients, 1, 1)
            except (BlockingIOError, InterruptedError):
                return
            if not data:
                return  # the parent is gone, as the channel tells
            if not handed:  # there was no room for another open file
                log.warning("a client's connection was lost: this process has too many open files")
                self._channel.send("left")
            for one in handed:
                self._connections.take(socket.socket(fileno=one))
