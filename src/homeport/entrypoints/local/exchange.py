"""One request's way through the gateway, from the listener to the answer.

This runs for every request, in a pooled greenlet: each microsecond here is one in a thirtieth
of what a record costs to read.
"""

from __future__ import annotations

import logging
import time
from asyncio import CancelledError
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias
from uuid import uuid4

from homeport.domain.errors import HomeportError, Overloaded
from homeport.entrypoints.lambdas.problems import HeadTooLarge, Internal, Malformed, problem
from homeport.entrypoints.local import compression, greenlets
from homeport.entrypoints.local.access_log import AccessLog
from homeport.entrypoints.local.authorizer import Authorizer
from homeport.entrypoints.local.bodies import BodyReader, UnreadBody
from homeport.entrypoints.local.calls import Call
from homeport.entrypoints.local.cors import Cors
from homeport.entrypoints.local.events import (
    SecondStamp,
    build_event,
    parse_result,
)
from homeport.entrypoints.local.incoming import Incoming
from homeport.entrypoints.local.limits import ADDRESS, IDENTITY, RateLimiter, network_of
from homeport.entrypoints.local.metrics import Counts
from homeport.entrypoints.local.outgoing import CLOSE
from homeport.entrypoints.local.proxies import Proxies
from homeport.entrypoints.local.routes import Router

Handler: TypeAlias = Callable[[dict[str, Any], Any], Any]
Headers: TypeAlias = list[tuple[str, str]]

log: Final = logging.getLogger("homeport.gateway")

COMMON: Final = [
    ("server", "homeport"),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
]
"""On every answer: it is data, never a page."""
SECRETIVE: Final = frozenset({"identity"})
"""Functions whose answers hold tokens: never compressed, so that no length tells of them."""


class LambdaContext:
    """What AWS Lambda tells a handler of its surroundings, as far as it makes sense here."""

    __slots__ = ("aws_request_id", "function_name")

    function_version: Final = "$LATEST"
    memory_limit_in_mb: Final = "1024"
    log_group_name: Final = ""
    log_stream_name: Final = ""

    def __init__(self, function_name: str, aws_request_id: str) -> None:
        self.function_name = function_name
        self.aws_request_id = aws_request_id

    @property
    def invoked_function_arn(self) -> str:
        return f"arn:aws:lambda:local:000000000000:function:{self.function_name}"

    def get_remaining_time_in_millis(self) -> int:
        return 30_000


class Exchanges:
    """Serves requests: `serve` is the job of the greenlet pool."""

    def __init__(
        self,
        *,
        handlers: Mapping[str, Handler],
        router: Router,
        authorizer: Authorizer,
        limiter: RateLimiter,
        cors: Cors,
        bodies: BodyReader,
        log: AccessLog | None,
        concurrent: int,
        counts: Counts,
        proxies: Proxies | None = None,
        compress: bool = True,
    ) -> None:
        self._handlers = dict(handlers)
        self._router = router
        self._authorizer = authorizer
        self._limiter = limiter
        self._cors = cors
        self._bodies = bodies
        self._log = log
        self._concurrent = concurrent
        self._count = counts.add
        self._proxies = proxies
        self._compress = compress
        self._address_limited = limiter.limits(ADDRESS)
        self._identity_limited = limiter.limits(IDENTITY)
        self._stamp = SecondStamp()
        # Unique without asking the system for randomness each time.
        self._id_prefix = uuid4().hex[:16]
        self.served = 0
        """Requests so far."""
        self.active = 0
        """Requests whose handlers are running or waiting."""

    def serve(self, incoming: Incoming) -> None:
        """Answer one request. Whatever goes wrong becomes an answer too; never raises."""
        began = time.perf_counter()
        self.served = number = self.served + 1
        exchange = _Exchange(incoming, f"{self._id_prefix}{number:08x}", time.time())
        request_id = exchange.request_id
        try:
            status, headers, body = parse_result(self._result(exchange))
        except (Exception, CancelledError) as exc:
            error, closing = _as_problem(exc)
            if isinstance(error, Internal):
                log.exception(
                    "request %s failed: %s", request_id, exchange.route_key or exchange.method
                )
            status, headers, body = parse_result(problem(error, request_id, exchange.path))
            if closing:
                headers.append(CLOSE)
        headers.append(("x-request-id", request_id))
        headers += exchange.cors
        try:
            if exchange.accepted is not None and self._compress:
                headers, body = _encoded(exchange, status, headers, body)
            elif len(body) >= compression.MINIMUM and self._compress:
                headers.append(compression.VARY)
            incoming.answer(status, headers, body)
        except Exception:
            log.exception("request %s could not be answered", request_id)
            incoming.drop()
        seconds = time.perf_counter() - began
        self._count(exchange.route_key, status, seconds)
        if self._log is not None:
            self._log.request(
                exchange.now,
                request_id,
                exchange.method,
                exchange.route_key,
                exchange.path,
                status,
                seconds * 1000,
                len(body),
                exchange.identity,
            )

    def handle(self, call: Call) -> None:
        """Do what another process asks, whose connection it came by: it knows who is calling, and
        counts and logs the request. Whatever goes wrong becomes a result too; never raises."""
        self.served += 1
        event = call.event
        try:
            route_key = event["routeKey"]
            if self._limiter.limits(route_key):
                address = event["requestContext"]["http"]["sourceIp"]
                self._limiter.take(route_key, network_of(address))
            self._enter()
            try:
                context = LambdaContext(call.function, call.request_id)
                result = self._handlers[call.function](event, context)
            finally:
                self.active -= 1
        except (Exception, CancelledError) as exc:
            error, _ = _as_problem(exc)
            if isinstance(error, Internal):
                log.exception("request %s failed: %s", call.request_id, event.get("routeKey"))
            result = problem(error, call.request_id, call.path)
        call.answer(result)

    def refusal(self, status: int) -> tuple[Headers, str]:
        """The answer to what is no request: 431 for a head that is too large, else 400."""
        self.served = number = self.served + 1
        request_id, now = f"{self._id_prefix}{number:08x}", time.time()
        error = HeadTooLarge() if status == 431 else Malformed()
        status, headers, body = parse_result(problem(error, request_id, ""))
        headers.append(("x-request-id", request_id))
        self._count("", status, 0.0)
        if self._log is not None:
            self._log.request(now, request_id, "", "", "", status, 0.0, len(body), None)
        return headers, str(body)

    def _enter(self) -> None:
        """Admission has looked already, but counts nobody whose body is still on its way."""
        if self.active >= self._concurrent:
            raise Overloaded("Too many requests are waiting. Try again in a moment.")
        self.active += 1

    def _result(self, exchange: _Exchange) -> Any:
        """What the handler returns, or the gateway in its place."""
        incoming = exchange.incoming
        method, path = exchange.method, exchange.path
        headers = incoming.headers
        exchange.accepted = headers.get("accept-encoding")
        address = incoming.address
        if self._proxies is not None:
            address = self._proxies.client(address, headers.get("x-forwarded-for"))
            incoming.came_from(address)
        if "origin" in headers:
            exchange.cors = self._cors.headers(headers["origin"])
        if self._address_limited:
            self._limiter.take(ADDRESS, network_of(address))
        if exchange.cors and self._cors.is_preflight(method, headers):
            return {"statusCode": 204, "headers": self._cors.preflight()}
        route, parameters = self._router.match(method, path)
        exchange.route_key = route.key
        if route.function in SECRETIVE:
            exchange.accepted = None
        if self._limiter.limits(route.key):
            self._limiter.take(route.key, network_of(address))
        if self._compress and ("if-none-match" in headers or "if-match" in headers):
            exchange.untag(headers)
        body: bytes | None = None
        length = headers.get("content-length")
        if length is not None or "transfer-encoding" in headers:
            if "transfer-encoding" in headers:
                length = None
            body = self._bodies.read(incoming, length, network_of(address))
        self._enter()
        try:
            context = self._authorizer.context(headers.get("authorization"), exchange.now)
            exchange.identity = identity = context.get("id")
            if identity is not None and self._identity_limited:
                self._limiter.take(IDENTITY, identity)
            event = build_event(
                route_key=route.key,
                method="GET" if method == "HEAD" else method,
                path=path,
                query=incoming.query,
                http_version=incoming.http_version,
                headers=headers,
                path_parameters=parameters,
                body=body,
                address=address,
                authorizer=context,
                request_id=exchange.request_id,
                milliseconds=int(exchange.now * 1000),
                time_text=self._stamp.text(int(exchange.now)),
            )
            function = route.function
            return self._handlers[function](event, LambdaContext(function, exchange.request_id))
        finally:
            self.active -= 1


class _Exchange:
    """What becomes known of a request on its way. `now` is in seconds since 1970."""

    __slots__ = (
        "accepted",
        "coding",
        "cors",
        "identity",
        "incoming",
        "method",
        "now",
        "path",
        "request_id",
        "route_key",
    )

    def __init__(self, incoming: Incoming, request_id: str, now: float) -> None:
        self.incoming = incoming
        self.request_id = request_id
        self.now = now
        self.method = incoming.method
        self.path = incoming.path
        self.route_key = ""
        self.identity: str | None = None
        self.cors: Headers = []
        self.accepted: str | None = None
        """The Accept-Encoding header."""
        self.coding: str | None = None
        """The coding that a condition's entity tag named."""

    def untag(self, headers: dict[str, str]) -> None:
        """Conditions are about the record: whichever coding it was sent in."""
        for name in ("if-match", "if-none-match"):
            if name in headers:
                headers[name], coding = compression.untagged(headers[name])
                self.coding = coding or self.coding


def _encoded(
    exchange: _Exchange, status: int, headers: Headers, body: str | bytes
) -> tuple[Headers, str | bytes]:
    """The answer in a coding that the client accepts, or as it was."""
    if status == 304:
        headers.append(compression.VARY)
        return (
            headers if exchange.coding is None else compression.tagged(headers, exchange.coding)
        ), body
    if len(body) < compression.MINIMUM or not compression.is_text(headers):
        return headers, body
    coding = compression.chosen(exchange.accepted or "")
    headers.append(compression.VARY)
    if coding is None:
        return headers, body
    plain = body.encode() if isinstance(body, str) else body
    encode = compression.encoder(coding)
    large = len(plain) > compression.OFFLOADED
    packed = greenlets.offload(encode, plain) if large else encode(plain)
    headers = compression.tagged(headers, coding)
    headers.append(("content-encoding", coding))
    return headers, packed


def _as_problem(exc: BaseException) -> tuple[HomeportError, bool]:
    """The error to show, and whether the connection must end: its next bytes are the unread
    rest of this body."""
    match exc:
        case UnreadBody(error=error):
            return error, True
        case HomeportError():
            return exc, False
        case _:
            return Internal(), False
