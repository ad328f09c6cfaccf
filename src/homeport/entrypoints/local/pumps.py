"""Stand in for AWS's event source mappings: hand changes and queued work to their consumers.

Each pump is a plain thread. It is woken when something was committed or falls due, and works at the
pace that requests leave it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from homeport.entrypoints.local.pacing import Pacing

log: Final = logging.getLogger("homeport.pumps")

SHORTEST_REST: Final = 0.02
IDLE_REST: Final = 0.1
"""... after it was woken for nothing: commits wake every pump, and under load few are its own."""
FIRST_BACKOFF: Final = 0.1
LONGEST_BACKOFF: Final = 30.0
SHORTEST_WAIT: Final = 0.01


@dataclass(frozen=True, slots=True)
class Lag:
    """How a pump is doing. `idle`: nothing was due when last looked, and nothing came since, nor
    does anything wait for an outage to end."""

    pump: str
    idle: bool
    delivered: int
    failures: int


class Pump:
    """Calls `deliver` while it returns more than 0, then sleeps until woken or `next_due`.

    `served` counts requests so far, and `computed` is the processor time that they took of the
    loop, in seconds. `poll` is the longest sleep in seconds, for stores that
    cannot wake anybody; with `by_commits` false only time wakes it. An exception out of
    `deliver` is logged, and tried again with backoff. Where `patience` is set, a stop waits no
    longer than so many seconds for it. `is_down` tells of its name whether what it delivers to
    has an outage.
    """

    def __init__(
        self,
        name: str,
        deliver: Callable[[], int],
        next_due: Callable[[], float | None],
        served: Callable[[], int],
        poll: float | None = None,
        *,
        by_commits: bool = True,
        patience: float | None = None,
        computed: Callable[[], float] = lambda: 0.0,
        is_down: Callable[[str], bool] = lambda name: False,
    ) -> None:
        self.name: Final = name
        self.patience: Final = patience
        self.by_commits: Final = by_commits
        self._deliver = deliver
        self._next_due = next_due
        self._poll = poll
        self._is_down = is_down
        self._woken = threading.Event()
        self._stopping = threading.Event()
        self._working = False
        self._delivered = 0
        self._failures = 0
        self._pacing = Pacing(served, computed, self._stopping.wait)
        self._thread = threading.Thread(target=self._run, name=f"homeport-{name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        """Something may be due. Cheap, and callable from any thread."""
        if not self._woken.is_set():
            self._woken.set()

    def ask_to_stop(self) -> None:
        self._stopping.set()
        self._woken.set()

    def join(self, timeout: float) -> bool:
        """Wait for the batch at hand. Returns whether the pump has stopped."""
        if self._thread.ident is not None:
            self._thread.join(timeout)
        return not self._thread.is_alive()

    def lag(self) -> Lag:
        due = self._next_due()
        waits = self._working or self._woken.is_set() or self._is_down(self.name)
        idle = not waits and (due is None or due > 0)
        return Lag(self.name, idle, self._delivered, self._failures)

    def _run(self) -> None:
        failures = 0
        while not self._stopping.is_set():
            self._pacing.begin()
            self._working = True
            self._woken.clear()
            try:
                count = self._deliver()
                self._delivered += count
                sleep = self._sleep() if count == 0 else 0.0
                failures = 0
            except Exception:
                if self._stopping.is_set() and self.patience is not None:
                    return  # nobody waited for it, and what it needed may be closed by now
                failures += 1
                self._failures += 1
                log.exception("the %s pump failed and will go on", self.name)
                self._working = False
                backoff = min(LONGEST_BACKOFF, FIRST_BACKOFF * 2.0 ** min(failures - 1, 32))
                self._stopping.wait(backoff)
                continue
            self._working = False
            self._pacing.rest(SHORTEST_REST if count else IDLE_REST)
            if count == 0:
                self._woken.wait(sleep)

    def _sleep(self) -> float | None:
        """Seconds until something may be due; None for as long as nobody wakes the pump."""
        waits = [wait for wait in (self._next_due(), self._poll) if wait is not None]
        return max(SHORTEST_WAIT, min(waits)) if waits else None


class Pumps:
    """All pumps of a gateway."""

    def __init__(self, pumps: Sequence[Pump]) -> None:
        self._pumps = tuple(pumps)

    def start(self) -> None:
        for pump in self._pumps:
            pump.start()

    def wake(self) -> None:
        """Something was committed."""
        for pump in self._pumps:
            if pump.by_commits:
                pump.wake()

    def stop(self, timeout: float) -> bool:
        """Let every pump finish its batch. Returns whether all have stopped in `timeout`."""
        until = time.monotonic() + timeout
        for pump in self._pumps:
            pump.ask_to_stop()
        asked = time.monotonic()
        stopped = []
        for pump in self._pumps:
            end = until if pump.patience is None else min(until, asked + pump.patience)
            stopped.append(pump.join(max(0.0, end - time.monotonic())))
        return all(stopped)

    def lag(self) -> tuple[Lag, ...]:
        found = self._look()
        # One pump's work may be the next one's, also of one that was already looked at.
        return self._look() if all(one.idle for one in found) else found

    def idle(self) -> bool:
        """Whether all is caught up: nothing is due now. What is due later does not count."""
        return all(one.idle for one in self.lag())

    def _look(self) -> tuple[Lag, ...]:
        return tuple(pump.lag() for pump in self._pumps)

    def wait_until_idle(self, timeout: float) -> bool:
        """For tests: wait until all is caught up. Returns False if that took too long."""
        until = time.monotonic() + timeout
        while not self.idle():
            if time.monotonic() > until:
                return False
            time.sleep(0.005)
        return True
