"""The database of a data folder for a process that only reads, beside the one that serves it."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import apsw

from homeport.adapters.embedded import engine
from homeport.adapters.embedded.folder import FolderUnusable
from homeport.adapters.embedded.migrations import check_current
from homeport.adapters.embedded.presence import database_in

T = TypeVar("T")


class ReadingDatabase:
    """What adapters read from in place of a Database: each read sees all that was committed when
    it began. Safe to use from any thread; the one that made it reads for all requests."""

    def __init__(self, folder: Path) -> None:
        """Raises FolderUnusable, NewerSchema, or FolderInUse where the data have another schema
        than this program's."""
        self._path = database_in(folder)
        self._local = threading.local()
        self._readers: weakref.WeakSet[apsw.Connection] = weakref.WeakSet()
        try:
            self._local.connection = self._open(engine.REQUESTS_CACHE_KIB)
            check_current(self._local.connection)
        except engine.TROUBLE as exc:
            raise FolderUnusable(str(engine.translated(exc))) from exc

    def read(self, sql: str, bindings: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        """Every row of one SELECT."""
        try:
            return self._reader().execute(sql, bindings).fetchall()
        except engine.TROUBLE as exc:
            raise engine.translated(exc) from exc

    def read_all(self, work: Callable[[apsw.Connection], T]) -> T:
        """Run the SELECTs of `work` in one snapshot. It leaves no cursor open."""
        try:
            return engine.reading(self._reader(), work)
        except engine.TROUBLE as exc:
            raise engine.translated(exc) from exc

    def write(self, _: Callable[[apsw.Connection], object]) -> NoReturn:
        """Raises TypeError: whoever writes is in the wrong process."""
        raise TypeError("the data are written by the process that serves them, not by this one")

    def release_memory(self) -> None:
        """Let go of what is kept of the file for this thread, when there is little to do."""
        self._reader().release_memory()

    def close(self) -> None:
        for reader in list(self._readers):
            reader.close()

    def _reader(self) -> apsw.Connection:
        try:
            known: apsw.Connection = self._local.connection
        except AttributeError:
            known = self._local.connection = self._open(engine.READER_CACHE_KIB)
        return known

    def _open(self, cache_kib: int) -> apsw.Connection:
        reader = engine.open_reader(self._path, cache_kib)
        self._readers.add(reader)
        return reader
