"""The benchmarks' client at a constant rate: whatever way an answer ends, it is counted once."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from benchmarks.harness import open_loop
from benchmarks.harness.command import LeftOut
from tests.tools import needs

_LONG = 300_000
"""Bytes: more than comes at once."""


class Answering(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    clients: ClassVar[list[tuple[str, int]]]
    """Of each request, whose connection it came by."""

    def do_GET(self) -> None:
        self.clients.append(self.client_address)
        match self.path:
            case "/length":
                self._answer(200, b"hello", {"Content-Length": "5"})
            case "/chunks":
                pieces = b"3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n"
                self._answer(200, pieces, {"Transfer-Encoding": "chunked"})
            case "/no-chunks":
                self._answer(200, b"0\r\n\r\n", {"transfer-encoding": "chunked"})
            case "/long":
                self._answer(200, bytes(_LONG), {"content-length": str(_LONG)})
            case "/nothing":
                self._answer(204, b"", {})
            case "/last":
                self._answer(200, b"", {"Content-Length": "0", "Connection": "close"})
            case "/cut":
                self.close_connection = True
            case "/full":
                self._answer(503, b"", {"Content-Length": "0", "Retry-After": "1"})

    def _answer(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        pass


@pytest.fixture
def address() -> Iterator[str]:
    needs("the client at a constant rate", "cc")
    Answering.clients = []
    with ThreadingHTTPServer(("127.0.0.1", 0), Answering) as server:
        serving = threading.Thread(target=server.serve_forever, daemon=True)
        serving.start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
        serving.join()


def test_every_request_is_answered_once(address: str) -> None:
    paths = ("/length", "/chunks", "/no-chunks", "/long", "/nothing", "/last", "/full")
    raw = [f"GET {path} HTTP/1.1\r\nHost: here\r\n\r\n".encode() for path in paths]
    found = open_loop.run(address, raw, 280.0, 0.5, connections=4, then=(140.0, 0.5))
    assert found.missing == 0
    statuses = [one.status for one in sorted(found.answers, key=lambda one: one.due)]
    assert statuses == [200, 200, 200, 200, 204, 200, 503] * 30
    assert [one.retry_after for one in found.answers].count(True) == 30
    assert all(one.took > 0 for one in found.answers)
    assert (len(found.good()), found.bad(), len(found.sent)) == (180, 30, 210)
    assert max(one.due for one in found.answers) == pytest.approx(0.99, abs=0.02)


def test_each_connection_is_asked_in_its_turn(address: str) -> None:
    raw = [b"GET /length HTTP/1.1\r\nHost: here\r\n\r\n"]
    open_loop.run(address, raw, 40.0, 0.5, connections=4)
    asked = Counter(Answering.clients)
    assert len(asked) == 4
    assert sum(asked.values()) == 20
    assert min(asked.values()) >= 2  # and not 5, where one answer takes long


def test_what_is_never_answered_is_missing(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(open_loop, "_PATIENCE", 0.1)
    raw = [b"GET /nowhere HTTP/1.1\r\nHost: here\r\n\r\n"]
    found = open_loop.run(address, raw, 50.0, 0.2, connections=4)
    assert (found.missing, found.answers, found.bad()) == (10, [], 10)
    assert len(found.sent) == 4  # the others had no connection


def test_what_is_cut_off_is_missing_and_the_next_are_asked(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(open_loop, "_PATIENCE", 0.5)
    raw = [f"GET {path} HTTP/1.1\r\nHost: here\r\n\r\n".encode() for path in ("/cut", "/length")]
    found = open_loop.run(address, raw, 100.0, 0.4, connections=2)
    assert (found.missing, [one.status for one in found.answers]) == (20, [200] * 20)


def test_nobody_there_is_told() -> None:
    needs("the client at a constant rate", "cc")
    with ThreadingHTTPServer(("127.0.0.1", 0), Answering) as server:
        port = server.server_port
    with pytest.raises(ConnectionError, match="no connection: Connection refused"):
        open_loop.run(f"127.0.0.1:{port}", [b"GET / HTTP/1.1\r\n\r\n"], 10.0, 0.1)


def test_without_a_compiler_it_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(open_loop, "RESULTS", tmp_path / "none")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LeftOut, match="cc is not on this machine"):
        open_loop.check_is_here()


def test_where_it_cannot_be_compiled_it_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs("the client at a constant rate", "cc")
    (tmp_path / "open_loop.c").write_text("#include <nowhere.h>\n")
    monkeypatch.setattr(open_loop, "_SOURCE", tmp_path / "open_loop.c")
    monkeypatch.setattr(open_loop, "RESULTS", tmp_path)
    with pytest.raises(LeftOut, match=r"nowhere\.h"):
        open_loop.check_is_here()
    assert sorted(one.name for one in tmp_path.iterdir()) == ["open_loop.c"]
