"""Messages between processes, in pieces of any size."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeport.entrypoints.local.channel import Channel, Message, first


async def joined(received: list[Message], lost: list[str]) -> tuple[Channel, Channel]:
    """Two ends; what comes to the second is kept."""
    loop = asyncio.get_running_loop()
    one = Channel(loop, received.append, lambda: lost.append("one"))
    other = Channel(loop, received.append, lambda: lost.append("other"))
    for channel, end in zip((one, other), socket.socketpair(), strict=True):
        await channel.open(end)
    return one, other


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not is_so():  # noqa: ASYNC110 - the ends tell of nothing but what they receive
            await asyncio.sleep(0.001)


def test_messages_come_in_order_and_both_ways() -> None:
    async def run() -> None:
        received, lost = list[Message](), list[str]()
        one, other = await joined(received, lost)
        big = {"body": "x" * 1_000_000, "none": None}
        for number in range(100):
            one.send("call", number, big if number == 50 else {})
        await until(lambda: len(received) == 100)
        assert [message[1] for message in received] == [*range(100)]
        assert received[50] == ("call", 50, big)
        other.send("answer")
        await until(lambda: len(received) == 101)
        assert lost == []
        one.close()
        other.close()
        await until(lambda: len(lost) == 2)

    asyncio.run(run())


def test_what_is_sent_before_the_end_arrives() -> None:
    async def run() -> None:
        received, lost = list[Message](), list[str]()
        one, other = await joined(received, lost)
        one.send("last", "x" * 500_000)
        one.close()
        await until(lambda: len(lost) == 2)
        assert [message[0] for message in received] == ["last"]
        other.send("nobody hears this")
        await asyncio.sleep(0)

    asyncio.run(run())


class Wire(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = b""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.sent += data

    def is_closing(self) -> bool:
        return False


@given(st.lists(st.binary(max_size=300), max_size=5), st.data())
def test_frames_may_be_cut_anywhere(contents: list[bytes], data: st.DataObject) -> None:
    received: list[Message] = []
    loop = asyncio.new_event_loop()
    try:
        channel, wire = Channel(loop, received.append, lambda: None), Wire()
        channel.connection_made(wire)
        for content in contents:
            channel.send("message", content)
            channel.flush()
        places = data.draw(st.lists(st.integers(0, len(wire.sent)), max_size=8).map(sorted))
        for start, end in zip([0, *places], [*places, len(wire.sent)], strict=True):
            channel.data_received(wire.sent[start:end])
    finally:
        loop.close()
    assert received == [("message", content) for content in contents]


def test_the_first_message_is_waited_for_without_a_loop() -> None:
    async def greet(end: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        channel = Channel(loop, lambda _: None, lambda: None)
        await channel.open(end)
        channel.send("hello", "x" * 300_000)
        channel.flush()
        await asyncio.sleep(0.05)
        channel.close()

    ours, theirs = socket.socketpair()
    with theirs, ThreadPoolExecutor(1) as threads:
        greeting = threads.submit(asyncio.run, greet(ours))
        assert first(theirs) == ("hello", "x" * 300_000)
        greeting.result()
        with pytest.raises(EOFError):
            first(theirs)
