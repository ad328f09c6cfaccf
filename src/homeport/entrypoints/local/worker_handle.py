"""One worker, as the gateway's loop sees it."""

from __future__ import annotations

import asyncio
import logging
import socket
import subprocess
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from typing import Final, TypeAlias

from homeport.domain.errors import Unavailable
from homeport.entrypoints.local import greenlets
from homeport.entrypoints.local.calls import Call
from homeport.entrypoints.local.channel import Channel, Ends, Message
from homeport.entrypoints.local.indexing import Causes, IndexingFailed, WorkerGone, causes_of
from homeport.entrypoints.local.metrics import Counts
from homeport.entrypoints.local.processors import Share

log: Final = logging.getLogger("homeport.gateway")

MISSED: Final = 20
"""After so many looks that a worker has not answered it is taken for hung, and ended."""
COUNT_SECONDS: Final = 1.0
"""How long a worker is waited for that is asked what it has counted."""
END_SECONDS: Final = 2.0
"""How long a worker may take to end once its work is done."""

Launch: TypeAlias = Callable[[Ends], "subprocess.Popen[bytes]"]
"""Starts a worker with these ends. Raises OSError."""


class Worker:
    """From before it is started until after it has ended. `receive` gets what it asks for, and
    `on_change` is called when it has begun to serve or to be gone, or a connection has ended,
    and `on_commit` when it has seen that something was committed."""

    def __init__(
        self,
        launch: Launch,
        greeting: Message,
        loop: asyncio.AbstractEventLoop,
        receive: Callable[[Call], None],
        on_change: Callable[[], None],
        on_commit: Callable[[], None],
    ) -> None:
        self.open = 0
        self.is_serving = False
        self._launch = launch
        self._greeting = greeting
        self._loop = loop
        self._call = receive
        self._on_change = on_change
        self._on_commit = on_commit
        self.is_fresh = True
        """It has not been started."""
        self._most = 0
        """Connections that it has files for."""
        self._missed = 0
        self.served = 0
        """Requests, as far as it has told."""
        self._process: subprocess.Popen[bytes] | None = None
        self._ends: Ends | None = None
        self._channel = Channel(loop, self._receive, self._lost)
        self._is_stopping = False
        self._is_drained = asyncio.Event()
        self._is_gone = asyncio.Event()
        self._indexing: Future[Causes] | None = None
        self.counted = Counts()
        """What it has counted, as far as it has told."""
        self._counted: asyncio.Future[None] | None = None
        self._opening: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    @property
    def is_starting(self) -> bool:
        return self._process is not None and not (self.is_serving or self.is_gone)

    @property
    def is_gone(self) -> bool:
        return self._is_gone.is_set()

    def launch(self) -> bool:
        """Start it. Returns whether that was possible."""
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
            log.warning("a worker cannot be started, the others go on: %s", error)
            return False
        self.is_fresh = False
        ours.clients.setblocking(False)
        self._ends = ours
        self._opening = self._loop.create_task(self._open(ours.messages))
        return True

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

    def look(self, processes: int, share: Share) -> None:
        """See whether it is well, and tell it how many serve, and its processors."""
        if not self.is_serving or self._process is None:
            return
        if self._missed == MISSED:
            log.error("a worker's process does not answer, and is ended")
            self._process.kill()
        self._missed += 1
        self._channel.send("look", processes, share)

    def counts(self) -> Counts:
        if self.is_serving:
            if self._counted is None:
                self._counted = self._loop.create_future()
                self._channel.send("count")
            # Whoever asks meanwhile waits for the same.
            counted = self._counted
            timer = self._loop.call_later(COUNT_SECONDS, _settle, counted)
            greenlets.wait(counted)
            timer.cancel()
        return self.counted

    def index(self, packed: list[bytes]) -> Causes:
        """Have it take a batch of events into the index. Raises Unavailable where it cannot, and
        WorkerGone: then it has let go of the index."""
        outcome = Future[Causes]()
        self._loop.call_soon_threadsafe(self._send_batch, packed, outcome)
        try:
            return outcome.result()
        except WorkerGone:
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
            outcome.set_exception(WorkerGone())

    def _receive(self, message: Message) -> None:
        match message:
            case ("call", number, function, event):
                send = self._channel.send
                answer, refuse = partial(send, "answer", number), partial(send, "refused", number)
                self._call(Call(function, event, answer, refuse))
            case ("committed",):
                self._on_commit()
            case ("left",):
                self.open -= 1
                self._on_change()
            case ("indexed", outcome):
                waiting, self._indexing = self._indexing, None
                if waiting is not None:
                    _pass_on(outcome, waiting)
            case ("counted", counts):
                self.counted = counts
                self._settle_counted()
            case ("looked", served):
                self._missed = 0
                self.served = served
            case ("serving", most):
                self._most = most
                self.is_serving = not self._is_stopping
                self._on_change()
            case ("drained",):
                self._is_drained.set()
            case _:
                raise ValueError(f"no message of a worker's: {message[0]!r}")

    def _lost(self) -> None:
        self.is_serving = False
        if not self._is_stopping:
            log.error("a worker's process has ended; its connections are gone, the others stay")
            if self._ends is not None:
                self._ends.clients.close()
            self._loop.run_in_executor(None, self._reap)
        self._settle_counted()
        if self._indexing is not None:
            self._indexing.set_exception(WorkerGone())
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
    except (Unavailable, IndexingFailed) as error:
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
