"""What the change feed and the message queue share: how something is handed over, and what
becomes of it when that fails."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Retry:
    """How often, and when, a failed delivery is tried again before it becomes a dead letter.

    The wait doubles from `first_wait` to `longest_wait` (seconds). The defaults are those of
    the event source mappings on AWS.
    """

    attempts: int = 5
    first_wait: float = 1.0
    longest_wait: float = 60.0

    def wait(self, attempt: int) -> float:
        """Seconds to wait after failed attempt number `attempt`, counted from 1."""
        return min(self.longest_wait, self.first_wait * 2.0 ** min(attempt - 1, 32))


NEVER_ENDED: Final = "The process ended during the last attempt."
"""The cause of a dead letter whose last attempt nobody could tell of."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """Something that could not be delivered. `body` is JSON, `died` microseconds since 1970."""

    id: str
    source: str
    """The consumer of the change feed, or the queue, that gave up."""
    body: str
    cause: str
    attempts: int
    died: int
