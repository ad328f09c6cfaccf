"""What the listener does for all of its connections."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from typing import cast

import pytest

from homeport.entrypoints.local.listener import BURST, Listener, Patience


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
def listener(loop: asyncio.AbstractEventLoop) -> Iterator[Listener]:
    with socket.socket() as listening:
        yield Listener(
            listening, loop, lambda _: None, lambda _: ([], ""), 1, Patience(1, 1), [("a", "b")]
        )


def send(listener: Listener, wire: Wire, data: bytes) -> None:
    listener.send(cast("asyncio.Transport", wire), data)


def test_those_who_left_take_nobodys_answer_with_them(listener: Listener) -> None:
    wires = [Wire(), Wire(closed=True), Wire()]
    for wire in wires:
        send(listener, wire, b"answer")
    listener.flush()
    assert [wire.sent for wire in wires] == [b"answer", b"", b"answer"]


def test_answers_go_out_together_and_in_order(
    listener: Listener, loop: asyncio.AbstractEventLoop
) -> None:
    wire = Wire()
    for number in range(BURST - 1):
        send(listener, wire, b"%x" % number)
    assert wire.sent == b""
    send(listener, wire, b".")
    assert wire.sent == b"0123456789abcde."
    send(listener, wire, b"later")
    loop.run_until_complete(asyncio.sleep(0))
    assert wire.sent.endswith(b".later")


def test_every_answer_is_dated(listener: Listener) -> None:
    assert listener.common().startswith("date: ")
    assert listener.common().endswith(" GMT\r\na: b\r\n\r\n")
