"""Turns requests away at the door while too many are inside.

What is inside is either waiting for its turn or in its handler. A request that comes when there
are too many is answered 503 where it arrives, and waits for nobody's turn, but for the loop to come
round to it. So while some are refused, fewer are let in where the loop's turns are long, and more
again where they are short: what would be served later than others are refused is refused as well.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Final
from urllib.parse import quote
from uuid import uuid4

from homeport.domain.errors import Overloaded
from homeport.entrypoints.lambdas.problems import problem
from homeport.entrypoints.local.calls import Call
from homeport.entrypoints.local.cors import Cors
from homeport.entrypoints.local.incoming import Incoming
from homeport.entrypoints.local.metrics import Counts

log: Final = logging.getLogger("homeport.gateway")

LONG_TURN: Final = 0.005
"""Seconds. A refusal waits for a turn of the loop, or two."""
LEAST: Final = 32
"""So many are let in however long the turns are: they share their commits."""
STEEPEST: Final = 0.5
"""The share of the room that is left, at the least, after a long turn in which some were refused:
the longer it was, the less. A flood finds all that calm has let in, and its refusals cannot wait
until many turns have each taken a little."""
FEWER: Final = 0.9
"""The share that is left once another process has refused what was let in here."""
MORE: Final = 2
"""So many more are let in after a short turn in which some were refused."""
OVER_SECONDS: Final = 1.0
"""After so long without a refusal as many are let in as ever."""
TOLD_SECONDS: Final = 10.0
"""How often the log tells of a flood that goes on."""
_ID, _PATH = "homeport-id", "homeport-path"
"""Stand in the answer that is made ready for what each request has of its own."""


class Admission:
    """Hands requests on to `enter` while `inside()` is below `most`, or less in a flood. `now` is
    in seconds, and stands still during a turn of the loop."""

    def __init__(
        self,
        enter: Callable[[Incoming | Call], None],
        inside: Callable[[], int],
        most: int,
        cors: Cors,
        counts: Counts,
        now: Callable[[], float],
    ) -> None:
        self._enter = enter
        self._inside = inside
        self._all = self._most = most
        self._cors = cors
        self._counts = counts
        self._now = now
        self._room = most
        self._turn = self._refused = -OVER_SECONDS
        self._refused_beyond = self._refused
        """When the loop's turn began, and the last one in which somebody was refused."""
        answer = problem(_full(), _ID, _PATH)
        self._status: int = answer["statusCode"]
        self._headers = [*answer["headers"].items()]
        self._before_path, _, rest = answer["body"].partition(_PATH)
        self._before_id, _, self._end = rest.partition(_ID)
        self._id_prefix = uuid4().hex[:16]
        self._told = -TOLD_SECONDS
        self._turned_away = 0

    def share(self, processes: int) -> None:
        """Let in no more than this process's part of what all that serve may have inside."""
        self._most = -(-self._all // processes)
        self._room = min(self._room, self._most)

    def receive(self, incoming: Incoming) -> None:
        """Have the request served, or refuse it."""
        if self._has_room():
            self._enter(incoming)
        else:
            self._refuse(incoming)

    def receive_call(self, call: Call) -> None:
        """Have another process's call answered, or refuse it."""
        if self._has_room():
            self._enter(call)
        else:
            self._tell()
            call.refuse(problem(_full(), call.request_id, call.path))

    def refused_beyond(self) -> None:
        """Another process has refused a call of one that was let in here: let in fewer, so that
        the next are refused at the door."""
        now = self._now()
        if now != self._turn:
            self._begin_turn(now)
        if self._refused_beyond != now:
            self._refused_beyond = self._refused = now
            self._shrink(min(self._inside(), self._room) * FEWER)

    def _has_room(self) -> bool:
        now = self._now()
        if now != self._turn:
            self._begin_turn(now)
        if self._inside() < self._room:
            return True
        self._refused = now
        return False

    def _begin_turn(self, now: float) -> None:
        """Set how many are let in, by how long the last turn was."""
        last, self._turn = self._turn, now
        if now - self._refused >= OVER_SECONDS:
            self._room = self._most
        elif last != self._refused:
            return
        elif now - last > LONG_TURN:
            self._shrink(self._room * max(STEEPEST, LONG_TURN / (now - last)))
        else:
            self._room = min(self._most, self._room + MORE)

    def _shrink(self, room: float) -> None:
        self._room = max(min(LEAST, self._most), int(room))

    def _refuse(self, incoming: Incoming) -> None:
        counts = self._counts
        counts.refused += 1
        request_id = f"{self._id_prefix}{counts.refused:08x}"
        headers = [*self._headers, ("x-request-id", request_id)]
        origin = incoming.headers.get("origin")
        if origin is not None:
            headers += self._cors.headers(origin)
        path = quote(incoming.path)  # which leaves nothing that JSON would escape
        body = f"{self._before_path}{path}{self._before_id}{request_id}{self._end}"
        incoming.answer(self._status, headers, body)
        self._tell()

    def _tell(self) -> None:
        self._turned_away += 1
        now = time.monotonic()
        if now - self._told >= TOLD_SECONDS:
            self._told = now
            log.warning("too many requests at once: %d refused so far", self._turned_away)


def _full() -> Overloaded:
    return Overloaded("Too many requests are waiting. Try again in a moment.")
