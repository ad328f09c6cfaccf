"""The demo's HTTP client against a server that plays tricks."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import pytest

from homeport.entrypoints.cli.client import Client, Refused, Unreachable


class Tricks(BaseHTTPRequestHandler):
    """Answers with what `answers` holds, in turn; None closes the connection instead."""

    protocol_version = "HTTP/1.1"
    answers: ClassVar[list[tuple[int, bytes] | None]] = []
    seen: ClassVar[list[dict[str, Any]]] = []

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.seen.append(
            {
                "line": f"{self.command} {self.path}",
                "body": json.loads(body) if body else None,
                "headers": dict(self.headers),
                "connection": self.client_address,
            }
        )
        found = self.answers.pop(0)
        if found is None:
            self.close_connection = True
            return
        status, content = found
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Retry-After", "0")
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = answer  # noqa: N815 - http.server wants these names

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name there
        """Tests print nothing."""


@pytest.fixture
def client() -> Iterator[Client]:
    Tricks.seen.clear()
    Tricks.answers.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Tricks)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    made = Client(f"http://127.0.0.1:{server.server_address[1]}/base/", "secret")
    yield made
    made.close()
    server.shutdown()
    thread.join()
    server.server_close()


def test_requests_share_a_connection(client: Client) -> None:
    Tricks.answers += [(200, b'{"a": 1}'), (204, b""), (201, b"{}")]
    assert client.get("v1", "a b", q=["x", "y"], n=1) == {"a": 1}
    assert client.put("v1", "x/y", body={"größe": 1}) is None
    assert client.post("v1", "z", body=[], key="k") == {}
    assert [one["line"] for one in Tricks.seen] == [
        "GET /base/v1/a%20b?q=x&q=y&n=1",
        "PUT /base/v1/x%2Fy",
        "POST /base/v1/z",
    ]
    assert Tricks.seen[1]["body"] == {"größe": 1}
    assert Tricks.seen[2]["headers"]["Idempotency-Key"] == "k"
    assert {one["headers"]["Authorization"] for one in Tricks.seen} == {"Bearer secret"}
    assert len({one["connection"] for one in Tricks.seen}) == 1


def test_it_waits_when_told_to(client: Client) -> None:
    Tricks.answers += [(503, b"{}"), (429, b"{}"), (200, b"{}")]
    assert client.get("x") == {}
    assert len(Tricks.seen) == 3


def test_it_comes_back_when_a_connection_is_gone(client: Client) -> None:
    Tricks.answers += [(200, b"{}"), None, (200, b"{}")]
    client.get("x")
    assert client.get("y") == {}
    Tricks.answers += [None] * 5
    with pytest.raises(Unreachable, match="does not answer"):
        client.get("z")


def test_a_problem_is_told_with_its_fields(client: Client) -> None:
    problem = {"detail": "It is wrong.", "errors": [{"pointer": "/a", "detail": "not a number"}]}
    Tricks.answers += [(400, json.dumps(problem).encode()), (500, b"oops")]
    with pytest.raises(Refused) as caught:
        client.get("x")
    assert str(caught.value) == "GET /x answered 400: It is wrong. (/a: not a number)"
    with pytest.raises(Refused, match="GET /x answered 500: no reason given"):
        client.get("x")


def test_an_answer_that_is_no_json_is_somebody_elses(client: Client) -> None:
    Tricks.answers += [(200, b"<html>")]
    with pytest.raises(Unreachable, match="is no Homeport backend"):
        client.get("x")


@pytest.mark.parametrize("url", ["127.0.0.1:8090", "ftp://127.0.0.1", "http://"])
def test_only_urls_will_do(url: str) -> None:
    with pytest.raises(ValueError, match="is not a URL"):
        Client(url)
