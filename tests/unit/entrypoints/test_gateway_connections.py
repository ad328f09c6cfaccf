"""What the connections of a loop have in common."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import cast

import pytest

from homeport.entrypoints.local.connection import Connection
from homeport.entrypoints.local.connections import BURST, Connections


class Wire:
    """A transport, which takes nothing once it is closed."""

    def __init__(self, *, closed: bool = False) -> None:
        self.closed = closed
        self.sent = b""

    def is_closing(self) -> bool:
        return self.closed

    def get_extra_info(self, name: str) -> str:
        return f"the {name}"

    def abort(self) -> None:
        self.closed = True

    def write(self, data: bytes) -> None:
        if self.closed:
            raise RuntimeError("the handler is closed")
        self.sent += data


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    made = asyncio.new_event_loop()
    yield made
    made.close()


@pytest.fixture
def connections(loop: asyncio.AbstractEventLoop) -> Connections:
    return Connections(loop, lambda _: None, lambda _: ([], ""), 1, [("a", "b")])


def send(connections: Connections, wire: Wire, data: bytes) -> None:
    connections.send(cast("asyncio.Transport", wire), data)


def test_those_who_left_take_nobodys_answer_with_them(connections: Connections) -> None:
    wires = [Wire(), Wire(closed=True), Wire()]
    for wire in wires:
        send(connections, wire, b"answer")
    connections.flush()
    assert [wire.sent for wire in wires] == [b"answer", b"", b"answer"]


def test_answers_go_out_together_and_in_order(
    connections: Connections, loop: asyncio.AbstractEventLoop
) -> None:
    wire = Wire()
    for number in range(BURST - 1):
        send(connections, wire, b"%x" % number)
    assert wire.sent == b""
    send(connections, wire, b".")
    assert wire.sent == b"0123456789abcde."
    send(connections, wire, b"later")
    loop.run_until_complete(asyncio.sleep(0))
    assert wire.sent.endswith(b".later")


def test_every_answer_is_dated(connections: Connections) -> None:
    assert connections.common().startswith("date: ")
    assert connections.common().endswith(" GMT\r\na: b\r\n\r\n")


def test_who_is_handed_over_is_counted_no_more(connections: Connections) -> None:
    handed: list[object] = []
    given, refused = cast(Connection, "given"), cast(Connection, "refused")
    for one in (given, refused):
        connections.joined(one)
        connections.open += 1
    connections.surplus = 1

    def take(client: object) -> bool:
        handed.append(client)
        return True

    connections.hand_over = take
    wires = [Wire(), Wire()]
    assert connections.part(given, cast("asyncio.Transport", wires[0]))
    assert not connections.part(refused, cast("asyncio.Transport", wires[1]))
    assert [wire.closed for wire in wires] == [True, False]
    assert handed == ["the socket"]
    assert connections.open == 1
    connections.left(given)
    assert connections.open == 1, "it was counted already"
    connections.left(refused)
    assert connections.open == 0


def test_who_is_not_taken_stays(connections: Connections) -> None:
    stays = cast(Connection, "stays")
    connections.joined(stays)
    connections.open = connections.surplus = 1
    wire = Wire()
    assert not connections.part(stays, cast("asyncio.Transport", wire))
    assert (connections.open, connections.surplus, wire.closed) == (1, 0, False)
