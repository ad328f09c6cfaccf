"""One connection, with a transport and a house that the tests hold in their hands."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, cast

import pytest

from homeport.entrypoints.local import connection as http
from homeport.entrypoints.local.connection import Connection
from homeport.entrypoints.local.incoming import BUFFERED, Headers, Incoming
from homeport.entrypoints.local.room import Room
from homeport.entrypoints.local.unread import SLOWEST

GET = b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n"
POST = b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n"
CHUNKED = b"POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"


class Wire:
    """A transport."""

    def __init__(self) -> None:
        self.sent = b""
        self.reads = True
        self.half_closed = self.closed = False
        self.unsent = 0

    def get_extra_info(self, name: str) -> Any:
        return {"peername": ("10.0.0.1", 5000), "socket": self}[name]

    def fileno(self) -> int:
        return -1

    def write(self, data: bytes) -> None:
        assert not self.closed
        self.sent += data

    def writelines(self, lines: Iterable[bytes]) -> None:
        self.write(b"".join(lines))

    def pause_reading(self) -> None:
        assert self.reads
        self.reads = False

    def is_read(self) -> bool:
        return self.reads

    def resume_reading(self) -> None:
        self.reads = True

    def set_write_buffer_limits(self, high: int) -> None:
        pass

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.half_closed = True

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    abort = close


class House:
    """Answers nothing by itself, or each request at once."""

    head_seconds = 10.0

    def __init__(self, *, at_once: bool = False, room: Room | None = None) -> None:
        self.room = room or Room(1_000_000)
        self.stopping = False
        self.time = 100.0
        self.at_once = at_once
        self.received: list[Incoming] = []
        self.due: list[Callable[[], object]] = []
        self.there: set[Connection] = set()
        self.wire = Wire()
        self.flushes = 0
        self.surplus = 0
        self.parted = 0
        self.cut_off = 0
        self.connection = Connection(self)
        self.connection.connection_made(cast("asyncio.BaseTransport", self.wire))

    def deadline(self) -> float | None:
        return self.connection.deadline

    def now(self) -> float:
        return self.time

    def on_cut_off(self) -> None:
        self.cut_off += 1

    def soon(self, act: Callable[[], object]) -> None:
        self.due.append(act)

    def turn(self) -> None:
        due, self.due = self.due, []
        for act in due:
            act()

    def common(self) -> str:
        return "server: test\r\n\r\n"

    def receive(self, incoming: Incoming) -> None:
        self.received.append(incoming)
        if self.at_once:
            incoming.answer(200, [], f"{len(self.received)};")

    def refusal(self, status: int) -> tuple[Headers, str]:
        return [], f"refused {status}"

    def send(self, transport: asyncio.Transport, data: bytes) -> None:
        transport.write(data)

    def flush(self) -> None:
        self.flushes += 1

    def part(self, connection: Connection, transport: asyncio.Transport) -> bool:
        if not self.surplus:
            return False
        self.surplus -= 1
        self.parted += 1
        assert connection in self.there
        transport.abort()
        return True

    def joined(self, connection: Connection) -> None:
        self.there.add(connection)

    def left(self, connection: Connection) -> None:
        self.there.remove(connection)

    def statuses(self) -> list[int]:
        return [int(one[:3]) for one in self.wire.sent.decode().split("HTTP/1.1 ")[1:]]


def test_requests_are_served_one_after_the_other() -> None:
    house = House()
    house.connection.data_received(GET + GET.replace(b"/a", b"/b"))
    assert [one.path for one in house.received] == ["/a"]
    assert not house.wire.is_read(), "what was sent ahead is enough"
    house.received[0].answer(200, [("x", "y")], "first")
    assert [one.path for one in house.received] == ["/a", "/b"]
    assert house.wire.is_read()
    house.received[1].answer(200, [], b"second")
    assert house.wire.sent == (
        b"HTTP/1.1 200 OK\r\nx: y\r\ncontent-length: 5\r\nserver: test\r\n\r\nfirst"
        b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\nserver: test\r\n\r\nsecond"
    )
    house.received[1].answer(200, [], "again")
    assert house.wire.sent.endswith(b"second"), "each is answered once"


def test_a_request_may_come_byte_by_byte() -> None:
    house = House()
    request = POST % 3 + b"abc" + CHUNKED + b"2\r\nde\r\n0\r\nTrailer: x\r\n\r\n" + GET
    for place in range(len(request)):
        house.connection.data_received(request[place : place + 1])
    for _ in range(3):
        house.received[-1].answer(200, [], "")
    assert [one.method for one in house.received] == ["POST", "POST", "GET"]
    assert [one.body.take() for one in house.received] == [b"abc", b"de", b""]
    assert house.statuses() == [200] * 3


def test_many_that_are_refused_at_once_go_no_deeper() -> None:
    house = House(at_once=True)
    house.connection.data_received(GET * (http.AHEAD - 1))
    assert house.statuses() == [200] * (http.AHEAD - 1)
    assert not house.wire.is_closing()


def test_whoever_sends_too_many_at_once_learns_which_were_not_done() -> None:
    house = House()
    house.connection.data_received(GET * 1000)
    assert len(house.received) == 1
    house.at_once = True
    house.received[0].answer(200, [], "")
    assert len(house.received) == http.AHEAD
    assert house.statuses() == [200] * http.AHEAD
    *_, last = house.wire.sent.split(b"HTTP/1.1 ")
    assert b"connection: close" in last and house.wire.sent.count(b"connection: close") == 1
    assert house.wire.half_closed and house.wire.is_read(), "the rest is thrown away"
    assert not house.wire.is_closing(), "the answers would be lost"


def test_what_a_stop_leaves_undone_takes_no_answer_with_it() -> None:
    house = House()
    house.connection.data_received(GET * 2)
    house.stopping = True
    house.received[0].answer(200, [], "")
    assert house.wire.half_closed and not house.wire.is_closing()


def test_what_is_no_request_is_refused_after_those_before_it() -> None:
    house = House()
    house.connection.data_received(GET + b"nonsense\r\n\r\n")
    assert house.statuses() == []
    house.received[0].answer(200, [], "")
    assert house.statuses() == [200, 400]
    assert house.wire.sent.endswith(b"refused 400")
    assert house.wire.half_closed and not house.wire.is_closing(), "it may be sending still"
    house.time += 1.5
    house.connection.data_received(b"more of it")
    assert house.deadline() == house.time + http.LINGERING_SECONDS
    house.time += http.LONGEST_LINGERING - 2.0
    house.connection.data_received(b"and more")
    assert house.deadline() == 100.0 + http.LONGEST_LINGERING
    house.wire.unsent = 5
    house.connection.expire()
    assert not house.wire.is_closing(), "it is reading still"
    house.wire.unsent = 0
    house.connection.expire()
    assert house.wire.is_closing()


@pytest.mark.parametrize(
    "head",
    [
        b"GET /a HTTP/0.9\r\n\r\n",
        b"GET /a HTTP/2.0\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"POST /a HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\nabc",
        b"POST /a HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\nabc",
        b"POST /a HTTP/1.1\r\nTransfer-Encoding: \xff, chunked\r\n\r\n0\r\n\r\n",
        b"POST /a HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST /a HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"GET /a HTTP/1.1\r\nA : b\r\n\r\n",
        b"GET /a HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b'PUT /a HTTP/1.1\r\nIf-Match: "\xe9"\r\n\r\n',
        b"GET /a HTTP/1.1\r\nX-Forwarded-For: \xff, 9.9.9.9\r\n\r\n",
        b"GET /a HTTP/1.1\r\nA: b\x00c\r\n\r\n",
        b"GET  HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00",
    ],
)
def test_what_could_be_read_in_two_ways_is_read_in_none(head: bytes) -> None:
    house = House()
    house.connection.data_received(head)
    assert (house.statuses(), house.received) == ([400], [])


@pytest.mark.parametrize("method", ["BREW", "X-Y", "get", "M!"])
def test_a_method_that_nobody_knows_is_a_request_all_the_same(method: str) -> None:
    house = House(at_once=True)
    request = f"{method} /a HTTP/1.1\r\nHost: h\r\n".encode()
    house.connection.data_received(request + b"\r\n")
    house.connection.data_received(request + b"Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n")
    house.connection.data_received(GET)
    assert [one.method for one in house.received] == [method, method, "GET"]


def test_a_method_that_came_in_pieces_is_no_other_one() -> None:
    """What stands in front of these bytes belongs to them."""
    for begun in (b"PO", GET + b"PO", GET + b"\r\nX"):
        house = House(at_once=True)
        house.connection.data_received(begun)
        house.connection.data_received(GET)
        assert house.statuses() == [200] * begun.count(b"GET") + [400]


@pytest.mark.parametrize("pieces", [1, 7, 10_000])
@pytest.mark.parametrize("sent", [POST % 3 + b"abc", CHUNKED + b"3\r\nabc\r\n0\r\n\r\n", GET])
def test_who_offers_another_protocol_is_served_in_this_one(sent: bytes, pieces: int) -> None:
    offer = b"\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\r\n"
    house = House()
    whole = GET + sent.replace(b"\r\n\r\n", offer, 1) + GET.replace(b"/a", b"/last")
    for place in range(0, len(whole), pieces):
        house.connection.data_received(whole[place : place + pieces])
    for _ in range(3):
        house.received[-1].answer(200, [], "")
    assert [one.path for one in house.received] == ["/a", "/a", "/last"]
    assert house.received[1].body.take() == (b"" if sent == GET else b"abc")
    assert house.statuses() == [200, 200, 200]
    assert not house.wire.is_closing()


def test_what_stands_around_a_body_has_bounds_too() -> None:
    house = House()
    house.connection.data_received(CHUNKED + b"2\r\nab\r\n" * 10_000)
    assert len(house.received[0].body.take()) == 20_000, "small chunks are no fault"
    house.connection.data_received(b"0\r\nX: " + b"a" * http.HEAD_BYTES)
    house.connection.data_received(b"a" * http.HEAD_BYTES)
    assert house.received[0].body.broken
    house.received[0].answer(400, [], "")
    assert house.wire.half_closed


def test_what_cannot_be_sent_is_told_and_the_connection_dropped() -> None:
    house = House()
    house.connection.data_received(GET)
    with pytest.raises(UnicodeEncodeError):
        house.received[0].answer(200, [("x", "\u2603")], "")
    assert house.wire.sent == b""
    house.received[0].drop()
    assert house.wire.is_closing()


def test_nobody_is_upgraded() -> None:
    house = House()
    upgrade = b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    house.connection.data_received(GET[:-2] + upgrade + b"\x81\x05hello")
    house.received[0].answer(200, [], "no")
    assert house.statuses() == [200, 400]


def test_a_body_waits_for_its_reader_and_the_rest_with_the_client() -> None:
    house = House()
    house.connection.data_received(POST % 1_000_000 + b"x" * BUFFERED)
    body = house.received[0].body
    assert house.wire.is_read()
    house.connection.data_received(b"y")
    assert not house.wire.is_read()
    assert body.take() == b"x" * BUFFERED + b"y"
    assert house.wire.is_read() and body.take() == b""


def test_a_reader_is_woken_once_and_not_in_the_middle_of_parsing() -> None:
    house = House()
    house.connection.data_received(POST % 4)
    body, woken = house.received[0].body, []
    body.when_more(lambda: woken.append("more"))
    house.connection.data_received(b"ab")
    assert (woken, body.ended) == ([], False)
    house.connection.data_received(b"cd")
    house.turn()
    assert (woken, body.take(), body.ended) == (["more"], b"abcd", True)


@pytest.mark.parametrize("end", ["end of the stream", "loss", "no chunk"])
def test_a_body_that_breaks_off_is_told_to_its_reader(end: str) -> None:
    house = House()
    house.connection.data_received(CHUNKED + b"2\r\nab\r\n")
    body, woken = house.received[0].body, []
    body.take()
    body.when_more(lambda: woken.append(body.broken))
    if end == "no chunk":
        house.connection.data_received(b"zz\r\n")
    elif end == "loss":
        house.connection.connection_lost(None)
        assert not house.there
    else:
        assert house.connection.eof_received(), "there is an answer to come"
    house.turn()
    assert woken == [True]


def test_an_answer_before_the_end_of_a_body_ends_the_connection_gently() -> None:
    house = House()
    house.connection.data_received(POST % 9 + b"abc")
    house.received[0].answer(413, [], "no")
    assert b"connection: close" in house.wire.sent
    assert house.wire.half_closed and not house.wire.is_closing()
    house.connection.data_received(b"def" + GET)
    assert len(house.received) == 1


def test_whoever_waits_to_be_asked_for_a_body_is_asked_when_it_is_read() -> None:
    house = House()
    expects = (POST % 2)[:-2] + b"Expect: 100-Continue\r\n\r\n"
    house.connection.data_received(expects)
    assert house.wire.sent == b""
    house.received[0].body.when_more(lambda: None)
    house.received[0].body.when_more(lambda: None)
    assert house.wire.sent == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert house.flushes == 1, "what is sent later was answered before"
    house.connection.data_received(b"hi")
    house.received[0].answer(200, [], "")
    house.connection.data_received(expects + b"hi")
    house.received[1].body.when_more(lambda: None)
    assert house.statuses() == [100, 200], "it came without being asked"


def test_the_client_has_sent_all_and_waits_for_its_answers() -> None:
    house = House()
    house.connection.data_received(GET * 2)
    assert house.connection.eof_received()
    house.received[0].answer(200, [], "")
    house.received[1].answer(200, [], "")
    assert house.statuses() == [200, 200]
    assert house.wire.is_closing()
    idle = House()
    assert not idle.connection.eof_received()
    assert idle.flushes == 1, "an answer may be about to go out"


def test_the_next_request_waits_until_the_client_reads() -> None:
    house = House()
    house.connection.data_received(GET * 2)
    house.connection.pause_writing()
    house.received[0].answer(200, [], "")
    assert len(house.received) == 1
    house.connection.resume_writing()
    assert len(house.received) == 2


def test_time_is_for_a_head_and_not_for_work_or_reading() -> None:
    house = House()
    assert house.deadline() == 110.0
    house.connection.data_received(GET)
    assert house.deadline() is None
    house.time = 200.0
    house.received[0].answer(200, [], "")
    assert house.deadline() == 210.0
    house.time, house.wire.unsent = 210.0, 5
    house.connection.expire()
    assert (house.deadline(), house.wire.is_closing()) == (220.0, False)
    house.wire.unsent = 0
    house.connection.expire()
    assert house.wire.is_closing()


def leave_unread(house: House, size: int, client: str = "10.0.0.1") -> bool:
    """Answer a request, of which `size` bytes are not read. Returns whether the client stays."""
    house.connection.data_received(GET)
    house.received[-1].came_from(client)
    house.connection.pause_writing()
    house.wire.unsent = size
    house.received[-1].answer(200, [], "")
    return not house.wire.is_closing()


def test_what_one_address_does_not_read_has_so_much_room() -> None:
    room = Room(4000)
    one, other = House(room=room), House(room=room)
    assert leave_unread(one, 900)
    assert not leave_unread(other, 101)
    assert len(other.received) == 1
    assert (one.cut_off, other.cut_off) == (0, 1)
    other.connection.connection_lost(None)
    one.wire.unsent = 0
    one.connection.resume_writing()
    for _ in range(2):
        reader = House(room=room)
        assert leave_unread(reader, 1000)
        reader.connection.connection_lost(None)


def test_what_nobody_reads_has_so_much_room() -> None:
    room = Room(4000)
    assert all(leave_unread(House(room=room), 1000, f"10.0.0.{number}") for number in range(4))
    assert not leave_unread(House(room=room), 1, "10.0.0.4")


def test_many_small_answers_count_too() -> None:
    house = House(room=Room(4000))
    house.connection.pause_writing()
    house.wire.unsent = 1001
    house.turn()
    assert house.wire.is_closing()


def test_who_takes_next_to_nothing_is_cut_off() -> None:
    house = House()
    enough = int(SLOWEST * house.head_seconds)
    for _ in range(2):
        house.connection.data_received(GET)
        house.received[-1].answer(200, [], "")
        for unsent in (5 * enough, 4 * enough, 3 * enough):
            house.time, house.wire.unsent = house.deadline() or 0.0, unsent
            house.connection.expire()
            assert not house.wire.is_closing()
    house.time, house.wire.unsent = house.deadline() or 0.0, 2 * enough + 1
    house.connection.expire()
    assert house.wire.is_closing()
    assert house.cut_off == 1


def test_who_goes_on_sending_gets_no_more_time_to_read() -> None:
    house = House()
    house.connection.data_received(GET.replace(b"1.1", b"1.0"))
    house.received[0].answer(200, [], "")
    house.wire.unsent = 5
    for _ in range(2):
        house.time = house.deadline() or 0.0
        house.connection.expire()
        house.connection.data_received(b"x")
    assert house.wire.is_closing()


@pytest.mark.parametrize("in_work", [False, True])
def test_a_house_that_closes_lets_what_is_in_work_be_answered(in_work: bool) -> None:
    house = House()
    house.connection.data_received(GET if in_work else b"GET /a")
    house.stopping = True
    house.connection.finish()
    assert house.wire.is_closing() is not in_work
    if in_work:
        house.received[0].answer(200, [], "")
        assert b"connection: close" in house.wire.sent
        assert house.wire.is_closing()


@pytest.mark.parametrize(
    ("status", "method", "content"), [(204, "GET", ""), (304, "GET", ""), (200, "HEAD", "")]
)
def test_some_answers_have_no_content(status: int, method: str, content: str) -> None:
    house = House()
    house.connection.data_received(GET.replace(b"GET", method.encode()))
    house.received[0].answer(status, [], "body")
    head, _, sent = house.wire.sent.decode().partition("\r\n\r\n")
    assert sent == content
    assert ("content-length: 4" in head) is (method == "HEAD")


def test_a_client_may_say_twice_that_it_waits_to_be_asked() -> None:
    house = House()
    asked = b"Expect: 100-continue\r\n"
    house.connection.data_received((POST % 2)[:-2] + asked + asked + b"\r\n")
    assert house.received[0].expects


def test_headers_behind_a_body_and_those_that_are_no_text_are_left_out() -> None:
    house = House()
    house.connection.data_received(
        CHUNKED[:-2] + b"X: \xff\r\nY:  a \r\n\r\n" + b"0\r\nZ: 1\r\n\r\n"
    )
    names = dict(house.received[0].headers)
    assert names == {"host": "h", "transfer-encoding": "chunked", "y": "a"}


def test_another_process_goes_on_between_two_requests() -> None:
    house = House()
    for house.surplus in (0, 1):
        house.connection.data_received(GET)
        house.received[-1].answer(200, [], "")
    assert not house.wire.is_read(), "what comes now is for the other process"
    house.turn()
    assert house.parted == 0, "the answer is still on its way"
    house.turn()
    assert house.parted == 1
    assert house.statuses() == [200, 200]


@pytest.mark.parametrize(
    "more", [b"G", GET[:-2], GET, POST % 3 + b"a"], ids=["a byte", "a head", "all", "a body"]
)
def test_who_has_begun_another_request_stays(more: bytes) -> None:
    house = House()
    house.surplus = 1
    house.connection.data_received(GET + more)
    house.received[0].answer(200, [], "")
    house.turn()
    house.turn()
    assert house.parted == 0
    assert house.statuses() == [200]


def test_who_reads_slowly_stays_until_all_is_sent() -> None:
    house = House()
    house.surplus = 1
    house.connection.data_received(GET)
    house.wire.unsent = 1
    house.received[0].answer(200, [], "")
    house.turn()
    house.turn()
    assert house.parted == 0
    assert house.wire.is_read(), "it is served on here"


def test_who_is_not_handed_over_is_served_on() -> None:
    house = House()
    house.surplus = 1
    house.connection.data_received(GET)
    house.received[0].answer(200, [], "")
    house.surplus = 0
    house.turn()
    house.turn()
    assert house.wire.is_read()
    house.connection.data_received(GET)
    assert len(house.received) == 2
