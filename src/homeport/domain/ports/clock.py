"""Time, so that tests own it."""

from __future__ import annotations

from typing import Protocol


class Clock(Protocol):
    def now(self) -> int:
        """Microseconds since 1970-01-01 UTC. May jump, as machines' clocks do."""
        ...
