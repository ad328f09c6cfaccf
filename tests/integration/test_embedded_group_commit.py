"""Group commit: many writes, one transaction, and each stands or falls by itself."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import apsw
import pytest

from homeport.adapters.embedded import engine, group_commit
from homeport.adapters.embedded.database import Database
from homeport.adapters.embedded.group_commit import _SETTLED, GroupCommit, _Waiting
from homeport.domain.errors import OutcomeUnknown, Overloaded, Unavailable
from tests.loops import Loop, running


@pytest.fixture
def loop() -> Iterator[Loop]:
    with running() as loop:
        yield loop


@pytest.fixture
def database(tmp_path: Path, loop: Loop) -> Iterator[Database]:
    database = Database(tmp_path / "data", max_waiting=40)
    loop.attach(database)
    yield database
    database.close()


@pytest.fixture
def commits(database: Database) -> list[None]:
    """Grows by one with each commit."""
    commits: list[None] = []
    database.listeners.append(lambda: commits.append(None))
    return commits


class Held:
    """Stands in for COMMIT: one that has `begun` waits until it may `go_on`."""

    def __init__(self) -> None:
        self.begun, self.go_on = threading.Event(), threading.Event()
        self._commit = engine.commit

    def __call__(self, connection: apsw.Connection) -> None:
        self.begun.set()
        assert self.go_on.wait(30)
        self._commit(connection)


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Held:
    held = Held()
    monkeypatch.setattr(engine, "commit", held)
    return held


class Refused(Exception):
    pass


class Note:
    """Writes one setting, and may fail before or after it."""

    def __init__(self, name: str, early: bool = False, late: bool = False) -> None:
        self.name = name
        self.early = early
        self.late = late
        self.runs = 0

    def __call__(self, connection: apsw.Connection) -> str:
        self.runs += 1
        if self.early:
            raise Refused(self.name)
        connection.execute("INSERT INTO settings (name, value) VALUES (?, '')", (self.name,))
        if self.late:
            raise Refused(self.name)
        return self.name


def write(database: Database, work: Callable[[apsw.Connection], str]) -> Callable[[], str]:
    return partial(database.write, work)


def stored(database: Database) -> list[str]:
    return [name for (name,) in database.read("SELECT name FROM settings ORDER BY name")]


def test_writes_of_one_turn_share_a_commit(
    database: Database, loop: Loop, commits: list[None]
) -> None:
    names = [f"n{number:02}" for number in range(40)]
    assert loop.together([write(database, Note(name)) for name in names]) == names
    assert len(commits) == 1
    assert stored(database) == names


def test_callers_of_a_commit_go_on_a_few_at_a_turn(database: Database, loop: Loop) -> None:
    """Whoever comes meanwhile is looked at between them."""
    turn, turns = 0, []

    def begin_turn() -> None:
        nonlocal turn
        turn += 1
        asyncio.get_running_loop().call_soon(begin_turn)

    def write(name: str) -> None:
        database.write(Note(name))
        turns.append(turn)

    loop.plainly(begin_turn)
    loop.together([partial(write, f"n{number:02}") for number in range(40)])
    assert sorted(Counter(turns).values()) == [40 - _SETTLED, _SETTLED]


def test_a_caller_that_cannot_be_told_keeps_nobody_waiting(
    database: Database, loop: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 40, the first turn's last: those of the second are told all the same."""
    settle, told = _Waiting.settle, []

    def failing(self: _Waiting[str]) -> None:
        told.append(self.result)
        settle(self)
        if len(told) == _SETTLED:
            raise MemoryError

    monkeypatch.setattr(_Waiting, "settle", failing)
    names = [f"n{number:02}" for number in range(40)]
    assert loop.together([write(database, Note(name)) for name in names]) == names
    assert loop.call(write(database, Note("later"))) == "later"


def test_writes_gather_while_a_commit_is_in_flight(
    database: Database, loop: Loop, commits: list[None]
) -> None:
    def twice(name: str) -> str:
        database.write(Note(f"{name}-first"))
        return database.write(Note(f"{name}-then"))

    loop.together([partial(twice, f"n{number}") for number in range(20)])
    assert len(commits) == 2
    assert len(stored(database)) == 40


def test_the_disk_does_not_wait_for_the_loop(
    database: Database, loop: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once a batch is handed over, its thread has had the interpreter, whatever comes then."""
    begin, taken = GroupCommit._begin, []

    def watched(self: GroupCommit) -> None:
        begin(self)
        taken.append(self._taken.is_set())

    monkeypatch.setattr(GroupCommit, "_begin", watched)
    monkeypatch.setattr(group_commit, "_HANDED_OVER_SECONDS", 30)
    for number in range(20):
        loop.call(write(database, Note(f"n{number}")))
    assert len(taken) >= 20 and all(taken)


def test_answers_are_sent_before_the_next_batch_runs(
    database: Database, loop: Loop, held: Held
) -> None:
    order = []

    def first() -> None:
        database.write(Note("first"))
        order.append("made")
        asyncio.get_running_loop().call_soon(order.append, "sent")  # as connections do

    class Next(Note):
        def __call__(self, connection: apsw.Connection) -> str:
            order.append("runs")
            return super().__call__(connection)

    answered = loop.start(first)
    assert held.begun.wait(30)
    later = loop.start(write(database, Next("next")))
    loop.plainly(held.go_on.set)
    answered.result(30)
    later.result(30)
    assert order == ["made", "sent", "runs"]


@pytest.mark.parametrize(("callers", "at_once"), [(_SETTLED, False), (_SETTLED + 1, True)])
def test_the_next_batch_waits_only_for_answers_that_one_turn_makes(
    database: Database,
    loop: Loop,
    held: Held,
    monkeypatch: pytest.MonkeyPatch,
    callers: int,
    at_once: bool,
) -> None:
    finish, begun = GroupCommit._finish, []

    def watched(self: GroupCommit, batch: list[_Waiting[str]]) -> None:
        finish(self, batch)
        begun.append(self.busy)

    monkeypatch.setattr(GroupCommit, "_finish", watched)
    works = [write(database, Note(f"n{number:02}")) for number in range(callers)]
    first = loop.plainly(lambda: [loop.start(work) for work in works])
    assert held.begun.wait(30)
    later = loop.start(write(database, Note("next")))
    loop.plainly(held.go_on.set)
    assert [one.result(30) for one in (*first, later)] == [*stored(database)[:-1], "next"]
    assert begun == [at_once, False]


@pytest.mark.parametrize("late", [False, True])
def test_one_that_fails_among_many_fails_alone(
    database: Database, loop: Loop, commits: list[None], late: bool
) -> None:
    works = [Note("a"), Note("b", early=not late, late=late), Note("c")]
    first, failed, last = loop.together([write(database, work) for work in works])
    assert (first, last) == ("a", "c")
    assert isinstance(failed, Refused)
    assert stored(database) == ["a", "c"]
    assert len(commits) == 1
    # A refusal before the first change costs the others nothing; a later one a second run.
    assert [work.runs for work in works] == ([2, 2, 1] if late else [1, 1, 1])


def test_a_batch_of_refusals_alone_is_no_commit(
    database: Database, loop: Loop, commits: list[None]
) -> None:
    refused = loop.together([write(database, Note(name, early=True)) for name in "abc"])
    assert all(isinstance(one, Refused) for one in refused)
    assert not commits
    assert loop.call(write(database, Note("d"))) == "d"


def test_other_threads_join_in(database: Database, loop: Loop, commits: list[None]) -> None:
    with ThreadPoolExecutor(8) as threads:
        names = [f"n{number:02}" for number in range(40)]
        assert list(threads.map(lambda name: database.write(Note(name)), names)) == names
        with pytest.raises(Refused):
            threads.submit(database.write, Note("x", late=True)).result()
    assert stored(database) == names
    assert len(commits) <= 40


def test_too_many_waiting_are_refused_at_once(database: Database, loop: Loop) -> None:
    outcomes = loop.together([write(database, Note(f"n{number:03}")) for number in range(60)])
    assert sum(isinstance(one, Overloaded) for one in outcomes) == 20
    assert outcomes[:40] == stored(database)
    assert loop.call(write(database, Note("later"))) == "later"


def test_reads_on_the_loop_see_what_was_acknowledged(database: Database, loop: Loop) -> None:
    def write_and_read(name: str) -> bool:
        before = name in stored(database)
        database.write(Note(name))
        return not before and name in stored(database)

    seen = loop.together([partial(write_and_read, f"n{number}") for number in range(20)])
    assert seen == [True] * 20
    assert len(loop.call(partial(stored, database))) == len(stored(database)) == 20


def test_several_reads_are_of_one_moment(database: Database, loop: Loop) -> None:
    def count_twice(connection: apsw.Connection) -> tuple[int, int]:
        first = connection.execute("SELECT count(*) FROM settings").get
        loop.call(write(database, Note("between")))
        return first, connection.execute("SELECT count(*) FROM settings").get

    assert database.read_all(count_twice) == (0, 0)
    assert stored(database) == ["between"]


def test_what_is_kept_of_the_file_is_let_go_of(database: Database, loop: Loop) -> None:
    """With it goes nothing of what was written."""
    bulky = [write(database, Note(f"{number:02}" + "x" * 100_000)) for number in range(30)]
    names = [str(one) for one in loop.together(bulky)]
    assert loop.call(partial(stored, database)) == names
    held = apsw.memory_used()
    loop.plainly(database.release_memory)
    assert apsw.memory_used() < held - 5_000_000
    assert loop.call(write(database, Note("~"))) == "~"
    assert loop.call(partial(stored, database)) == [*names, "~"]


def test_a_commit_in_flight_keeps_what_it_has(
    database: Database, loop: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit, begun, goes_on = engine.commit, threading.Event(), threading.Event()

    def hang(connection: apsw.Connection) -> None:
        def hang_in_sqlite(*_: object) -> None:
            begun.set()
            goes_on.wait(20.0)

        connection.create_scalar_function("hang", hang_in_sqlite, 0)
        connection.execute("SELECT hang()").fetchall()
        commit(connection)

    monkeypatch.setattr(engine, "commit", hang)
    waiting = loop.start(write(database, Note("a")))
    assert begun.wait(20.0)
    loop.plainly(database.release_memory)  # else: another thread uses this connection
    goes_on.set()
    assert waiting.result(20.0) == "a"


def test_a_full_disk_is_unavailable_and_passes(database: Database, loop: Loop) -> None:
    def fill(connection: apsw.Connection) -> str:
        pages = connection.execute("PRAGMA page_count").get
        connection.execute(f"PRAGMA max_page_count = {pages + 2}")
        try:
            connection.execute("INSERT INTO settings VALUES ('big', zeroblob(100000))")
        finally:
            connection.execute("PRAGMA max_page_count = 1000000")
        return "big"

    outcomes = loop.together([write(database, Note("a")), write(database, fill)])
    assert isinstance(outcomes[1], Unavailable)
    assert "disk is full" in outcomes[1].detail
    assert "big" not in stored(database)
    assert loop.call(write(database, Note("b"))) == "b"
    assert isinstance(outcomes[0], Unavailable) or "a" in stored(database)


def test_a_commit_that_fails_is_told_to_all(
    database: Database, loop: Loop, commits: list[None]
) -> None:
    def spoil(connection: apsw.Connection) -> str:
        connection.execute("INSERT INTO settings VALUES ('spoilt', '')")
        connection.set_commit_hook(lambda: True)
        return "spoilt"

    def mend(connection: apsw.Connection) -> str:
        connection.set_commit_hook(None)
        return "mended"

    outcomes = loop.together([write(database, Note("a")), write(database, spoil)])
    assert all(isinstance(one, OutcomeUnknown) for one in outcomes)
    assert not commits
    loop.call(write(database, mend))
    assert loop.call(write(database, Note("b"))) == "b"
    assert stored(database) == ["b"]


def test_no_failure_of_a_commit_ends_the_commits(
    database: Database, loop: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(connection: apsw.Connection) -> None:
        connection.execute("ROLLBACK")
        raise MemoryError

    with monkeypatch.context() as patched:
        patched.setattr(engine, "commit", fail)
        outcomes = loop.together([write(database, Note("a")), write(database, Note("b"))])
    assert all(isinstance(one, OutcomeUnknown) for one in outcomes)
    assert loop.call(write(database, Note("c"))) == "c"
    assert stored(database) == ["c"]


def test_detaching_finishes_what_waits(database: Database, loop: Loop) -> None:
    held = loop.plainly(
        lambda: [loop.start(write(database, Note(f"n{number}"))) for number in range(10)]
    )
    loop.plainly(database.detach)
    assert [one.result(30) for one in held] == stored(database)
    assert database.write(Note("alone")) == "alone"
    with pytest.raises(Refused):
        database.write(Note("late", late=True))
    assert "late" not in stored(database)


def test_no_write_is_lost_or_hangs_while_detaching_and_attaching(
    database: Database, loop: Loop
) -> None:
    done: list[str] = []
    stop = threading.Event()

    def keep_writing(thread: int) -> None:
        number = 0
        while not stop.is_set():
            done.append(database.write(Note(f"{thread}-{number}")))
            number += 1

    threads = [threading.Thread(target=keep_writing, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(10):
        database.detach()
        loop.attach(database)
    stop.set()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()
    assert sorted(done) == stored(database)


def test_close_detaches_also_after_the_loop_has_ended(tmp_path: Path) -> None:
    database = Database(tmp_path / "data")
    with running() as loop:
        loop.attach(database)
        loop.call(write(database, Note("a")))
    with pytest.raises(Unavailable):
        database.write(Note("b"))
    database.close()
    database = Database(tmp_path / "data")
    assert stored(database) == ["a"]
    database.close()


def test_close_finishes_what_a_commit_in_flight_kept_waiting(tmp_path: Path, held: Held) -> None:
    """Also after the loop has ended, as where a server is brought down by a fault."""
    database = Database(tmp_path / "data")
    with ThreadPoolExecutor(2) as pumps:
        with running() as loop:
            loop.attach(database)
            first = pumps.submit(write(database, Note("a")))
            assert held.begun.wait(30)
            later = pumps.submit(write(database, Note("b")))
            ends = time.monotonic() + 30
            while not loop.plainly(lambda: database._group and database._group._waiting):
                assert time.monotonic() < ends
        threading.Timer(0.1, held.go_on.set).start()
        database.close()
        assert (first.result(30), later.result(30)) == ("a", "b")
    database = Database(tmp_path / "data")
    assert stored(database) == ["a", "b"]
    database.close()
