"""Moves the write-ahead log to the data file beside the commits.

SQLite does that in the commit that finds the log long, and all who wait for that commit wait
10 to 20 ms for it. Here a thread moves what is there, with a connection of its own, and the next
commit moves the little that was written meanwhile: then nothing is left, unless somebody still
reads what was before, and the log begins anew, which it could not while others commit. Other
processes of the server write to the same log, and read: how long it is SQLite says, in a turn
nobody else commits, and from when the log is to begin anew they keep no moment to read from.
"""

from __future__ import annotations

import contextlib
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

import apsw

from homeport.adapters.embedded import engine
from homeport.adapters.embedded.turns import Turn

PAGES: Final = 6_000
"""In the log before they are moved: rarely, since the same pages come again and again. So
many fewer than SQLite waits for (`engine.AUTOCHECKPOINT`) that it has nothing to do, but where
moving fails, or others read or write beside this process for long."""
_PASSES: Final = 5
"""Each moves what was written during the one before. Most often one of them meets no commit, and
has the data file on disk as well; else the commit that moves the rest waits for that too, 5 ms."""


class WriteAheadLog:
    """Of the database that `writer` writes to, in this process's `turn`; `mover` is another
    connection to it."""

    def __init__(
        self, writer: apsw.Connection, mover: apsw.Connection, turn: Turn, pages: int = PAGES
    ) -> None:
        self._writer = writer
        self._mover = mover
        self._turn = turn
        self._pages = pages
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="checkpoint")
        self._moving: Future[None] | None = None
        self._moved_at = 0
        """How long the log was when the thread began."""

    def commit(self) -> None:
        """COMMIT, and see to the log, in one turn. Raises what `engine.commit` does."""
        engine.commit(self._writer)
        length, moved = self._state()
        self._turn.log_is_long = is_long = length >= self._pages
        if not is_long:
            self._moving = None
        elif self._moving is None or length < self._moved_at:  # another has begun it anew
            with contextlib.suppress(RuntimeError):  # no thread is to be had
                self._moving = self._thread.submit(self._move)
                self._moved_at = length
        elif self._moving.done():  # each commit goes on, until the log has begun anew
            _move(self._writer)
            if length - moved >= self._pages:  # somebody reads what was before, for long
                self._moving = None

    def stop(self) -> None:
        """Wait for the thread. Nothing is to be committed any more."""
        self._thread.shutdown()
        self._mover.close()

    def _state(self) -> tuple[int, int]:
        """How many pages are in the log, and how many of these in the data file as well."""
        try:
            return self._writer.wal_checkpoint("main", apsw.SQLITE_CHECKPOINT_NOOP)
        except apsw.Error:  # what was committed stands
            return 0, 0

    def _move(self) -> None:
        for _ in range(_PASSES):
            _move(self._mover)


def _move(connection: apsw.Connection) -> None:
    """As much as no reader needs in the log. Where it fails, all stays there, and SQLite tries
    again with each commit once there is more."""
    with contextlib.suppress(apsw.Error):
        connection.wal_checkpoint("main", apsw.SQLITE_CHECKPOINT_PASSIVE)
