"""The data of one folder as it is at one moment, also while another process writes to it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import apsw

from homeport.adapters.embedded import engine
from homeport.adapters.embedded.folder import FolderUnusable, NewerSchema
from homeport.adapters.embedded.migrations import MIGRATIONS
from homeport.adapters.embedded.presence import database_in

T = TypeVar("T")


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
        except engine.TROUBLE as exc:
            raise FolderUnusable(str(engine.translated(exc))) from exc
        if schema == len(MIGRATIONS):
            return
        self.close()
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
