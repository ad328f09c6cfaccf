"""Further processes that serve: one interpreter computes on one core.

The gateway's own process has the data folder, and accepts all clients. Once there is enough to do
it starts a worker, and hands it half of its connections and of those that come: it speaks HTTP on
them, knows who is calling, and runs their handlers; by turns with the gateway's process it writes
to the same database. What has to be counted in one place it asks of that one. It ends with its
parent.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from functools import partial
from typing import Final

from homeport.entrypoints.local.calls import Call
from homeport.entrypoints.local.channel import Message
from homeport.entrypoints.local.indexing import Take
from homeport.entrypoints.local.metrics import Counts
from homeport.entrypoints.local.processors import Share, shares
from homeport.entrypoints.local.worker_handle import Launch, Worker

LOOK_SECONDS: Final = 0.5
"""How often the gateway looks whether another worker would help, and how those are that serve."""
AGAIN_SECONDS: Final = 30.0
"""How long no other is started after one has ended, or could not be started."""
MANY: Final = 500
"""Requests a second from which on one does,"""
COMPUTED: Final = 0.3
"""or the share of its time that the gateway's loop computes."""


class Workers:
    """Up to `count` workers, as the gateway's loop sees them. Each gets `greeting` first. `receive`
    gets what they ask for; `on_change` is called when one has begun to serve, or a connection of
    theirs has ended, and `on_commit` when one has seen that something was committed. `keep` gets,
    again and again while others serve, what this process has of the processors.

    `served` counts the gateway's requests, and `computed` tells the processor time that they took
    of its loop, in seconds. What one that has ended had counted goes over to `counts`, as far as it
    had told.
    """

    def __init__(
        self,
        count: int,
        launch: Launch,
        greeting: Message,
        loop: asyncio.AbstractEventLoop,
        receive: Callable[[Call], None],
        on_change: Callable[[], None],
        on_commit: Callable[[], None],
        keep: Callable[[Share], None],
        served: Callable[[], int],
        computed: Callable[[], float],
        counts: Counts,
    ) -> None:
        self._make = partial(Worker, launch, greeting, loop, receive, on_change, on_commit)
        self._workers = [self._make() for _ in range(count)]
        self._counts = counts
        self._not_before = 0.0
        """When the next may be started."""
        self._indexes: Worker | None = None
        self._keep = keep
        self._processors = frozenset[int]()
        self._loop = loop
        self._served = served
        self._computed = computed
        self._seen = (0.0, 0, 0.0)
        self._is_apart = False
        """Whether this process keeps to some of the processors."""
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Look from now on whether workers would help."""
        if self._workers:
            self._processors = frozenset(os.sched_getaffinity(0))
            self._look()

    @property
    def serving(self) -> int:
        """How many serve."""
        return sum(one.is_serving for one in self._workers)

    @property
    def open(self) -> int:
        """Their connections."""
        return sum(one.open for one in self._workers)

    @property
    def served(self) -> int:
        """Requests that those have answered that serve, as far as they have told."""
        return sum(one.served for one in self._workers if one.is_serving)

    def surplus(self, own: int) -> int:
        """How many connections the gateway, which has `own`, has more than its share."""
        serving = self.serving
        share = -(-(own + self.open) // (serving + 1))
        return own - share if serving else 0

    def take(self, client: socket.socket) -> bool:
        """Hand a client to the worker that has fewest and takes it. Returns whether one did."""
        serving = sorted((one for one in self._workers if one.is_serving), key=lambda one: one.open)
        return any(one.take(client) for one in serving)

    def counts(self) -> dict[int, Counts]:
        """What each has counted, by the id of its process. For jobs of a greenlet pool."""
        return {one.pid: one.counts() for one in self._workers if one.pid is not None}

    def indexer(self) -> Take | None:
        """The way to the worker that indexes, once one serves: the same for as long as it lives,
        since it has the index. For any thread but the loop's."""
        if self._indexes is None or not self._indexes.is_serving:
            self._indexes = next((one for one in self._workers if one.is_serving), None)
        return None if self._indexes is None else self._indexes.index

    async def stop(self) -> None:
        """Have them answer what is in work, and close all connections."""
        if self._timer is not None:
            self._timer.cancel()
        await asyncio.gather(*(one.stop() for one in self._workers))

    def give_up(self) -> None:
        """End those that have not answered what is in work: they have had their time."""
        for one in self._workers:
            one.give_up()

    async def end(self) -> None:
        """Have them end, once they do nothing more for this process."""
        await asyncio.gather(*(one.end() for one in self._workers))

    def _look(self) -> None:
        self._timer = self._loop.call_later(LOOK_SECONDS, self._look)
        since, served_then, computed_then = self._seen
        self._seen = now, served, computed = self._loop.time(), self._served(), self._computed()
        span = now - since
        for place, one in enumerate(self._workers):
            if one.is_gone:
                self._counts.take_over(one.counted)
                self._workers[place] = self._make()
                self._not_before = now + AGAIN_SECONDS
        busy = served - served_then >= MANY * span or computed - computed_then >= COMPUTED * span
        if busy and now >= self._not_before and not any(one.is_starting for one in self._workers):
            fresh = next((one for one in self._workers if one.is_fresh), None)
            if self._is_apart:  # it begins with the processors of who starts it
                self._keep(Share(self._processors, self._processors))
            if fresh is not None and not fresh.launch():
                self._not_before = now + AGAIN_SECONDS
        self._share_out()

    def _share_out(self) -> None:
        """See whether those that serve are well, and tell each process its part."""
        serving = [one for one in self._workers if one.is_serving]
        own, *others = shares(self._processors, 1 + len(serving))
        if serving or self._is_apart:
            self._keep(own)
        self._is_apart = bool(serving)
        for one, share in zip(serving, others, strict=True):
            one.look(1 + len(serving), share)
