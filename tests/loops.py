"""An event loop in a thread, with greenlets, as the local gateway runs one."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any, TypeVar

from homeport.adapters.embedded.database import Database
from homeport.entrypoints.local import greenlets

T = TypeVar("T")
_SECONDS = 30
"""Nothing here takes long: whatever has not ended by then hangs."""


class Loop:
    """Runs functions on its loop's thread, each in a greenlet that may wait."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._pool: greenlets.Pool[Callable[[], None]] = greenlets.Pool(
            self.loop, lambda job: job(), threads=1
        )
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()

    def call(self, function: Callable[[], T]) -> T:
        """What `function` returns or raises."""
        return self.start(function).result(_SECONDS)

    def start(self, function: Callable[[], T]) -> Future[T]:
        future: Future[T] = Future()

        def job() -> None:
            try:
                future.set_result(function())
            except BaseException as exc:  # noqa: BLE001 - it goes to the caller
                future.set_exception(exc)

        self.loop.call_soon_threadsafe(self._pool.submit, job)
        return future

    def together(self, functions: Sequence[Callable[[], T]]) -> list[T | BaseException]:
        """Call all in one turn of the loop. What each returned or raised."""
        held = self.plainly(lambda: [self.start(function) for function in functions])
        return [one.exception(_SECONDS) or one.result() for one in held]

    def plainly(self, function: Callable[[], T]) -> T:
        """Run `function` as a callback of the loop, outside of greenlets."""
        future: Future[T] = Future()

        def run() -> None:
            try:
                future.set_result(function())
            except BaseException as exc:  # noqa: BLE001 - it goes to the caller
                future.set_exception(exc)

        self.loop.call_soon_threadsafe(run)
        return future.result(_SECONDS)

    def attach(self, database: Database) -> None:
        self.plainly(lambda: database.attach(self.loop, greenlets.wait))

    def close(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(_SECONDS)
        self._pool.close()
        self.loop.close()


@contextmanager
def running() -> Iterator[Loop]:
    loop = Loop()
    try:
        yield loop
    finally:
        loop.close()


class OnLoop:
    """Stands for an adapter: each method is called on the loop, in a greenlet."""

    def __init__(self, loop: Loop, adapter: object) -> None:
        self._loop = loop
        self._adapter = adapter

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._adapter, name)
        return lambda *args, **kwargs: self._loop.call(lambda: method(*args, **kwargs))
