"""A queue in a dictionary."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from homeport.domain import limits
from homeport.domain.errors import Invalid, TooLarge, Unavailable
from homeport.domain.holding_back import LONGEST_OUTAGE_WAIT, HoldingBack
from homeport.domain.ports.clock import Clock
from homeport.domain.ports.deliveries import NEVER_ENDED, DeadLetter, Retry
from homeport.domain.ports.message_queue import Delivery, Work

_SECOND = 1_000_000
_SOURCE = "queue:messages"


@dataclass(slots=True)
class _Waiting:
    """`due` is in microseconds since 1970; `attempts` are those that began."""

    body: str
    due: int
    attempts: int = 0


class MemoryMessageQueue:
    """Keeps bodies until they were worked on. What is being worked on is given to nobody else.

    An attempt counts once it begins, so that what ends the process each time dies too.
    """

    def __init__(self, clock: Clock, retry: Retry | None = None) -> None:
        self._clock = clock
        self._retry = retry or Retry()
        self._holding = HoldingBack(self._retry, self._now)
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._waiting: dict[str, _Waiting] = {}
        self._taken: set[str] = set()
        self._dead: dict[str, DeadLetter] = {}

    def enqueue(self, body: str, delay: float = 0.0) -> None:
        if len(body.encode()) > limits.QUEUE_BODY_BYTES:
            raise TooLarge(f"A queue takes bodies of up to {limits.QUEUE_BODY_BYTES:,} bytes.")
        if not 0 <= delay <= limits.QUEUE_DELAY_SECONDS:
            raise Invalid(f"A delay is 0 to {limits.QUEUE_DELAY_SECONDS} seconds.")
        with self._lock:
            due = self._clock.now() + round(delay * _SECOND)
            self._waiting[str(next(self._numbers))] = _Waiting(body, due)

    def deliver(self, work: Work, limit: int = 10) -> int:
        batch = [] if self._holding.left() > 0 else self._take(self._holding.room(limit))
        if not batch:
            return 0
        ids = [int(one.id) for one in batch]
        try:
            try:
                failed = work(batch)
                self._holding.ended(*ids)
            except Unavailable as exc:
                if not self._holding.unavailable(*ids):
                    self._put_aside(batch)
                    return 0 if self._holding.left() > 0 else len(batch)
                failed = {batch[0].id: exc.detail}
            except Exception as exc:  # noqa: BLE001 - whatever it is, the batch is tried again
                failed = dict.fromkeys((one.id for one in batch), f"{type(exc).__name__}: {exc}")
            self._settle(batch, failed)
        finally:
            with self._lock:
                self._taken.difference_update(one.id for one in batch)
        return len(batch)

    def next_due(self) -> float | None:
        with self._lock:
            dues = [one.due for id, one in self._waiting.items() if id not in self._taken]
        if not dues:
            return None
        return max(self._holding.left(), (min(dues) - self._clock.now()) / _SECOND)

    def dead_letters(self) -> list[DeadLetter]:
        with self._lock:
            return list(self._dead.values())

    def redrive(self, ids: Sequence[str]) -> int:
        with self._lock:
            letters = self._remove(ids)
            for letter in letters:
                self._waiting[letter.id] = _Waiting(letter.body, self._clock.now())
        return len(letters)

    def drop(self, ids: Sequence[str]) -> int:
        with self._lock:
            return len(self._remove(ids))

    def _take(self, limit: int) -> list[Delivery]:
        with self._lock:
            now = self._clock.now()
            due = [
                (one.due, id)
                for id, one in self._waiting.items()
                if one.due <= now and id not in self._taken
            ]
            due.sort(key=lambda entry: entry[0])
            spent = {id for _, id in due if self._waiting[id].attempts >= self._retry.attempts}
            for id in spent:
                one = self._waiting[id]
                self._bury(Delivery(id, one.body, one.attempts), NEVER_ENDED)
            free = [id for _, id in due if id not in spent][:limit]
            # What was tried before goes alone: if its batch was failed, it may be at fault.
            untried = list(itertools.takewhile(self._is_untried, free))
            taken = untried or free[:1]
            self._taken.update(taken)
            for id in taken:
                self._waiting[id].attempts += 1
            return [
                Delivery(id, self._waiting[id].body, self._waiting[id].attempts) for id in taken
            ]

    def _is_untried(self, id: str) -> bool:
        return self._waiting[id].attempts == 0 and not self._holding.is_suspect(int(id))

    def _put_aside(self, batch: Sequence[Delivery]) -> None:
        """Take back what was counted, and let others go before a suspect."""
        with self._lock:
            for one in batch:
                waiting = self._waiting[one.id]
                waiting.attempts -= 1
                if self._holding.is_suspect(int(one.id)):
                    waiting.due = self._clock.now() + round(LONGEST_OUTAGE_WAIT * _SECOND)

    def _now(self) -> int:
        return self._clock.now()

    def _settle(self, batch: Sequence[Delivery], failed: Mapping[str, str]) -> None:
        with self._lock:
            now = self._clock.now()
            for one in batch:
                cause = failed.get(one.id)
                if cause is None:
                    del self._waiting[one.id]
                elif one.attempt < self._retry.attempts:
                    waiting = self._waiting[one.id]
                    wait = self._holding.wait(int(one.id), one.attempt)
                    waiting.due = now + round(wait * _SECOND)
                else:
                    self._bury(one, cause)

    def _bury(self, one: Delivery, cause: str) -> None:
        del self._waiting[one.id]
        self._holding.died(int(one.id), "queue", one.id, cause, one.attempt)
        died = self._clock.now()
        self._dead[one.id] = DeadLetter(one.id, _SOURCE, one.body, cause, one.attempt, died)

    def _remove(self, ids: Sequence[str]) -> list[DeadLetter]:
        return [self._dead.pop(id) for id in dict.fromkeys(ids) if id in self._dead]
