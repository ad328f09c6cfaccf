"""AWS Lambda's Runtime API, as the runtime client talks to it: one process, one event at a time.

From AWS's own description: `GET .../invocation/next` waits for an event, `POST
.../invocation/{id}/response` and `/error` end it, `POST .../init/error` tells that there will be
none. A response of over 6 MB is refused.
"""

from __future__ import annotations

import json
import queue
import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from uuid import uuid4

RESPONSE_BYTES: Final = 6_291_556
ARN: Final = "arn:aws:lambda:eu-west-1:000000000000:function:homeport"
_ROOT: Final = "/2018-06-01/runtime"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an event ended: `response` as it was sent, or else `error` as the runtime tells it."""

    response: bytes | None = None
    error: dict[str, Any] | None = None

    @property
    def json(self) -> Any:
        """Raises ValueError for what is no JSON; Python would read NaN."""
        assert self.response is not None, self.error

        def refuse(constant: str) -> None:
            raise ValueError(f"{constant} is not JSON")

        return json.loads(self.response, parse_constant=refuse)


class RuntimeApi:
    """Hands out events on a free port of 127.0.0.1."""

    def __init__(self) -> None:
        self._waiting: queue.Queue[tuple[str, bytes, float] | None] = queue.Queue()
        self._outcomes: dict[str, Future[Outcome]] = {}
        self.init_error: Future[dict[str, Any]] = Future()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler_of(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._server.server_address[1]}"

    def send(self, event: Any, seconds: float) -> Future[Outcome]:
        """Have the function answer an event (JSON, or bytes as they are) in so many seconds."""
        body = event if isinstance(event, bytes) else json.dumps(event).encode()
        id, outcome = str(uuid4()), Future[Outcome]()
        self._outcomes[id] = outcome
        self._waiting.put((id, body, seconds))
        return outcome

    def close(self) -> None:
        self._waiting.put(None)
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def next(self) -> tuple[str, bytes, float] | None:
        return self._waiting.get()

    def end(self, id: str, outcome: Outcome) -> bool:
        future = self._outcomes.pop(id, None)
        if future is not None:
            future.set_result(outcome)
        return future is not None


def _handler_of(api: RuntimeApi) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # else each answer waits 40 ms for the next packet

        def do_GET(self) -> None:
            if self.path == f"{_ROOT}/restore/next":
                self._answer(200, b"")
                return
            assert self.path == f"{_ROOT}/invocation/next", self.path
            found = api.next()
            if found is None:
                self.close_connection = True
                return
            id, body, seconds = found
            headers = {
                "Lambda-Runtime-Aws-Request-Id": id,
                "Lambda-Runtime-Deadline-Ms": str(int((time.time() + seconds) * 1000)),
                "Lambda-Runtime-Invoked-Function-Arn": ARN,
                "Content-Type": "application/json",
            }
            self._answer(200, body, headers)

        def do_POST(self) -> None:
            body = self._body()
            if self.path == f"{_ROOT}/init/error":
                api.init_error.set_result(json.loads(body))
                self._answer(202, b"{}")
                return
            *_, id, what = self.path.split("/")
            if what == "response" and len(body) > RESPONSE_BYTES:
                refusal = {"errorType": "RequestEntityTooLarge", "errorMessage": "over 6 MB"}
                api.end(id, Outcome(error=refusal))
                self._answer(413, json.dumps(refusal).encode())
                return
            outcome = Outcome(body) if what == "response" else Outcome(error=json.loads(body))
            self._answer(202 if api.end(id, outcome) else 400, b"{}")

        def _body(self) -> bytes:
            if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
                return self.rfile.read(int(self.headers.get("Content-Length", 0)))
            whole = b""
            while size := int(self.rfile.readline().split(b";")[0], 16):
                whole += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return whole

        def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
            self.send_response(status)
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (its name there)
            pass

    return Handler
