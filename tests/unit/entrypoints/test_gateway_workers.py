"""A worker as the gateway sees it, played by the test."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
from collections.abc import Awaitable, Callable
from itertools import count
from typing import Final, cast

import pytest

from homeport.adapters.embedded.group_commit import CommitCounts
from homeport.entrypoints.local import workers
from homeport.entrypoints.local.calls import Call
from homeport.entrypoints.local.channel import Channel, Ends, Message
from homeport.entrypoints.local.metrics import Counts
from homeport.entrypoints.local.processors import Share
from homeport.entrypoints.local.worker_handle import MISSED, Worker
from homeport.entrypoints.local.workers import Workers

SHARE: Final = Share(frozenset({1}), frozenset({0, 1}))


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


def play(scenario: Callable[[Worker, Played, list[Call]], Awaitable[None]]) -> None:
    """Run a scenario with a worker that serves, and has files for two connections."""

    async def run() -> None:
        loop = asyncio.get_running_loop()
        played, calls = Played(loop), list[Call]()
        worker = Worker(played.launch, ("hello",), loop, calls.append, *[lambda: None] * 2)
        assert worker.is_fresh
        assert worker.launch()
        assert worker.is_starting
        assert played.ends is not None
        await played.channel.open(played.ends.messages)
        played.channel.send("serving", 2)
        await until(lambda: worker.is_serving and bool(played.received))
        assert played.received == [("hello",)]
        await scenario(worker, played, calls)
        played.close()
        await until(lambda: not worker.is_serving)
        await worker.end()

    asyncio.run(run())


def test_one_that_does_not_answer_is_ended() -> None:
    async def scenario(worker: Worker, played: Played, _: list[Call]) -> None:
        for _look in range(MISSED):
            worker.look(2, SHARE)
        assert not played.killed
        played.channel.send("looked", 7)
        await until(lambda: worker.served == 7)
        for _look in range(MISSED):
            worker.look(2, SHARE)
        assert not played.killed, "it had answered"
        worker.look(2, SHARE)
        assert played.killed

    play(scenario)


def test_it_gets_no_more_connections_than_it_has_files_for() -> None:
    async def scenario(worker: Worker, played: Played, _: list[Call]) -> None:
        with socket.socket() as client:
            assert [worker.take(client) for _ in range(3)] == [True, True, False]
            played.channel.send("left")
            await until(lambda: worker.open == 1)
            assert worker.take(client)

    play(scenario)


def test_what_it_asks_is_answered() -> None:
    async def scenario(_: Worker, played: Played, calls: list[Call]) -> None:
        played.channel.send("call", 7, "records", {"rawPath": "/v1/a"})
        await until(lambda: len(calls) == 1)
        assert (calls[0].function, calls[0].path) == ("records", "/v1/a")
        calls[0].answer({"statusCode": 201})
        await until(lambda: ("answer", 7, {"statusCode": 201}) in played.received)
        calls[0].refuse({"statusCode": 503})
        await until(lambda: ("refused", 7, {"statusCode": 503}) in played.received)

    play(scenario)


def test_where_none_can_be_started_another_look_may_find_that_it_can(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def launch(_: Ends) -> subprocess.Popen[bytes]:
        raise OSError("too many processes")

    async def run() -> None:
        loop = asyncio.get_running_loop()
        worker = Worker(launch, (), loop, lambda _: None, *[lambda: None] * 2)
        assert not worker.launch()
        assert worker.is_fresh
        assert not worker.is_starting
        await worker.stop()
        await worker.end()

    asyncio.run(run())
    assert "too many processes" in caplog.text


def test_another_is_started_some_time_after_one_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(workers, "AGAIN_SECONDS", 0.2)

    async def run() -> None:
        loop = asyncio.get_running_loop()
        started: list[tuple[float, Played]] = []

        def launch(theirs: Ends) -> subprocess.Popen[bytes]:
            started.append((loop.time(), Played(loop)))
            return started[-1][1].launch(theirs)

        async def serve(played: Played) -> None:
            assert played.ends is not None
            await played.channel.open(played.ends.messages)
            played.channel.send("serving", 10)

        served = count()
        own = Counts()
        own.commits = CommitCounts()
        own.commits.add(1)
        several = Workers(
            1, launch, ("hello",), loop, lambda _: None, lambda: None, lambda: None,
            lambda _: None, lambda: next(served) * 1000, lambda: 0.0, own,
        )  # fmt: skip
        several.start()
        await until(lambda: len(started) == 1)
        first = started[0][1]
        await serve(first)
        await until(lambda: several.surplus(4) == 2)
        counts = Counts()
        counts.add("GET /a", 200, 0.1)
        counts.cut_off()
        counts.commits = CommitCounts()
        counts.commits.add(20)
        counts.commits.failures += 1
        first.channel.send("counted", counts)
        await asyncio.sleep(0.05)
        ended = loop.time()
        first.close()
        await until(lambda: several.surplus(4) == 0)
        await until(lambda: len(started) == 2)
        assert started[1][0] - ended >= 0.2
        assert (own.counts, own.unread) == ({("GET /a", 200): 1}, 1)
        assert (own.commits.writes, sum(own.commits.sizes), own.commits.failures) == (21, 2, 1)
        await serve(started[1][1])
        await until(lambda: several.surplus(4) == 2)
        stopping = asyncio.ensure_future(several.stop())
        await until(lambda: ("stop",) in started[1][1].received)
        started[1][1].channel.send("drained")
        await stopping
        ending = asyncio.ensure_future(several.end())
        started[1][1].close()
        await ending

    asyncio.run(run())


def test_processes_share_the_processors_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "LOOK_SECONDS", 0.01)
    every = frozenset(range(4))
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(every), raising=False)

    async def run() -> None:
        loop = asyncio.get_running_loop()
        played, kept, served = Played(loop), list[Share](), count()
        several = Workers(
            1, played.launch, (), loop, lambda _: None, lambda: None, lambda: None,
            kept.append, lambda: next(served) * 1000, lambda: 0.0, Counts(),
        )  # fmt: skip
        several.start()
        await until(lambda: played.ends is not None)
        await asyncio.sleep(0.05)
        assert not kept, "alone it computes anywhere"
        assert played.ends is not None
        await played.channel.open(played.ends.messages)
        played.channel.send("serving", 10)
        await until(lambda: ("look", 2, Share(frozenset({2, 3}), every)) in played.received)
        assert set(kept) == {Share(frozenset({0, 1}), every)}
        played.close()
        await until(lambda: kept[-1] == Share(every, every))
        await several.stop()
        await several.end()

    asyncio.run(run())
