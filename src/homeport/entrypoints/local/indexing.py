"""Who computes the search index: a worker while one serves, else the gateway's own process.

A document costs more to make and to add to the index than a record to write, and the gateway's
process has the rest of what follows from a write to do. Only one process writes to the index at a
time: before a worker does, the gateway lends it the index; when the worker is gone, the gateway
goes on by itself.
"""

from __future__ import annotations

import asyncio
import logging
import pickle
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, suppress
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias, cast

from homeport.domain.errors import Unavailable
from homeport.domain.events import RecordChanged
from homeport.entrypoints.local.pacing import Pacing
from homeport.entrypoints.local.pauses import pause

if TYPE_CHECKING:
    from homeport.container import Backend
    from homeport.domain.ports.search_index import Apply

Causes: TypeAlias = Mapping[int, str]
"""The events whose record the index would not take, by their places, with the cause."""
Take: TypeAlias = Callable[[list[bytes]], Causes]
"""Has a batch of packed events taken into the index. Raises Unavailable, WorkerGone, and
IndexingFailed."""
Outcome: TypeAlias = Causes | str | tuple[str]
"""What came of a batch: a sentence where it has to wait, and the name of an error in a tuple where
nobody knows what is wrong with it."""

PART: Final = 64
"""Events that are packed in one go."""

log: Final = logging.getLogger("homeport.gateway")


class WorkerGone(Exception):
    """The worker has ended, and what it had of the batch may be in the index or not."""


class IndexingFailed(Exception):
    """The worker could not make anything of a batch, of which one record may be at fault."""


class SharedIndex(Protocol):
    """An index that another process may write to: the one of a data folder."""

    # Gives what is to take the same changes, where the index is being rebuilt.
    def lent(self) -> AbstractContextManager[Apply | None]: ...
    def refresh(self) -> None: ...


class Indexing:
    """The change feed's consumer, for the thread of its pump alone. `elsewhere` gives the way to a
    worker that indexes, where there is one."""

    def __init__(self, backend: Backend, elsewhere: Callable[[], Take | None]) -> None:
        self._backend = backend
        self._elsewhere = elsewhere

    def consume(self, events: Sequence[RecordChanged]) -> Causes:
        """As `homeport.domain.indexing.Indexing.consume`."""
        try:
            return self._consume(events)
        except Unavailable as error:
            # They wait until that has passed, which may take long.
            log.warning("%d changes could not be indexed: %s", len(events), error)
            raise

    def _consume(self, events: Sequence[RecordChanged]) -> Causes:
        while (take := self._elsewhere()) is not None:
            index = cast("SharedIndex", self._backend.index)
            with suppress(WorkerGone), index.lent() as apply:
                causes = take(list(_packed(events)))
                index.refresh()
                if apply is not None:
                    self._backend.indexing.repeat(events, apply)
                return causes
        return self._backend.indexing.consume(events)


class Indexer:
    """The worker's side: takes one batch after the other in a thread of its own, at the pace that
    `pacing` tells. `answer` is called on the loop with what came of each."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        consume: Callable[[Sequence[RecordChanged]], Causes],
        pacing: Pacing,
        answer: Callable[[Outcome], None],
    ) -> None:
        self._loop = loop
        self._consume = consume
        self._pacing = pacing
        self._answer = answer
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="homeport-indexing")

    def take(self, packed: list[bytes]) -> None:
        self._thread.submit(self._work, packed)

    def close(self) -> None:
        """Wait for the batch at hand."""
        self._thread.shutdown(cancel_futures=True)

    def _work(self, packed: list[bytes]) -> None:
        outcome: Outcome
        self._pacing.begin()
        try:
            outcome = dict(self._consume(list(_unpacked(packed))))
        except Unavailable as error:
            outcome = error.detail or type(error).__name__
        except Exception as error:
            log.exception("a batch of the index failed")
            outcome = (type(error).__name__,)
        self._loop.call_soon_threadsafe(self._answer, outcome)


def causes_of(outcome: Any) -> Causes:
    """What an Indexer has answered. Raises Unavailable for a batch that has to wait, and
    IndexingFailed."""
    if isinstance(outcome, tuple):
        raise IndexingFailed(f"The process that indexes failed with {outcome[0]}.")
    if isinstance(outcome, str):
        raise Unavailable(f"The process that indexes could not: {outcome}")
    return cast("Causes", outcome)


def _packed(events: Sequence[RecordChanged]) -> Iterable[bytes]:
    for start in range(0, len(events), PART):
        yield pickle.dumps(events[start : start + PART], pickle.HIGHEST_PROTOCOL)
        pause()


def _unpacked(parts: list[bytes]) -> Iterable[RecordChanged]:
    for part in parts:
        # Of the gateway's own process, see channel.py.
        yield from pickle.loads(part)  # noqa: S301
        pause()
