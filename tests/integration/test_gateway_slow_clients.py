"""Clients that are slow, on purpose or not, and requests with too much of a head."""

from __future__ import annotations

import gc
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack, suppress

import pytest

from homeport.definition import Definition
from homeport.entrypoints.lambdas.problems import Result
from homeport.entrypoints.local import bodies, greenlets, unread
from homeport.entrypoints.local.app import settings_of
from homeport.entrypoints.local.connection import HEAD_BYTES
from homeport.entrypoints.local.settings import GatewaySettings
from tests.gateways import PATIENCE, Handlers, Served, eventually, running

HELLO = "GET /hello HTTP/1.1\r\nHost: h\r\n\r\n"
SHORT = GatewaySettings(head_seconds=0.3, body_seconds=0.3, answer_seconds=0.3)


LARGE = 10_000_000
"""Bytes that no socket's buffers hold."""


class Large(Handlers):
    """With an answer of so many."""

    def hello(self, _: object, __: object) -> Result:
        return {"statusCode": 200, "body": "x" * LARGE}


def test_the_definition_sets_the_times() -> None:
    server = {"head_seconds": 1, "body_seconds": 2, "answer_seconds": 3, "max_requests": 4}
    found = settings_of(Definition.of({"server": server}))
    assert (found.head_seconds, found.body_seconds, found.answer_seconds) == (1, 2, 3)
    assert found.connections == 32, "so that those beyond the requests are told"


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with running(SHORT) as gateway:
        yield gateway


@pytest.mark.parametrize(
    "begun",
    ["", "GET", "GET /hello HTTP/1.1\r\nHost: h\r\nX-Drip: a"],
    ids=["nothing", "a method", "half a head"],
)
def test_a_head_that_does_not_arrive_ends_the_connection(served: Served, begun: str) -> None:
    with served.connect() as slow:
        slow.send(begun)
        assert served.send(HELLO).status == 200
        assert slow.rest() == b""


def test_a_head_that_drips_is_bounded_as_a_whole(served: Served) -> None:
    """Each byte is in time, all of them are not."""
    with served.connect() as slow:
        slow.send("GET /hello HTTP/1.1\r\nHost: h\r\nX-Drip: ")
        slow.socket.settimeout(0.05)
        assert eventually(lambda: _is_ended(slow.socket, b"a"))
    assert served.send(HELLO).status == 200


def _is_ended(connection: socket.socket, drop: bytes) -> bool:
    """Send one more drop; whether the other side has ended the connection."""
    try:
        connection.sendall(drop)
        return connection.recv(1) == b""
    except TimeoutError:
        return False
    except OSError:
        return True


def test_a_body_that_drips_is_bounded_as_a_whole(served: Served) -> None:
    with served.connect() as slow:
        slow.send("POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n")
        slow.socket.settimeout(0.05)
        received = bytearray()
        assert eventually(lambda: _is_answered(slow.socket, b"1\r\na\r\n", received))
    assert received.startswith(b"HTTP/1.1 400 ")
    assert served.send(HELLO).status == 200


def _is_answered(connection: socket.socket, drop: bytes, received: bytearray) -> bool:
    try:
        connection.sendall(drop)
        received += connection.recv(4096)
    except TimeoutError:
        pass
    return bool(received)


def test_an_idle_connection_is_closed(served: Served) -> None:
    with served.connect() as idle:
        idle.send(HELLO)
        assert idle.answer().status == 200
        assert idle.rest() == b""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends them: LEFT OUT elsewhere")
def test_a_client_that_does_not_read_makes_room_for_others() -> None:
    settings = GatewaySettings(answer_seconds=0.3, connections=1)
    with running(settings, Large()) as served, socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.connect((served.host, served.port))
        deaf.sendall(HELLO.encode())
        # It has the only place, so that whoever is answered after it got that place.
        assert len(served.send(HELLO).body) == LARGE


def test_answers_that_are_not_read_have_so_much_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unread, "ROOM", 4 * LARGE)
    settings = GatewaySettings(proxies=("127.0.0.1",))
    with running(settings, Large()) as served, ExitStack() as closing:
        deaf = []
        for client in ("10.0.0.1", "10.0.0.1", "10.0.0.2"):
            one = closing.enter_context(socket.socket())
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            one.settimeout(PATIENCE)
            one.connect((served.host, served.port))
            one.sendall(f"GET /hello HTTP/1.1\r\nX-Forwarded-For: {client}\r\n\r\n".encode())
            assert one.recv(1)  # its answer has come into the room
            deaf.append(one)
        assert [_is_whole(one) for one in deaf] == [True, False, True]
        metrics = served.get("/metrics").body.decode().splitlines()
        assert "homeport_connections_cut_off_total 1" in metrics
        assert len(served.send(HELLO).body) == LARGE


def _is_whole(connection: socket.socket) -> bool:
    """Whether all of the answer comes."""
    count = 0
    with suppress(ConnectionResetError):
        while count < LARGE and (more := connection.recv(65536)):
            count += len(more)
    return count >= LARGE


def test_connections_beyond_the_bound_wait_for_a_place() -> None:
    settings = GatewaySettings(connections=2, head_seconds=PATIENCE)
    with running(settings) as served, served.connect() as one, served.connect() as two:
        for connection in (one, two):
            connection.send(HELLO)
            assert connection.answer().status == 200
        with served.connect() as third:
            third.send(HELLO)
            third.socket.settimeout(0.2)
            with pytest.raises(TimeoutError):
                third.socket.recv(1)
            third.socket.settimeout(PATIENCE)
            one.socket.shutdown(socket.SHUT_RDWR)
            assert third.socket.recv(12) == b"HTTP/1.1 200"


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        ("X: a\r\n" * 90, 200),
        ("X: a\r\n" * 500, 431),
        (f"X: {'a' * (HEAD_BYTES // 2)}\r\n", 200),
        (f"X: {'a' * HEAD_BYTES * 8}\r\n", 431),
    ],
    ids=["90 headers", "500 headers", "a large header", "too large a header"],
)
def test_a_head_has_bounds(served: Served, lines: str, status: int) -> None:
    assert served.send(f"GET /hello HTTP/1.1\r\nHost: h\r\n{lines}\r\n").status == status
    assert served.send(HELLO).status == 200


@pytest.mark.parametrize(
    "broken",
    ["Content-Length: 9\r\n\r\nabc", "Transfer-Encoding: chunked\r\n\r\n9\r\nabc"],
    ids=["by length", "in chunks"],
)
def test_a_body_that_breaks_off_leaves_nothing_behind(broken: str) -> None:
    def left() -> int:
        gc.collect()
        return sum(isinstance(one, greenlets.Wakeup) for one in gc.get_objects())

    with running() as served:
        before = left()
        for _ in range(50):
            with served.connect() as connection:
                connection.send(f"POST /echo HTTP/1.1\r\nHost: h\r\n{broken}")
        assert eventually(lambda: served.log.getvalue().count('"status":') == 50)
        assert left() < before + 5


def test_large_bodies_on_their_way_have_so_much_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "ROOM", 800_000)
    slow = "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 150000\r\n\r\n"
    with running() as served, served.connect() as one:
        one.send(slow)
        assert eventually(lambda: served.post("/echo", b"x" * 60_000).status == 503)
        refused = served.post("/echo", b"x" * 60_000)
        assert refused["retry-after"] and refused["connection"] == "close"
        chunk = b"EA60\r\n" + b"x" * 60_000 + b"\r\n0\r\n\r\n"
        head = b"POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
        assert served.send(head + chunk).status == 503
        for begun in (slow.encode(), head + chunk[: -len(b"0\r\n\r\n")]):
            with served.connect() as other:
                other.send(begun)
                assert other.answer().status == 503
                assert other.rest() == b""
        assert served.post("/echo", b"x" * bodies.SMALL).status == 200
        one.send(b"x" * 150_000)
        assert one.answer().status == 200
        assert served.post("/echo", b"x" * 60_000).status == 200
        assert served.send(head + chunk).status == 200
