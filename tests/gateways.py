"""A gateway over a backend that does nothing, with handlers made for tests, and raw HTTP."""

from __future__ import annotations

import asyncio
import io
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from io import BufferedReader
from typing import Any, cast
from urllib.parse import urlsplit

from homeport.container import Backend
from homeport.domain.errors import Unauthenticated
from homeport.domain.identity import EXPIRED
from homeport.domain.model.identity import Kind, Principal, VerifiedToken
from homeport.entrypoints.lambdas.problems import Result
from homeport.entrypoints.local import greenlets
from homeport.entrypoints.local.server import Gateway
from homeport.entrypoints.local.settings import GatewaySettings, LogFormat
from homeport.testing.gateway import serving

PATIENCE = 10.0


class _Nothing:
    """A feed and a queue in which nothing ever happens."""

    def deliver(self, *_: Any) -> int:
        return 0

    def next_due(self, *_: Any) -> None:
        return None


class _Tokens:
    """The token is the identity's id; `expired` has expired."""

    def verify(self, access_token: str) -> VerifiedToken:
        if access_token == "expired":
            raise Unauthenticated(EXPIRED, "invalid_token")
        if access_token == "forged":
            raise Unauthenticated("The access token is not valid.", "invalid_token")
        return VerifiedToken(Principal(access_token, Kind.GUEST), 2**40)


@dataclass
class _Uses:
    use: str = "none"


@dataclass
class _Adapters:
    record_store: _Uses = field(default_factory=_Uses)
    search_index: _Uses = field(default_factory=_Uses)
    message_queue: _Uses = field(default_factory=_Uses)
    change_feed: _Uses = field(default_factory=_Uses)


@dataclass
class _Definition:
    adapters: _Adapters = field(default_factory=_Adapters)


class _Does:
    def consume(self, _: Any) -> dict[int, str]:
        return {}

    watch = work = consume


@dataclass
class FakeBackend:
    """As much of a backend as the gateway itself asks for."""

    feed: Any = field(default_factory=_Nothing)
    queue: Any = field(default_factory=_Nothing)
    indexing: Any = field(default_factory=_Does)
    messages: Any = field(default_factory=_Does)
    identity_provider: Any = field(default_factory=_Tokens)
    definition: Any = field(default_factory=_Definition)
    database: Any = None
    store: Any = None
    subscribers: Any = ()


@dataclass
class Handlers:
    """What tests call over HTTP. `gate` holds `/gated` requests until it is set."""

    gate: threading.Event = field(default_factory=threading.Event)
    entered: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def hello(self, _: dict[str, Any], __: Any) -> Result:
        return _json({"hello": "world"}, etag='"1"')

    def echo(self, event: dict[str, Any], context: Any) -> Result:
        return _json({"event": event, "function": context.function_name})

    def gated(self, _: dict[str, Any], __: Any) -> Result:
        """Waits in a thread, as slow work does."""
        self.entered.release()
        opened = greenlets.offload(self.gate.wait, PATIENCE)
        return _json({"opened": opened})

    def waiting(self, event: dict[str, Any], _: Any) -> Result:
        """Waits on the loop, as a write waits for its commit, and must keep its own state."""
        number = event["pathParameters"]["number"]
        loop = asyncio.get_running_loop()
        for _turn in range(3):
            future: asyncio.Future[str] = loop.create_future()
            loop.call_later(0.001, future.set_result, number)
            assert greenlets.wait(future) == number
        return _json({"number": number})

    def broken(self, _: dict[str, Any], __: Any) -> Result:
        raise ZeroDivisionError("on purpose")

    def bad_result(self, _: dict[str, Any], __: Any) -> Result:
        return {"statusCode": 200, "headers": {"location": "a\r\nb: c"}}

    def binary(self, _: dict[str, Any], __: Any) -> Result:
        return {"statusCode": 200, "body": "AP8=", "isBase64Encoded": True}

    def missing(self, event: dict[str, Any], _: Any) -> Result:
        return {**_json({"path": event["rawPath"]}), "statusCode": 404}


ROUTES = {
    "GET /hello": "hello",
    "POST /hello": "hello",
    "GET /echo": "echo",
    "POST /echo": "echo",
    "GET /echo/{one}/{two}": "echo",
    "GET /gated": "gated",
    "GET /waiting/{number}": "waiting",
    "GET /broken": "broken",
    "GET /bad-result": "bad_result",
    "GET /binary": "binary",
    "$default": "missing",
}


def _json(value: Any, **headers: str) -> Result:
    return {
        "statusCode": 200,
        "headers": {"content-type": "application/json", **headers},
        "body": json.dumps(value),
    }


@dataclass(frozen=True)
class Served:
    """A running gateway, in this process or in another."""

    host: str
    port: int
    log: io.StringIO = field(default_factory=io.StringIO)
    made: list[Gateway] = field(default_factory=list)

    @property
    def gateway(self) -> Gateway:
        return self.made[0]

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        address = (self.host, self.port)
        with (
            socket.create_connection(address, timeout=PATIENCE) as connection,
            connection.makefile("rb") as stream,
        ):
            yield Connection(connection, stream)

    def send(self, request: str | bytes) -> Answer:
        """One raw request on a connection of its own.

        A gateway that has answered may close while the rest of a request is still on its way: as
        every client, this one then reads the answer.
        """
        with self.connect() as connection:
            with suppress(BrokenPipeError):
                connection.send(request)
            return connection.answer()

    def get(self, target: str, *headers: str, method: str = "GET") -> Answer:
        lines = "".join(f"{one}\r\n" for one in headers)
        with self.connect() as connection:
            connection.send(
                f"{method} {target} HTTP/1.1\r\nHost: {self.host}:{self.port}\r\n{lines}\r\n"
            )
            return connection.answer(has_body=method != "HEAD")

    def post(self, target: str, body: bytes, *headers: str) -> Answer:
        lines = "".join(f"{one}\r\n" for one in headers)
        head = f"POST {target} HTTP/1.1\r\nHost: h\r\nContent-Length: {len(body)}\r\n{lines}\r\n"
        return self.send(head.encode() + body)

    def log_lines(self) -> list[dict[str, Any]]:
        """What the log holds once it has been written out; ends with the gateway."""
        return [json.loads(line) for line in self.log.getvalue().splitlines()]


@dataclass(frozen=True)
class Answer:
    version: str
    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def __getitem__(self, name: str) -> str:
        return dict(self.headers)[name]

    def __contains__(self, name: str) -> bool:
        return name in dict(self.headers)

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Connection:
    """One connection to a gateway, byte for byte."""

    socket: socket.socket
    stream: BufferedReader

    def send(self, request: str | bytes) -> None:
        self.socket.sendall(request.encode() if isinstance(request, str) else request)

    def answer(self, *, has_body: bool = True) -> Answer:
        """The next answer; names of headers come out in lower case."""
        stream = self.stream
        version, status, _ = stream.readline().decode().split(" ", 2)
        headers: list[tuple[str, str]] = []
        while line := stream.readline().decode().strip():
            name, _, value = line.partition(":")
            headers.append((name.lower(), value.strip()))
        length = int(dict(headers).get("content-length", "0")) if has_body else 0
        return Answer(version, int(status), tuple(headers), stream.read(length))

    def rest(self) -> bytes:
        """What else comes until the gateway closes the connection."""
        return self.stream.read()


@contextmanager
def running(
    settings: GatewaySettings | None = None,
    handlers: Handlers | None = None,
    backend: FakeBackend | None = None,
) -> Iterator[Served]:
    """A gateway with the test handlers, on a free port."""
    chosen = replace(settings or GatewaySettings(), port=0, log=LogFormat.JSON)
    used = handlers or Handlers()
    functions = {name: getattr(used, name) for name in set(ROUTES.values())}
    log = io.StringIO()
    made: list[Gateway] = []

    def make(on_listening: Callable[[str], None]) -> Gateway:
        gateway = Gateway(
            cast(Backend, backend or FakeBackend()),
            functions,
            ROUTES,
            chosen,
            on_listening=on_listening,
            stream=log,
        )
        made.append(gateway)
        return gateway

    with serving(make) as address:
        at = urlsplit(address)
        assert at.hostname is not None
        assert at.port is not None
        yield Served(at.hostname, at.port, log, made)


def eventually(holds: Callable[[], bool]) -> bool:
    """Whether something comes to hold; for what another thread does."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        if holds():
            return True
        time.sleep(0.002)
    return False
