"""A server that stands between the index and another server, and does what servers do wrong."""

from __future__ import annotations

import gzip
import http.client
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeAlias
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Asked:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Answer:
    status: int
    body: Any
    headers: dict[str, str] = field(default_factory=dict)


CUT = Answer(0, None)
"""The connection is closed without an answer."""

Hook: TypeAlias = "Callable[[Asked], Answer | None]"


class Between:
    """`before` may answer in the other server's place; `behind` may change what it answered.
    Without another server everything else is answered 404."""

    def __init__(self, url: str | None = None) -> None:
        self._url = url
        self.before: Hook = lambda asked: None
        self.behind: Callable[[Asked, Answer], Answer] = lambda asked, answer: answer
        self.asked: list[Asked] = []
        self._lock = threading.Lock()

    def answer(self, asked: Asked) -> Answer:
        with self._lock:
            self.asked.append(asked)
        return self.before(asked) or self.behind(asked, self._forwarded(asked))

    def _forwarded(self, asked: Asked) -> Answer:
        if self._url is None:
            return error(404, "not_found", "nothing here")
        connection = http.client.HTTPConnection(urlsplit(self._url).netloc, timeout=30)
        try:
            headers = {"Content-Type": "application/json"}
            connection.request(asked.method, asked.path, asked.body or None, headers)
            found = connection.getresponse()
            text = found.read()
            return Answer(found.status, json.loads(text) if text else None)
        finally:
            connection.close()


def error(status: int, kind: str, reason: str, **headers: str) -> Answer:
    said = {"type": kind, "reason": reason}
    return Answer(status, {"error": {**said, "root_cause": [said]}, "status": status}, headers)


@contextmanager
def listening(between: Between, certificate: tuple[str, str] | None = None) -> Iterator[str]:
    """The URL where it is asked, for the length of a with-block; with a certificate and its key,
    over TLS."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _do(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            headers = {name.lower(): value for name, value in self.headers.items()}
            answer = between.answer(Asked(self.command, self.path, headers, body))
            if answer is CUT:
                self.close_connection = True
                return
            text = b"" if answer.body is None else json.dumps(answer.body).encode()
            if isinstance(answer.body, str):
                text = answer.body.encode()
            self.send_response(answer.status)
            self.send_header("Content-Length", str(len(text)))
            kind = "text/html" if isinstance(answer.body, str) else "application/json"
            self.send_header("Content-Type", kind)
            for name, value in answer.headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(text)

        do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = _do  # noqa: N815 - its names

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name
            """The tests say what went wrong."""

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            """A client that hangs up is part of the tests."""

    server = Quiet(("127.0.0.1", 0), Handler)
    scheme = "http"
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        scheme = "https"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"{scheme}://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
