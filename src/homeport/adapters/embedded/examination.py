"""What a look at a data folder tells, also while a server writes to it. Nothing is changed."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote

import apsw

from homeport.adapters.embedded import engine
from homeport.adapters.embedded.folder import DATABASE, LOCK
from homeport.adapters.embedded.migrations import MIGRATIONS
from homeport.adapters.embedded.signing_key import KEY_SETTING
from homeport.domain.errors import Unavailable

KNOWN_SCHEMA: Final = len(MIGRATIONS)
_COUNTS: Final = {
    "records": "SELECT count(*) FROM records WHERE data IS NOT NULL",
    "identities": "SELECT count(*) FROM identities",
    "messages waiting": "SELECT count(*) FROM queue",
}
_BEHIND: Final = """
    SELECT count(*) FROM change_log
    WHERE version > (SELECT position FROM consumers WHERE name = 'indexing')"""
_PLACES: Final = """
    SELECT name, (SELECT count(*) FROM change_log WHERE version > position) FROM consumers
    ORDER BY name"""
_DEAD: Final = "SELECT source, count(*) FROM dead_letters GROUP BY source ORDER BY source"
_OF_FEED: Final = "feed:"
"""Stands before a consumer's name in the database, and nowhere else."""
_LINES: Final = 5
"""Of what is wrong with a damaged database: the first few tell enough."""


@dataclass(frozen=True, slots=True)
class DatabaseState:
    """`damage` is what SQLite finds wrong, empty where nothing is. Of a schema other than
    `KNOWN_SCHEMA`, and of a damaged database, nothing is counted. `behind` is how many changes
    the index has not had yet, `dead` the number of dead letters by source, as commands take it,
    `places` how many changes are still to be looked at, by consumer."""

    schema: int
    bytes: int
    log_bytes: int
    damage: tuple[str, ...] = ()
    counts: tuple[tuple[str, int], ...] = ()
    behind: int = 0
    dead: tuple[tuple[str, int], ...] = ()
    has_key: bool = True
    places: tuple[tuple[str, int], ...] = ()


def holder(folder: Path) -> str | None:
    """The process that has the folder open, as text; None where none has."""
    try:
        lock = os.open(folder / LOCK, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        # Shared, and for a moment: nothing else asks the system without taking it.
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return os.pread(lock, 32, 0).decode(errors="replace").strip() or "another process"
    finally:
        os.close(lock)
    return None


def examine_database(path: Path, *, served: bool) -> DatabaseState:
    """Look at the database that `find_database` has found; `served` says that a process has it
    open.

    Raises Unavailable, saying why, where it cannot be read at all.
    """
    log = path.with_name(f"{DATABASE}-wal")
    log_bytes = log.stat().st_size if log.is_file() else 0
    try:
        with _opened(path, served=served, logged=log_bytes > 0) as connection:
            schema = int(connection.execute("PRAGMA user_version").get)
            found = connection.execute(f"PRAGMA quick_check({_LINES})").fetchall()
            damage = tuple(str(line) for (line,) in found if line != "ok")
            state = DatabaseState(schema, path.stat().st_size, log_bytes, damage)
            if damage or schema != KNOWN_SCHEMA:
                return state
            return DatabaseState(
                schema,
                state.bytes,
                log_bytes,
                counts=tuple(
                    (name, int(connection.execute(sql).get)) for name, sql in _COUNTS.items()
                ),
                behind=int(connection.execute(_BEHIND).get),
                dead=tuple(
                    (str(name).removeprefix(_OF_FEED), int(number))
                    for name, number in connection.execute(_DEAD)
                ),
                has_key=_has_key(connection),
                places=tuple(
                    (str(name), int(count)) for name, count in connection.execute(_PLACES)
                ),
            )
    except engine.TROUBLE as exc:
        raise Unavailable(str(engine.translated(exc))) from exc


@contextmanager
def _opened(path: Path, *, served: bool, logged: bool) -> Iterator[apsw.Connection]:
    """Read only. Where nobody serves, SQLite makes and changes no files of its own beside it."""
    # With nothing `logged` the file alone is all. Otherwise the log's index is to be in memory:
    # that takes the lock of a sole owner, which this VFS grants without asking the system.
    options = "" if served else "&vfs=unix-none" if logged else "&immutable=1"
    name = f"file:{quote(str(path.absolute()))}?mode=ro{options}"
    connection = apsw.Connection(name, apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI)
    try:
        connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
        if not served:
            connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.set_busy_timeout(5_000)
        yield connection
    finally:
        connection.close()


def _has_key(connection: apsw.Connection) -> bool:
    """Whether the key is there that signs access tokens; one is made with the first token."""
    sessions = connection.execute("SELECT EXISTS (SELECT 1 FROM refresh_tokens)").get
    key = connection.execute("SELECT value FROM settings WHERE name = ?", (KEY_SETTING,)).get
    return key is not None or not sessions
