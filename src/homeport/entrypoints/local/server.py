"""The local gateway as a whole: one process, one event loop, and the pumps' threads."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Final, TextIO

from homeport.domain.model import names
from homeport.entrypoints.lambdas.authorizer import authorize
from homeport.entrypoints.local import greenlets, local_routes
from homeport.entrypoints.local.access_log import (
    AccessLog,
    LogWriter,
    StructuredHandler,
    is_human,
)
from homeport.entrypoints.local.admission import Admission
from homeport.entrypoints.local.authorizer import Authorizer
from homeport.entrypoints.local.bodies import BodyReader
from homeport.entrypoints.local.cors import Cors
from homeport.entrypoints.local.exchange import COMMON, Exchanges, Handler
from homeport.entrypoints.local.incoming import Incoming
from homeport.entrypoints.local.limits import RateLimiter
from homeport.entrypoints.local.listener import Listener, Patience, bind
from homeport.entrypoints.local.memory import QuietTrim, give_back
from homeport.entrypoints.local.metrics import Metrics
from homeport.entrypoints.local.proxies import Proxies
from homeport.entrypoints.local.pumps import Pump, Pumps
from homeport.entrypoints.local.routes import Router
from homeport.entrypoints.local.settings import GatewaySettings, LogFormat

if TYPE_CHECKING:
    from homeport.container import Backend
    from homeport.domain.events import RecordChanged
    from homeport.domain.ports.message_queue import Delivery

log: Final = logging.getLogger("homeport.gateway")

INDEXING_BATCH: Final = 2000
"""Each batch is one commit of the index: large ones let it catch up where it fell behind."""
MESSAGING_BATCH: Final = 500
MESSAGING_COLLECTIONS: Final = (names.SENT,)
QUEUE_BATCH: Final = 10
UPKEEP_SECONDS: Final = 3600.0
APP_SECONDS: Final = 2.0
"""How long a stop waits for a subscriber's call."""
POLL: Final = 0.05
"""Seconds between looks at stores that cannot say when something was committed."""
SWITCH_INTERVAL: Final = 0.0005
"""How long a pump may hold up requests; Python's own 5 ms is ten requests' time."""


class Gateway:
    """Serves `handlers` (function name -> handler) at `routes` (route key -> function name).

    `on_listening` gets the address, `http://host:port`, once requests are taken. Request lines
    and errors are logged to `stream`.
    """

    def __init__(
        self,
        backend: Backend,
        handlers: Mapping[str, Handler],
        routes: Mapping[str, str],
        settings: GatewaySettings,
        *,
        on_listening: Callable[[str], None] | None = None,
        stream: TextIO | None = None,
    ) -> None:
        self._backend = backend
        self._settings = settings
        self._on_listening = on_listening
        self._stream = sys.stderr if stream is None else stream
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._stop_asked = False
        self._exchanges: Exchanges | None = None
        self._loop_clock: int | None = None
        self._connections = settings.connections
        self.pumps: Final = Pumps(self._make_pumps())
        self._metrics = Metrics(backend, self.pumps)
        self._routes = {**routes, **local_routes.ROUTES}
        shown = self._metrics.text if settings.metrics else None
        self._handlers = {
            **handlers,
            local_routes.FUNCTION: local_routes.build(backend, self.pumps, shown),
        }

    def run(self, listening: socket.socket | None = None) -> None:
        """Serve until `stop`, SIGTERM or SIGINT; then finish what is in flight and return.

        `listening` is a socket that `bind` gave before; it is closed at the end. Without one,
        this binds as the settings say, and raises AddressInUse or CannotListen before anything
        is served.
        """
        settings = self._settings
        if listening is None:
            listening = bind(settings.host, settings.port)
        import uvloop  # not sooner: only a served backend needs it

        self._connections = _allow_open_files(settings.connections)
        before = sys.getswitchinterval()
        sys.setswitchinterval(SWITCH_INTERVAL)
        human = is_human(settings.log, self._stream)
        writer = LogWriter(self._stream)
        handler = StructuredHandler(writer.add, human=human)
        logging.getLogger("homeport").addHandler(handler)
        loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
        try:
            requests = None if settings.log is LogFormat.OFF else AccessLog(writer.add, human=human)
            loop.run_until_complete(self._serve(listening, requests))
        finally:
            loop.close()
            logging.getLogger("homeport").removeHandler(handler)
            writer.close()
            sys.setswitchinterval(before)

    def stop(self) -> None:
        """Have `run` end. May be called in any thread, also before `run` listens."""
        self._stop_asked = True
        loop, stop = self._loop, self._stop
        if loop is not None and stop is not None:
            with suppress(RuntimeError):  # it has ended already
                loop.call_soon_threadsafe(stop.set)

    async def _serve(self, listening: socket.socket, requests: AccessLog | None) -> None:
        settings = self._settings
        loop = asyncio.get_running_loop()
        self._loop, self._stop = loop, asyncio.Event()
        if hasattr(time, "pthread_getcpuclockid"):  # not on macOS and Windows
            self._loop_clock = time.pthread_getcpuclockid(threading.get_ident())
        owns_process = threading.current_thread() is threading.main_thread()
        if owns_process:
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.add_signal_handler(number, self._on_signal)
        cors = Cors(settings.origins)
        self._exchanges = exchanges = Exchanges(
            handlers=self._handlers,
            router=Router(self._routes),
            authorizer=Authorizer(partial(authorize, self._backend.identity_provider)),
            limiter=RateLimiter(settings.rates, time.monotonic),
            cors=cors,
            bodies=BodyReader(loop, settings.body_bytes, settings.body_seconds),
            log=requests,
            concurrent=settings.concurrent_requests,
            counts=self._metrics.requests,
            proxies=Proxies(settings.proxies) if settings.proxies else None,
            compress=settings.compress,
        )
        pool: greenlets.Pool[Incoming] = greenlets.Pool(
            loop,
            exchanges.serve,
            settings.offload_threads,
            min(greenlets.COHORT, max(1, settings.concurrent_requests // 4)),
        )
        database = self._backend.database
        if database is not None:
            database.attach(loop, greenlets.wait)
            database.listeners.append(self.pumps.wake)
        trim = QuietTrim(loop, pool.threads, give_back, time.process_time)
        address = _address(listening)
        patience = Patience(settings.head_seconds, settings.answer_seconds)
        admission = Admission(
            pool.submit,
            lambda: pool.waiting + exchanges.active,
            settings.concurrent_requests,
            cors,
            self._metrics.requests,
            loop.time,
        )
        listener = Listener(
            listening,
            loop,
            admission.receive,
            exchanges.refusal,
            self._connections,
            patience,
            COMMON,
        )
        try:
            listener.start()
            self.pumps.start()
            if self._on_listening is not None:
                self._on_listening(address)
            if owns_process:
                gc.freeze()  # what is loaded now stays: full collections need not walk it
            if not self._stop_asked:
                await self._stop.wait()
        finally:
            trim.stop()
            await self._finish(listener, pool)
            if database is not None:
                database.listeners.remove(self.pumps.wake)
                database.detach()

    async def _finish(self, listener: Listener, pool: greenlets.Pool[Incoming]) -> None:
        """Requests first, then the pumps' batches; the database is last, as both write to it."""
        settings = self._settings
        try:
            await asyncio.wait_for(listener.stop(), settings.stop_seconds)
        except TimeoutError:
            log.warning("some requests did not finish in %g s", settings.stop_seconds)
        pumps_stop = partial(self.pumps.stop, settings.stop_seconds)
        if not await asyncio.get_running_loop().run_in_executor(None, pumps_stop):
            log.warning("some pumps did not finish in %g s", settings.stop_seconds)
        pool.close()

    def _on_signal(self) -> None:
        if self._stop_asked:
            os._exit(130)  # asked twice: what was acknowledged is durable already
        self.stop()

    def _make_pumps(self) -> list[Pump]:
        backend = self._backend
        feed, queue = backend.feed, backend.queue
        poll = None if self._is_woken() else POLL

        def pump(
            name: str, deliver: Callable[[], int], next_due: Callable[[], float | None]
        ) -> Pump:
            return Pump(name, deliver, next_due, self._served, poll, computed=self._computed)

        # The services are asked for when there is work: until then nobody waits for them to load.
        def consume(events: Sequence[RecordChanged]) -> Mapping[int, str]:
            return backend.indexing.consume(events)

        def watch(events: Sequence[RecordChanged]) -> Mapping[int, str]:
            return backend.messages.watch(events)

        def work(deliveries: Sequence[Delivery]) -> Mapping[str, str]:
            return backend.messages.work(deliveries)

        pumps = [
            pump(
                "indexing",
                lambda: feed.deliver("indexing", consume, INDEXING_BATCH),
                lambda: feed.next_due("indexing"),
            ),
            pump(
                "messaging",
                lambda: feed.deliver("messaging", watch, MESSAGING_BATCH, MESSAGING_COLLECTIONS),
                lambda: feed.next_due("messaging", MESSAGING_COLLECTIONS),
            ),
            pump("queue", lambda: queue.deliver(work, QUEUE_BATCH), queue.next_due),
        ]
        # An app's code may hang: a stop does not wait long for it, as its event comes again.
        pumps += [
            Pump(one.consumer, one.deliver, one.next_due, self._served, poll, patience=APP_SECONDS)
            for one in backend.subscribers
        ]
        # DynamoDB drops expired tombstones by itself, and the memory store keeps them.
        purge = getattr(backend.store, "purge_tombstones", None)
        if purge is not None:
            hourly = Pump("upkeep", purge, lambda: UPKEEP_SECONDS, self._served, by_commits=False)
            pumps.append(hourly)
        return pumps

    def _is_woken(self) -> bool:
        """Whether the database says when there may be work: only of what it holds itself."""
        adapters = self._backend.definition.adapters
        return {adapters.record_store.use, adapters.message_queue.use} == {"embedded"}

    def _served(self) -> int:
        return 0 if self._exchanges is None else self._exchanges.served

    def _computed(self) -> float:
        """The processor time of the loop's thread in seconds; 0.0 where nothing tells it."""
        if self._loop_clock is None:
            return 0.0
        try:
            return time.clock_gettime(self._loop_clock)
        except OSError:  # that thread has ended, and this pump is about to
            return 0.0


def _address(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _allow_open_files(connections: int) -> int:
    """Let there be an open file for each connection, where the usual limit is 1,024 for all.
    Returns how many connections leave the others their files."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return connections
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + _OTHER_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft == resource.RLIM_INFINITY:
        return connections
    return min(connections, max(soft // 2, soft - _OTHER_FILES))


_OTHER_FILES: Final = 512
