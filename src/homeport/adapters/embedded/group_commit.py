"""Group commit: writes that wait together share one transaction and one fsync.

The SQL of all of them runs on the event loop's thread, where it costs no switch between
threads; only COMMIT, which waits for the disk, runs in a thread of its own, which the loop hands
the interpreter to. The next batch gathers meanwhile.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import threading
from bisect import bisect_left
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from operator import add
from queue import SimpleQueue
from typing import Any, Final, Generic, TypeAlias, TypeVar

import apsw

from homeport.adapters.embedded import engine
from homeport.adapters.embedded.turns import Turn
from homeport.adapters.embedded.write_ahead_log import WriteAheadLog
from homeport.domain.errors import OutcomeUnknown, Overloaded, Unavailable

T = TypeVar("T")
Work: TypeAlias = Callable[[apsw.Connection], T]
Wait: TypeAlias = "Callable[[asyncio.Future[Any]], Any]"
"""Suspends the caller until the future is done, and gives its result or raises its error."""

_BATCH = 100
"""Writes in one transaction: their SQL holds the loop for 10 ms on a slow machine. Of 500,
whoever was to be refused meanwhile waited for 200 ms."""
_SETTLED = 32
"""Callers that go on in one turn of the loop, each of which has an answer to write; or half of
all, since in a flood a turn may be long whatever they do."""
_HANDED_OVER_SECONDS = 0.005
"""How long the loop waits at most until the commit's thread goes on with a batch."""


class Stopped(Exception):
    """The write came after `stop`; nothing was done."""


@dataclass(slots=True, eq=False)
class _Waiting(Generic[T]):
    """A write on its way: first its work, then what came of it."""

    work: Work[T]
    future: asyncio.Future[T] | concurrent.futures.Future[T]
    result: T | None = None
    error: BaseException | None = None

    def run(self, connection: apsw.Connection) -> None:
        try:
            self.result = self.work(connection)
            self.error = None
        except StopIteration as exc:
            self.error = RuntimeError(exc)  # a future takes no StopIteration
        except Exception as exc:  # noqa: BLE001 - it goes to the caller of this write
            self.error = exc

    def settle(self) -> None:
        """Let the caller go on. One that has stopped waiting is passed over."""
        if self.future.done():
            return
        if self.error is not None:
            self.future.set_exception(engine.translated(self.error))
        else:
            self.future.set_result(self.result)  # type: ignore[arg-type]  # T may be None


_Batch: TypeAlias = list[_Waiting[Any]]


class CommitCounts:
    """Commits so far, as plain numbers: `sizes[i]` had up to `BOUNDS[i]` writes, the last more.
    `writes` is how many there were in all of them."""

    BOUNDS: Final = (1, 2, 5, 10, 20, 50, 100, 200)

    def __init__(self) -> None:
        self.sizes: Final = [0] * (len(self.BOUNDS) + 1)
        self.writes = 0
        self.failures = 0

    def add(self, writes: int) -> None:
        self.sizes[bisect_left(self.BOUNDS, writes)] += 1
        self.writes += writes

    def take_over(self, other: CommitCounts) -> None:
        """Count what another process has counted as well."""
        self.sizes[:] = map(add, self.sizes, other.sizes)
        self.writes += other.writes
        self.failures += other.failures


class GroupCommit:
    """Owns `connection` and its `log` from `__init__` to `stop`, which run on the loop's thread, as
    does all else here but `write`, which any thread may call. Batches wait for this process's
    `turn`."""

    def __init__(
        self,
        connection: apsw.Connection,
        log: WriteAheadLog,
        turn: Turn,
        loop: asyncio.AbstractEventLoop,
        wait: Wait,
        max_waiting: int,
        before_batch: Callable[[], None],
        after_commit: Callable[[], None],
        counts: CommitCounts | None = None,
    ) -> None:
        self._connection = connection
        self._log = log
        self._turn = turn
        self._loop = loop
        self._wait = wait
        self._max_waiting = max_waiting
        self._before_batch = before_batch
        self._after_commit = after_commit
        self._counts = CommitCounts() if counts is None else counts
        self._thread = threading.get_ident()
        self._gate = threading.Lock()
        self._stopped = False
        self._waiting: deque[_Waiting[Any]] = deque()
        self._scheduled = False
        self._committing: _Batch | None = None
        self._going_on = False
        self._done: deque[_Waiting[Any]] = deque()
        """Those that are committed, or failed to be, and whose callers are still to go on."""
        self._commit_error: Unavailable | None = None
        self._committed = threading.Event()
        self._taken = threading.Event()
        """That the thread has a batch, and the interpreter. While the loop computes it would get
        that a millisecond late, and the disk would wait as long."""
        self._jobs: SimpleQueue[_Batch | None] = SimpleQueue()
        self._writer = threading.Thread(target=self._commit_loop, name="commit", daemon=True)
        self._writer.start()

    @property
    def busy(self) -> bool:
        """Whether a commit is in flight."""
        return self._committing is not None

    @property
    def commit_thread(self) -> int | None:
        """The kernel's id of the thread that commits."""
        return self._writer.native_id

    def write(self, work: Work[T]) -> T:
        """Run `work` in the next batch and wait until that is durable.

        Raises Overloaded on the loop's thread if too many wait there; other threads wait for
        one write each, so that their own number bounds them. Raises Stopped after `stop`.
        """
        if threading.get_ident() != self._thread:
            return self._write_from_outside(work)
        if len(self._waiting) >= self._max_waiting:
            raise Overloaded("Too many writes are waiting. Try again in a moment.")
        future: asyncio.Future[T] = self._loop.create_future()
        self._waiting.append(_Waiting(work, future))
        self._schedule()
        result: T = self._wait(future)
        return result

    def stop(self) -> None:
        """Finish every write that waits, then end the thread."""
        with self._gate:  # a write from outside waits already, or will raise Stopped
            self._stopped = True
        while self._committing is not None:
            self._committed.wait()
            self._finish(self._committing)
        while self._waiting:
            self._turn.take()
            batch = self._run_batch()
            if batch is not None:
                self._commit_error = self._commit()
            self._turn.give()
            if batch is not None:
                self._settle(batch)
        while self._done:
            self._settle_some()
        self._jobs.put(None)
        self._writer.join()
        self._log.stop()

    def _write_from_outside(self, work: Work[T]) -> T:
        future: concurrent.futures.Future[T] = concurrent.futures.Future()
        waiting = _Waiting(work, future)
        with self._gate:
            if self._stopped:
                raise Stopped
            self._waiting.append(waiting)
            try:
                self._loop.call_soon_threadsafe(self._schedule)
            except RuntimeError as exc:  # the loop was closed before `stop`
                self._waiting.remove(waiting)
                raise Unavailable("The server has ended.") from exc
        return future.result()

    def _schedule(self) -> None:
        if not self._scheduled and self._committing is None:
            # Not at once: what else this turn of the loop brings joins the batch.
            self._scheduled = True
            self._loop.call_soon(self._begin)

    def _begin(self) -> None:
        self._scheduled = False
        if self._waiting and self._committing is None and not self._turn.is_asked:
            self._turn.ask(self._loop, self._run)

    def _run(self) -> None:
        """In this process's turn, which the commit's thread gives on."""
        batch = self._run_batch()
        if batch is None:
            self._turn.give()
            if self._waiting and not self._stopped:
                # The loop has a turn first: a locked file may have taken seconds.
                self._schedule()
            return
        self._committing = batch
        self._committed.clear()
        self._taken.clear()
        self._jobs.put(batch)
        self._taken.wait(_HANDED_OVER_SECONDS)

    def _run_batch(self) -> _Batch | None:
        """Run the next works. Returns those to commit, None where nothing was changed."""
        count = min(len(self._waiting), _BATCH)
        batch = [self._waiting.popleft() for _ in range(count)]
        connection = self._connection
        try:
            self._before_batch()
            if run_together(connection, batch):
                return batch
            connection.execute("ROLLBACK")
        except Exception as exc:  # noqa: BLE001 - it goes to all callers of the batch
            for one in batch:
                one.error = exc
            with contextlib.suppress(apsw.Error):
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
        for one in batch:
            one.settle()
        return None

    def _commit_loop(self) -> None:
        while (batch := self._jobs.get()) is not None:
            self._taken.set()
            self._commit_error = self._commit()
            self._turn.give()
            self._committed.set()
            try:
                self._loop.call_soon_threadsafe(self._finish, batch)
            except RuntimeError:  # the loop is closed: `stop` finishes
                continue

    def _commit(self) -> Unavailable | None:
        try:
            self._log.commit()
        except Unavailable as exc:
            return exc
        except Exception as exc:  # noqa: BLE001 - else the thread ends, and every write waits
            unknown = OutcomeUnknown("The data file does not answer.")
            unknown.__cause__ = exc
            return unknown
        return None

    def _finish(self, batch: _Batch) -> None:
        if self._committing is not batch:
            return
        self._committing = None
        self._settle(batch)
        if self._going_on or self._stopped:
            self._begin()
        elif self._waiting and not self._scheduled:
            # Answers first, where one turn makes them all: they are sent in the turn after that,
            # and whoever gets them works while the next batch runs.
            self._scheduled = True
            self._loop.call_soon(self._loop.call_soon, self._begin)

    def _settle(self, batch: _Batch) -> None:
        error, self._commit_error = self._commit_error, None
        if error is not None:
            for one in batch:
                one.error = error
        self._done += batch
        if not self._going_on:
            self._go_on()
        if error is None:
            self._counts.add(len(batch))
            self._after_commit()
        else:
            self._counts.failures += 1

    def _go_on(self) -> None:
        """Settle the next writes; the loop has a turn before more of them."""
        try:
            self._settle_some()
        finally:
            self._going_on = bool(self._done) and not self._stopped
            if self._going_on:
                self._loop.call_soon(self._go_on)

    def _settle_some(self) -> None:
        for _ in range(min(len(self._done), max(_SETTLED, len(self._done) // 2))):
            self._done.popleft().settle()


def run_together(connection: apsw.Connection, batch: _Batch) -> bool:
    """Run every work of a batch in one new transaction; the failed ones have no effect.

    Returns whether anything was changed. A work that fails before its first change costs
    nothing; after one that fails later, the batch is run again, each work in a savepoint.
    """
    connection.execute("BEGIN IMMEDIATE")
    start = changes = connection.total_changes()
    for one in batch:
        one.run(connection)
        if one.error is None:
            changes = connection.total_changes()
        elif connection.total_changes() != changes or not connection.in_transaction:
            break
    else:
        return changes != start
    if connection.in_transaction:
        connection.execute("ROLLBACK")
    connection.execute("BEGIN IMMEDIATE")
    start = connection.total_changes()
    for one in batch:
        connection.execute("SAVEPOINT work")
        one.run(connection)
        if one.error is not None:
            if not connection.in_transaction:
                raise one.error  # a full disk or the like ended the whole transaction
            connection.execute("ROLLBACK TO work")
        connection.execute("RELEASE work")
    return connection.total_changes() != start
