"""The write-ahead log moves to the data file beside the commits, and begins anew."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, cast

import apsw
import pytest

from homeport.adapters.embedded import engine, write_ahead_log
from homeport.adapters.embedded.database import Database
from homeport.adapters.embedded.priority import NICENESS
from homeport.adapters.embedded.turns import Alone, Log
from homeport.adapters.embedded.write_ahead_log import PAGES, WriteAheadLog
from tests.loops import running

_PAGES: Final = 30
_PAGE_BYTES: Final = 4096
_MOST_COMMITS: Final = 20_000


class Shared:
    """Of several logs, as processes have it. `said` is how far they were, one after the other."""

    had = 0
    is_asked = False

    def __init__(self) -> None:
        self.said = [Log.SHORT]

    @property
    def log(self) -> Log:
        return self.said[-1]

    @log.setter
    def log(self, log: Log) -> None:
        if log is not self.said[-1]:
            self.said.append(log)

    def ask(self, loop: asyncio.AbstractEventLoop, go: Callable[[], None]) -> None:
        go()

    def take(self) -> None: ...

    def give(self) -> None: ...

    def close(self) -> None: ...


class Notes:
    """A data file of notes, each a page and more; `log` commits them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.writer = engine.open_writer(path)
        self.writer.wal_autocheckpoint(0)  # what is moved, `log` has moved
        self.writer.execute("CREATE TABLE notes (number INTEGER PRIMARY KEY, text)")
        self.mover = engine.open_reader(path)
        self.log = WriteAheadLog(self.writer, self.mover, Alone(), _PAGES)
        self.count = 0

    def add(self) -> None:
        self.writer.execute("BEGIN IMMEDIATE")
        self.writer.execute("INSERT INTO notes (text) VALUES (zeroblob(?))", (_PAGE_BYTES,))
        self.log.commit()
        self.count += 1

    def salt(self) -> bytes:
        """Of the log's header: another one each time that it begins anew."""
        with self.path.with_name(f"{self.path.name}-wal").open("rb") as log:
            return log.read(32)[16:24]

    def add_until_it_begins_anew(self) -> None:
        before = self.salt()
        for _ in range(_MOST_COMMITS):
            self.add()
            if self.salt() != before:
                return
        pytest.fail("The log goes on and on.")

    def moved(self, folder: Path) -> int:
        """How many are in the data file itself, without its log."""
        folder.mkdir()
        alone = shutil.copy(self.path, folder)
        with_none = apsw.Connection(str(alone))
        try:
            return len(with_none.execute("SELECT number FROM notes").fetchall())
        finally:
            with_none.close()

    def close(self) -> None:
        self.log.stop()
        self.writer.close()


@pytest.fixture
def notes(tmp_path: Path) -> Iterator[Notes]:
    notes = Notes(tmp_path / "notes.sqlite")
    yield notes
    notes.close()


def test_the_log_begins_anew_again_and_again_while_commits_come(notes: Notes) -> None:
    notes.add()
    for _ in range(3):
        notes.add_until_it_begins_anew()


def test_what_has_left_the_log_is_in_the_data_file(notes: Notes, tmp_path: Path) -> None:
    notes.add()
    notes.add_until_it_begins_anew()
    notes.log.stop()
    # The last one is what the log began anew with, and may have been moved as well.
    assert notes.moved(tmp_path / "copy") in (notes.count - 1, notes.count)


def test_the_thread_moves_all_that_is_there(notes: Notes, tmp_path: Path) -> None:
    for _ in range(_PAGES // 10):
        notes.add()
    notes.log._move()
    assert notes.moved(tmp_path / "copy") == notes.count


@pytest.mark.skipif(sys.platform != "linux", reason="threads have no priorities")
def test_the_thread_gives_way_to_all_others(notes: Notes, monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[int] = []

    def look(_: WriteAheadLog) -> None:
        found.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))

    monkeypatch.setattr(WriteAheadLog, "_move", look)
    while not found:
        notes.add()
    own = os.getpriority(os.PRIO_PROCESS, os.getpid())
    assert found[0] == min(19, own + NICENESS)


def test_a_short_log_stays_where_it_is(notes: Notes) -> None:
    notes.add()
    before = notes.path.stat().st_size
    for _ in range(_PAGES // 10):
        notes.add()
    notes.log.stop()
    assert notes.path.stat().st_size == before


def test_what_somebody_reads_stays_in_the_log_until_they_are_done(notes: Notes) -> None:
    notes.add()
    reader = engine.open_reader(notes.path)
    reader.execute("BEGIN")
    assert reader.execute("SELECT count(*) FROM notes").fetchall() == [(1,)]
    before = notes.salt()
    for _ in range(10 * _PAGES):
        notes.add()
    assert notes.salt() == before
    assert reader.execute("SELECT count(*) FROM notes").fetchall() == [(1,)]
    reader.close()
    notes.add_until_it_begins_anew()


def test_the_writer_moves_all_where_the_thread_cannot(notes: Notes) -> None:
    notes.mover.close()
    notes.add()
    notes.add_until_it_begins_anew()


def test_while_one_process_moves_the_log_the_others_leave_it(
    notes: Notes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else they would wait for the disk in their turns, which takes what the one has moved."""
    turn, going_on = Shared(), threading.Event()
    move = WriteAheadLog._move
    begun: list[WriteAheadLog] = []

    def move_later(log: WriteAheadLog) -> None:
        begun.append(log)
        going_on.wait(60)
        move(log)

    monkeypatch.setattr(WriteAheadLog, "_move", move_later)
    first, second = (
        WriteAheadLog(notes.writer, engine.open_reader(notes.path), turn, _PAGES) for _ in range(2)
    )
    notes.log = first
    while turn.said[-1] is Log.SHORT:
        notes.add()
    size, salt = notes.path.stat().st_size, notes.salt()
    notes.log = second
    for _ in range(2 * _PAGES):
        notes.add()
    assert (notes.path.stat().st_size, notes.salt()) == (size, salt)
    going_on.set()
    first.stop()
    notes.add_until_it_begins_anew()
    second.stop()
    assert turn.said == [Log.SHORT, Log.LONG, Log.MOVED, Log.SHORT]
    assert begun == [first]


def test_where_the_process_that_moves_it_has_ended_sqlite_does(notes: Notes) -> None:
    turn = Shared()
    turn.log = Log.LONG
    notes.log = WriteAheadLog(notes.writer, notes.mover, turn, _PAGES)
    notes.writer.wal_autocheckpoint(2 * _PAGES)
    notes.add()
    notes.add_until_it_begins_anew()
    assert turn.said[-1] is Log.SHORT


def test_the_disk_takes_the_data_file_before_others_go_on(
    notes: Notes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the commit that moves the rest waits for all of it."""
    turn = Shared()
    flushed: list[tuple[Log, int]] = []

    def look(file: int) -> None:
        flushed.append((turn.log, os.fstat(file).st_ino))

    monkeypatch.setattr(write_ahead_log, "_flushed", look)
    notes.log = WriteAheadLog(notes.writer, notes.mover, turn, _PAGES)
    notes.add()
    turn.log = Log.LONG
    notes.log._move()
    assert flushed == [(Log.LONG, notes.path.stat().st_ino)] * 3
    assert turn.log is Log.MOVED


def test_a_log_that_the_disk_would_not_take_is_moved_by_the_writer(
    notes: Notes, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_: int) -> None:
        raise OSError("no disk")

    monkeypatch.setattr(write_ahead_log, "_flushed", fail)
    notes.add()
    notes.add_until_it_begins_anew()
    assert "not taken what was written to the data file: no disk" in caplog.text


def test_what_the_disk_takes_leaves_the_writers_lock(notes: Notes) -> None:
    """A file of this process that is closed would free it, as POSIX has it."""
    notes.add()
    notes.writer.execute("BEGIN IMMEDIATE")
    notes.log._move()
    stranger = """
import sys, apsw
connection = apsw.Connection(sys.argv[1])
try:
    connection.execute("BEGIN IMMEDIATE")
except apsw.BusyError:
    sys.exit(3)
"""
    ended = subprocess.run([sys.executable, "-c", stranger, str(notes.path)], check=False)
    notes.writer.execute("ROLLBACK")
    assert ended.returncode == 3


def test_a_fault_in_moving_keeps_nobody_from_it(
    notes: Notes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: WriteAheadLog) -> None:
        raise MemoryError

    turn = Shared()
    monkeypatch.setattr(WriteAheadLog, "_flush", fail)
    notes.log = WriteAheadLog(notes.writer, notes.mover, turn, _PAGES)
    turn.log = Log.LONG
    with pytest.raises(MemoryError):
        notes.log._move()
    assert turn.log is Log.MOVED


class FullDisk:
    """A connection whose log cannot be moved."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self.failures = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def wal_checkpoint(self, schema: str, mode: int) -> tuple[int, int]:
        if mode == apsw.SQLITE_CHECKPOINT_NOOP:
            return self._connection.wal_checkpoint(schema, mode)
        self.failures += 1
        raise apsw.FullError


def test_a_commit_stands_where_its_log_cannot_be_moved(notes: Notes) -> None:
    full = FullDisk(notes.writer)
    notes.log = WriteAheadLog(cast("apsw.Connection", full), notes.mover, Alone(), _PAGES)
    for _ in range(_MOST_COMMITS):
        notes.add()
        if full.failures == 2:
            break
    else:
        pytest.fail("The writer's turn never came.")
    assert notes.writer.execute("SELECT count(*) FROM notes").fetchall() == [(notes.count,)]


def test_a_commit_stands_where_no_thread_is_to_be_had(
    notes: Notes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def submit(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(ThreadPoolExecutor, "submit", submit)
    for _ in range(2 * _PAGES):
        notes.add()
    assert notes.writer.execute("SELECT count(*) FROM notes").fetchall() == [(notes.count,)]


def test_a_served_database_moves_its_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[WriteAheadLog] = []

    def move(log: WriteAheadLog) -> None:
        begun.append(log)

    monkeypatch.setattr(WriteAheadLog, "_move", move)
    with running() as loop:
        database = Database(tmp_path / "data")
        try:
            loop.attach(database)
            loop.call(lambda: database.write(Zeros(PAGES // 2)))
            database.detach()  # which waits for the thread
            assert not begun
            loop.attach(database)
            loop.call(lambda: database.write(Zeros(PAGES - PAGES // 2)))
            database.detach()
            assert len(begun) == 1
        finally:
            database.close()


class Zeros:
    """Writes so many pages."""

    def __init__(self, pages: int) -> None:
        self.pages = pages

    def __call__(self, connection: apsw.Connection) -> None:
        connection.execute("CREATE TABLE IF NOT EXISTS zeros (bytes)")
        connection.execute("INSERT INTO zeros VALUES (zeroblob(?))", (self.pages * _PAGE_BYTES,))
