"""Sends hostile requests to a real server, and holds every answer to what must always be so.

    python -m tests.fuzzing --seed 7 --requests 100000
    python -m tests.fuzzing --seed 7 --first 4711 --requests 1 --show

No answer is a 5xx, each is well-formed HTTP, errors are problem documents, nothing that another
user stored, sent or knows comes out in an answer or the log, memory and open files stay flat, and
the server serves as before in the end.

Memory is compared at rest: the senders pause after 40 % of the requests, when caches are warm,
until the server has done its work and given back what it does not use; and again in the end.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from homeport.adapters.embedded.folder import DATABASE
from homeport.entrypoints.local.memory import LOOK_SECONDS
from tests.clients import Client, new_guest
from tests.fuzz_requests import Maker, Request, World
from tests.servers import Server, serving

SENDERS: Final = 16
QUIET: Final = 0.15
"""Seconds without a byte after which a broken request has got all the answers it will get."""
PATIENCE: Final = 30.0
FRESH: Final = 600.0
"""Seconds after which the senders get new tokens; they are valid for 15 minutes."""
WARM: Final = 0.4
"""The share of the requests after which caches are warm, and memory is to be flat."""
MARKS: Final = (WARM, 1.0)
"""The shares of the requests after which memory is measured, where nothing else is asked for."""
GROWTH: Final = 5 * 2**20
"""Bytes that memory may grow by meanwhile: a leak of 100 bytes a request comes to 5.7 MiB in the
last 60,000 of 100,000. Caches of a fixed number of entries go on filling for a while."""
CACHES: Final = 2
"""How often the server may hold what the database has grown by: in the writer's cache and in the
one that requests read through. Both are bounded."""
ENOUGH: Final = 5_000
"""Requests below which nothing is said of memory: fewer do not warm the caches."""
REST: Final = 2.5 * LOOK_SECONDS
"""Seconds in which a server that has nothing to do gives memory back."""
FAULTS: Final = 5
"""After so many the run ends: the rest would say the same."""

_STATUS: Final = re.compile(rb"HTTP/1\.[01] ([1-5]\d\d) [\x20-\x7e]*\Z")
_FIELD: Final = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+): ?([\x20-\x7e]*)\Z")


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer. Names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Fault:
    """What went wrong, and the request that did it; None where it was no single one."""

    what: str
    request: Request | None = None

    def __str__(self) -> str:
        if self.request is None:
            return self.what
        sent = self.request
        return f"request {sent.number} ({sent.operation}): {self.what}\n  sent: {sent.data!r}"


@dataclass(frozen=True, slots=True)
class Mark:
    """A server at rest after so many requests: its own memory and its database, in bytes."""

    requests: int
    memory: int
    stored: int

    def __str__(self) -> str:
        return f"{self.memory / 2**20:.1f} MiB after {self.requests:,}"


def grown(marks: Sequence[Mark]) -> str | None:
    """How memory has grown from the end of the warm-up to the last mark, if it is by too much."""
    last = marks[-1]
    first = next(mark for mark in marks if mark.requests >= WARM * last.requests)
    allowed = GROWTH + CACHES * max(0, last.stored - first.stored)
    if last.memory - first.memory <= allowed:
        return None
    sent = max(1, last.requests - first.requests)
    each = (last.memory - first.memory) / sent
    return f"memory grew from {first} to {last} requests, {each:.0f} bytes with each of them"


@dataclass
class Report:
    """What a run came to."""

    requests: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    statuses: Counter[str] = field(default_factory=Counter)
    faults: list[Fault] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)
    seconds: float = 0.0

    def __str__(self) -> str:
        def told(counter: Counter[str]) -> str:
            return ", ".join(f"{name} {count:,}" for name, count in sorted(counter.items()))

        memory = ", ".join(map(str, self.marks))
        stored = [mark.stored / 2**20 for mark in self.marks] or [0.0]
        return (
            f"{self.requests:,} requests ({told(self.kinds)}) in {self.seconds:.0f} s; "
            f"answers: {told(self.statuses)}; memory at rest {memory}; "
            f"database {stored[0]:.1f} to {stored[-1]:.1f} MiB"
        )


class Malformed(Exception):
    """An answer is not HTTP as it should be."""


def take(stream: bytearray, *, head: bool) -> Reply | None:
    """The first answer in `stream`, which is removed from it; None until it is whole.

    Raises Malformed.
    """
    top, end, _ = bytes(stream[:65_536]).partition(b"\r\n\r\n")
    if not end:
        return None
    first, *lines = top.split(b"\r\n")
    matched = _STATUS.match(first)
    if matched is None:
        raise Malformed(f"the status line is {first!r}")
    status = int(matched[1])
    headers: dict[str, str] = {}
    for line in lines:
        named = _FIELD.match(line)
        if named is None:
            raise Malformed(f"a header is {line!r}")
        headers[named[1].decode().lower()] = named[2].decode().strip()
    length = int(headers.get("content-length", "0"))
    if "transfer-encoding" in headers:
        raise Malformed("the answer comes in chunks")
    if head or status < 200 or status in (204, 304):
        length = 0
    begin = len(top) + 4
    if len(stream) < begin + length:
        return None
    reply = Reply(status, headers, bytes(stream[begin : begin + length]))
    del stream[: begin + length]
    return reply


def fault_of(reply: Reply, secrets: Mapping[str, bytes], *, head: bool) -> str | None:
    """What is wrong with an answer to a stranger."""
    text = reply.body + repr(dict(reply.headers)).encode()
    for name, secret in secrets.items():
        if secret in text:
            return f"{reply.status} shows another user's {name}"
    if reply.status >= 500:
        return f"the answer is {reply.status}: {reply.body!r}"
    if reply.headers.get("server") != "homeport" and reply.status != 100:
        return f"{reply.status} is not the gateway's: {reply.headers}"
    if reply.status >= 400 and not head:
        if reply.headers.get("content-type") != "application/problem+json":
            return f"{reply.status} is no problem document: {reply.headers}"
        if "content-encoding" not in reply.headers:
            problem = json.loads(reply.body)
            if problem["status"] != reply.status or not problem["type"].startswith("urn:"):
                return f"the problem is {problem}"
    return None


@dataclass
class Victim:
    """Somebody with a record, a password, tokens and a message that nobody else may see."""

    space: str
    record: str
    token: str
    etag: str
    text: str
    secrets: Mapping[str, bytes]


def settle_in(api: Client) -> tuple[Victim, World]:
    """A victim, and what a sender knows: three tokens of its own, one of them an account's."""
    password, kept, told = "canary-password-Qx71", "canaryrecordzephyr", "canarymessageumbra"
    account = {"login": "victim@example.com", "password": password}
    session = _signed_up(api, account)
    friend = api.ask("POST", "/v1/identity/guest").json["identity"]["id"]
    token, space = session["access_token"], session["identity"]["id"]
    path = "/v1/records/me/journal/canary"
    stored = api.ask("PUT", path, {"title": kept}, token=token)
    sent = api.ask("POST", "/v1/messages", {"to": [friend], "text": told}, token=token).json
    own = [api.ask("POST", "/v1/identity/guest").json for _ in range(2)]
    own.append(_signed_up(api, {"login": "attacker@example.com", "password": "correct horse"}))
    api.settle()
    secrets = {
        "record": kept.encode(), "message": told.encode(), "password": password.encode(),
        "access token": token.encode(), "refresh token": session["refresh_token"].encode(),
    }  # fmt: skip
    spaces = [space, friend, *(one["identity"]["id"] for one in own)]
    world = World(
        [one["access_token"] for one in own],
        spaces,
        ["canary", sent["id"]],
        ["victim@example.com", "attacker@example.com", "VICTIM@example.com ", "nobody"],
    )
    return Victim(space, path, token, stored.etag, kept, secrets), world


def _signed_up(api: Client, account: Mapping[str, str]) -> dict[str, Any]:
    api.ask("POST", "/v1/identity/sign-up", account)
    session: dict[str, Any] = api.ask("POST", "/v1/identity/sign-in", account).json
    return session


class Run:
    """Sends the requests `first` to `first + count` of `seed` to `server`.

    `marks` are the shares of them after which memory is measured, the last of them 1.
    """

    def __init__(
        self, server: Server, seed: int, first: int, count: int, marks: Sequence[float] = MARKS
    ) -> None:
        self._server = server
        self._host, _, port = server.address.partition(":")
        self._port = int(port)
        ends = [first, *(first + round(count * share) for share in marks)]
        self._parts = [range(*ends[place : place + 2]) for place in range(len(marks))]
        self._seed = seed
        self.report: Final = Report()
        with Client(server.address) as api:
            self._victim, self._world = settle_in(api)
        self._fresh_until = time.monotonic() + FRESH
        self.maker = Maker(seed, self._world)

    def run(self) -> Report:
        began = time.monotonic()
        files = self._files()
        for numbers in self._parts:
            asyncio.run(self._send_all(iter(numbers)))
            self.report.marks.append(self._mark())
        self.report.seconds = time.monotonic() - began
        self._look_after(files)
        return self.report

    def _fail(self, what: str, request: Request | None = None) -> None:
        self.report.faults.append(Fault(what, request))

    async def _send_all(self, numbers: Iterator[int]) -> None:
        await asyncio.gather(*(self._send_some(numbers) for _ in range(SENDERS)))

    async def _send_some(self, numbers: Iterator[int]) -> None:
        """One sender's requests, whole ones on one connection for as long as it is kept."""
        kept: _Connection | None = None
        for number in numbers:
            if len(self.report.faults) >= FAULTS:
                break
            if time.monotonic() > self._fresh_until:
                self._freshen()
            request = self.maker.request(number)
            self.report.requests += 1
            self.report.kinds["broken" if request.raw else "whole"] += 1
            if request.raw or kept is None:
                connection = await _Connection.open(self._host, self._port)
            else:
                connection = kept
            try:
                await (self._broken if request.raw else self._whole)(connection, request)
            except (Malformed, ValueError, KeyError) as exc:
                self._fail(str(exc) or repr(exc), request)
                connection.ended = True
            if request.raw or connection.ended:
                connection.close()
            if not request.raw:
                kept = None if connection.ended else connection
        if kept is not None:
            kept.close()

    def _freshen(self) -> None:
        """Tokens that have not expired: with others, no request would come far."""
        self._fresh_until = time.monotonic() + FRESH
        with Client(self._server.address) as api:
            tokens = [new_guest(api).token for _ in self._world.tokens]
        self.maker = Maker(self._seed, replace(self._world, tokens=tokens))

    async def _whole(self, connection: _Connection, request: Request) -> None:
        await connection.send(request.data)
        while True:
            reply = take(connection.received, head=request.head)
            if reply is not None:
                self._check(reply, request)
                if reply.status >= 200:
                    connection.ended |= reply.headers.get("connection") == "close"
                    connection.ended |= reply.headers.get("server") != "homeport"
                    return
            elif not await connection.more(PATIENCE):
                self._fail("there is no answer", request)
                connection.ended = True
                return

    async def _broken(self, connection: _Connection, request: Request) -> None:
        await connection.send(request.data)
        while await connection.more(PATIENCE if connection.received else QUIET):
            while reply := take(connection.received, head=request.head):
                self._check(reply, request)
        # Closing with bytes unread resets a connection, and what was on its way is lost.
        if connection.received and not connection.reset:
            self._fail(f"the answer breaks off: {bytes(connection.received[:500])!r}", request)
        elif not connection.ended:
            self.report.statuses["none yet"] += 1

    def _check(self, reply: Reply, request: Request) -> None:
        no_http = b'"urn:homeport:problem:malformed"' in reply.body
        self.report.statuses[f"{reply.status}{' (no HTTP)' if no_http else ''}"] += 1
        fault = fault_of(reply, self._victim.secrets, head=request.head)
        if fault is not None:
            self._fail(fault, request)

    def _look_after(self, files: int) -> None:
        """What is to be so when all is sent."""
        victim, report = self._victim, self.report
        with Client(self._server.address) as api:
            api.settle()
            shown = api.ask("GET", victim.record, token=victim.token)
            if shown.status != 200 or shown.etag != victim.etag or victim.text not in shown.text:
                self._fail(f"the victim's record is now {shown.status} {shown.text}")
            found = api.ask("GET", f"/v1/search?q={victim.text}", token=victim.token)
            if found.status != 200 or victim.text not in found.text:
                self._fail(f"the victim's record is not found any more: {found.text}")
            if api.ask("POST", "/v1/identity/guest").status != 201:
                self._fail("nobody can sign in any more")
        until = time.monotonic() + PATIENCE
        while self._files() > files + 8 and time.monotonic() < until:
            time.sleep(0.05)
        if self._files() > files + 8:
            self._fail(f"open files: {files} before, {self._files()} after")
        if report.requests >= ENOUGH and (growth := grown(report.marks)) is not None:
            self._fail(growth)
        log = self._server.log.read_bytes()
        for name, secret in victim.secrets.items():
            if secret in log:
                self._fail(f"the log shows another user's {name}")
        if (place := log.find(b"Traceback")) >= 0:
            self._fail(f"the log holds {log[place - 300 : place + 3000].decode()}")

    def _mark(self) -> Mark:
        """Memory once the server has been at rest for long enough, and what is stored."""
        with Client(self._server.address) as api:
            api.settle()
        memory = self._memory()
        until = time.monotonic() + REST
        while time.monotonic() < until:
            time.sleep(0.05)
            memory = min(memory, self._memory())
        database = self._server.log.with_suffix("") / DATABASE
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
            ((stored,),) = connection.execute(
                "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"
            )
        return Mark(self.report.requests, memory, stored)

    def _memory(self) -> int:
        """Resident memory but for files mapped into it, which the system takes back as it likes."""
        text = Path(f"/proc/{self._server.process.pid}/status").read_text()
        matched = re.search(r"RssAnon:\s+(\d+) kB", text)
        assert matched is not None
        return int(matched[1]) * 1024

    def _files(self) -> int:
        return len(list(Path(f"/proc/{self._server.process.pid}/fd").iterdir()))


class _Connection:
    """Bytes to and from the server. `ended` once nothing more can come, `reset` where it did
    not end in order."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.received: Final = bytearray()
        self.ended = False
        self.reset = False

    @classmethod
    async def open(cls, host: str, port: int) -> _Connection:
        return cls(*await asyncio.open_connection(host, port))

    async def send(self, data: bytes) -> None:
        """As much as the server takes: it may refuse in the middle."""
        self._writer.write(data)
        try:
            async with asyncio.timeout(QUIET):
                await self._writer.drain()
        except (OSError, TimeoutError):
            pass

    async def more(self, seconds: float) -> bool:
        """Whether more came, within `seconds`."""
        try:
            async with asyncio.timeout(seconds):
                data = await self._reader.read(65_536)
        except TimeoutError:
            return False
        except OSError:
            self.reset = True
            data = b""
        self.received.extend(data)
        self.ended = self.ended or not data
        return bool(data)

    def close(self) -> None:
        self._writer.transport.abort()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzzing", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--first", type=int, default=0, help="number of the first request")
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--marks", type=int, default=0, help="measure memory so often, evenly")
    parser.add_argument("--show", action="store_true", help="print the requests' bytes too")
    given = parser.parse_args()
    _say(f"seed {given.seed}")
    with (
        tempfile.TemporaryDirectory(prefix="homeport-fuzz-") as folder,
        serving(Path(folder) / "data") as server,
    ):
        marks = [number / given.marks for number in range(1, given.marks + 1)] or MARKS
        run = Run(server, given.seed, given.first, given.requests, marks)
        if given.show:
            for number in range(given.first, given.first + given.requests):
                _say(repr(run.maker.request(number).data))
        report = run.run()
    _say(str(report))
    for fault in report.faults:
        _say(f"FAULT: {fault}")
    return 1 if report.faults else 0


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
