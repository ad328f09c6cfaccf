"""Hostile requests, made from the table of operations: every byte follows from a seed.

`Maker.request(number)` is the request of that number. It needs nothing of those before it, so
that one of a hundred thousand can be sent again alone.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final
from urllib.parse import quote

from homeport.entrypoints.forms import Form
from homeport.entrypoints.local.local_routes import ROUTES
from homeport.entrypoints.operation import PREFIX, Caller, Document, Header, Operation
from homeport.entrypoints.operations import OPERATIONS

LAST: Final = b"GET /v1/health?probe=alive HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
"""Follows many broken requests: where the server still knows its place, it answers and closes."""
COSTLY: Final = {"sign_up", "sign_in"}
"""Each hashes a password, for tens of milliseconds."""
TEXTS: Final = (
    "", " ", "\0", "a\0b", "\r\nX-Injected: 1", "../../etc/passwd", "%2e%2e%2f", "%", "%zz", "%00",
    "\u202e\u0000\ufffe", "é" * 40, "🏠", "\ud800", "' OR 1=1 --", '"; DROP TABLE records; --', "*",
    "${7*7}", "{{7*7}}", "<script>", "-1", "0", "1e999", "NaN", "Infinity", "9" * 400, "a" * 129,
    "A" * 5000, "null", "true", "[]", "{}", "me", "public", ".sys", "__proto__", "()(", '"' * 9,
    "a:b:c", "title:>", "pages:[1 TO", "NOT NOT", "+-+-", "(" * 600, "\\", "a\\", "\x7f", 'W/"1"',
)  # fmt: skip
VALUES: Final[tuple[Any, ...]] = (
    None, True, False, 0, -1, -0.0, 1.5, 2**31, 2**53 + 1, -(2**63), 2**64, 10**38, 10**39, 10**400,
    1e308, 5e-324, float("nan"), float("inf"), "", [], {}, [[]], [None], {"": None}, {"\0": 1},
)  # fmt: skip
TOKENS: Final = (
    b"", b" ", b"\t", b"\r", b"\n", b"\r\n", b"\r\n\r\n", b"\0", b"\x80", b"\xff\xfe", b"\xc3\x28",
    b":", b";", b",", b"/", b"//", b"?", b"#", b"%", b"%00", b"HTTP/1.1", b"HTTP/0.9", b"HTTP/2.0",
    b"HTTP/9.9", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"CONNECT", b"TRACE", b"OPTIONS * ", b"0",
    b"99999999999999999999", b"-1", b"+5", b"0x10", b"ffffffffffffffff", b"chunked", b"gzip",
    b"A" * 70_000, b"a: b\r\n" * 150, b"\r\n folded", b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01",
)  # fmt: skip
HEADERS: Final = (
    b"Content-Length: 0", b"Content-Length: 5", b"Content-Length: -1", b"Content-Length: 1_0",
    b"Content-Length: 18446744073709551616", b"Content-Length: 5, 5", b"Content-Length: 5, 6",
    b"Content-Length:", b"Content-Length: 1000001", b"Transfer-Encoding: chunked",
    b"Transfer-Encoding: gzip, chunked", b"Transfer-Encoding: chunked, gzip",
    b"Transfer-Encoding : chunked", b"Transfer-Encoding: \x0bchunked", b"Transfer-Encoding: x",
    b"Expect: 100-continue", b"Expect: 200-ok", b"Host: a", b"Host: \xff", b"Host:", b": x", b"x",
    b"Upgrade: websocket", b"Upgrade: h2c\r\nHTTP2-Settings: AAA", b"Connection: close",
    b"Connection: upgrade, \x01", b"Connection: keep-alive", b"TE: trailers", b"X: \x00",
    b"Range: bytes=0-0,1-1", b"Trailer: x", b"Cookie: a=b; =;;\xff", b"X-Forwarded-For: ::1",
    b"X-HTTP-Method-Override: DELETE", b"Authorization: Bearer \xff", b"Authorization: Basic Og==",
    b"Origin: null", b"Origin: a\tb\r\nAccess-Control-Request-Method: \x7f",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class World:
    """What the sender knows: its own tokens, and the ids of what it may not see."""

    tokens: Sequence[str]
    spaces: Sequence[str]
    ids: Sequence[str]
    logins: Sequence[str]


@dataclass(frozen=True, slots=True)
class Request:
    """`raw` ones are broken on purpose: nobody knows how many answers they get."""

    number: int
    operation: str
    data: bytes
    raw: bool
    head: bool
    """Whether it asks for no body."""


class Maker:
    """Makes the requests of one seed."""

    def __init__(self, seed: int, world: World) -> None:
        self._seed = seed
        self._world = world

    def request(self, number: int) -> Request:
        """About a third is broken as bytes; the others are good HTTP with hostile contents."""
        rng = random.Random(f"{self._seed}/{number}")
        raw = rng.random() < 0.35
        while True:
            operation = rng.choice(OPERATIONS)
            if operation.name not in COSTLY or rng.random() < 0.05:
                break
        made = _Making(rng, self._world, calm=0.9 if raw else rng.choice((0.5, 0.8, 0.95, 1.0)))
        method, data = made.whole(operation)
        if raw:
            # Of several broken requests nobody could say which answers have no body.
            method, data = method.replace("HEAD", "GET"), data.replace(b"HEAD ", b"GET ")
            data = _broken(rng, data)
            if rng.random() < 0.5:
                data += LAST
        return Request(number, operation.name, data, raw, method == "HEAD")


@dataclass
class _Making:
    """One request. `calm` is how likely each part is left as it should be."""

    rng: random.Random
    world: World
    calm: float

    def whole(self, operation: Operation) -> tuple[str, bytes]:
        rng = self.rng
        method = operation.method
        if not self._is_calm() and rng.random() < 0.3:
            method = rng.choice(
                ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY")
            )
        target = self._path(operation) + self._query(operation)
        lines = [f"{method} {target} HTTP/1.1", "Host: h", *self._headers(operation)]
        body, content_type = self._body(operation)
        if body is not None:
            if content_type:
                lines.append(f"Content-Type: {content_type}")
            if rng.random() < 0.2:
                lines.append("Transfer-Encoding: chunked")
                body = _chunked(rng, body)
            else:
                lines.append(f"Content-Length: {len(body)}")
        head = "\r\n".join(lines).encode("utf-8", "surrogatepass")
        return method, head + b"\r\n\r\n" + (body or b"")

    def _is_calm(self) -> bool:
        return self.rng.random() < self.calm

    def _path(self, operation: Operation) -> str:
        if self.rng.random() < 0.03:
            return self.rng.choice([key.partition(" ")[2] for key in ROUTES])

        def parameter(match: re.Match[str]) -> str:
            return quote(self._parameter(match[1]), safe="", errors="surrogatepass")

        path = re.sub(r"\{(\w+)\}", parameter, PREFIX + operation.path)
        if self._is_calm():
            return path
        place = self.rng.randrange(1, len(path) + 1)
        inserted = self.rng.choice(
            ("/", "//", "/./", "/../", "%2f", "%00", "%ff", "%", ";a=b", "~")
        )
        return path[:place] + inserted + path[place:]

    def _parameter(self, name: str) -> str:
        known: Mapping[str, Sequence[str]] = {
            "space": ("me", "public", *self.world.spaces),
            "collection": ("notes", "inbox", "sent", "journal"),
            "id": (*self.world.ids, "one", "two", "three"),
            "identity": self.world.spaces,
        }
        if name in known and self._is_calm():
            return self.rng.choice(known[name])
        return self.text() or "x"

    def _query(self, operation: Operation) -> str:
        names = list(operation.query.fields) if operation.query is not None else []
        if not self._is_calm():
            names.append(self.rng.choice(("", "a", "limit", "%00", "q")))
        pairs: list[str] = []
        for name in self.rng.sample(names, self.rng.randint(0, len(names))):
            value = quote(self._query_value(name), safe="", errors="surrogatepass")
            pairs.append(f"{name}={value}")
        joined = "&".join(pairs)
        return f"?{joined}" if joined else ""

    def _query_value(self, name: str) -> str:
        known: Mapping[str, Sequence[str]] = {
            "limit": ("1", "20", "100"),
            "order": ("id", "updated", "-updated"),
            "filter": ("title:a", "pages>3", "tags:x", "pages:1..5"),
            "sort": ("-updated", "pages", "score"),
            "space": ("me", *self.world.spaces),
            "collection": ("notes", "inbox", "journal"),
            "probe": ("alive", "ready"),
            "q": ("hello", "hel*", '"hello world"', "hello OR world", "-hello"),
            "prefix": ("he", "w"),
        }
        return self.rng.choice(known[name]) if name in known and self._is_calm() else self.text()

    def _headers(self, operation: Operation) -> list[str]:
        rng = self.rng
        lines: list[str] = []
        if operation.caller is Caller.IDENTITY or not self._is_calm():
            token = rng.choice(self.world.tokens)
            lines.append(f"Authorization: Bearer {token if self._is_calm() else self._bad(token)}")
        if Header.IDEMPOTENCY_KEY in operation.headers and rng.random() < 0.7:
            key = f"0190f1f0-0000-7000-8000-{rng.randrange(200):012d}"
            lines.append(f"Idempotency-Key: {key if self._is_calm() else self.header_text()}")
        if rng.random() < 0.3:
            name = rng.choice(("If-Match", "If-None-Match"))
            tags = ("*", '"1"', '"2"', 'W/"1"', '"1-zstd"', '"1", "2"')
            lines.append(f"{name}: {rng.choice(tags) if self._is_calm() else self.header_text()}")
        if rng.random() < 0.3:
            coding = rng.choice(
                ("gzip", "zstd", "gzip;q=0", "*;q=0.5, zstd;q=1.000", "br, identity;q=0")
            )
            lines.append(f"Accept-Encoding: {coding if self._is_calm() else self.header_text()}")
        if rng.random() < 0.1:
            lines.append(f"Origin: {rng.choice(('null', 'https://a.example'))}")
        if not self._is_calm():
            lines.append(f"X-{rng.randrange(9)}: {self.header_text()}")
        return lines

    def _bad(self, token: str) -> str:
        rng = self.rng
        place = rng.randrange(len(token))
        return rng.choice(
            (token[:place], token[:place] + rng.choice(".=-_A") + token[place + 1 :], token + "A",
             ".".join(reversed(token.split("."))), self.header_text(), "..", "a.b.c")
        )  # fmt: skip

    def _body(self, operation: Operation) -> tuple[bytes | None, str]:
        rng = self.rng
        if operation.body is None:
            return (None, "") if self._is_calm() else (self.text().encode("utf-8", "replace"), "")
        if isinstance(operation.body, Document):
            content_type, value = operation.body.value, self.record()
        else:
            content_type, value = "application/json", _sample(self, _schema(operation.name))
        if not self._is_calm():
            value = self._mutated(value)
        body = json.dumps(value, ensure_ascii=rng.random() < 0.7).encode("utf-8", "surrogatepass")
        if not self._is_calm():
            body = _broken_json(rng, body)
        if not self._is_calm():
            content_type = rng.choice(
                ("", "text/plain", "application/json; charset=utf-16", "a", ";")
            )
        return body, content_type

    def record(self) -> dict[str, Any]:
        rng = self.rng
        data: dict[str, Any] = {"title": rng.choice(("hello world", "hello", "world of words"))}
        for _ in range(rng.randrange(4)):
            data[rng.choice(("title", "pages", "tags", "at", "nested"))] = self.value()
        return data

    def value(self) -> Any:
        return self.rng.choice(VALUES) if self.rng.random() < 0.5 else self.text()

    def text(self) -> str:
        rng = self.rng
        chosen = rng.choice(TEXTS)
        return chosen if rng.random() < 0.8 else chosen + rng.choice(TEXTS)

    def header_text(self) -> str:
        """Of what HTTP allows in a header, so that the request as a whole is good HTTP."""
        return re.sub(r"[^\x20-\x7e\x80-\U0010ffff]|[\ud800-\udfff]", "?", self.text())

    def _mutated(self, value: Any) -> Any:
        """`value` with something in it replaced, removed, added or nested."""
        rng = self.rng
        if isinstance(value, dict) and value and rng.random() < 0.85:
            changed = dict(value)
            name = rng.choice(list(changed))
            match rng.randrange(5):
                case 0:
                    del changed[name]
                case 1:
                    changed[self.text()] = self.value()
                case _:
                    changed[name] = self._mutated(changed[name])
            return changed
        if isinstance(value, list) and value and rng.random() < 0.85:
            if rng.random() < 0.2:
                return value * rng.choice((0, 2, 91, 101))
            place = rng.randrange(len(value))
            return [*value[:place], self._mutated(value[place]), *value[place + 1 :]]
        if rng.random() < 0.1:
            for _ in range(rng.choice((31, 33, 200, 600))):
                value = [value] if rng.random() < 0.5 else {"a": value}
            return value
        return self.value()


@cache
def _schema(name: str) -> dict[str, Any]:
    (operation,) = [one for one in OPERATIONS if one.name == name]
    assert isinstance(operation.body, Form)
    return operation.body.bare_schema()


def _sample(made: _Making, whole: dict[str, Any]) -> Any:
    """Something that fits the JSON Schema, as far as types go."""
    rng, world = made.rng, made.world
    known: Mapping[str, Callable[[], Any]] = {
        "to": lambda: rng.choices(world.spaces, k=rng.randint(1, 3)),
        "login": lambda: rng.choice(world.logins),
        "password": lambda: rng.choice(("password", "correct horse", "x" * 300)),
        "space": lambda: rng.choice(("me", *world.spaces)),
        "collection": lambda: rng.choice(("notes", "inbox", "journal")),
        "id": lambda: rng.choice((*world.ids, "one", "two")),
        "data": made.record,
    }

    def sample(schema: dict[str, Any], name: str) -> Any:
        if name in known and rng.random() < 0.8:
            return known[name]()
        if "anyOf" in schema:
            return sample(rng.choice(schema["anyOf"]), name)
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return rng.choice(schema["enum"])
        match schema.get("type"):
            case "object":
                needed = schema.get("required", ())
                return {
                    one: sample(inner, one)
                    for one, inner in schema.get("properties", {}).items()
                    if one in needed or rng.random() < 0.5
                }
            case "array":
                return [sample(schema["items"], "") for _ in range(rng.randint(0, 3))]
            case "integer" | "number":
                return rng.randint(1, 30)
            case "boolean":
                return rng.random() < 0.5
            case "null":
                return None
            case _:
                return made.text()

    return sample(whole, "")


def _chunked(rng: random.Random, body: bytes) -> bytes:
    parts: list[bytes] = []
    while body:
        size = rng.randint(1, len(body))
        parts.append(b"%x\r\n%s\r\n" % (size, body[:size]))
        body = body[size:]
    return b"".join(parts) + b"0\r\n\r\n"


def _broken_json(rng: random.Random, body: bytes) -> bytes:
    place = rng.randrange(len(body) + 1)
    match rng.randrange(6):
        case 0:
            return body[:place]
        case 1:
            return (
                body[:place]
                + rng.choice((b"\0", b"\xff", b"\xed\xa0\x80", b",", b"{"))
                + body[place:]
            )
        case 2:
            return b"[" * rng.choice((100, 5000, 100_000))
        case 3:
            return b'{"a":1,"a":2,' + body[1:]
        case 4:
            return b"\xef\xbb\xbf" + body
        case _:
            return b'{"a":' * 2000 + b"1" + b"}" * 2000


def _broken(rng: random.Random, data: bytes) -> bytes:
    """`data` after one to four changes to its bytes."""
    for _ in range(rng.randint(1, 4)):
        place = rng.randrange(len(data) + 1)
        head, _, body = data.partition(b"\r\n\r\n")
        lines = head.split(b"\r\n")
        match rng.randrange(10):
            case 0:
                data = data[:place]
            case 1:
                data = data[:place] + rng.choice(TOKENS) + data[place:]
            case 2:
                data = data[:place] + bytes([rng.randrange(256)]) + data[place + 1 :]
            case 3:
                lines.insert(rng.randrange(len(lines) + 1), rng.choice(lines))
                data = b"\r\n".join(lines) + b"\r\n\r\n" + body
            case 4 | 5 | 6:
                lines.insert(rng.randint(1, len(lines)), rng.choice(HEADERS))
                data = b"\r\n".join(lines) + b"\r\n\r\n" + body
            case 7:
                data = head + b"\r\nTransfer-Encoding: chunked\r\n\r\n" + _bad_chunks(rng)
            case 8:
                data *= rng.choice((2, 3, 20))
            case _:
                length = rng.choice((0, 1, 7, 10**6, 10**7, 2**63, 2**64))
                data = head + b"\r\nContent-Length: %d\r\n\r\n" % length + body
    return data


def _bad_chunks(rng: random.Random) -> bytes:
    sizes = (
        b"0",
        b"3",
        b"-1",
        b"zz",
        b"",
        b"ffffffffffffffff",
        b"10000000000000000",
        b"3;a=b",
        b"3 ",
    )
    chunks = [
        rng.choice(sizes)
        + rng.choice((b"\r\n", b"\n", b""))
        + rng.choice((b"{}1\r\n", b"abc", b""))
        for _ in range(rng.randint(1, 4))
    ]
    return b"".join(chunks) + rng.choice((b"0\r\n\r\n", b"0\r\nX: y\r\n\r\n", b"0\r\n", b""))
