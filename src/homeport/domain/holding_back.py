"""What a feed and a queue do about batches that fail as a whole."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from homeport.domain.failure_lines import DIED, FewLines, without_contents
from homeport.domain.ports.deliveries import Retry


class HoldingBack:
    """Batches that failed as a whole: they come again, and that was no attempt at what is in them.

    While what a consumer needs is down, nothing of a batch is at fault: it waits, for as long as
    that takes. After any other error something of it may be, and so it may where there is no end
    of an outage: smaller and smaller batches come, up to one that holds a single delivery, and
    from then on that one goes alone. One that finds an outage alone is put aside for others; if
    they are consumed, and it finds one again, it is at fault.

    Kept in memory, so that a process that begins tries at once. `now` is in microseconds since
    1970.
    """

    def __init__(self, retry: Retry, now: Callable[[], int]) -> None:
        self._retry: Final = retry
        self._now: Final = now
        self._log: Final = FewLines(lambda: now() / _SECOND)
        self._begun = 0
        self._wait = 0
        self._outages = 0
        """In a row."""
        self._most = 0
        """How many go at once; 0 for as many as may."""
        self._whole = 0
        self._consumed = 0
        """Batches so far."""
        self._suspects: set[int] = set()
        self._aside: dict[int, int] = {}
        """What found an outage alone, and how many batches had been consumed by then."""

    def left(self) -> float:
        """Seconds until the next batch may go."""
        passed = self._now() - self._begun
        # A clock that was set back holds up nothing.
        return (self._wait - passed) / _SECOND if 0 <= passed < self._wait else 0.0

    def room(self, limit: int) -> int:
        return min(limit, self._most or limit)

    def is_suspect(self, delivery: int) -> bool:
        """Whether this one goes alone."""
        return delivery in self._suspects or delivery in self._aside

    def prefers_others(self) -> bool:
        """Whether suspects come last: one that is consumed is the end of the outage."""
        return self._outages >= self._retry.attempts

    def wait(self, delivery: int, attempt: int) -> float:
        """Seconds until this one is tried again, after its failed attempt number `attempt`."""
        return (_SLOWLY if delivery in self._aside else self._retry).wait(attempt)

    def unavailable(self, *deliveries: int) -> bool:
        """What the consumer needs does not answer. Returns whether that was an attempt of a single
        delivery; where it was none and that is a suspect now, it is due in LONGEST_OUTAGE_WAIT."""
        alone = deliveries[0] if len(deliveries) == 1 else None
        if alone in self._aside and self._is_at_fault(alone):
            self._aside[alone] = self._consumed
            return True
        narrowing = self._most > 0 or self.prefers_others()
        if narrowing and alone is None:
            self.failed(len(deliveries))
            return False
        if narrowing and alone is not None and len(self._aside) < _SUSPECTS:
            self._aside[alone] = self._consumed
        self._outages += 1
        # Where others were consumed a moment ago, they need not wait for the first one aside.
        if self._outages > 1 or not narrowing:
            self._hold(min(LONGEST_OUTAGE_WAIT, self._retry.wait(self._outages)))
        return False

    def failed(self, size: int) -> None:
        """A batch of more than one raised."""
        self._whole = max(self._whole, size)
        self._most = size // 2

    def found(self, delivery: int) -> None:
        """This one raised where it was alone."""
        self._go_on()
        self._aside.pop(delivery, None)
        if len(self._suspects) < _SUSPECTS:
            self._suspects.add(delivery)

    def died(self, delivery: int, consumer: str, what: str, cause: str, attempts: int) -> None:
        """This one is a dead letter, which the log tells: `what` has no contents. Should it be
        redriven, it begins anew."""
        self._forget(delivery)
        self._log.tell(DIED, consumer, what, attempts, without_contents(cause))

    def ended(self, *deliveries: int) -> None:
        """A batch was consumed, whatever it told of single ones."""
        self._go_on()
        self._consumed += 1
        for one in deliveries:
            self._forget(one)

    def _forget(self, delivery: int) -> None:
        self._suspects.discard(delivery)
        self._aside.pop(delivery, None)

    def _is_at_fault(self, suspect: int) -> bool:
        """Whether others were consumed since it found an outage, or nothing else has found one."""
        if self._aside[suspect] < self._consumed:
            return True
        return not self._outages and list(self._aside.values()).count(self._consumed) == 1

    def _go_on(self) -> None:
        self._outages = 0
        self._wait = 0
        self._most = 0 if self._most * 2 >= self._whole else self._most * 2
        self._whole = self._whole if self._most else 0

    def _hold(self, seconds: float) -> None:
        self._begun, self._wait = self._now(), round(seconds * _SECOND)


LONGEST_OUTAGE_WAIT: Final = 30.0
"""Seconds between two looks at most whether what a consumer needs answers again."""
_SLOWLY: Final = Retry(first_wait=60.0, longest_wait=600.0)
"""A server may do some of its work again sooner than the rest: that takes minutes."""
_SUSPECTS: Final = 10_000
_SECOND: Final = 1_000_000
