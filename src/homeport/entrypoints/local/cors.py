"""Lets web pages of other origins call (the Fetch standard's CORS protocol)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

Headers: TypeAlias = list[tuple[str, str]]

EXPOSED: Final = "ETag, Location, Retry-After, WWW-Authenticate, X-Request-Id"
METHODS: Final = "GET, HEAD, POST, PUT, PATCH, DELETE"
REQUEST_HEADERS: Final = "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match"
MAX_AGE: Final = "600"
ANYONE: Final = "*"


class Cors:
    """`origins` are exact, such as `https://app.example`, or "*" for every one."""

    def __init__(self, origins: Sequence[str]) -> None:
        self._anyone = ANYONE in origins
        self._origins = frozenset(origins)

    def headers(self, origin: str) -> Headers:
        """What every answer to a page of `origin` carries."""
        if self._anyone:
            return [
                ("access-control-allow-origin", ANYONE),
                ("access-control-expose-headers", EXPOSED),
            ]
        if origin in self._origins:
            return [
                ("access-control-allow-origin", origin),
                ("access-control-expose-headers", EXPOSED),
                ("vary", "origin"),
            ]
        return [("vary", "origin")]

    def is_preflight(self, method: str, headers: Mapping[str, str]) -> bool:
        """Whether a browser is asking if it may send the real request."""
        return method == "OPTIONS" and "access-control-request-method" in headers

    def preflight(self) -> dict[str, str]:
        """What the answer to that question (204, no body) carries beside `headers`."""
        return {
            "access-control-allow-methods": METHODS,
            "access-control-allow-headers": REQUEST_HEADERS,
            "access-control-max-age": MAX_AGE,
        }
