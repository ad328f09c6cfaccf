"""What the change feed and the message queue share: how something is handed over, and what
becomes of it when that fails."""

from __future__ import annotations

from collections.abc import Callable
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


class HoldingBack:
    """Batches that failed as a whole: they come again, and that was no attempt at what is in them.

    While what a consumer needs is down, nothing of a batch is at fault: it waits, for as long as
    that takes. After any other error something of it may be: smaller and smaller batches come, up
    to one that holds a single delivery, and from then on that one goes alone. Kept in memory,
    so that a process that begins tries at once. `now` is in microseconds since 1970.
    """

    def __init__(self, retry: Retry, now: Callable[[], int]) -> None:
        self._retry: Final = retry
        self._now: Final = now
        self._begun = 0
        self._wait = 0
        self._outages = 0
        self._most = 0
        """How many go at once; 0 for as many as may."""
        self._whole = 0
        self._suspects: set[int] = set()

    def left(self) -> float:
        """Seconds until the next batch may go."""
        passed = self._now() - self._begun
        # A clock that was set back holds up nothing.
        return (self._wait - passed) / _SECOND if 0 <= passed < self._wait else 0.0

    def room(self, limit: int) -> int:
        return min(limit, self._most or limit)

    def is_suspect(self, delivery: int) -> bool:
        return delivery in self._suspects

    def unavailable(self) -> None:
        """What the consumer needs does not answer."""
        self._outages += 1
        self._hold(min(LONGEST_OUTAGE_WAIT, self._retry.wait(self._outages)))

    def failed(self, size: int) -> None:
        """A batch of more than one raised."""
        self._whole = max(self._whole, size)
        self._most = size // 2
        self._hold(self._retry.wait(1))

    def found(self, delivery: int) -> None:
        """This one raised where it was alone."""
        if len(self._suspects) < _SUSPECTS:
            self._suspects.add(delivery)

    def forget(self, delivery: int) -> None:
        """This one is a dead letter: should it be redriven, it begins anew."""
        self._suspects.discard(delivery)

    def ended(self, *deliveries: int) -> None:
        """A batch was consumed, whatever it told of single ones."""
        self._outages = 0
        self._wait = 0
        self._most = 0 if self._most * 2 >= self._whole else self._most * 2
        self._whole = self._whole if self._most else 0
        self._suspects.difference_update(deliveries)

    def _hold(self, seconds: float) -> None:
        self._begun, self._wait = self._now(), round(seconds * _SECOND)


LONGEST_OUTAGE_WAIT: Final = 30.0
"""Seconds between two looks at most whether what a consumer needs answers again."""
_SUSPECTS: Final = 10_000
_SECOND: Final = 1_000_000
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
