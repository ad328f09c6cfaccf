"""Turns requests away at the door while too many are inside.

What is inside is either waiting for its turn or in its handler. A request that comes when there
are too many is answered 503 where it arrives, and waits for nobody's turn: so a refusal comes at
once however late the others are, and costs a few microseconds of what the others wait for.
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
from homeport.entrypoints.local.cors import Cors
from homeport.entrypoints.local.incoming import Incoming
from homeport.entrypoints.local.metrics import RequestCounts

log: Final = logging.getLogger("homeport.gateway")

TOLD_SECONDS: Final = 10.0
"""How often the log tells of a flood that goes on."""
_ID, _PATH = "homeport-id", "homeport-path"
"""Stand in the answer that is made ready for what each request has of its own."""


class Admission:
    """Hands requests on to `enter` while `inside()` is below `most`."""

    def __init__(
        self,
        enter: Callable[[Incoming], None],
        inside: Callable[[], int],
        most: int,
        cors: Cors,
        counts: RequestCounts,
    ) -> None:
        self._enter = enter
        self._inside = inside
        self._most = most
        self._cors = cors
        self._counts = counts
        error = Overloaded("Too many requests are waiting. Try again in a moment.")
        answer = problem(error, _ID, _PATH)
        self._status: int = answer["statusCode"]
        self._headers = [*answer["headers"].items()]
        self._before_path, _, rest = answer["body"].partition(_PATH)
        self._before_id, _, self._end = rest.partition(_ID)
        self._id_prefix = uuid4().hex[:16]
        self._told = -TOLD_SECONDS

    def receive(self, incoming: Incoming) -> None:
        """Have the request served, or refuse it."""
        if self._inside() < self._most:
            self._enter(incoming)
        else:
            self._refuse(incoming)

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
        now = time.monotonic()
        if now - self._told >= TOLD_SECONDS:
            self._told = now
            log.warning("too many requests at once: %d refused so far", counts.refused)
