"""Further processes that read: one interpreter computes on one core, and reading is most of what
apps do.

The gateway's own process writes, and accepts all clients. Once there is enough to do it starts a
reader, and hands it half of its connections and of those that come: it speaks HTTP on them, knows
who is calling, and does by itself what only reads; the rest it asks of the gateway's process. It
ends with its parent.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import subprocess
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from homeport.domain.errors import Unavailable
from homeport.entrypoints.local import greenlets
from homeport.entrypoints.local.calls import Call
from homeport.entrypoints.local.channel import Channel, Message
from homeport.entrypoints.local.indexing import Causes, ReaderGone, Take, causes_of
from homeport.entrypoints.local.metrics import RequestCounts

log: Final = logging.getLogger("homeport.gateway")

LOOK_SECONDS: Final = 0.5
"""How often the gateway looks whether another reader would help, and how those are that serve."""
MISSED: Final = 20
"""After so many looks that a reader has not answered it is taken for hung, and ended."""
MANY: Final = 500
"""Requests a second from which on one does,"""
COMPUTED: Final = 0.3
"""or the share of its time that the gateway's loop computes."""
COUNT_SECONDS: Final = 1.0
"""How long a reader is waited for that is asked what it has counted."""
END_SECONDS: Final = 2.0
"""How long a reader may take to end once its work is done."""


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


Launch: TypeAlias = Callable[[Ends], "subprocess.Popen[bytes]"]
"""Starts a reader with these ends. Raises OSError."""


class Readers:
    """Up to `count` readers, as the gateway's loop sees them. Each gets `greeting` first. `receive`
    gets what they ask for; `on_change` is called when one has begun to serve, or a connection of
    theirs has ended.

    `served` counts the gateway's requests, and `computed` tells the processor time that they took
    of its loop, in seconds.
    """

    def __init__(
        self,
        count: int,
        launch: Launch,
        greeting: Message,
        loop: asyncio.AbstractEventLoop,
        receive: Callable[[Call], None],
        on_change: Callable[[], None],
        served: Callable[[], int],
        computed: Callable[[], float],
    ) -> None:
        self._readers = [Reader(launch, greeting, loop, receive, on_change) for _ in range(count)]
        self._indexes: Reader | None = None
        self._loop = loop
        self._served = served
        self._computed = computed
        self._seen = (0.0, 0, 0.0)
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Look from now on whether readers would help."""
        if self._readers:
            self._look()

    @property
    def open(self) -> int:
        """Their connections."""
        return sum(one.open for one in self._readers)

    def surplus(self, own: int) -> int:
        """How many connections the gateway, which has `own`, has more than its share."""
        serving = sum(one.is_serving for one in self._readers)
        share = -(-(own + self.open) // (serving + 1))
        return own - share if serving else 0

    def take(self, client: socket.socket) -> bool:
        """Hand a client to the reader that has fewest and takes it. Returns whether one did."""
        serving = sorted((one for one in self._readers if one.is_serving), key=lambda one: one.open)
        return any(one.take(client) for one in serving)

    def counts(self) -> dict[int, RequestCounts]:
        """What each has counted, by the id of its process. For jobs of a greenlet pool."""
        return {one.pid: one.counts() for one in self._readers if one.pid is not None}

    def indexer(self) -> Take | None:
        """The way to the reader that indexes, once one serves: the same for as long as it lives,
        since it has the index. For any thread but the loop's."""
        if self._indexes is None or not self._indexes.is_serving:
            self._indexes = next((one for one in self._readers if one.is_serving), None)
        return None if self._indexes is None else self._indexes.index

    async def stop(self) -> None:
        """Have them answer what is in work, and close all connections."""
        if self._timer is not None:
            self._timer.cancel()
        await asyncio.gather(*(one.stop() for one in self._readers))

    def give_up(self) -> None:
        """End those that have not answered what is in work: they have had their time."""
        for one in self._readers:
            one.give_up()

    async def end(self) -> None:
        """Have them end, once they do nothing more for this process."""
        await asyncio.gather(*(one.end() for one in self._readers))

    def _look(self) -> None:
        self._timer = self._loop.call_later(LOOK_SECONDS, self._look)
        since, served_then, computed_then = self._seen
        self._seen = now, served, computed = self._loop.time(), self._served(), self._computed()
        span = now - since
        busy = served - served_then >= MANY * span or computed - computed_then >= COMPUTED * span
        if busy and not any(one.is_starting for one in self._readers):
            fresh = next((one for one in self._readers if one.is_fresh), None)
            if fresh is not None:
                fresh.launch()
        processes = 1 + sum(one.is_serving for one in self._readers)
        for one in self._readers:
            one.look(processes)


class Reader:
    """One reader, from before it is started until after it has ended. It is started once."""

    def __init__(
        self,
        launch: Launch,
        greeting: Message,
        loop: asyncio.AbstractEventLoop,
        receive: Callable[[Call], None],
        on_change: Callable[[], None],
    ) -> None:
        self.open = 0
        self.is_serving = False
        self._launch = launch
        self._greeting = greeting
        self._loop = loop
        self._call = receive
        self._on_change = on_change
        self.is_fresh = True
        """It has not been started."""
        self._most = 0
        """Connections that it has files for."""
        self._missed = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._ends: Ends | None = None
        self._channel = Channel(loop, self._receive, self._lost)
        self._is_stopping = False
        self._is_drained = asyncio.Event()
        self._is_gone = asyncio.Event()
        self._indexing: Future[Causes] | None = None
        self._counts = RequestCounts()
        self._counted: asyncio.Future[None] | None = None
        self._opening: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    @property
    def is_starting(self) -> bool:
        return self._process is not None and not (self.is_serving or self._is_gone.is_set())

    def launch(self) -> None:
        try:
            ours, theirs = Ends.pair()
            try:
                self._process = self._launch(theirs)
            except OSError:
                ours.close()
                raise
            finally:
                theirs.close()
        except OSError as error:
            log.warning("a reader cannot be started, the others go on: %s", error)
            return  # at the next look it may be possible
        self.is_fresh = False
        ours.clients.setblocking(False)
        self._ends = ours
        self._opening = self._loop.create_task(self._open(ours.messages))

    async def _open(self, messages: socket.socket) -> None:
        await self._channel.open(messages)
        self._channel.send(*self._greeting)

    def take(self, client: socket.socket) -> bool:
        """Hand it a connection, which stays open here too. Returns whether it was."""
        if not self.is_serving or self.open >= self._most or self._ends is None:
            return False
        try:
            socket.send_fds(self._ends.clients, [b"c"], [client.fileno()])
        except OSError:  # so many are on their way to it, or it is gone
            return False
        self.open += 1
        return True

    def look(self, processes: int) -> None:
        """See whether it is well, and tell it how many serve."""
        if not self.is_serving or self._process is None:
            return
        if self._missed == MISSED:
            log.error("a reader's process does not answer, and is ended")
            self._process.kill()
        self._missed += 1
        self._channel.send("look", processes)

    def counts(self) -> RequestCounts:
        if self.is_serving:
            if self._counted is None:
                self._counted = self._loop.create_future()
                self._channel.send("count")
            # Whoever asks meanwhile waits for the same.
            counted = self._counted
            timer = self._loop.call_later(COUNT_SECONDS, _settle, counted)
            greenlets.wait(counted)
            timer.cancel()
        return self._counts

    def index(self, packed: list[bytes]) -> Causes:
        """Have it take a batch of events into the index. Raises Unavailable where it cannot, and
        ReaderGone: then it has let go of the index."""
        outcome = Future[Causes]()
        self._loop.call_soon_threadsafe(self._send_batch, packed, outcome)
        try:
            return outcome.result()
        except ReaderGone:
            if self._is_stopping:
                raise Unavailable("The server stops.") from None
            if self._process is not None:
                _await_end(self._process)
            raise

    async def stop(self) -> None:
        self._is_stopping = True
        if self.is_serving:
            self._channel.send("stop")
            await self._is_drained.wait()
        elif self._process is not None:
            self._process.kill()  # it has nothing yet

    def give_up(self) -> None:
        if self._process is not None and not self._is_drained.is_set():
            self._process.kill()

    async def end(self) -> None:
        process, ends, opening = self._process, self._ends, self._opening
        if process is None or ends is None or opening is None:
            return
        await opening
        self._channel.close()
        try:
            await asyncio.wait_for(self._is_gone.wait(), END_SECONDS)
        except TimeoutError:  # it takes nothing of what waits for it
            process.kill()
            self._channel.abort()
        ends.clients.close()  # the other is the channel's
        await self._loop.run_in_executor(None, _await_end, process)

    def _send_batch(self, packed: list[bytes], outcome: Future[Causes]) -> None:
        if self.is_serving:
            self._indexing = outcome
            self._channel.send("index", packed)
        else:
            outcome.set_exception(ReaderGone())

    def _receive(self, message: Message) -> None:
        match message:
            case ("call", number, function, event):

                def answer(result: dict[str, Any]) -> None:
                    self._channel.send("answer", number, result)

                self._call(Call(function, event, answer))
            case ("left",):
                self.open -= 1
                self._on_change()
            case ("indexed", outcome):
                waiting, self._indexing = self._indexing, None
                if waiting is not None:
                    _pass_on(outcome, waiting)
            case ("counted", counts):
                self._counts = counts
                self._settle_counted()
            case ("looked",):
                self._missed = 0
            case ("serving", most):
                self._most = most
                self.is_serving = not self._is_stopping
                self._on_change()
            case ("drained",):
                self._is_drained.set()
            case _:
                raise ValueError(f"no message of a reader's: {message[0]!r}")

    def _lost(self) -> None:
        self.is_serving = False
        if not self._is_stopping:
            log.error("a reader's process has ended; its connections are gone, the others stay")
            if self._ends is not None:
                self._ends.clients.close()
            self._loop.run_in_executor(None, self._reap)
        self._settle_counted()
        if self._indexing is not None:
            self._indexing.set_exception(ReaderGone())
        self._is_drained.set()
        self._is_gone.set()
        self.open = 0
        self._on_change()

    def _reap(self) -> None:
        if self._process is not None:
            _await_end(self._process)

    def _settle_counted(self) -> None:
        counted, self._counted = self._counted, None
        if counted is not None:
            _settle(counted)


def _pass_on(outcome: object, waiting: Future[Causes]) -> None:
    try:
        waiting.set_result(causes_of(outcome))
    except Unavailable as error:
        waiting.set_exception(error)


def _settle(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def _await_end(process: subprocess.Popen[bytes]) -> None:
    """Wait until it has ended, for a while; then end it."""
    with suppress(subprocess.TimeoutExpired):
        process.wait(END_SECONDS)
        return
    process.kill()
    process.wait()
