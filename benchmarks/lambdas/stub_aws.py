"""What stands for AWS: answers at once, with what was recorded before, in the order in which it
was asked; a bare GetItem has an answer of its own.

Recording goes through it to an emulator. What is measured then is the function, not the
emulator.
"""

from __future__ import annotations

import asyncio
import http.client
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

_NOTE: Final = b'{"Item":{"id":{"S":"0197"},"title":{"S":"Soup"},"n":{"N":"1"}}}'
_JSON: Final = "application/x-amz-json-1.0"


@dataclass(frozen=True, slots=True)
class Recorded:
    status: int
    content_type: str
    body: bytes


class StubAws:
    """Serves on a free port of 127.0.0.1 for the length of a with-block."""

    def __init__(self) -> None:
        self.recorded: list[Recorded] = []
        self._place = 0
        self._search: str | None = None
        self._loop = asyncio.new_event_loop()

    def __enter__(self) -> Self:
        self._server = self._loop.run_until_complete(
            self._loop.create_server(lambda: _Connection(self), "127.0.0.1", 0)
        )
        self._port = self._server.sockets[0].getsockname()[1]
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._server.close()
        self._loop.close()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def record(self, search: str) -> None:
        """Hand requests on from now, and keep the answers: those for a search engine to the
        address `search`, all else to moto, which must be at work in this process."""
        self._search, self.recorded = search, []

    def play(self, recorded: Sequence[Recorded]) -> None:
        """Give these out from now, in order."""
        self._search, self.recorded, self._place = None, list(recorded), 0

    def answer(self, head: bytes, body: bytes) -> bytes:
        if self._search is not None:
            answer = _handed_on(head, body, self._search)
            self.recorded.append(answer)
        elif self._place < len(self.recorded):
            answer = self.recorded[self._place]
            self._place += 1
        else:
            answer = Recorded(200, _JSON, _NOTE)
        return (
            f"HTTP/1.1 {answer.status} OK\r\nContent-Type: {answer.content_type}\r\n"
            f"Content-Length: {len(answer.body)}\r\n\r\n"
        ).encode() + answer.body


def _handed_on(head: bytes, body: bytes, search: str) -> Recorded:
    import requests  # comes with moto, which answers it

    first, *lines = head.decode("latin-1").split("\r\n")
    method, path, _ = first.split(" ")
    headers = dict(line.split(": ", 1) for line in lines)
    headers.pop("Expect", None)
    _, region, service, *_ = headers["Authorization"].partition("/")[2].split("/")
    if service == "cloudsearch":
        connection = http.client.HTTPConnection(search, timeout=10)
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        return Recorded(answer.status, answer.getheader("content-type") or _JSON, content)
    headers["Host"] = f"{service}.{region}.amazonaws.com"
    found = requests.request(
        method, f"https://{headers['Host']}{path}", headers=headers, data=body, timeout=10
    )
    return Recorded(found.status_code, found.headers.get("content-type", _JSON), found.content)


class _Connection(asyncio.Protocol):
    def __init__(self, stub: StubAws) -> None:
        self._stub = stub
        self._buffer = b""
        self._is_told_to_go_on = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, found, rest = self._buffer.partition(b"\r\n\r\n")
        if not found:
            return
        lowered = head.lower()
        _, _, after = lowered.partition(b"\r\ncontent-length:")
        length = int(after.partition(b"\r\n")[0] or 0)
        if len(rest) < length:
            if b"\r\nexpect: 100-continue" in lowered and not self._is_told_to_go_on:
                self._is_told_to_go_on = True
                self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            return
        self._is_told_to_go_on = False
        self._buffer = rest[length:]
        self._transport.write(self._stub.answer(head, rest[:length]))
