"""SQLite itself: connections as this backend wants them, and its errors in our own words."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

import apsw

from homeport.domain.errors import OutcomeUnknown, Unavailable

T = TypeVar("T")

AUTOCHECKPOINT: Final = 32_000
"""Pages in the write-ahead log before a commit moves them to the data file: rarely, since that
takes a tenth of a second. What serves does it beside its commits, and sooner: see
write_ahead_log.py."""
_JOURNAL_BYTES = 128 * 1024 * 1024
_WRITER_CACHE_KIB = 16 * 1024
READER_CACHE_KIB: Final = 2 * 1024
REQUESTS_CACHE_KIB: Final = 24 * 1024
"""For the connection that reads for all requests of a process: searches read records from
everywhere, and a page that is not here costs them as much as all the rest. Each commit empties
it."""
_BUSY_MILLISECONDS = 5_000

TROUBLE: Final = (
    apsw.BusyError,
    apsw.CantOpenError,
    apsw.ConnectionClosedError,
    apsw.CorruptError,
    apsw.FullError,
    apsw.IOError,
    apsw.LockedError,
    apsw.NoMemError,
    apsw.NotADBError,
    apsw.PermissionsError,
    apsw.ProtocolError,
    apsw.ReadOnlyError,
)
"""What goes wrong with the engine or the disk. Other errors are faults of the SQL."""

_DETAILS: Final[tuple[tuple[type[apsw.Error], str], ...]] = (
    (apsw.FullError, "The disk is full."),
    (apsw.CorruptError, "The data file is damaged."),
    (apsw.NotADBError, "The data file is damaged, or is no data file."),
    (apsw.ReadOnlyError, "The data file cannot be written."),
    (apsw.PermissionsError, "The data file cannot be written."),
    (
        apsw.CantOpenError,
        "The data file cannot be opened: that takes the right to write in its folder.",
    ),
    (apsw.BusyError, "The data file is locked by another process."),
    (apsw.ConnectionClosedError, "The data file is closed."),
    (apsw.IOError, "The disk cannot be read or written, or is full."),
)


def translated(error: BaseException) -> BaseException:
    """Unavailable for trouble with the engine or the disk; anything else as it is."""
    if not isinstance(error, TROUBLE):
        return error
    unavailable = Unavailable(_detail(error))
    unavailable.__cause__ = error
    return unavailable


def transaction(connection: apsw.Connection, work: Callable[[apsw.Connection], T]) -> T:
    """Run `work` in a write transaction of its own."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        result = work(connection)
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    commit(connection)
    return result


def reading(connection: apsw.Connection, work: Callable[[apsw.Connection], T]) -> T:
    """Run the SELECTs of `work` in one snapshot: that of the transaction that is open, or one of
    their own."""
    if connection.in_transaction:
        return work(connection)
    connection.execute("BEGIN")
    try:
        return work(connection)
    finally:
        connection.execute("COMMIT")


def commit(connection: apsw.Connection) -> None:
    """COMMIT, or leave no transaction behind.

    Raises Unavailable where nothing was written and OutcomeUnknown where that cannot be told.
    """
    try:
        connection.execute("COMMIT")
    except apsw.Error as exc:
        with contextlib.suppress(apsw.Error):
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        if isinstance(exc, (apsw.FullError, apsw.BusyError, apsw.ReadOnlyError)):
            raise Unavailable(_detail(exc)) from exc
        # After a failed sync the log may still hold the commit, for a restart to find.
        raise OutcomeUnknown(_detail(exc)) from exc


def open_writer(path: Path) -> apsw.Connection:
    """The one connection of a process that writes. It makes the file where there is none."""
    connection = _open(path, _WRITER_CACHE_KIB, apsw.SQLITE_OPEN_CREATE)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA secure_delete = OFF")
    connection.execute(f"PRAGMA journal_size_limit = {_JOURNAL_BYTES}")
    connection.wal_autocheckpoint(AUTOCHECKPOINT)
    return connection


def wait_briefly(writer: apsw.Connection) -> None:
    """Have a writer wait for others no longer than a server may."""
    writer.set_busy_timeout(_BUSY_MILLISECONDS)


def open_reader(path: Path, cache_kib: int = READER_CACHE_KIB) -> apsw.Connection:
    """A connection that only reads, and so never checkpoints unless asked to. Nor does it make
    a file: that would take the log with it which another process still writes."""
    connection = _open(path, cache_kib)
    connection.execute("PRAGMA query_only = ON")
    return connection


def _open(path: Path, cache_kib: int, flags: int = 0) -> apsw.Connection:
    connection = apsw.Connection(str(path), apsw.SQLITE_OPEN_READWRITE | flags)
    connection.set_busy_timeout(_BUSY_MILLISECONDS)
    # Otherwise SQLite plans some statements anew each time, in case their values change the plan:
    # 3 µs of a search, 5 of a list.
    connection.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)
    connection.execute(f"PRAGMA cache_size = -{cache_kib}")
    return connection


def _detail(error: BaseException) -> str:
    for kind, detail in _DETAILS:
        if isinstance(error, kind):
            return detail
    return "The data file does not answer."
