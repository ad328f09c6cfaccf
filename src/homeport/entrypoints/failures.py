"""Tells the log what fails in the background: changes that a consumer fails, and queued work.

What is failed comes again, and again: the first failure of each is a line, and the last one, after
which it is a dead letter. There are no contents in it: of an error that is not Homeport's own, the
text is left out, as that may quote a record.
"""

from __future__ import annotations

import time
import traceback
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from homeport.domain.errors import HomeportError, Unavailable
from homeport.domain.events import RecordChanged
from homeport.domain.failure_lines import DIED, FewLines, without_contents
from homeport.domain.ports.change_feed import Consume
from homeport.domain.ports.deliveries import Retry
from homeport.domain.ports.message_queue import Delivery, Work

_REMEMBERED: Final = 10_000
_LONGEST: Final = 300


class FailureLog:
    """Wraps consumers and workers. `retry` is how often the feed and the queue try. Safe to use
    from the threads of several pumps."""

    def __init__(
        self, retry: Retry | None = None, timer: Callable[[], float] = time.monotonic
    ) -> None:
        self._attempts: Final = (retry or Retry()).attempts
        self._line: Final = FewLines(timer).tell
        self._failed: OrderedDict[tuple[str, object], int] = OrderedDict()
        self._down: set[str] = set()

    def is_down(self, name: str) -> bool:
        """Whether what this one needs did not answer when it was last handed something."""
        return name in self._down

    def consumer(self, name: str, consume: Consume, *, last: bool = True) -> Consume:
        """`consume`, whose failures are told; without `last`, the feed tells of dead letters."""

        def told(events: Sequence[RecordChanged]) -> Mapping[int, str]:
            try:
                failed = consume(events)
            except Unavailable as error:
                self._waits(name, len(events), error)
                raise
            except Exception as error:
                self._raised(name, len(events), error)
                self._down.discard(name)
                if len(events) == 1:
                    self._attempt(
                        name, events[0].version, "/".join(events[0].key), _place(error), last
                    )
                raise
            self._down.discard(name)
            for place, event in enumerate(events):
                if place in failed:
                    cause = without_contents(failed[place])
                    self._attempt(name, event.version, "/".join(event.key), cause, last)
                elif self._failed:
                    self._failed.pop((name, event.version), None)
            return failed

        return told

    def worker(self, name: str, work: Work, *, last: bool = True) -> Work:
        """`work`, whose failures are told; without `last`, the queue tells of dead letters."""

        def told(deliveries: Sequence[Delivery]) -> Mapping[str, str]:
            try:
                failed = work(deliveries)
            except Unavailable as error:
                self._waits(name, len(deliveries), error)
                raise
            except Exception as error:
                self._raised(name, len(deliveries), error)
                if len(deliveries) == 1:
                    (one,) = deliveries
                    self._tell(name, one.id, _place(error), one.attempt, last)
                self._down.discard(name)
                raise
            self._down.discard(name)
            for one in deliveries:
                if one.id in failed:
                    self._tell(name, one.id, without_contents(failed[one.id]), one.attempt, last)
            return failed

        return told

    def _attempt(self, name: str, delivery: object, told: str, cause: str, last: bool) -> None:
        """Count what the feed does not tell; after a start it begins anew."""
        attempt = self._failed.pop((name, delivery), 0) + 1
        if attempt < self._attempts:
            self._failed[name, delivery] = attempt
            while len(self._failed) > _REMEMBERED:
                self._failed.popitem(last=False)
        self._tell(name, told, cause, attempt, last)

    def _tell(self, name: str, told: str, cause: str, attempt: int, last: bool) -> None:
        if attempt >= self._attempts:
            if last:
                self._line(DIED, name, told, attempt, cause)
        elif attempt == 1:
            self._line("%s: %s failed and will be tried again: %s", name, told, cause)

    def _waits(self, name: str, count: int, error: Unavailable) -> None:
        self._down.add(name)
        if name != "indexing":  # that tells it by itself
            self._line("%s: %d wait until it answers: %s", name, count, error.detail)

    def _raised(self, name: str, count: int, error: Exception) -> None:
        if count > 1:
            self._line("%s: a batch of %d failed: %s", name, count, _place(error))


def _place(error: Exception) -> str:
    if isinstance(error, HomeportError):
        return error.detail[:_LONGEST]
    frames = traceback.extract_tb(error.__traceback__)
    return f"{type(error).__name__} ({frames[-1].filename}:{frames[-1].lineno})"
