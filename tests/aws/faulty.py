"""A stub between a client and its endpoint that does to requests what networks and clouds do."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.exceptions import EndpointConnectionError, ReadTimeoutError

from homeport.adapters.aws.clients import Clients

Send: TypeAlias = Callable[[], Any]
Fault: TypeAlias = Callable[[Send], Any]
"""Gets what sends the request, and returns the answer or raises what botocore would."""

_URL = "http://127.0.0.1"


class _Raw:
    """The body of a made-up answer."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self, **_: Any) -> list[bytes]:
        return [self._body]


def answer(code: str, status: int = 400, **more: Any) -> AWSResponse:
    """An error as DynamoDB tells it."""
    body = {"__type": f"com.amazonaws.dynamodb.v20120810#{code}", "message": code} | more
    return _response(status, body)


def _response(status: int, body: dict[str, Any]) -> AWSResponse:
    return AWSResponse(_URL, status, HTTPHeaders(), _Raw(json.dumps(body).encode()))


def fine(send: Send) -> Any:
    return send()


def throttled(_: Send) -> Any:
    return answer("ThrottlingException")


def unreachable(_: Send) -> Any:
    raise EndpointConnectionError(endpoint_url=_URL)


def never_arrived(_: Send) -> Any:
    """It was sent, and nobody knows; in truth it was not carried out."""
    raise ReadTimeoutError(endpoint_url=_URL)


def lost(send: Send) -> Any:
    """It was carried out, and the answer did not arrive."""
    send()
    raise ReadTimeoutError(endpoint_url=_URL)


def failed(_: Send) -> Any:
    return answer("InternalServerError", 500)


def failed_after(send: Send) -> Any:
    """It was carried out, and the answer says that the service has trouble."""
    send()
    return answer("InternalServerError", 500)


def in_conflict(_: Send) -> Any:
    """A transaction that met another one."""
    reasons = [{"Code": "TransactionConflict", "Message": "ongoing"}, {"Code": "None"}]
    return answer("TransactionCanceledException", CancellationReasons=reasons)


def half_done(send: Send) -> Any:
    """A batch get that leaves half of the keys for later, though it has them."""
    body = json.loads(send().content)
    (table,) = body["Responses"]
    items = body["Responses"][table]
    left = [{"pk": one["pk"], "sk": one["sk"]} for one in items[len(items) // 2 :]]
    body["Responses"][table] = items[: len(items) // 2]
    body["UnprocessedKeys"] = {table: {"Keys": left, "ConsistentRead": True}}
    return _response(200, body)


@dataclass
class Faulty:
    """The requests of a client, by operation, and what becomes of the next ones. `always` is
    what happens once `next` is empty."""

    next: deque[Fault] = field(default_factory=deque)
    always: Fault = fine
    sent: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def stand_before(self, clients: Clients) -> None:
        client: Any = clients.get("dynamodb")
        endpoint = client._endpoint
        session = endpoint.http_session

        def send(request: Any) -> Any:
            operation = request.headers["X-Amz-Target"].decode().rpartition(".")[2]
            self.sent.append((operation, json.loads(request.body)))
            fault = self.next.popleft() if self.next else self.always
            return fault(lambda: session.send(request))

        endpoint.http_session = _Session(send)


class _Session:
    def __init__(self, send: Callable[[Any], Any]) -> None:
        self.send = send

    def close(self) -> None:
        """Nothing of its own is open."""
