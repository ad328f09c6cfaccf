"""The change feed over the memory store's own list of what happened."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from homeport.adapters.memory.record_store import MemoryRecordStore
from homeport.domain.errors import Unavailable
from homeport.domain.events import RecordChanged
from homeport.domain.holding_back import LONGEST_OUTAGE_WAIT, HoldingBack
from homeport.domain.model import versions
from homeport.domain.model.record import Key
from homeport.domain.ports.change_feed import Consume
from homeport.domain.ports.clock import Clock
from homeport.domain.ports.deliveries import NEVER_ENDED, DeadLetter, Retry

_SECOND: Final = 1_000_000
_AT_ONCE: Final = 0


@dataclass(slots=True)
class _Entry:
    """An event that is still to be delivered. `attempts` are those that were made; `due` is in
    microseconds since 1970."""

    event: RecordChanged
    attempts: int = 0
    due: int = _AT_ONCE


@dataclass(slots=True)
class _Consumer:
    """What one consumer has before it: first `waiting`, then the store's list from `place` on."""

    holding: HoldingBack
    place: int = 0
    waiting: list[_Entry] = field(default_factory=list)
    dead: dict[str, tuple[DeadLetter, RecordChanged]] = field(default_factory=dict)
    delivering: threading.Lock = field(default_factory=threading.Lock)


class MemoryChangeFeed:
    """Delivers to one consumer from one thread at a time; several consumers go side by side."""

    def __init__(self, store: MemoryRecordStore, clock: Clock, retry: Retry | None = None) -> None:
        self._store = store
        self._clock = clock
        self._retry = retry or Retry()
        self._lock = threading.Lock()
        self._consumers: dict[str, _Consumer] = {}
        self._numbers = itertools.count(1)

    def deliver(
        self,
        consumer: str,
        consume: Consume,
        limit: int = 100,
        collections: Collection[str] | None = None,
    ) -> int:
        state = self._consumer(consumer)
        holding = state.holding
        with state.delivering:
            if holding.left() > 0:
                return 0
            limit = holding.room(limit)
            with self._lock:
                batch = self._next(consumer, state, limit, collections)
            if not batch:
                return 0
            # Nothing has moved yet: if the process ends here, the batch comes again.
            events = [entry.event for entry in batch]
            try:
                failed = _consumed(consume, events)
            except Unavailable as exc:
                if not holding.unavailable(*(event.version for event in events)):
                    self._put_aside(state, batch, counted=limit == 1)
                    return 0 if holding.left() > 0 else len(batch)
                failed = {0: exc.detail}
            except Exception as exc:  # noqa: BLE001 - whatever it is, it is tried again
                if len(batch) > 1:
                    holding.failed(len(batch))
                    return len(batch)
                holding.found(events[0].version)
                failed = {0: f"{type(exc).__name__}: {exc}"}
            else:
                holding.ended(*(event.version for event in events))
            with self._lock:
                self._settle(consumer, state, batch, failed, counted=limit == 1)
            return len(batch)

    def next_due(self, consumer: str, collections: Collection[str] | None = None) -> float | None:
        state = self._consumer(consumer)
        with self._lock:
            held_back = state.holding.left()
            if self._due(state, 1, collections):
                return held_back
            if not state.waiting:
                return None
            firsts = {entry.event.key: entry.due for entry in reversed(state.waiting)}
            return max(held_back, (min(firsts.values()) - self._clock.now()) / _SECOND)

    def dead_letters(self, consumer: str) -> list[DeadLetter]:
        with self._lock:
            return [letter for letter, _ in self._known(consumer).dead.values()]

    def redrive(self, consumer: str, ids: Sequence[str]) -> int:
        with self._lock:
            state = self._known(consumer)
            events = _take(state, ids)
            now = self._clock.now()
            # Older changes of a record come before newer ones, whichever died first.
            state.waiting += [_Entry(event, due=now) for event in events]
            state.waiting.sort(key=lambda entry: entry.event.version)
            redriven = {event.key for event in events}
            first: set[Key] = set()
            for entry in state.waiting:
                if entry.event.key in first & redriven:
                    entry.due = _AT_ONCE  # what it waits for now is what comes before it
                first.add(entry.event.key)
        return len(events)

    def drop(self, consumer: str, ids: Sequence[str]) -> int:
        with self._lock:
            return len(_take(self._known(consumer), ids))

    def lag(self, consumer: str) -> float:
        """How many seconds ago the oldest change was made that the consumer has not done yet;
        0.0 where there is none. Not part of the port."""
        state = self._consumer(consumer)
        with self._lock:
            waiting = [entry.event for entry in state.waiting]
            new = self._store.events_from(state.place, 1)
        oldest = min((event.version for event in (*waiting, *new)), default=None)
        if oldest is None:
            return 0.0
        return max(0.0, (self._clock.now() - versions.time_of(oldest)) / 1_000_000)

    def _consumer(self, name: str) -> _Consumer:
        with self._lock:
            return self._known(name)

    def _known(self, name: str) -> _Consumer:
        holding = HoldingBack(self._retry, self._clock.now)
        return self._consumers.setdefault(name, _Consumer(holding))

    def _next(
        self, name: str, state: _Consumer, limit: int, collections: Collection[str] | None
    ) -> list[_Entry]:
        """The next batch. Of an event that goes alone, the attempt is counted; where none is
        left, the process ended during the last one."""
        while (batch := self._due(state, limit, collections)) and limit == 1:
            (entry,) = batch
            if entry.attempts < self._retry.attempts:
                entry.attempts += 1
                break
            state.waiting = [one for one in state.waiting if one is not entry]
            self._bury(name, state, entry, NEVER_ENDED)
        return batch

    def _due(
        self, state: _Consumer, limit: int, collections: Collection[str] | None
    ) -> list[_Entry]:
        """The next batch: of each record only what no earlier event of it holds back."""
        now = self._clock.now()
        batch: list[_Entry] = []
        last: list[_Entry] = []
        held_back: set[Key] = set()
        looked_at = 0
        while len(batch) < limit:
            if looked_at == len(state.waiting) and not self._read_on(state, limit, collections):
                break
            entry = state.waiting[looked_at]
            looked_at += 1
            if entry.due > now:
                held_back.add(entry.event.key)
            elif entry.event.key in held_back:
                continue
            elif not state.holding.is_suspect(entry.event.version):
                batch.append(entry)
            elif state.holding.prefers_others():
                last.append(entry)
                held_back.add(entry.event.key)
            elif all(one.event.key != entry.event.key for one in batch):
                return [entry]  # it goes alone, and takes nobody along
            else:
                held_back.add(entry.event.key)
        return batch or sorted(last, key=lambda entry: entry.due)[:1]

    def _read_on(self, state: _Consumer, limit: int, collections: Collection[str] | None) -> bool:
        """Take the next events from the store; False where there are none."""
        while events := self._store.events_from(state.place, limit):
            state.place += len(events)
            wanted = [
                _Entry(event)
                for event in events
                if collections is None or event.key.collection in collections
            ]
            state.waiting += wanted
            if wanted:
                return True
        return False

    def _put_aside(self, state: _Consumer, batch: Sequence[_Entry], *, counted: bool) -> None:
        """Take back what was counted of an event that went alone, and let others go first."""
        first = batch[0]
        first.attempts -= counted
        if state.holding.is_suspect(first.event.version):
            first.due = self._clock.now() + round(LONGEST_OUTAGE_WAIT * _SECOND)

    def _settle(
        self,
        name: str,
        state: _Consumer,
        batch: Sequence[_Entry],
        failed: Mapping[int, str],
        *,
        counted: bool,
    ) -> None:
        now = self._clock.now()
        done: set[int] = set()
        failing: set[Key] = set()
        for place, entry in enumerate(batch):
            # Behind an earlier one of its record that failed, an event waits: it comes once more
            # even if it succeeded, and if it failed that was none of its attempts.
            if entry.event.key in failing:
                continue
            if place not in failed:
                done.add(id(entry))
                continue
            entry.attempts += not counted
            if entry.attempts < self._retry.attempts:
                wait = state.holding.wait(entry.event.version, entry.attempts)
                entry.due = now + round(wait * _SECOND)
                failing.add(entry.event.key)
                continue
            done.add(id(entry))
            self._bury(name, state, entry, failed[place])
        state.waiting = [entry for entry in state.waiting if id(entry) not in done]

    def _bury(self, name: str, state: _Consumer, entry: _Entry, cause: str) -> None:
        event = entry.event
        state.holding.died(event.version, name, "/".join(event.key), cause, entry.attempts)
        number, died = str(next(self._numbers)), self._clock.now()
        letter = DeadLetter(number, name, event.to_json(), cause, entry.attempts, died)
        state.dead[number] = (letter, event)


def _consumed(consume: Consume, events: list[RecordChanged]) -> Mapping[int, str]:
    """What failed. Raises IndexError where that is an event that is none of the batch's."""
    failed = consume(events)
    if not all(0 <= place < len(events) for place in failed):
        raise IndexError("the consumer failed an event that it was not given")
    return failed


def _take(state: _Consumer, ids: Sequence[str]) -> list[RecordChanged]:
    """Remove dead letters, in their order; what is unknown is passed over."""
    wanted = set(ids)
    found = [number for number in state.dead if number in wanted]
    return [state.dead.pop(number)[1] for number in found]
