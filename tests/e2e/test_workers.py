"""A server of two processes behaves as one does, whichever of them has a client's connection."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

import pytest

from homeport.entrypoints.operation import PREFIX
from tests.clients import Answer, Client, Lost, new_guest
from tests.processes import (
    PATIENCE,
    busy,
    children_of,
    eventually,
    is_running,
    needs_workers,
    process_of,
    wake_worker,
)
from tests.servers import HOMEPORT, Server, serving, start

NOTES: Final = f"{PREFIX}/records/me/notes"
OPEN: Final = 8
BUSY_SECONDS: Final = 2.5
"""Of much to do, in which a worker is started where there may be one."""

pytestmark = needs_workers


class Sides:
    """Several connections of one person, by the process that has them."""

    def __init__(self, server: Server, *, alone: bool = False) -> None:
        with Client(server.address) as client:
            self.person: Final = new_guest(client)
            # Nobody else is there yet who could answer.
            self._first: Final = process_of(client.ask("GET", f"{PREFIX}/health"))
        self.server: Final = server
        if not alone:
            wake_worker(server)
        self.clients: Final = [Client(server.address, self.person.token) for _ in range(OPEN)]
        self._by_process: Final = defaultdict[str, list[Client]](list)
        for client in self.clients:
            answer = client.ask("GET", f"{PREFIX}/health")
            self._by_process[process_of(answer)].append(client)

    @property
    def by_process(self) -> list[list[Client]]:
        return sorted(self._by_process.values(), key=len)

    @property
    def first(self) -> Client:
        """A connection to the process that was started."""
        return self._by_process[self._first][0]

    @property
    def worker(self) -> Client:
        """A connection to the other one."""
        return next(of[0] for process, of in self._by_process.items() if process != self._first)

    @property
    def worker_pid(self) -> int:
        (pid,) = children_of(self.server)
        return pid

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for client in self.clients:
            client.close()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sides]:
    with serving(tmp_path_factory.mktemp("workers") / "data") as server, Sides(server) as sides:
        yield sides


@pytest.fixture
def sides(tmp_path: Path) -> Iterator[Sides]:
    """Of a server that the test may do harm to."""
    with serving(tmp_path / "data") as server, Sides(server) as sides:
        yield sides


def test_connections_are_shared_out(shared: Sides) -> None:
    fewer, more = shared.by_process
    assert len(fewer) >= OPEN // 2 - 1
    assert len(fewer) + len(more) == OPEN


def test_what_one_has_written_the_other_reads_at_once(shared: Sides) -> None:
    path = shared.first.ask("POST", NOTES, {"n": -1}).headers["location"]
    for number in range(200):
        here, there = (shared.first, shared.worker)[:: 1 if number % 2 else -1]
        assert here.ask("PATCH", path, {"n": number}).status == 200
        assert there.ask("GET", path).json["data"] == {"n": number}


def test_each_process_keeps_to_processors_of_its_own(sides: Sides) -> None:
    """Its loop does, which is its first thread, and the one that commits; alone, a process computes
    anywhere again."""
    first, worker, every = sides.server.process.pid, sides.worker_pid, os.sched_getaffinity(0)

    def kept(process: int) -> int:
        """Threads that keep to the processors of the first."""
        threads = [int(one.name) for one in Path(f"/proc/{process}/task").iterdir()]
        own = os.sched_getaffinity(process)
        return sum(os.sched_getaffinity(one) == own for one in threads)

    def are_apart() -> bool:
        processors = os.sched_getaffinity(first), os.sched_getaffinity(worker)
        return processors[0].isdisjoint(processors[1]) and processors[0] | processors[1] == every

    for one in (sides.first, sides.worker):
        assert one.ask("POST", NOTES, {"n": 0}).status == 201  # there is a thread that commits
    assert eventually(are_apart)
    assert eventually(lambda: (kept(first), kept(worker)) == (2, 2))
    os.kill(worker, signal.SIGKILL)
    assert eventually(lambda: os.sched_getaffinity(first) == every)


@pytest.mark.parametrize(
    ("method", "path", "data", "headers"),
    [
        ("GET", "/records/me/notes?limit=3", None, {}),
        ("GET", "/records/me/notes?limit=0", None, {}),
        ("HEAD", "/records/me/notes", None, {}),
        ("GET", "/records/me/notes/none", None, {}),
        ("GET", "/records/someone/notes", None, {}),
        ("GET", "/changes/me?since=nonsense", None, {}),
        ("GET", "/search?q=of&collection=notes", None, {}),
        ("POST", "/search", {"q": "of", "limit": 1000}, {}),
        ("POST", "/search", {"q": "of", "collection": "notes"}, {}),
        ("GET", "/suggest?q=o&collection=notes", None, {}),
        ("GET", "/devices", None, {}),
        ("GET", "/identity", None, {}),
        ("GET", "/identity", None, {"authorization": "Bearer of.no.value"}),
        ("GET", "/openapi.json", None, {}),
        ("GET", "/nowhere", None, {}),
        ("DELETE", "/health", None, {}),
        (
            "OPTIONS",
            "/health",
            None,
            {"origin": "https://a.b", "access-control-request-method": "GET"},
        ),
        ("POST", "/records/me/notes", [], {}),
        ("POST", "/records/me/notes", {}, {"content-type": "text/plain"}),
        ("POST", "/records/me", {"writes": []}, {}),
        ("PUT", "/records/me/inbox/a", {}, {}),
        ("PUT", "/records/me/notes/a", {}, {"if-match": '"0123"'}),
        ("DELETE", "/records/me/notes/none", None, {}),
        ("POST", "/messages", {"to": []}, {}),
        ("POST", "/identity/sign-in", {"login": "nobody@a.b", "password": "x" * 12}, {}),
    ],
)
def test_both_answer_alike(
    shared: Sides, method: str, path: str, data: object, headers: dict[str, str]
) -> None:
    def asked(client: Client) -> tuple[int, dict[str, str], str]:
        answer = client.ask(method, PREFIX + path, data, headers=headers)
        own = {"date", "x-request-id", "content-length"}
        kept = {name: value for name, value in answer.headers.items() if name not in own}
        return answer.status, kept, answer.text.replace(answer.headers["x-request-id"], "ID")

    shared.first.ask("PUT", f"{NOTES}/sure", {"text": "of all"})
    shared.first.settle()
    assert asked(shared.worker) == asked(shared.first)


def test_all_requests_are_counted(shared: Sides) -> None:
    def counted() -> int:
        text = shared.worker.ask("GET", "/metrics").text
        name = f'homeport_requests_total{{route="GET {PREFIX}/blocks",status="200"}} '
        return sum(
            int(line.removeprefix(name)) for line in text.splitlines() if line.startswith(name)
        )

    before = counted()
    for client in shared.clients:
        assert client.ask("GET", f"{PREFIX}/blocks").status == 200
    assert counted() == before + OPEN
    shown = shared.first.ask("GET", "/metrics").text
    memory, seconds = (
        float(value)
        for line in shown.splitlines()
        for name, _, value in [line.partition('{worker="0"} ')]
        if value
    )
    assert 10e6 < memory < 1e9
    assert 0.05 < seconds < 60


def test_a_limit_counts_what_comes_to_either(tmp_path: Path) -> None:
    limits = {"LIMITS__SIGN_UPS_PER_MINUTE": "5"}
    with serving(tmp_path / "data", limits) as server, Sides(server) as sides:
        made = [
            one.ask(
                "POST",
                f"{PREFIX}/identity/sign-up",
                {"login": f"{number}@example.com", "password": "correct horse"},
            ).status
            for number, one in enumerate(sides.clients)
        ]
    assert made.count(202) == 5
    assert made.count(429) == OPEN - 5


def test_without_workers_one_process_does_it(tmp_path: Path) -> None:
    with serving(tmp_path / "data", {"SERVER__WORKERS": "0"}) as server:
        assert busy(server, BUSY_SECONDS) == 1
        assert children_of(server) == []


def test_it_needs_nobody_who_listens_to_what_it_says(tmp_path: Path) -> None:
    deaf: list[str | Path] = ["sh", "-c", 'exec "$0" serve <&- >&- 2>&-', HOMEPORT]
    server = start(tmp_path / "data", command=deaf)
    with Sides(server) as sides:
        path = sides.worker.ask("POST", NOTES, {"title": "unheard"}).headers["location"]
        assert sides.first.ask("GET", path).json["data"] == {"title": "unheard"}
    assert server.stop() == 0


@pytest.mark.parametrize("limit", ["ADDRESS", "IDENTITY"])
def test_who_has_to_see_all_requests_does_it_alone(tmp_path: Path, limit: str) -> None:
    limits = {f"LIMITS__REQUESTS_PER_MINUTE_PER_{limit}": "1000000"}
    with serving(tmp_path / "data", limits) as server:
        assert busy(server, BUSY_SECONDS) == 1
        assert children_of(server) == []


def test_a_worker_that_is_killed_takes_its_own_connections_alone(sides: Sides) -> None:
    location = sides.first.ask("POST", NOTES, {"title": "before"}).headers["location"]
    pid = sides.worker_pid
    os.kill(pid, signal.SIGKILL)
    assert eventually(lambda: not is_running(pid))
    with pytest.raises(Lost):
        sides.worker.ask("GET", location)
    assert sides.first.ask("GET", location).json["data"] == {"title": "before"}
    with Sides(sides.server, alone=True) as later:
        assert len(later.by_process) == 1, "one process serves alone from now on"
        assert later.first.ask("POST", NOTES, {"title": "afterwards"}).status == 201
        later.first.settle()
        assert later.first.ask("GET", f"{PREFIX}/search?q=afterwards").json["hits"]
    # What is logged is written out a moment later.
    assert eventually(lambda: "a worker's process has ended" in sides.server.log.read_text())


def test_a_worker_ends_with_its_parent(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    server = start(folder)
    with Sides(server) as sides:
        path = sides.worker.ask("POST", NOTES, {"title": "kept"}).headers["location"]
        worker = sides.worker_pid
        server.process.kill()
        server.process.wait()
        assert eventually(lambda: not is_running(worker))
    with serving(folder) as again, Client(again.address, sides.person.token) as client:
        assert client.ask("GET", path).json["data"] == {"title": "kept"}


def test_a_worker_keeps_the_index_from_another_server_until_it_has_ended(tmp_path: Path) -> None:
    """That one's start waits for this lock: what a killed worker writes may be on its way to the
    disk still."""
    folder = tmp_path / "data"
    server = start(folder)

    def is_free() -> bool:
        index = os.open(folder / "index", os.O_RDONLY)
        try:
            fcntl.flock(index, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        finally:
            os.close(index)
        return True

    assert is_free()
    with Sides(server):
        assert not is_free()
        server.process.kill()
        server.process.wait()
        assert eventually(is_free)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP], ids=str)
def test_a_stop_reaches_all_processes(tmp_path: Path, number: int) -> None:
    """A terminal and a supervisor tell every process."""
    server = start(tmp_path / "data")
    with Sides(server) as sides:
        worker = sides.worker_pid
        for pid in (worker, server.process.pid):
            os.kill(pid, number)
        assert server.process.wait(PATIENCE) == 0
        assert not is_running(worker)
    text = server.log.read_text()
    assert "Traceback" not in text
    assert "ended" not in text


def test_a_second_signal_ends_all_processes_at_once(tmp_path: Path) -> None:
    """Also while a worker waits for what it has asked of the other."""
    folder = tmp_path / "data"
    server = start(folder)
    with Sides(server) as sides, ThreadPoolExecutor(OPEN) as threads:
        worker = sides.worker_pid
        account = {"login": "nobody@example.com", "password": "correct horse"}
        asked = [
            threads.submit(client.ask, "POST", f"{PREFIX}/identity/sign-in", account)
            for client in sides.clients * 4
        ]
        assert eventually(lambda: any(one.done() for one in asked), pause=0.0)
        for _ in range(2):
            server.process.send_signal(signal.SIGTERM)
            time.sleep(0.02)
        assert server.process.wait(PATIENCE) in (0, 130)
        assert eventually(lambda: not is_running(worker))
    with serving(folder) as again, Client(again.address, sides.person.token) as client:
        assert client.ask("POST", NOTES, {"title": "afterwards"}).status == 201
        client.settle()
        assert client.ask("GET", f"{PREFIX}/search?q=afterwards").json["total"] == 1


def test_a_stop_does_not_wait_for_a_worker_that_hangs(tmp_path: Path) -> None:
    server = start(tmp_path / "data")
    with Sides(server) as sides, ThreadPoolExecutor(OPEN) as threads:
        worker = sides.worker_pid
        big = {"text": "x" * 300_000}
        asked = [
            threads.submit(client.ask, "POST", NOTES, big)
            for clients in sides.by_process
            for client in clients
        ]
        os.kill(worker, signal.SIGSTOP)
        assert server.stop() == 0
        assert not is_running(worker)
        for one in asked:
            with suppress(Lost):
                assert one.result().status == 201


def test_a_worker_that_has_just_been_started_ends_too(tmp_path: Path) -> None:
    server = start(tmp_path / "data")
    with Client(server.address) as client:
        assert eventually(
            lambda: (
                client.ask("GET", f"{PREFIX}/health").status == 200 and bool(children_of(server))
            ),
            pause=0.0,
        )
        (worker,) = children_of(server)
    assert server.stop() == 0
    assert not is_running(worker)


def test_who_is_killed_in_its_turn_keeps_nobody_from_writing(sides: Sides) -> None:
    """Whatever it had acknowledged is there."""
    acknowledged: list[Answer] = []
    killed = threading.Event()

    def write_on(client: Client) -> bool:
        """Until the worker is killed, and once more. Returns whether the last was lost."""
        while True:
            is_last = killed.is_set()
            try:
                answer = client.ask("POST", NOTES, {"text": "kept"})
            except Lost:
                return True
            assert answer.status == 201, answer
            acknowledged.append(answer)
            if is_last:
                return False

    with ThreadPoolExecutor(OPEN) as threads:
        writing = [threads.submit(write_on, client) for client in sides.clients]
        assert eventually(lambda: len(acknowledged) > 10 * OPEN, pause=0.0)
        os.kill(sides.worker_pid, signal.SIGKILL)
        killed.set()
        lost = [one.result() for one in writing]
    assert any(lost)
    assert not all(lost)
    for answer in acknowledged:
        assert sides.first.ask("GET", answer.headers["location"]).json == answer.json
    assert sides.first.ask("POST", NOTES, {"number": -1}).status == 201


def test_a_process_that_hangs_in_its_turn_is_ended_and_nothing_is_lost(sides: Sides) -> None:
    pid = sides.worker_pid
    with ThreadPoolExecutor(OPEN) as threads:
        asked = [
            threads.submit(client.ask, "POST", NOTES, {"text": "x" * 200_000})
            for clients in sides.by_process
            for client in clients
        ]
        os.kill(pid, signal.SIGSTOP)
        for one in asked:
            with suppress(Lost):
                assert one.result().status == 201
    assert sides.first.ask("POST", NOTES, {"text": "afterwards"}).status == 201


def write_many(client: Client, count: int) -> None:
    for start_at in range(0, count, 90):
        writes = [
            {"op": "create", "collection": "notes", "data": {"title": f"Note {number} of many"}}
            for number in range(start_at, min(count, start_at + 90))
        ]
        assert client.ask("POST", f"{PREFIX}/records/me", {"writes": writes}).status == 200


def drift_of(folder: Path) -> str:
    """What `index verify` has to say while nobody serves the folder; empty where nothing."""
    done = subprocess.run(
        [HOMEPORT, "index", "verify", "--data", folder],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return "" if done.returncode == 0 else done.stdout + done.stderr


def test_the_index_is_whole_after_a_worker_is_killed_at_work(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    server = start(folder)
    with Sides(server) as sides:
        write_many(sides.worker, 450)
        sides.first.settle()
        write_many(sides.first, 900)
        os.kill(sides.worker_pid, signal.SIGKILL)
        write_many(sides.first, 90)
        sides.first.settle()
        found = sides.first.ask("GET", f"{PREFIX}/search?q=many&limit=1").json
        assert found["total"] == 1440
    assert server.stop() == 0
    assert drift_of(folder) == ""


def test_a_stop_amid_indexing_loses_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    server = start(folder)
    with Sides(server) as sides:
        write_many(sides.first, 900)
        assert server.stop() == 0
    assert "Traceback" not in server.log.read_text()
    with serving(folder) as again, Client(again.address, sides.person.token) as client:
        client.settle()
        assert client.ask("GET", f"{PREFIX}/search?q=many&limit=1").json["total"] == 900
    assert drift_of(folder) == ""
