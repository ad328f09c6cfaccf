"""Requests and replies, as the services see them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.message import Message
from urllib.parse import parse_qsl

from homeport.testing.cloudsearch.errors import SearchRefused


@dataclass(frozen=True, slots=True)
class Request:
    """`body` is None where no Content-Length said how long it is."""

    method: str
    path: str
    query: str
    headers: Message
    body: bytes | None
    line: int = 0
    """Bytes of the request line."""


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    body: bytes
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


def reply(status: int, body: Mapping[str, object], *, pretty: bool = False) -> Reply:
    text = json.dumps(body, ensure_ascii=False, indent=2 if pretty else None)
    return Reply(status, text.encode(), "application/json;charset=utf-8")


def front_refusal(status: int, kind: str, message: str) -> Reply:
    """What the front of a service refuses: told by a header, not by `__type`."""
    body = json.dumps({"message": message}).encode()
    return Reply(status, body, headers={"x-amzn-ErrorType": kind})


def routing_failure(status: int, message: str) -> Reply:
    """What never reached a service: 5xx, in XML."""
    body = f"<error><code>{status}</code><message>{message}</message></error>"
    return Reply(status, body.encode(), "text/xml")


def parameters(*encoded: str) -> dict[str, str]:
    """Parameters of a query string and of a form. `SearchRefused` where one stands twice."""
    found: dict[str, str] = {}
    for one in encoded:
        try:
            pairs = parse_qsl(one, keep_blank_values=True, errors="strict")
        except ValueError as exc:
            raise SearchRefused("InvalidQueryString: it is no UTF-8") from exc
        for name, value in pairs:
            if name in found:
                raise SearchRefused(f"The parameter {name} stands twice")
            found[name] = value
    return found
