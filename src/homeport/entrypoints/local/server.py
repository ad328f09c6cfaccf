"""The local gateway as a whole: its first process, the event loop, and the pumps' threads."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Final, TextIO

from homeport.domain.model import names
from homeport.entrypoints import garbage
from homeport.entrypoints.failures import FailureLog
from homeport.entrypoints.local import greenlets, local_routes
from homeport.entrypoints.local.access_log import AccessLog
from homeport.entrypoints.local.compaction import Compaction
from homeport.entrypoints.local.exchange import Exchanges, Handler
from homeport.entrypoints.local.indexing import Indexing, Take
from homeport.entrypoints.local.listener import Listener, bind
from homeport.entrypoints.local.metrics import Counts, Metrics
from homeport.entrypoints.local.pacing import clock_of_this_thread
from homeport.entrypoints.local.pumps import Pump, Pumps
from homeport.entrypoints.local.serving import Serving, allow_open_files, loop_of_its_own
from homeport.entrypoints.local.settings import GatewaySettings
from homeport.entrypoints.local.worker_process import launch
from homeport.entrypoints.local.workers import Workers

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
_TELL_OF_THE_DEAD: Final = ("memory", "embedded")
"""Adapters that tell the log of their dead letters themselves."""
POLL: Final = 0.05
"""Seconds between looks at stores that cannot say when something was committed."""


class Gateway:
    """Serves `handlers` (function name -> handler) at `routes` (route key -> function name).

    `on_listening` gets the address, `http://host:port`, once requests are taken. Request lines
    and errors are logged to `stream`. Up to `workers` further processes serve some of the
    connections.
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
        workers: int = 0,
    ) -> None:
        self._backend = backend
        self._settings = settings
        self._on_listening = on_listening
        self._stream = stream
        self._most_workers = workers
        self._workers: Workers | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._stop_asked = False
        self._signals: list[signal.Signals] = []
        self._exchanges: Exchanges | None = None
        self._loop_clock: Callable[[], float] = lambda: 0.0
        self._connections = settings.connections
        self.pumps: Final = Pumps(self._make_pumps())
        self._compaction = Compaction(backend, self._served_by_all, self._computed)
        self._metrics = Metrics(backend, self.pumps, self._elsewhere)
        self._routes = {**routes, **local_routes.ROUTES}
        shown = self._metrics.text if settings.metrics else None
        self._handlers = {
            **handlers,
            local_routes.FUNCTION: local_routes.build(backend, self.pumps, shown),
        }

    def run(self, listening: socket.socket | None = None) -> None:
        """Serve until `stop`, SIGTERM, SIGINT or SIGHUP; then finish what is in flight and return.

        `listening` is a socket that `bind` gave before; it is closed at the end. Without one,
        this binds as the settings say, and raises AddressInUse or CannotListen before anything
        is served.
        """
        settings = self._settings
        if listening is None:
            listening = bind(settings.host, settings.port)
        self._connections = allow_open_files(settings.connections)
        with loop_of_its_own(settings, self._stream) as (loop, requests):
            loop.run_until_complete(self._serve(listening, requests))

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
        self._loop_clock = clock_of_this_thread()
        owns_process = threading.current_thread() is threading.main_thread()
        if owns_process:
            numbers = [signal.SIGTERM, signal.SIGINT]
            if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as nohup has it
                numbers.append(signal.SIGHUP)
            for number in numbers:
                loop.add_signal_handler(number, self._on_signal, number)

        def share() -> None:
            connections.surplus = workers.surplus(connections.open)
            serving.admission.share(1 + workers.serving)
            listener.accept_again()

        serving = Serving(
            loop,
            self._backend,
            self._handlers,
            self._routes,
            settings,
            settings.rates,
            self._metrics.counts,
            requests,
            share,
        )
        database = self._backend.database
        most, turns = self._workers_and_turns()
        self._exchanges, connections = serving.exchanges, serving.connections
        self._workers = workers = Workers(
            most,
            partial(launch, turns),
            (self._backend.definition,),
            loop,
            serving.admission.receive_call,
            share,
            self.pumps.wake,
            lambda share: share.keep({threading.get_native_id(), database.commit_thread}),
            self._served,
            self._computed,
            self._metrics.counts,
        )
        connections.hand_over = workers.take

        def take(client: socket.socket) -> None:
            if workers.surplus(connections.open + 1) > 0 and workers.take(client):
                client.close()
            else:
                connections.take(client)

        listener = Listener(
            listening,
            loop,
            take,
            lambda: connections.open + workers.open >= self._connections,
            settings.answer_seconds,
        )
        if database is not None:
            database.attach(loop, greenlets.wait)
            database.listeners.append(self.pumps.wake)
        address = _address(listening)
        try:
            connections.start()
            listener.start()
            workers.start()
            self.pumps.start()
            self._compaction.start()
            if self._on_listening is not None:
                self._on_listening(address)
            if owns_process:
                garbage.while_serving()
            if not self._stop_asked:
                await self._stop.wait()
        finally:
            listener.stop()
            await self._finish(serving, workers)
            if database is not None:
                database.listeners.remove(self.pumps.wake)
                database.detach()

    async def _finish(self, serving: Serving, workers: Workers) -> None:
        """Requests first, then the pumps' batches; the database is last, as both write to it."""
        settings = self._settings
        self._compaction.ask_to_stop()
        requests = asyncio.gather(serving.connections.stop(), workers.stop())
        try:
            await asyncio.wait_for(requests, settings.stop_seconds)
        except TimeoutError:
            log.warning("some requests did not finish in %g s", settings.stop_seconds)
            workers.give_up()
        in_thread = partial(asyncio.get_running_loop().run_in_executor, None)
        if not await in_thread(self.pumps.stop, settings.stop_seconds):
            log.warning("some pumps did not finish in %g s", settings.stop_seconds)
        if not await in_thread(self._compaction.join, settings.stop_seconds):
            log.warning("the search index is still being put together anew")
        await workers.end()
        serving.close()

    def _workers_and_turns(self) -> tuple[int, Sequence[int]]:
        """How many workers there may be, and the files of the turns by which they write."""
        if self._most_workers:
            try:
                return self._most_workers, self._backend.database.share_turns()
            except OSError as error:
                log.warning("there can be no workers, this process serves alone: %s", error)
        return 0, ()

    def _elsewhere(self) -> Mapping[int, Counts]:
        """The workers' processes, and what each has counted."""
        return {} if self._workers is None else self._workers.counts()

    def _on_signal(self, number: signal.Signals) -> None:
        # A shell says again that the terminal is gone, after the kernel, and a supervisor may say
        # so too as it asks for a stop: nobody is in a hurry by that.
        if number != signal.SIGHUP and any(one != signal.SIGHUP for one in self._signals):
            os._exit(130)  # asked twice: what was acknowledged is durable already
        self._signals.append(number)
        self.stop()

    def _make_pumps(self) -> list[Pump]:
        backend = self._backend
        feed, queue = backend.feed, backend.queue
        poll = None if self._is_woken() else POLL
        indexing = Indexing(backend, self._indexer)
        failures = FailureLog()

        def pump(
            name: str, deliver: Callable[[], int], next_due: Callable[[], float | None]
        ) -> Pump:
            return Pump(
                name,
                deliver,
                next_due,
                self._served,
                poll,
                computed=self._computed,
                is_down=failures.is_down,
            )

        # The services are asked for when there is work: until then nobody waits for them to load.
        def watch(events: Sequence[RecordChanged]) -> Mapping[int, str]:
            return backend.messages.watch(events)

        def work(deliveries: Sequence[Delivery]) -> Mapping[str, str]:
            return backend.messages.work(deliveries)

        adapters = backend.definition.adapters
        last = adapters.change_feed.use not in _TELL_OF_THE_DEAD
        index = failures.consumer("indexing", indexing.consume, last=last)
        watching = failures.consumer("messaging", watch, last=last)
        last_work = adapters.message_queue.use not in _TELL_OF_THE_DEAD
        working = failures.worker("queue", work, last=last_work)

        pumps = [
            pump(
                "indexing",
                lambda: feed.deliver("indexing", index, INDEXING_BATCH),
                lambda: feed.next_due("indexing"),
            ),
            pump(
                "messaging",
                lambda: feed.deliver("messaging", watching, MESSAGING_BATCH, MESSAGING_COLLECTIONS),
                lambda: feed.next_due("messaging", MESSAGING_COLLECTIONS),
            ),
            pump("queue", lambda: queue.deliver(working, QUEUE_BATCH), queue.next_due),
        ]
        # An app's code may hang: a stop does not wait long for it, as its event comes again.
        pumps += [
            Pump(
                one.consumer,
                partial(one.deliver, failures.consumer(one.consumer, one.consume, last=last)),
                one.next_due,
                self._served,
                poll,
                patience=APP_SECONDS,
                is_down=failures.is_down,
            )
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

    def _indexer(self) -> Take | None:
        return None if self._workers is None else self._workers.indexer()

    def _served(self) -> int:
        return 0 if self._exchanges is None else self._exchanges.served

    def _served_by_all(self) -> int:
        return self._served() + (0 if self._workers is None else self._workers.served)

    def _computed(self) -> float:
        """The processor time of the loop's thread, in seconds."""
        return self._loop_clock()


def _address(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
