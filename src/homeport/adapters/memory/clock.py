"""A clock that the test owns."""

from __future__ import annotations

from typing import Final

START: Final = 1_767_225_600_000_000
"""2026-01-01T00:00:00Z in microseconds since 1970: where a `ManualClock` begins."""


class ManualClock:
    """Stands still until it is moved. It may be set back too, as machines' clocks are."""

    def __init__(self, now: int = START) -> None:
        """`now` is in microseconds since 1970."""
        self._now = now

    def now(self) -> int:
        return self._now

    def advance(self, seconds: float) -> None:
        """Move by `seconds`; a negative number moves back."""
        self._now += round(seconds * 1_000_000)

    def set(self, now: int) -> None:
        """Jump to `now`, in microseconds since 1970."""
        self._now = now
