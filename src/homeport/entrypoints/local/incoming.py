"""One request as it comes in: its head, its body piece by piece, and the way to answer it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, TypeAlias
from urllib.parse import unquote_to_bytes

from httptools import parse_url

if TYPE_CHECKING:
    from homeport.entrypoints.local.connection import Connection

Headers: TypeAlias = list[tuple[str, str]]

BUFFERED: Final = 65_536
"""Bytes of a body that wait here for whoever reads it; one read of the socket more at most."""


class Body:
    """A request's body as it arrives. One reader takes it, piece by piece."""

    __slots__ = ("_arrived", "_connection", "_wake", "broken", "ended")

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._arrived = bytearray()
        self._wake: Callable[[], None] | None = None
        self.ended = False
        """All of it has arrived."""
        self.broken = False
        """No more will arrive, though it has not ended."""

    def take(self) -> bytes:
        """What has arrived since the last time; b"" where nothing has."""
        if not self._arrived:
            return b""
        taken = bytes(self._arrived)
        self._arrived.clear()
        self._connection.listen()
        return taken

    def when_more(self, wake: Callable[[], None] | None) -> None:
        """Have `wake` called once, when there is more to take or nothing more to wait for."""
        self._wake = wake
        self._connection.invite(self)

    @property
    def is_full(self) -> bool:
        return len(self._arrived) > BUFFERED

    def add(self, data: bytes) -> None:
        self._arrived += data
        self._call()

    def end(self) -> None:
        self.ended = True
        self._call()

    def break_off(self) -> None:
        self.broken = not self.ended
        self._call()

    def _call(self) -> None:
        wake, self._wake = self._wake, None
        if wake is not None:
            self._connection.soon(wake)  # not now: this is in the middle of parsing


class Incoming:
    """One request. `path` is percent-decoded; header names are lower case, values that are not
    ASCII are missing, and those of one name are joined. It is answered once."""

    __slots__ = (
        "_connection",
        "address",
        "body",
        "expects",
        "headers",
        "http_version",
        "keeps",
        "method",
        "path",
        "query",
    )

    def __init__(
        self,
        connection: Connection,
        address: str,
        method: str,
        target: bytes,
        http_version: str,
        headers: dict[str, str],
        *,
        keeps: bool,
    ) -> None:
        self._connection = connection
        self.address = address
        self.method = method
        self.path, self.query = _path_and_query(target)
        self.http_version = http_version
        self.headers = headers
        self.keeps = keeps
        """Whether the client wants to go on with this connection."""
        self.expects = False
        """Whether the client waits to be asked for the body."""
        self.body = Body(connection)

    def answer(self, status: int, headers: Headers, body: str | bytes) -> None:
        """Send the answer, to whoever is still there. Raises UnicodeEncodeError, and sends
        nothing, for a header that is not ASCII."""
        self._connection.answer(self, status, headers, body)

    def came_from(self, address: str) -> None:
        """A proxy's connection: what is not read of its answers counts for this address."""
        self._connection.count_for(address)

    def drop(self) -> None:
        """End the connection without an answer."""
        self._connection.abort()


def _path_and_query(target: bytes) -> tuple[str, str]:
    """The path, decoded once, and the query as it was sent."""
    if not target.startswith((b"/", b"*")):
        parsed = parse_url(target)
        path, query = parsed.path or b"/", parsed.query or b""
    else:
        path, _, query = target.partition(b"#")[0].partition(b"?")
    if b"%" in path:
        path = unquote_to_bytes(path)
    return path.decode("utf-8", "replace"), query.decode("utf-8", "replace")
