"""Further processes that read: one interpreter computes on one core, and reading is most of what
apps do.

The gateway's own process writes, and accepts all clients. It hands every other connection to one
of its readers, which speaks HTTP on it, knows who is calling, and does by itself what only reads;
the rest it asks of the gateway's process. Readers are forked before the data folder is opened and
before there are threads, sleep until the first connection comes, and end with their parent.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from homeport.domain.errors import Unavailable
from homeport.entrypoints.local import greenlets
from homeport.entrypoints.local.calls import Call
from homeport.entrypoints.local.channel import Channel, Message
from homeport.entrypoints.local.indexing import Causes, Take, causes_of
from homeport.entrypoints.local.metrics import RequestCounts

log: Final = logging.getLogger("homeport.gateway")

OWN: Final = 3
"""Connections that the gateway keeps before a reader gets the first."""
COUNT_SECONDS: Final = 1.0
"""How long a reader is waited for that is asked what it has counted."""
END_SECONDS: Final = 2.0
"""How long a process may take to end once its work is done."""


@dataclass(frozen=True, slots=True)
class Ends:
    """One side of what two processes have in common: a stream of messages, and a socket that
    clients' connections are handed through."""

    messages: socket.socket
    clients: socket.socket

    def close(self) -> None:
        self.messages.close()
        self.clients.close()


def pair() -> tuple[Ends, Ends]:
    messages = socket.socketpair()
    clients = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    return Ends(messages[0], clients[0]), Ends(messages[1], clients[1])


@dataclass(frozen=True, slots=True)
class Child:
    """A reader's process, and this side of what leads to it."""

    pid: int
    ends: Ends


def can_fork() -> bool:
    """Only where it is safe to fork, and connections can be handed over: elsewhere one process
    does everything."""
    return sys.platform == "linux"


@contextmanager
def forked(
    count: int, run: Callable[[Ends], None], listening: socket.socket
) -> Iterator[Sequence[Child]]:
    """So many processes that `run`, each with its end, and without `listening`, which is the
    parent's. Call it where there is one thread yet, with everything imported that they have in
    common. They are gone at the end."""
    children: list[Child] = []
    if count:
        gc.collect()
        gc.freeze()  # whatever the collector touches would be there twice
        sys.stdout.flush()
        sys.stderr.flush()
    try:
        for _ in range(count):
            ours, theirs = pair()
            pid = os.fork()
            if pid == 0:
                _be_child(run, theirs, [ours, *(one.ends for one in children)], listening)
            theirs.close()
            children.append(Child(pid, ours))
        yield children
    finally:
        for one in children:
            one.ends.close()
        for one in children:
            _await_end(one.pid)


def _be_child(
    run: Callable[[Ends], None], ends: Ends, others: Sequence[Ends], listening: socket.socket
) -> NoReturn:
    status = 1
    try:
        # Whoever stops the server tells all of its processes, and its parent tells this one.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        for one in others:  # who held the parent's end would not see it go
            one.close()
        listening.close()
        run(ends)
        status = 0
    except BaseException:
        log.exception("a reader failed")
    finally:
        with contextlib.suppress(Exception):
            sys.stderr.flush()
        os._exit(status)


def _await_end(pid: int) -> None:
    """Wait until a child has ended, for a while; then end it."""
    until = time.monotonic() + END_SECONDS
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(pid, os.WNOHANG) == (0, 0):
            if time.monotonic() > until:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
                return
            time.sleep(0.002)


class Readers:
    """The readers as the gateway's loop sees them: `receive` gets what they ask for, and
    `on_leaving` is called when one of their connections has ended."""

    def __init__(
        self,
        children: Sequence[Child],
        loop: asyncio.AbstractEventLoop,
        receive: Callable[[Call], None],
        on_leaving: Callable[[], None],
    ) -> None:
        self._readers = [_Reader(one, loop, receive, on_leaving) for one in children]
        self._indexes: _Reader | None = None

    async def start(self) -> None:
        for one in self._readers:
            await one.start()

    @property
    def open(self) -> int:
        """Their connections."""
        return sum(one.open for one in self._readers)

    def take(self, client: socket.socket, own: int) -> bool:
        """Hand a client to the reader that has fewest, unless the gateway has fewer, or so few
        that nobody need be woken. Returns whether it was."""
        if own < OWN or not self._readers:
            return False
        fewest = min(self._readers, key=lambda one: one.open)
        return fewest.open < own and fewest.take(client)

    def counts(self) -> list[RequestCounts]:
        """What each has counted. For jobs of a greenlet pool."""
        return [one.counts() for one in self._readers]

    @property
    def pids(self) -> list[int]:
        return [one.pid for one in self._readers]

    def indexer(self) -> Take | None:
        """The way to the reader that indexes, once one is awake: the same for as long as it lives,
        since it has the index. For any thread but the loop's."""
        if self._indexes is None or not self._indexes.is_serving:
            awake = (one for one in self._readers if one.is_serving)
            self._indexes = next(awake, None)
        return None if self._indexes is None else self._indexes.index

    async def stop(self) -> None:
        """Have them answer what is in work, and close all connections."""
        await asyncio.gather(*(one.stop() for one in self._readers))

    async def end(self) -> None:
        """Have them end, once they do nothing more for this process."""
        await asyncio.gather(*(one.end() for one in self._readers))


class _Reader:
    def __init__(
        self,
        child: Child,
        loop: asyncio.AbstractEventLoop,
        receive: Callable[[Call], None],
        on_leaving: Callable[[], None],
    ) -> None:
        self.pid: Final = child.pid
        self.open = 0
        self._clients = child.ends.clients
        self._messages = child.ends.messages
        self._loop = loop
        self._call = receive
        self._on_leaving = on_leaving
        self._channel = Channel(loop, self._receive, self._lost)
        self._is_awake = False
        self._is_stopping = False
        self._is_drained: asyncio.Future[None] = loop.create_future()
        self._is_gone: asyncio.Future[None] = loop.create_future()
        self._indexing: Future[Causes] | None = None
        self._counts = RequestCounts()
        self._counting: list[asyncio.Future[None]] = []

    async def start(self) -> None:
        self._clients.setblocking(False)
        await self._channel.open(self._messages)

    def take(self, client: socket.socket) -> bool:
        if self._is_gone.done() or self._is_stopping:
            return False
        try:
            socket.send_fds(self._clients, [b"c"], [client.fileno()])
        except OSError:  # so many are on their way to it, or it is gone
            return False
        client.close()
        self._is_awake = True
        self.open += 1
        return True

    def counts(self) -> RequestCounts:
        if self._is_awake and not self._is_gone.done():
            counted = self._loop.create_future()
            self._counting.append(counted)
            self._channel.send("count")
            timer = self._loop.call_later(COUNT_SECONDS, _settle, counted)
            greenlets.wait(counted)
            timer.cancel()
        return self._counts

    @property
    def is_serving(self) -> bool:
        return self._is_awake and not self._is_gone.done()

    def index(self, packed: list[bytes]) -> Causes:
        """Have it take a batch of events into the index. Raises Unavailable where it cannot."""
        outcome = Future[Causes]()
        self._loop.call_soon_threadsafe(self._send_batch, packed, outcome)
        return outcome.result()

    async def stop(self) -> None:
        self._is_stopping = True
        if self._is_awake:
            self._channel.send("stop")
            await self._is_drained

    async def end(self) -> None:
        self._channel.close()
        await self._is_gone

    def _send_batch(self, packed: list[bytes], outcome: Future[Causes]) -> None:
        if self._is_gone.done():
            outcome.set_exception(Unavailable(_GONE))
            return
        self._indexing = outcome
        self._channel.send("index", packed)

    def _receive(self, message: Message) -> None:
        match message:
            case ("call", number, function, event):

                def answer(result: dict[str, Any]) -> None:
                    self._channel.send("answer", number, result)

                self._call(Call(function, event, answer))
            case ("left",):
                self.open -= 1
                self._on_leaving()
            case ("indexed", outcome):
                waiting, self._indexing = self._indexing, None
                if waiting is not None:
                    _pass_on(outcome, waiting)
            case ("drained",):
                _settle(self._is_drained)
            case ("counted", counts):
                self._counts = counts
                counting, self._counting = self._counting, []
                for one in counting:
                    _settle(one)
            case _:
                raise ValueError(f"no message of a reader's: {message[0]!r}")

    def _lost(self) -> None:
        if not self._is_stopping:
            log.error("a reader's process has ended; its connections are gone, the others stay")
        for one in self._counting:
            _settle(one)
        if self._indexing is not None:
            self._indexing.set_exception(Unavailable(_GONE))
        _settle(self._is_drained)
        _settle(self._is_gone)
        left, self.open = self.open, 0
        for _ in range(left):
            self._on_leaving()


_GONE: Final = "The process that indexed has ended."


def _pass_on(outcome: object, waiting: Future[Causes]) -> None:
    try:
        waiting.set_result(causes_of(outcome))
    except Unavailable as error:
        waiting.set_exception(error)


def _settle(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
