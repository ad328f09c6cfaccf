"""Two processes at one database: the one that serves it, and a command that an operator runs.

SQLite keeps their transactions apart. What it does not do is tell the one that the other has
committed: the server looks for itself.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final

import apsw

LOOK_SECONDS: Final = 0.25
"""How late the server may see what another process has written."""
PATIENCE_SECONDS: Final = 30.0
"""How long a command waits for its turn to write."""
_PAUSE: Final = 0.001
"""A busy server leaves gaps of about a millisecond between its commits: SQLite's own waits, of
up to 100 ms, would miss most of them."""


def wait_patiently(connection: apsw.Connection) -> None:
    """Have `connection` wait for its turn beside a process that writes all the time."""
    since = 0.0

    def wait(attempts: int) -> bool:
        nonlocal since
        now = time.monotonic()
        if attempts == 0:
            since = now
        if now - since > PATIENCE_SECONDS:
            return False
        time.sleep(_PAUSE)
        return True

    connection.set_busy_handler(wait)


class Watch:
    """Calls `changed` after commits of other processes. All of it is on the loop's thread.

    `connection` is this process's only one that writes; it is looked at while `is_free` says
    that no other thread uses it.
    """

    def __init__(
        self,
        connection: apsw.Connection,
        loop: asyncio.AbstractEventLoop,
        is_free: Callable[[], bool],
        changed: Callable[[], None],
    ) -> None:
        self._connection = connection
        self._loop = loop
        self._is_free = is_free
        self._changed = changed
        self._seen = self._version()
        self._timer = loop.call_later(LOOK_SECONDS, self._look)

    def stop(self) -> None:
        self._timer.cancel()

    def _look(self) -> None:
        self._timer = self._loop.call_later(LOOK_SECONDS, self._look)
        if not self._is_free():
            return  # writes come in: each commit ends the snapshot and wakes whoever waits
        version = self._version()
        if version != self._seen:
            self._seen = version
            self._changed()

    def _version(self) -> int:
        """Changes with every commit but those of this very connection; -1 while SQLite cannot
        tell, of which the next write will say more."""
        try:
            return int(self._connection.execute("PRAGMA data_version").get)
        except apsw.Error:
            return -1
