"""The data of one folder: a SQLite database in WAL mode, durable at every commit.

One connection of a process writes; each thread that reads has its own. `attach` switches a served
database to group commit; before that, in the command line and in tests, each write is its own
commit.
A command may read and write beside the process that serves: see neighbours.py. That process may
have others serve and write beside it, by turns: see turns.py.
"""

from __future__ import annotations

import asyncio
import threading
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import apsw

from homeport.adapters.embedded import engine
from homeport.adapters.embedded.folder import DataFolder, FolderUnusable
from homeport.adapters.embedded.group_commit import (
    CommitCounts,
    GroupCommit,
    Stopped,
    Wait,
    Work,
)
from homeport.adapters.embedded.migrations import check_current, migrate
from homeport.adapters.embedded.neighbours import Watch, wait_patiently
from homeport.adapters.embedded.presence import database_in, find_database
from homeport.adapters.embedded.turns import Alone, Log, SharedTurn, Turn
from homeport.adapters.embedded.write_ahead_log import WriteAheadLog

T = TypeVar("T")


class Database:
    """What the embedded adapters share. Safe to use from any thread, and to kill at any moment.

    `listeners` are called after each commit, on the thread that noticed it: they are cheap and
    never raise. `commits` counts those of group commit. Trouble with the disk or the engine
    raises Unavailable.
    """

    def __init__(
        self,
        folder: Path,
        max_waiting: int = 1_000,
        *,
        beside: bool = False,
        holds_records: bool = True,
    ) -> None:
        """Open or make the data folder, lock it for this process, and bring the database in it
        to the newest schema.

        With `beside` another process has it: nothing is made, locked or migrated, and writes
        take their turn with those of that process. Unless it `holds_records`, one that is gone
        is not missed beside an index. Raises FolderInUse, FolderUnusable, or
        NewerSchema for data that a newer program has written. Once attached, more than
        `max_waiting` waiting writes are refused with Overloaded.
        """
        self.listeners: list[Callable[[], None]] = []
        self.commits = CommitCounts()
        if beside:
            database_in(folder, holds_records=holds_records)
        self._folder = DataFolder(folder, beside=beside)
        self._beside = beside
        self._max_waiting = max_waiting
        self._lock = threading.RLock()
        self._local = threading.local()
        self._readers: weakref.WeakSet[apsw.Connection] = weakref.WeakSet()
        self._group: GroupCommit | None = None
        self._watch: Watch | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._loop_thread = 0
        self._loop_reader: apsw.Connection | None = None
        self._snapshot_open = False
        self._turn: Turn = Alone()
        self._turns_seen = 0
        try:
            if not beside:
                find_database(folder, holds_records=holds_records)
                self._folder.make_database()
            self._writer = self._open_writer()
        except engine.TROUBLE as exc:
            self._folder.close()
            raise FolderUnusable(str(engine.translated(exc))) from exc
        except BaseException:
            self._folder.close()
            raise

    def write(self, work: Work[T]) -> T:
        """Run `work` in a write transaction, which others may share, and return once durable.

        `work` only runs statements that change rows, fetches all that it reads, and may run
        twice. If it raises, it has had no effect and the exception comes out here. Raises
        Overloaded, Unavailable, or OutcomeUnknown where a commit may or may not have happened.
        """
        while True:
            group = self._group
            try:
                return self._write_alone(work) if group is None else group.write(work)
            except Stopped:  # attached or detached meanwhile
                continue

    def read(self, sql: str, bindings: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        """Every row of one SELECT, which sees all acknowledged writes."""
        try:
            return self._reader().execute(sql, bindings).fetchall()
        except engine.TROUBLE as exc:
            raise engine.translated(exc) from exc

    def read_all(self, work: Work[T]) -> T:
        """Run the SELECTs of `work` in one snapshot. It leaves no cursor open."""
        try:
            return engine.reading(self._reader(), work)
        except engine.TROUBLE as exc:
            raise engine.translated(exc) from exc

    def share_turns(self) -> Sequence[int]:
        """Write by turns with processes that are given these files. Before `attach`. Raises OSError
        where turns cannot be shared."""
        turn = SharedTurn.first()
        self._turn.close()
        self._turn = turn
        return turn.files

    def take_turns(self, files: Sequence[int]) -> None:
        """Write by turns with the process that has given these files to this one, which keeps them.
        Before `attach`."""
        self._turn = SharedTurn.further(*files)

    def attach(self, loop: asyncio.AbstractEventLoop, wait: Wait) -> None:
        """Switch to group commit. Call it on the thread that runs `loop`.

        `wait` suspends a caller on that thread until an asyncio future is done, and gives its
        result; callers on other threads block.
        """
        with self._lock:
            if self._group is not None:
                raise RuntimeError("The database is attached already.")
            if self._beside:
                engine.wait_briefly(self._writer)
            self._loop = loop
            self._loop_thread = threading.get_ident()
            self._loop_reader = self._open_reader(engine.REQUESTS_CACHE_KIB)
            self._group = group = GroupCommit(
                self._writer,
                WriteAheadLog(self._writer, self._open_reader(engine.READER_CACHE_KIB), self._turn),
                self._turn,
                loop,
                wait,
                self._max_waiting,
                self._end_snapshot,
                self._notify,
                self.commits,
            )
            self._watch = Watch(self._writer, loop, lambda: not group.busy, self._refresh)

    def detach(self) -> None:
        """Finish the writes that wait and go back to a commit for each write.

        On the loop's thread, or on another while the loop runs or after it has ended.
        """
        loop = self._loop
        if loop is None:
            return
        if threading.get_ident() == self._loop_thread or not loop.is_running():
            self._detach()
            return
        done = threading.Event()

        def detach() -> None:
            try:
                self._detach()
            finally:
                done.set()

        loop.call_soon_threadsafe(detach)
        done.wait()

    @property
    def commit_thread(self) -> int | None:
        """The kernel's id of the thread that commits, None where each write is its own commit."""
        return None if self._group is None else self._group.commit_thread

    def release_memory(self) -> None:
        """Let go of what is kept of the file for writes and for the loop's thread, which calls this
        when there is little to do."""
        if self._loop_reader is not None:
            self._loop_reader.release_memory()
        if self._group is not None and not self._group.busy:
            self._writer.release_memory()

    def close(self) -> None:
        """Detach, close every connection and leave the folder to others."""
        self.detach()
        with self._lock:
            for reader in list(self._readers):
                reader.close()
            self._writer.close()
            self._turn.close()
            self._folder.close()

    def _detach(self) -> None:
        with self._lock:
            group, self._group = self._group, None
            if group is None:
                return
            if self._watch is not None:
                self._watch.stop()
                self._watch = None
            group.stop()
            self._end_snapshot()
            self._loop = None
            self._loop_thread = 0
            self._loop_reader = None

    def _write_alone(self, work: Work[T]) -> T:
        try:
            with self._lock:
                if self._group is not None:
                    raise Stopped
                result = engine.transaction(self._writer, work)
        except engine.TROUBLE as exc:
            raise engine.translated(exc) from exc
        self._notify()
        return result

    def _notify(self) -> None:
        for listener in self.listeners:
            listener()

    def _reader(self) -> apsw.Connection:
        group = self._group
        if group is not None and threading.get_ident() == self._loop_thread:
            reader = self._loop_reader
            assert reader is not None
            turns = self._turn.had
            if turns != self._turns_seen:  # another process may have committed
                self._turns_seen = turns
                self._end_snapshot()
            if not (self._snapshot_open or group.busy or self._turn.log is not Log.SHORT):
                # Kept open until the next batch: a statement in an open transaction is cheaper
                # by a third. While a commit is in flight it would keep the log from restarting.
                reader.execute("BEGIN")
                self._snapshot_open = True
            return reader
        try:
            own: apsw.Connection = self._local.connection
        except AttributeError:
            own = self._local.connection = self._open_reader(engine.READER_CACHE_KIB)
        return own

    def _open_writer(self) -> apsw.Connection:
        writer = engine.open_writer(self._folder.database)
        try:
            if self._beside:
                wait_patiently(writer)
                check_current(writer)
            else:
                migrate(writer)
        except BaseException:
            writer.close()
            raise
        return writer

    def _open_reader(self, cache_kib: int) -> apsw.Connection:
        reader = engine.open_reader(self._folder.database, cache_kib)
        self._readers.add(reader)
        return reader

    def _refresh(self) -> None:
        """Another process has committed: let go of what was before, and wake whoever waits."""
        self._end_snapshot()
        self._notify()

    def _end_snapshot(self) -> None:
        if self._snapshot_open and self._loop_reader is not None:
            self._loop_reader.execute("COMMIT")
            self._snapshot_open = False
