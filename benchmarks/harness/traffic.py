"""Requests as they go over the wire, written to files that wrk and the open loop both send."""

from __future__ import annotations

import http.client
import json
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

Check: TypeAlias = Callable[[Any], bool]
"""Whether the JSON of an answer is what was asked for."""


@dataclass(slots=True)
class Caller:
    """Somebody who is signed in. Tokens are renewed while a benchmark goes on."""

    id: str
    token: str
    refresh_token: str = ""


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    path: str
    caller: Caller | None = None
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    check: Check | None = field(default=None, compare=False)

    def raw(self, host: str) -> bytes:
        text = b"" if self.body is None else json.dumps(self.body).encode()
        lines = [f"{self.method} {self.path} HTTP/1.1", f"Host: {host}"]
        if self.caller is not None:
            lines.append(f"Authorization: Bearer {self.caller.token}")
        if self.body is not None:
            headers = {"Content-Type": "application/json", **self.headers}
            headers["Content-Length"] = str(len(text))
        else:
            headers = self.headers
        lines += [f"{name}: {value}" for name, value in headers.items()]
        return "\r\n".join([*lines, "", ""]).encode() + text


def write(path: Path, requests: Iterable[bytes]) -> Path:
    """The length of each on a line of its own, then the request."""
    with path.open("wb") as file:
        for one in requests:
            file.write(b"%d\n%s" % (len(one), one))
    return path


def checked(address: str, requests: Sequence[Request], sample: int = 20) -> float:
    """Send some of them, one after the other, and hold each answer against what was asked.

    Returns the mean length of a good answer in bytes, its head included. Raises RuntimeError for
    an answer that is wrong.
    """
    chosen = random.Random(5).sample(requests, min(sample, len(requests)))
    connection = http.client.HTTPConnection(address, timeout=60)
    total = 0
    try:
        for one in chosen:
            head, body = _answered(connection, one)
            total += head + len(body)
    finally:
        connection.close()
    return total / len(chosen)


def call(connection: http.client.HTTPConnection, request: Request) -> Any:
    """The JSON of a good answer. Raises RuntimeError for any other."""
    return json.loads(_answered(connection, request)[1])


def _answered(connection: http.client.HTTPConnection, one: Request) -> tuple[int, bytes]:
    """The length of a good answer's head, and its body."""
    headers = {} if one.caller is None else {"authorization": f"Bearer {one.caller.token}"}
    if one.body is not None:
        headers |= {"Content-Type": "application/json", **one.headers}
    body = None if one.body is None else json.dumps(one.body)
    connection.request(one.method, one.path, body, headers)
    answer = connection.getresponse()
    content = answer.read()
    if answer.status >= 300:
        raise RuntimeError(f"{one.method} {one.path}: {answer.status} {content.decode()[:500]}")
    if one.check is not None and not one.check(json.loads(content)):
        raise RuntimeError(f"{one.method} {one.path}: a wrong answer: {content.decode()[:500]}")
    lines = [f"HTTP/1.1 {answer.status} {answer.reason}"]
    lines += [f"{name}: {value}" for name, value in answer.getheaders()]
    return len("\r\n".join(lines)) + 4, content
