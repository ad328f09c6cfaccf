"""A plain HTTP client for Homeport, on the standard library alone."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit

_TRIES: Final = 5
_SECONDS: Final = 30.0


class Unreachable(Exception):
    """No answer came."""


class Refused(Exception):
    """The server answered with a problem; `str` says which, with its fields."""

    def __init__(self, method: str, path: str, status: int, problem: Mapping[str, Any]) -> None:
        errors = problem.get("errors", ())
        faults = "; ".join(f"{one['pointer']}: {one['detail']}" for one in errors)
        detail = problem.get("detail") or problem.get("title") or "no reason given"
        super().__init__(
            f"{method} {path} answered {status}: {detail}{f' ({faults})' if faults else ''}"
        )
        self.status: Final = status
        self.problem: Final = problem


class Client:
    """One connection, kept alive, for one thread; with `token` as whoever it belongs to."""

    def __init__(self, url: str, token: str = "") -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{url} is not a URL like http://127.0.0.1:8090")
        self.url: Final = url.rstrip("/")
        self._prefix = parts.path.rstrip("/")
        kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        self._connection = kind(parts.hostname, parts.port, timeout=_SECONDS)
        self._token = token

    def get(self, *segments: str, **query: Any) -> Any:
        """`query` may hold lists for parameters that come several times."""
        return self._send("GET", _path(segments, query))

    def post(self, *segments: str, body: Any = None, key: str = "") -> Any:
        """`key` is the Idempotency-Key: with it, or a batch of puts, trying again is safe."""
        return self._send("POST", _path(segments), body, {"Idempotency-Key": key} if key else {})

    def put(self, *segments: str, body: Any) -> Any:
        return self._send("PUT", _path(segments), body)

    def close(self) -> None:
        self._connection.close()

    def _send(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> Any:
        """The answer's JSON, None where it has none. Waits and tries again where it is told to
        (429, 503) and where a connection that was kept has gone. Raises Refused, Unreachable."""
        sent = {"Accept": "application/json", **(headers or {})}
        content = None
        if body is not None:
            content = json.dumps(body).encode()
            sent["Content-Type"] = "application/json"
        if self._token:
            sent["Authorization"] = f"Bearer {self._token}"
        for left in reversed(range(_TRIES)):
            try:
                self._connection.request(method, self._prefix + path, content, sent)
                answer = self._connection.getresponse()
                text = answer.read()
            except (OSError, HTTPException) as error:
                self._connection.close()
                if isinstance(error, ConnectionRefusedError) or left == 0:
                    reason = getattr(error, "strerror", None) or str(error) or repr(error)
                    raise Unreachable(f"{self.url} does not answer: {reason}.") from error
                continue
            if answer.status in (429, 503) and left:
                time.sleep(_wait(answer))
                continue
            if answer.status >= 400:
                raise Refused(method, path, answer.status, _problem(text))
            return self._parsed(text) if text else None
        raise AssertionError("the last try returns or raises")

    def _parsed(self, text: bytes) -> Any:
        try:
            return json.loads(text)
        except ValueError as error:
            raise Unreachable(f"What answers at {self.url} is no Homeport backend.") from error


def _wait(answer: HTTPResponse) -> float:
    """Seconds that the server asks to wait, within reason."""
    asked = answer.headers.get("Retry-After", "1")
    return min(float(asked) if asked.isdigit() else 1.0, 30.0)


def _problem(text: bytes) -> Mapping[str, Any]:
    try:
        problem = json.loads(text)
    except ValueError:
        return {}
    return problem if isinstance(problem, dict) else {}


def _path(segments: tuple[str, ...], query: Mapping[str, Any] | None = None) -> str:
    path = "/" + "/".join(quote(segment, safe="") for segment in segments)
    return f"{path}?{urlencode(query, doseq=True)}" if query else path
