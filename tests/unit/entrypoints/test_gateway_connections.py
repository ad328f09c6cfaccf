"""What the connections of a loop have in common."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import cast

import pytest

from homeport.entrypoints.local.connections import BURST, Connections


class Wire:
    """A transport, which takes nothing once it is closed."""

    def __init__(self, *, closed: bool = False) -> None:
        self.closed = closed
        self.sent = b""

    def is_closing(self) -> bool:
        return self.closed

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
