"""Failures on demand: statuses, broken connections, slow answers."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from typing import Literal

Service = Literal["documents", "search", "suggest", "configuration"]


@dataclass(frozen=True, slots=True)
class Fault:
    """What befalls one request.

    `status`: it is refused with it before anything happens. `drop`: the connection breaks,
    `before` the request is done or `after`, when only the answer is lost. `delay`: the answer
    takes so many seconds longer.
    """

    status: int | None = None
    drop: Literal["before", "after"] | None = None
    delay: float = 0.0


class Faults:
    """A queue of faults for each service, taken in order."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._waiting: dict[Service, deque[Fault]] = {}

    def add(self, on: Service, fault: Fault, times: int) -> None:
        with self._guard:
            self._waiting.setdefault(on, deque()).extend([fault] * times)

    def take(self, on: Service) -> Fault:
        with self._guard:
            waiting = self._waiting.get(on)
            return waiting.popleft() if waiting else Fault()

    def clear(self) -> None:
        with self._guard:
            self._waiting.clear()
