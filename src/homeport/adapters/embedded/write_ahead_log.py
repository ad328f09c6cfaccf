"""Moves the write-ahead log to the data file beside the commits.

SQLite does that in the commit that finds the log long, and all who wait for that commit wait
10 to 20 ms for it. Here a thread moves what is there, with a connection of its own, and has the
disk take it; the next commit moves the little that was written meanwhile: then nothing is left,
unless somebody still reads what was before, and the log begins anew, which it could not while
others commit. Other processes of the server write to the same log, and read: how long it is SQLite
says, in a turn nobody else commits, and how far its moving is, they all have in common.
"""

from __future__ import annotations

import contextlib
import logging
import os
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import apsw

from homeport.adapters.embedded import engine
from homeport.adapters.embedded.priority import give_way_here
from homeport.adapters.embedded.turns import Log, Turn

log: Final = logging.getLogger("homeport.data_folder")

PAGES: Final = 24_000
"""In the log before they are moved: rarely, since the same pages come again and again. So
many fewer than SQLite waits for (`engine.AUTOCHECKPOINT`) that it has nothing to do, but where
moving fails, the process that does it ends, or others read or write beside this server for
long."""
_PASSES: Final = 3
"""Each moves what was written during the one before."""
_flushed: Final = getattr(os, "fdatasync", os.fsync)


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
        self._thread = ThreadPoolExecutor(
            1, thread_name_prefix="checkpoint", initializer=give_way_here
        )
        self._file: int | None = None

    def commit(self) -> None:
        """COMMIT, and see to the log, in one turn. Raises what `engine.commit` does."""
        engine.commit(self._writer)
        length, moved = self._state()
        if length < self._pages:
            self._turn.log = Log.SHORT
        elif self._turn.log is Log.SHORT:
            self._begin()
        elif self._turn.log is Log.MOVED:  # each commit goes on, until the log has begun anew
            _move(self._writer)
            if length - moved >= self._pages:  # somebody reads what was before, for long
                self._begin()

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

    def _begin(self) -> None:
        self._turn.log = Log.LONG
        try:
            self._thread.submit(self._move)
        except RuntimeError:  # no thread is to be had
            self._turn.log = Log.MOVED

    def _move(self) -> None:
        try:
            for _ in range(_PASSES):
                _move(self._mover)
                self._flush()
        finally:
            if self._turn.log is Log.LONG:  # it may have begun anew meanwhile
                self._turn.log = Log.MOVED

    def _flush(self) -> None:
        """Have the disk take what is in the data file. SQLite does so only where nothing was
        committed while it moved; else the commit that moves the rest would wait for all of it."""
        if self._file is None:
            with contextlib.suppress(OSError, apsw.Error):
                # Left open: closing any file of it would free SQLite's locks on it (fcntl).
                self._file = os.open(self._mover.filename, os.O_RDWR)
        if self._file is not None:
            try:
                _flushed(self._file)
            except OSError as exc:
                # Each file is told once of what was lost: SQLite, which asks again, may not be.
                log.critical("the disk has not taken what was written to the data file: %s", exc)


def _move(connection: apsw.Connection) -> None:
    """As much as no reader needs in the log. Where it fails, all stays there, and SQLite tries
    again with each commit once there is more."""
    with contextlib.suppress(apsw.Error):
        connection.wal_checkpoint("main", apsw.SQLITE_CHECKPOINT_PASSIVE)
