"""An HTTP server on 127.0.0.1 that hands requests to a function."""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from homeport.testing.cloudsearch.wire import Reply, Request

_MAX_BODY: Final = 64 * 1024 * 1024
"""More than this is not even read before it is refused."""


class Server(ThreadingHTTPServer):
    """Listens from the start; ends its connections and threads when it is stopped."""

    daemon_threads = False
    block_on_close = True

    def __init__(self, answer: Callable[[Request], Reply | None]) -> None:
        """`answer` gives None where the connection is to break without a word."""
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer = answer
        self._connections: set[socket.socket] = set()
        self._guard = threading.Lock()
        self._thread = threading.Thread(
            target=self.serve_forever, kwargs={"poll_interval": 0.02}, name="cloudsearch"
        )
        self._thread.start()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def stop(self) -> None:
        self.shutdown()
        self._thread.join()
        with self._guard:
            for connection in self._connections:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:  # it ended meanwhile
                    continue
        self.server_close()

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._guard:
            self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._guard:
            self._connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that go away are no news; a mistake of the emulator is."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # the head and the body of a reply are sent one by one
    raw_requestline: bytes

    def _handle(self) -> None:
        path, _, query = self.path.partition("?")
        request = Request(
            self.command, path, query, self.headers, self._body(), len(self.raw_requestline)
        )
        assert isinstance(self.server, Server)
        reply = self.server.answer(request)
        if reply is None:
            self.close_connection = True
            return
        self.send_response(reply.status)
        self.send_header("Content-Type", reply.content_type)
        self.send_header("Content-Length", str(len(reply.body)))
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(reply.body)

    do_GET = do_POST = do_PUT = do_DELETE = _handle  # noqa: N815  # http.server's names

    def _body(self) -> bytes | None:
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or "Transfer-Encoding" in self.headers:
            self.close_connection = self.close_connection or self.command != "GET"
            return None
        if int(length) > _MAX_BODY:
            self.close_connection = True
            return bytes(_MAX_BODY)
        return self.rfile.read(int(length))

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # http.server's
        """Nothing: a test's output is its own."""
