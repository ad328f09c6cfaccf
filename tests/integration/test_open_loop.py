"""The benchmarks' client at a constant rate: whatever way an answer ends, it is counted once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from benchmarks.harness import open_loop


class Answering(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        match self.path:
            case "/length":
                self._answer(200, b"hello", {"Content-Length": "5"})
            case "/chunks":
                pieces = b"3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n"
                self._answer(200, pieces, {"Transfer-Encoding": "chunked"})
            case "/nothing":
                self._answer(204, b"", {})
            case "/last":
                self._answer(200, b"", {"Content-Length": "0", "Connection": "close"})
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
    with ThreadingHTTPServer(("127.0.0.1", 0), Answering) as server:
        serving = threading.Thread(target=server.serve_forever, daemon=True)
        serving.start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
        serving.join()


def test_every_request_is_answered_once(address: str) -> None:
    paths = ("/length", "/chunks", "/nothing", "/last", "/full")
    raw = [f"GET {path} HTTP/1.1\r\nHost: here\r\n\r\n".encode() for path in paths]
    found = open_loop.run(address, raw, 200.0, 0.5, connections=4, then=(100.0, 0.5))
    assert found.missing == 0
    statuses = [one.status for one in sorted(found.answers, key=lambda one: one.due)]
    assert statuses == [200, 200, 204, 200, 503] * 30
    assert [one.retry_after for one in found.answers].count(True) == 30
    assert all(one.took > 0 for one in found.answers)
    assert (len(found.good()), found.bad(), len(found.sent)) == (120, 30, 150)
    assert max(one.due for one in found.answers) == pytest.approx(0.99, abs=0.02)


def test_what_is_never_answered_is_missing(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(open_loop, "_PATIENCE", 0.1)
    raw = [b"GET /nowhere HTTP/1.1\r\nHost: here\r\n\r\n"]
    found = open_loop.run(address, raw, 50.0, 0.2, connections=4)
    assert (found.missing, found.answers, found.bad()) == (10, [], 10)
    assert len(found.sent) == 4  # the others had no connection
