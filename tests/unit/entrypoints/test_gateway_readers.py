"""A reader as the gateway sees it, played by the test."""

from __future__ import annotations

import asyncio
import socket
import subprocess
from collections.abc import Awaitable, Callable
from typing import cast

import pytest

from homeport.entrypoints.local.calls import Call
from homeport.entrypoints.local.channel import Channel, Message
from homeport.entrypoints.local.readers import MISSED, Ends, Reader


class Played:
    """The process, and its end of the channel."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.received: list[Message] = []
        self.channel = Channel(loop, self.received.append, lambda: None)
        self.killed = False
        self.pid = 4711
        self.ends: Ends | None = None

    def launch(self, theirs: Ends) -> subprocess.Popen[bytes]:
        self.ends = Ends(theirs.messages.dup(), theirs.clients.dup())
        return cast("subprocess.Popen[bytes]", self)

    def kill(self) -> None:
        self.killed = True
        self.close()

    def wait(self, _: float | None = None) -> int:
        return 0

    def close(self) -> None:
        self.channel.close()
        if self.ends is not None:
            self.ends.clients.close()


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not is_so():  # noqa: ASYNC110 - the ends tell of nothing but what they receive
            await asyncio.sleep(0.001)


def play(scenario: Callable[[Reader, Played, list[Call]], Awaitable[None]]) -> None:
    """Run a scenario with a reader that serves, and has files for two connections."""

    async def run() -> None:
        loop = asyncio.get_running_loop()
        played, calls = Played(loop), list[Call]()
        reader = Reader(played.launch, ("hello",), loop, calls.append, lambda: None)
        assert reader.is_fresh
        reader.launch()
        assert reader.is_starting
        assert played.ends is not None
        await played.channel.open(played.ends.messages)
        played.channel.send("serving", 2)
        await until(lambda: reader.is_serving)
        assert played.received == [("hello",)]
        await scenario(reader, played, calls)
        played.close()
        await until(lambda: not reader.is_serving)
        await reader.end()

    asyncio.run(run())


def test_one_that_does_not_answer_is_ended() -> None:
    async def scenario(reader: Reader, played: Played, _: list[Call]) -> None:
        for _look in range(MISSED):
            reader.look(2)
        assert not played.killed
        played.channel.send("looked")
        await until(lambda: ("look", 2) in played.received)
        await asyncio.sleep(0.05)
        for _look in range(MISSED):
            reader.look(2)
        assert not played.killed, "it had answered"
        reader.look(2)
        assert played.killed

    play(scenario)


def test_it_gets_no_more_connections_than_it_has_files_for() -> None:
    async def scenario(reader: Reader, played: Played, _: list[Call]) -> None:
        with socket.socket() as client:
            assert [reader.take(client) for _ in range(3)] == [True, True, False]
            played.channel.send("left")
            await until(lambda: reader.open == 1)
            assert reader.take(client)

    play(scenario)


def test_what_it_asks_is_answered() -> None:
    async def scenario(_: Reader, played: Played, calls: list[Call]) -> None:
        played.channel.send("call", 7, "records", {"rawPath": "/v1/a"})
        await until(lambda: len(calls) == 1)
        assert (calls[0].function, calls[0].path) == ("records", "/v1/a")
        calls[0].answer({"statusCode": 201})
        await until(lambda: ("answer", 7, {"statusCode": 201}) in played.received)

    play(scenario)


def test_where_none_can_be_started_another_look_may_find_that_it_can(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def launch(_: Ends) -> subprocess.Popen[bytes]:
        raise OSError("too many processes")

    async def run() -> None:
        loop = asyncio.get_running_loop()
        reader = Reader(launch, (), loop, lambda _: None, lambda: None)
        reader.launch()
        assert reader.is_fresh
        assert not reader.is_starting
        await reader.stop()
        await reader.end()

    asyncio.run(run())
    assert "too many processes" in caplog.text
