"""How much of the processor longer work takes, beside requests.

What it computes, requests cannot, and while it computes each of them waits for the interpreter at
every statement of SQL. So it is done in slices, and the more requests come in, the longer it rests
between them.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

CALM: Final = 500
"""Up to so many requests a second, work never rests."""
BUSY: Final = 3000
"""Beyond so many it falls behind for a while, whatever the loop leaves it."""
SHARED: Final = 0.8
"""What the loop and the work compute together, as a share of the time, where the loop leaves more
than BUSY_DUTY: they have one interpreter. A slow machine is busy sooner."""
DUTY: Final = 0.4
"""The share of the time that is worked between CALM and BUSY, at most."""
BUSY_DUTY: Final = 0.04
"""... and beyond BUSY: requests come first then, and the work catches up after the flood."""
SHORTEST_SPAN: Final = 0.05
"""Rates are taken over no less than these seconds: two requests at once are no rush."""
SLICE: Final = 0.0015
"""Seconds of the processor between two rests. Waiting is no work: not for a commit, nor for the
interpreter, which may make it three times as long."""
CARRIED: Final = 0.15
"""Of what the work took after its last rest, such as its commit, so many seconds count for the next
one: what came after that may be anybody's."""
LONGEST_REST: Final = 5.0


class Pacing:
    """That of one thread, which calls `begin` before it works.

    `served` counts requests so far, and `computed` is the processor time that they took of the
    loop, in seconds. `worked` is what the work has taken, of that thread or of all that work for
    it. `wait` rests for so many seconds, or less where something else is to be done. It works for
    the share `most` of the time at most.
    """

    def __init__(
        self,
        served: Callable[[], int],
        computed: Callable[[], float],
        wait: Callable[[float], object] = time.sleep,
        worked: Callable[[], float] = time.thread_time,
        most: float = 1.0,
    ) -> None:
        self._served = served
        self._computed = computed
        self._wait = wait
        self._worked = worked
        self._most = most
        self._began = 0.0
        self._worked_then: float | None = None
        self._measured = time.monotonic()
        self._duty = most
        self._served_then = 0
        self._computed_then = 0.0

    def begin(self) -> None:
        """From now on this thread works, and `pause` in it rests."""
        _running.pacing = self
        now, then = self._worked(), self._worked_then
        self._worked_then = now if then is None else max(then, now - CARRIED)
        self._began = time.thread_time()

    def pause(self) -> None:
        """Between two steps: rest, if it is time to."""
        if time.thread_time() - self._began >= SLICE:
            self.rest(0.0)

    def rest(self, shortest: float) -> None:
        """Leave the processor to requests, in proportion to what was worked of it, but for no less
        than `shortest` seconds."""
        now = self._worked()
        worked = 0.0 if self._worked_then is None else now - self._worked_then
        self._worked_then = now
        span = time.monotonic() - self._measured
        if span >= SHORTEST_SPAN:
            served, computed = self._served(), self._computed()
            rate, share = (
                (served - self._served_then) / span,
                (computed - self._computed_then) / span,
            )
            self._duty = min(self._most, duty_at(rate, share))
            self._measured += span
            self._served_then, self._computed_then = served, computed
        rest = rest_after(worked, self._duty, shortest)
        if rest:
            self._wait(rest)
        self._began = time.thread_time()


def duty_at(rate: float, share: float) -> float:
    """The share of the time to work, where `rate` requests a second come in and the loop computes
    for a `share` of the time."""
    if rate <= CALM:
        return 1.0
    return BUSY_DUTY if rate > BUSY else min(DUTY, max(BUSY_DUTY, SHARED - share))


def rest_after(worked: float, duty: float, shortest: float) -> float:
    """Seconds to rest after so many of work, to work for the `duty` of the time."""
    if duty >= 1.0:
        return 0.0
    return min(LONGEST_REST, max(shortest, worked * (1.0 / duty - 1.0)))


def pause() -> None:
    """In a thread that works at a pace, let requests go first. Elsewhere, nothing."""
    pacing: Pacing | None = getattr(_running, "pacing", None)
    if pacing is not None:
        pacing.pause()


_running: Final = threading.local()
"""The pacing of this thread."""


def clock_of_this_thread() -> Callable[[], float]:
    """Tells any thread the processor time of the one that calls this, in seconds; 0.0 where nothing
    tells it, and once that has ended."""
    if not hasattr(time, "pthread_getcpuclockid"):  # macOS and Windows
        return lambda: 0.0
    clock = time.pthread_getcpuclockid(threading.get_ident())

    def seconds() -> float:
        with suppress(OSError):
            return time.clock_gettime(clock)
        return 0.0

    return seconds
