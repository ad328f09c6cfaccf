"""The data of one folder as it is at one moment, also while another process writes to it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import apsw

from homeport.adapters.embedded import engine
from homeport.adapters.embedded.folder import FolderUnusable, NewerSchema
from homeport.adapters.embedded.migrations import MIGRATIONS
from homeport.adapters.embedded.presence import database_in, no_database

T = TypeVar("T")


def is_made(database: Path) -> bool:
    """Whether the file holds any table: where a first start or command was killed it may not.
    Raises FolderUnusable."""
    if database.stat().st_size == 0:
        return False
    try:
        with contextlib.closing(engine.open_reader(database)) as connection:
            return _any_table(connection)
    except engine.TROUBLE as exc:
        raise FolderUnusable(str(engine.translated(exc))) from exc


def _any_table(connection: apsw.Connection) -> bool:
    return bool(connection.execute("SELECT EXISTS (SELECT 1 FROM sqlite_schema)").get)


class Snapshot:
    """What adapters read from in place of a Database: its reads all see the same moment.

    It belongs to one thread, locks nothing and blocks nobody. Until it is closed the write-ahead
    log of a process that writes cannot start again.
    """

    def __init__(self, folder: Path) -> None:
        """Raises FolderUnusable where there is no database, or one of an older schema, and
        NewerSchema."""
        path = database_in(folder)
        try:
            self._connection = engine.open_reader(path)
            self._connection.execute("BEGIN")
            schema = int(self._connection.execute("PRAGMA user_version").get)
            made = schema > 0 or _any_table(self._connection)
        except engine.TROUBLE as exc:
            raise FolderUnusable(str(engine.translated(exc))) from exc
        if schema == len(MIGRATIONS):
            return
        self.close()
        if not made:
            raise no_database(folder)
        if schema > len(MIGRATIONS):
            raise NewerSchema(
                f"The data is of schema {schema}; this program knows schemas up to "
                f"{len(MIGRATIONS)}. Install the newer version of homeport that wrote it."
            )
        raise FolderUnusable(
            f"The data is of schema {schema}, not {len(MIGRATIONS)}. Start the server once: it "
            "migrates the data."
        )

    def read(self, sql: str, bindings: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        """Every row of one SELECT."""
        return self.read_all(lambda connection: connection.execute(sql, bindings).fetchall())

    def read_all(self, work: Callable[[apsw.Connection], T]) -> T:
        """Run the SELECTs of `work`. Trouble with the disk or the engine raises Unavailable."""
        try:
            return work(self._connection)
        except engine.TROUBLE as exc:
            raise engine.translated(exc) from exc

    def close(self) -> None:
        self._connection.close()
