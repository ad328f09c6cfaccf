"""One client's connection: HTTP/1.0 and 1.1 in, as httptools parses it, and answers out.

A connection has one request in work at a time, and answers come in the order of requests. What a
client sends ahead waits: parsed, while it is little; else where it is, with the client.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from typing import Final, cast

from httptools import (
    HttpParserError,
    HttpParserInvalidMethodError,
    HttpParserUpgrade,
    HttpRequestParser,
)

from homeport.entrypoints.local import outgoing
from homeport.entrypoints.local.events import joined_headers
from homeport.entrypoints.local.house import House
from homeport.entrypoints.local.incoming import BUFFERED, Body, Headers, Incoming
from homeport.entrypoints.local.unread import SLOWEST, SMALL, Unread

HEAD_BYTES: Final = 65_536
"""Of a request's line and headers. A little more may get through, never much."""
HEADERS: Final = 100
CHUNK_BYTES: Final = 32
"""What may stand around each chunk of a body."""
AHEAD: Final = 32
"""Requests that are parsed ahead. Whoever sends more at once is cut off after these."""
LINGERING_SECONDS: Final = 2.0
"""How long nothing may come of the rest of a refused request, which is thrown away: closed at
once, the connection would take with it the answer that the client has not read yet."""
LONGEST_LINGERING: Final = 30.0
_DECISIVE: Final = frozenset(
    b"authorization content-encoding content-type host idempotency-key if-match if-none-match "
    b"transfer-encoding x-forwarded-for".split()
)
"""Headers without which a request would be another one, or another's."""
_METHOD: Final = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}) ").match
_STAND_IN: Final = b"PURGE"
"""A method that the parser takes, and nothing here has."""


class Connection(asyncio.Protocol):
    """The protocol of one client's connection."""

    def __init__(self, house: House) -> None:
        self._house = house
        self.soon: Final = house.soon
        self._parser = HttpRequestParser(self)
        self._transport: asyncio.Transport = cast("asyncio.Transport", None)
        self._unread: Unread = cast("Unread", None)
        self._address = ""
        self._strange_method: str | None = None
        self._is_upgrade = False
        self._is_repeating = False
        """What the parser tells of a head is known already."""
        self._target = b""
        self._headers: Headers = []
        self._head_size = 0
        """Of what is parsed of a head."""
        self._fed = 0
        """Bytes of a head, or of what stands around the chunks of a body, about."""
        self._has_begun = False
        """Whether something of the next request has come."""
        self._reading: Incoming | None = None
        """The request whose body is on its way."""
        self._waiting: deque[Incoming] = deque()
        self._serving: Incoming | None = None
        self._going_on = False
        self._is_cut = False
        """No more requests are taken."""
        self._lingers_until = 0.0
        self._is_deaf = False
        """Whatever else comes is thrown away."""
        self._fault = 0
        """The status to refuse with what could not be parsed, once all before it is answered."""
        self._is_paused = False
        self._has_ended = False
        """The client sends no more."""
        self.deadline: float | None = None
        """Until when something has to happen, by the house's clock."""
        self._put_off: float | None = None
        """The deadline that was put off last, for a client that is still reading."""

    # What asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        peer = transport.get_extra_info("peername")
        self._address = peer[0] if peer else ""
        self._transport.set_write_buffer_limits(SMALL)
        house = self._house
        self._unread = Unread(self._transport, self._address, house.room, house.on_cut_off)
        self.deadline = self._house.now() + self._house.head_seconds
        self._house.joined(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_deaf = True
        self._unread.forget()
        self.deadline = None
        self._waiting.clear()
        self._serving = None
        if self._reading is not None:
            self._reading.body.break_off()
            self._reading = None
        self._house.left(self)

    def data_received(self, data: bytes) -> None:
        if self._is_deaf:
            if self._lingers_until and not self._transport.get_write_buffer_size():
                until = self._house.now() + LINGERING_SECONDS
                self.deadline = min(until, self._lingers_until)
            return
        self._fed += len(data)
        try:
            self._feed(data)
        except HttpParserError:
            if self._is_cut and not self._fault and self._reading is None:
                self._is_deaf = True
            else:
                self._refuse(self._fault or 400)
        if self._fed > HEAD_BYTES:
            self._refuse(431)
        self._go_on()

    def _feed(self, data: bytes) -> None:
        has_begun = self._has_begun
        try:
            self._parser.feed_data(data)
        except HttpParserInvalidMethodError:
            # It knows the registered methods alone. Whoever invents another is to be told which
            # ones there are.
            found = _METHOD(data)
            if has_begun or self._fed != len(data) or found is None:
                raise  # it came in pieces, or stands behind another request
            self._strange_method = found[1].decode("ascii")
            self._parser = HttpRequestParser(self)
            self._feed(_STAND_IN + data[found.end(1) :])
        except HttpParserUpgrade as offered:
            self._decline(data[offered.args[0] :])

    def _decline(self, rest: bytes) -> None:
        """Nobody here speaks another protocol, and a client may offer one and go on (RFC 9110,
        7.8). The parser takes what follows for the other's: a new one reads it, with as much of
        a head as tells how long the body is."""
        self._is_upgrade = False
        lines = [
            f"{name}: {value}\r\n"
            for name, value in (self._reading.headers if self._reading is not None else {}).items()
            if name in ("content-length", "transfer-encoding")
        ]
        self._parser = HttpRequestParser(self)
        self._is_repeating = True
        self._feed(f"POST / HTTP/1.1\r\n{''.join(lines)}\r\n".encode("ascii") + rest)

    def eof_received(self) -> bool:
        self._has_ended = True
        self._house.flush()
        if self._reading is not None:
            self._reading.body.break_off()
        return self._serving is not None or bool(self._waiting)

    def pause_writing(self) -> None:
        self._unread.is_much = True
        self.soon(self._unread.count)  # there may be more to be written now

    def resume_writing(self) -> None:
        self._unread.forget()
        self._go_on()

    # What the parser calls

    def on_message_begin(self) -> None:
        self._has_begun = True

    def on_url(self, part: bytes) -> None:
        if self._is_repeating:
            return
        self._target += part
        self._measure(len(part))

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._reading is not None:
            return  # behind a body in chunks; nobody has a use for these
        self._measure(len(name) + len(value))
        if len(self._headers) == HEADERS:
            self._fault = 431
            raise ValueError("too many headers")
        if value.isascii():
            self._headers.append((name.lower().decode("ascii"), value.decode("ascii").strip()))
        elif name.lower() in _DECISIVE:
            self._fault = 400
            raise ValueError("a header that must not be missed")

    def on_headers_complete(self) -> None:
        if self._is_repeating:
            self._is_repeating = False
            return
        parser, headers, target = self._parser, self._headers, self._target
        self._headers, self._target, self._head_size, self._fed = [], b"", 0, 0
        if self._is_cut:
            raise ValueError("more than is answered on this connection")
        version = parser.get_http_version()
        known = joined_headers(headers)
        coding = known.get("transfer-encoding")
        if version != "1.1" and (version != "1.0" or coding is not None):
            self._fault = 400
            raise ValueError("another version of HTTP, or what that version has not")
        if coding is not None and coding.lower() != "chunked":
            self._fault = 400
            raise ValueError("a body that ends nobody knows where")
        if len(known) != len(headers):
            names = [name for name, _ in headers]
            if names.count("host") > 1 or names.count("transfer-encoding") > 1:
                self._fault = 400
                raise ValueError("several hosts, or codings")
        strange, self._strange_method = self._strange_method, None
        incoming = Incoming(
            self,
            self._address,
            strange or parser.get_method().decode("ascii"),
            target,
            version,
            known,
            keeps=parser.should_keep_alive(),
        )
        self._is_upgrade = parser.should_upgrade()
        if "expect" in known:
            asked = [one.strip().lower() for one in known["expect"].split(",")]
            incoming.expects = version == "1.1" and "100-continue" in asked
        self._reading = incoming
        self._waiting.append(incoming)
        if len(self._waiting) == AHEAD:
            # The client learns from the answer that those behind it were not done.
            incoming.keeps = False
            self._is_cut = True

    def on_body(self, data: bytes) -> None:
        if self._reading is not None:
            self._fed = max(0, self._fed - len(data) - CHUNK_BYTES)
            self._reading.body.add(data)

    def on_message_complete(self) -> None:
        if self._is_upgrade:
            return  # its body has still to be read
        if self._reading is not None:
            self._reading.body.end()
            self._reading = None
        self._fed = 0
        self._has_begun = False

    def _measure(self, more: int) -> None:
        self._head_size += more
        if self._head_size > HEAD_BYTES:
            self._fault = 431
            raise ValueError("too large a head")

    # What requests and the house call

    def answer(self, incoming: Incoming, status: int, headers: Headers, body: str | bytes) -> None:
        if self._serving is not incoming:
            return  # the client is gone
        closes = (
            not incoming.keeps
            or not incoming.body.ended
            or self._house.stopping
            or (self._has_ended and not self._waiting)
            or outgoing.CLOSE in headers
        )
        content = body.encode() if isinstance(body, str) else body
        head = outgoing.head(
            incoming.http_version,
            status,
            headers,
            len(content),
            self._house.common(),
            closes=closes,
        )
        if incoming.method == "HEAD" or status in outgoing.WITHOUT_CONTENT:
            content = b""
        if not closes and len(content) < BUFFERED and not self._unread.is_much:
            self._house.send(self._transport, head + content)
        else:
            self._house.flush()
            self._transport.writelines((head, content))
            if not self._unread.count():
                return
        self._serving = None
        if closes:
            # While something waits, nothing is read: what came since would reset the connection.
            has_more = not incoming.body.ended or self._is_cut or bool(self._waiting)
            self._end(gently=has_more)
            return
        self.deadline = self._house.now() + self._house.head_seconds
        self._go_on()
        if self._house.surplus > 0 and self._is_at_rest():
            # Its answer is on its way by the turn after the next; nothing is read until then.
            self._is_paused = True
            self._transport.pause_reading()
            self.soon(lambda: self.soon(self._part))

    def _is_at_rest(self) -> bool:
        """Whether all that has come is answered, and nothing of another request has come."""
        has_more = self._waiting or self._has_begun or self._fed
        is_ending = self._is_deaf or self._is_cut or self._has_ended or self._transport.is_closing()
        return self._serving is None and not has_more and not is_ending

    def _part(self) -> None:
        """Let another process go on with this connection, or go on here."""
        is_sent = not self._transport.get_write_buffer_size()
        if self._is_at_rest() and is_sent and self._house.part(self, self._transport):
            self._is_deaf = True
        else:
            self.listen()

    def listen(self) -> None:
        """Read on where there is room."""
        full = len(self._waiting) > 0 or (self._reading is not None and self._reading.body.is_full)
        if full != self._is_paused and not self._transport.is_closing():
            self._is_paused = full
            if full:
                self._transport.pause_reading()
            else:
                self._transport.resume_reading()

    def invite(self, body: Body) -> None:
        """Somebody waits for this body: a client that wants to be asked for it is."""
        incoming = self._serving
        if incoming is not None and incoming.body is body and incoming.expects:
            incoming.expects = False
            if not body.ended:
                self._house.flush()
                self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def finish(self) -> None:
        """The house closes: end as soon as what is in work is answered."""
        if self._serving is None:
            self._transport.close()

    def abort(self) -> None:
        self._transport.abort()

    def count_for(self, address: str) -> None:
        """Who has to read what is answered on a proxy's connection."""
        self._unread.client = address

    def expire(self) -> None:
        """The deadline is over. A client that is still reading its answer has done nothing
        wrong, unless it takes next to nothing of it between two of these."""
        if self._transport.get_write_buffer_size():
            is_slow = self._unread.taken() < SLOWEST * self._house.head_seconds
            # The very one that was set here: an answer between would have set another.
            if is_slow and self.deadline is self._put_off:
                self._unread.cut_off()
            else:
                self._put_off = self.deadline = self._house.now() + self._house.head_seconds
        elif self._transport.is_closing() or self._is_deaf:
            self._transport.abort()
        else:
            self._transport.close()

    def _go_on(self) -> None:
        """Have the next request served, unless one is. Where each is refused at once, this comes
        back to itself: then it is the first call that goes on."""
        if self._going_on:
            return
        self._going_on = True
        try:
            while self._waiting and self._serving is None and not self._unread.is_much:
                self._serving = incoming = self._waiting.popleft()
                self.deadline = None
                self._house.receive(incoming)
        finally:
            self._going_on = False
        if self._fault and self._serving is None and not self._waiting:
            if not self._unread.is_much:
                self._send_refusal()
        else:
            self.listen()

    def _refuse(self, status: int) -> None:
        self._is_deaf = True
        self._fault = status
        if self._reading is not None:
            # Its head was sound, its body is not.
            self._reading.body.break_off()
            self._reading = None

    def _send_refusal(self) -> None:
        if self._transport.is_closing():
            return
        self._house.flush()
        headers, body = self._house.refusal(self._fault)
        content, common = body.encode(), self._house.common()
        head = outgoing.head("1.1", self._fault, headers, len(content), common, closes=True)
        self._transport.write(head + content)
        self._end(gently=True)

    def _end(self, *, gently: bool) -> None:
        self._is_deaf = True
        self._fault = 0
        self._waiting.clear()
        self.deadline = self._house.now() + LINGERING_SECONDS
        if not gently or self._has_ended or not self._transport.can_write_eof():
            self._transport.close()
            return
        self._transport.write_eof()
        self._lingers_until = self._house.now() + LONGEST_LINGERING
        self._is_paused = False
        self._transport.resume_reading()
