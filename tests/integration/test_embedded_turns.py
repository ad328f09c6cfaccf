"""Processes of one server write by turns, and wait for theirs without standing still."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Final

import apsw
import pytest

from homeport.adapters.embedded import database, engine, group_commit, turns
from homeport.adapters.embedded.database import Database
from homeport.adapters.embedded.turns import SharedTurn
from homeport.adapters.embedded.write_ahead_log import WriteAheadLog
from homeport.container import build
from homeport.definition import Definition
from homeport.domain.errors import Unavailable
from homeport.entrypoints.local.app import gateway_for
from tests.loops import Loop, running
from tests.processes import eventually

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="turns are shared on Linux alone")

_LONG: Final = 60.0
_PAGES: Final = 6_000
_HOLDER = """
import sys, time
from homeport.adapters.embedded.turns import SharedTurn
turn = SharedTurn.further(int(sys.argv[1]), int(sys.argv[2]))
turn.take()
print("taken", flush=True)
time.sleep(60)
"""


class Side:
    """One process's database, on a loop of its own."""

    def __init__(self, database: Database, loop: Loop) -> None:
        self.database, self.loop = database, loop
        loop.attach(database)

    def write(self, name: str) -> Future[str]:
        def insert(connection: apsw.Connection) -> str:
            connection.execute("INSERT INTO settings (name, value) VALUES (?, '')", (name,))
            return name

        return self.loop.start(lambda: self.database.write(insert))

    def names(self) -> list[str]:
        return [name for (name,) in self.loop.call(lambda: self.database.read(_NAMES))]


_NAMES: Final = "SELECT name FROM settings ORDER BY name"


@pytest.fixture
def sides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Side, Side]]:
    """As two processes have them, but for the process, and with a shorter log."""
    monkeypatch.setattr(database, "WriteAheadLog", partial(WriteAheadLog, pages=_PAGES))
    with running() as one, running() as other:
        first = Database(tmp_path / "data")
        files = first.share_turns()
        second = Database(tmp_path / "data", beside=True)
        second.take_turns((os.dup(files[0]), os.dup(files[1])))
        try:
            yield Side(first, one), Side(second, other)
        finally:
            second.close()
            first.close()


@pytest.fixture
def turn() -> Iterator[SharedTurn]:
    turn = SharedTurn.first()
    yield turn
    turn.close()


def another(turn: SharedTurn) -> SharedTurn:
    memory, bell = turn.files
    return SharedTurn.further(os.dup(memory), os.dup(bell))


class Held:
    """Stands in for COMMIT: that of one database waits until it may go on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, database: Database) -> None:
        self.begun, self.go_on = threading.Event(), threading.Event()
        commit, held = engine.commit, database._writer

        def wait(connection: apsw.Connection) -> None:
            if connection is held:
                self.begun.set()
                assert self.go_on.wait(30)
            commit(connection)

        monkeypatch.setattr(engine, "commit", wait)


def one_slow(
    sides: tuple[Side, Side], monkeypatch: pytest.MonkeyPatch
) -> tuple[Held, Future[str], Future[str]]:
    """The first writes `~slow`, whose commit is held; the second waits to write `~waiting`."""
    held = Held(monkeypatch, sides[0].database)
    slow = sides[0].write("~slow")
    assert held.begun.wait(30)
    return held, slow, sides[1].write("~waiting")


def test_each_sees_at_once_what_the_other_has_written(sides: tuple[Side, Side]) -> None:
    before = sides[0].names()
    for number in range(40):
        side = sides[number % 2]
        side.write(f"~{number:02}").result(30)
        for one in sides:
            assert one.names() == [*before, *(f"~{each:02}" for each in range(number + 1))]


def test_both_write_at_once_and_all_of_it_is_there(sides: tuple[Side, Side]) -> None:
    before = sides[0].names()
    writes = [
        side.write(f"~{number:04}-{place}")
        for number in range(300)
        for place, side in enumerate(sides)
    ]
    written = [one.result(30) for one in writes]
    assert sides[0].names() == sides[1].names() == sorted([*before, *written])


def test_who_waits_for_the_other_goes_on_with_the_rest(
    sides: tuple[Side, Side], monkeypatch: pytest.MonkeyPatch
) -> None:
    second = sides[1]
    held, slow, waiting = one_slow(sides, monkeypatch)
    for _ in range(3):
        assert "~slow" not in second.names(), "it is not durable"
    assert not waiting.done()
    held.go_on.set()
    assert (slow.result(30), waiting.result(30)) == ("~slow", "~waiting")
    assert second.names()[-2:] == ["~slow", "~waiting"]


def test_neither_waits_for_ever(sides: tuple[Side, Side]) -> None:
    """One that writes all the time lets the other come between."""
    first, second = sides
    done = threading.Event()

    def write_on(name: str) -> int:
        for number in itertools.count():
            if done.is_set():
                return number
            first.write(f"{name}-{number}").result(30)
        return 0

    with ThreadPoolExecutor(8) as threads:
        busy = [threads.submit(write_on, f"~busy-{number}") for number in range(8)]
        for number in range(100):
            second.write(f"~{number:02}").result(30)
        done.set()
        assert sum(one.result(30) for one in busy) > 100


def test_who_is_told_to_end_writes_what_waits(
    sides: tuple[Side, Side], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = sides
    held, slow, waiting = one_slow(sides, monkeypatch)
    second.names()  # so that it has come to wait
    ending = threading.Thread(target=second.database.detach)
    ending.start()
    held.go_on.set()
    ending.join(30)
    assert (slow.result(30), waiting.result(30)) == ("~slow", "~waiting")
    assert first.names()[-2:] == ["~slow", "~waiting"]


def test_a_turn_in_which_nothing_changes_is_given_on(sides: tuple[Side, Side]) -> None:
    def look(connection: apsw.Connection) -> int:
        return len(connection.execute("SELECT name FROM settings").fetchall())

    first, second = sides
    for number in range(3):
        first.loop.call(lambda: first.database.write(look))
        second.write(f"~{number}").result(30)
    assert first.names()[-3:] == ["~0", "~1", "~2"]


@pytest.mark.parametrize("writers", [1, 2])
def test_the_log_begins_anew_whoever_writes_and_reads(
    sides: tuple[Side, Side], tmp_path: Path, writers: int
) -> None:
    log = tmp_path / "data" / "homeport.db-wal"
    done = threading.Event()
    for side in sides:
        side.database._writer.wal_autocheckpoint(0)  # what SQLite would do by itself

    def salt() -> bytes:
        with log.open("rb") as opened:
            return opened.read(32)[16:24]

    def read_on(side: Side) -> None:
        while not done.wait(0.002):  # else a busy machine stops it within a read, and for long
            side.names()

    def fill(side: Side) -> Future[None]:
        def insert(connection: apsw.Connection) -> None:
            connection.execute("CREATE TABLE IF NOT EXISTS zeros (bytes)")
            connection.execute("INSERT INTO zeros VALUES (zeroblob(400000))")

        return side.loop.start(lambda: side.database.write(insert))

    fill(sides[0]).result(30)
    salts = {salt()}
    with ThreadPoolExecutor(1) as thread:
        reading = thread.submit(read_on, sides[1])
        for _ in range(1_200):
            if log.stat().st_size > 3 * _PAGES * 4096:
                time.sleep(0.05)  # on a busy machine what moves it waits for the processor
            for one in [fill(side) for side in sides[:writers]]:
                one.result(30)
            salts.add(salt())
            if len(salts) > 2:
                break
        done.set()
        reading.result(30)
    assert len(salts) > 2


def test_a_locked_file_keeps_no_loop_for_longer_than_a_batch(
    sides: tuple[Side, Side], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever looks whether it is well hears of it between them."""
    second = sides[1]
    second.database._writer.set_busy_timeout(10)
    monkeypatch.setattr(group_commit, "_BATCH", 5)
    stranger = apsw.Connection(str(tmp_path / "data" / "homeport.db"))
    stranger.execute("BEGIN IMMEDIATE")
    turns_between = 0

    def count() -> None:
        nonlocal turns_between
        if not all(one.done() for one in writes):
            turns_between += 1
            second.loop.loop.call_soon(count)

    writes = second.loop.plainly(lambda: [second.write(f"~{number}") for number in range(20)])
    second.loop.plainly(count)
    for one in writes:
        with pytest.raises(Unavailable, match="locked by another process"):
            one.result(30)
    assert turns_between >= 3
    stranger.execute("ROLLBACK")
    stranger.close()
    assert second.write("~after").result(30) == "~after"


def test_where_memory_cannot_be_shared_one_process_serves_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(turns, "_MEMORY", str(tmp_path / "none"))
    with closing(build(Definition(data_folder=tmp_path / "data"))) as backend:
        assert gateway_for(backend, workers=1)._workers_and_turns() == (0, ())
        backend.database.write(lambda connection: connection.execute("DELETE FROM settings"))
    assert "this process serves alone" in caplog.text


class TestTurn:
    @pytest.fixture
    def loop(self) -> Iterator[Loop]:
        with running() as loop:
            yield loop

    def test_one_has_it_at_a_time(self, turn: SharedTurn, loop: Loop) -> None:
        other, had = another(turn), turn.had
        went: list[str] = []
        loop.plainly(lambda: turn.ask(loop.loop, partial(went.append, "first")))
        loop.plainly(lambda: other.ask(loop.loop, partial(went.append, "other")))
        assert (went, turn.is_asked, other.is_asked) == (["first"], False, True)
        turn.give()
        assert eventually(lambda: went == ["first", "other"])
        assert not other.is_asked
        assert (turn.had, other.had) == (had + 1, had + 1)
        loop.plainly(lambda: turn.ask(loop.loop, partial(went.append, "again")))
        assert turn.is_asked
        other.give()
        assert eventually(lambda: went[2:] == ["again"])
        turn.give()
        other.close()

    def test_who_waits_is_told_and_does_not_look(
        self, turn: SharedTurn, loop: Loop, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(turns, "LOOK_SECONDS", _LONG)
        other = another(turn)
        went: list[int] = []
        timers: list[threading.Timer] = []

        def go(one: SharedTurn, number: int) -> Callable[[], None]:
            def act() -> None:
                timer = threading.Timer(0.02, one.give)
                timer.start()
                timers.append(timer)
                went.append(number)

            return act

        for number, one in zip(range(20), itertools.cycle((turn, other))):
            loop.plainly(partial(one.ask, loop.loop, go(one, number)))
            assert eventually(lambda: len(went) > number)  # noqa: B023 - called at once
        assert went == list(range(20))
        for timer in timers:
            timer.join()
        other.close()

    def test_one_that_is_killed_in_its_turn_keeps_nobody_waiting(
        self, turn: SharedTurn, loop: Loop
    ) -> None:
        holder = subprocess.Popen(
            [sys.executable, "-c", _HOLDER, *map(str, turn.files)],
            pass_fds=turn.files,
            stdout=subprocess.PIPE,
        )
        with holder:
            assert holder.stdout is not None
            assert holder.stdout.readline() == b"taken\n"
            went: list[None] = []
            loop.plainly(lambda: turn.ask(loop.loop, partial(went.append, None)))
            assert not went
            holder.send_signal(signal.SIGKILL)
        assert eventually(lambda: bool(went))
        turn.give()
