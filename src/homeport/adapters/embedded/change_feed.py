"""The change feed over the log that the record store writes in each of its transactions.

A consumer's position is the version of the last event that it was handed. Events at or below
it that are still to be delivered are held apart: what failed, and what waits behind that.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

import apsw

from homeport.adapters.embedded import feed_rows
from homeport.adapters.embedded.database import Database
from homeport.domain.errors import Unavailable
from homeport.domain.events import RecordChanged
from homeport.domain.holding_back import LONGEST_OUTAGE_WAIT, HoldingBack
from homeport.domain.model import versions
from homeport.domain.model.record import Key
from homeport.domain.ports.change_feed import Consume
from homeport.domain.ports.clock import Clock
from homeport.domain.ports.deliveries import NEVER_ENDED, DeadLetter, Retry

_MICROSECONDS: Final = 1_000_000
_UNSAVED: Final = _MICROSECONDS << versions.RANDOM_BITS
"""How far, as a version, a consumer may have looked past what is saved: a second's changes.
After a crash it looks at those again; saving each look would cost a commit."""


@dataclass(frozen=True, slots=True)
class _Batch:
    """What to hand over, what has to wait behind a failure, and the position that this brings
    the consumer to, from the one that is `saved`. The first events are from those held:
    `attempts` says how often each was tried before."""

    events: tuple[RecordChanged, ...]
    attempts: tuple[int, ...]
    blocked: tuple[RecordChanged, ...]
    position: int
    saved: int


class EmbeddedChangeFeed:
    """Deliver to one consumer from one thread at a time; several consumers go side by side.

    The log is trimmed once every consumer has passed: `forget` one that will not come back. One
    that comes later is first given each record as it is by then, in the order of their versions.
    """

    def __init__(self, database: Database, clock: Clock, retry: Retry | None = None) -> None:
        self._database = database
        self._clock = clock
        self._retry = retry if retry is not None else Retry()
        self._holding: dict[str, HoldingBack] = {}
        self._passed: dict[str, int] = {}
        """Up to which version each consumer has found nothing in its collections."""

    def deliver(
        self,
        consumer: str,
        consume: Consume,
        limit: int = 100,
        collections: Collection[str] | None = None,
    ) -> int:
        holding = self._held_back(consumer)
        if holding.left() > 0:
            return 0
        limit = holding.room(limit)
        self._register(consumer)
        wanted = _names(collections)
        batch = self._next(consumer, limit, wanted)
        while not batch.events or (limit == 1 and self._is_spent(batch)):
            if not (batch.events or batch.blocked or batch.position - batch.saved >= _UNSAVED):
                self._passed[consumer] = batch.position
                return 0
            self._save(consumer, batch, dict.fromkeys(range(len(batch.events)), NEVER_ENDED))
            batch = self._next(consumer, limit, wanted)
        if limit == 1:
            batch = self._count(consumer, batch)
        try:
            failures = _consumed(consume, batch.events)
        except Unavailable as exc:
            if not holding.unavailable(*(event.version for event in batch.events)):
                if limit == 1 or holding.is_suspect(batch.events[0].version):
                    self._put_aside(consumer, batch)
                return 0 if holding.left() > 0 else len(batch.events)
            failures = {0: exc.detail}
        except Exception as exc:  # noqa: BLE001 - the whole batch failed, whatever the reason
            if len(batch.events) > 1:
                holding.failed(len(batch.events))
                return len(batch.events)
            for event in batch.events:
                holding.found(event.version)
            failures = {0: f"{type(exc).__name__}: {exc}"}
        else:
            holding.ended(*(event.version for event in batch.events))
        self._save(consumer, batch, failures)
        return len(batch.events)

    def next_due(self, consumer: str, collections: Collection[str] | None = None) -> float | None:
        now = self._clock.now()
        wanted = _names(collections)
        held_back = self._held_back(consumer).left()

        def read(connection: apsw.Connection) -> float | None:
            position = self._start(connection, consumer)
            if feed_rows.any_free(connection, position, wanted, consumer):
                return held_back
            due = feed_rows.first_due(connection, consumer)
            return None if due is None else max(held_back, (due - now) / _MICROSECONDS)

        return self._database.read_all(read)

    def dead_letters(self, consumer: str) -> list[DeadLetter]:
        rows = self._database.read(
            "SELECT id, body, cause, attempts, died FROM dead_letters WHERE source = ? ORDER BY id",
            (feed_rows.source_of(consumer),),
        )
        return [
            DeadLetter(str(number), consumer, body, cause, attempts, died)
            for number, body, cause, attempts, died in rows
        ]

    def redrive(self, consumer: str, ids: Sequence[str]) -> int:
        now = self._clock.now()

        def redrive(connection: apsw.Connection) -> int:
            bodies = feed_rows.take_dead_letters(connection, consumer, ids)
            for body in bodies:
                event = RecordChanged.from_json(body)
                feed_rows.hold(connection, consumer, event, 0, None)
                feed_rows.line_up(connection, consumer, event.key, now)
            return len(bodies)

        return self._database.write(redrive)

    def drop(self, consumer: str, ids: Sequence[str]) -> int:
        return self._database.write(
            lambda connection: len(feed_rows.take_dead_letters(connection, consumer, ids))
        )

    def lag(self, consumer: str) -> float:
        """How many seconds ago the oldest change was made that the consumer has not done yet;
        0.0 where there is none. Not part of the port."""

        def read(connection: apsw.Connection) -> int | None:
            start = self._start(connection, consumer)
            return feed_rows.oldest_version(connection, start, consumer)

        oldest = self._database.read_all(read)
        if oldest is None:
            return 0.0
        return max(0.0, (self._clock.now() - versions.time_of(oldest)) / _MICROSECONDS)

    def consumers(self) -> list[str]:
        """All that have a place in the log, or dead letters. Not part of the port."""
        rows = self._database.read(
            "SELECT name FROM consumers UNION SELECT substr(source, 6) FROM dead_letters"
            " WHERE source LIKE 'feed:%' ORDER BY 1"
        )
        return [name for (name,) in rows]

    def forget(self, consumer: str) -> None:
        """Hold nothing more for this consumer, dead letters included, so that the log can be
        trimmed without it. Nothing happens where there is none; should it come back, it starts
        over. Not part of the port."""
        self._database.write(partial(feed_rows.forget, consumer=consumer))
        self._passed.pop(consumer, None)
        self._holding.pop(consumer, None)

    def _held_back(self, consumer: str) -> HoldingBack:
        return self._holding.setdefault(consumer, HoldingBack(self._retry, self._clock.now))

    def _register(self, consumer: str) -> None:
        """Make the consumer known, from the beginning of the store."""
        position = self._database.read_all(partial(feed_rows.position_of, consumer=consumer))
        if position is None:
            self._database.write(partial(feed_rows.add_consumer, consumer=consumer))
            position = self._database.read_all(partial(feed_rows.position_of, consumer=consumer))
        if position == feed_rows.PREPARING:
            after: Key | None = Key("", "", "")
            while after is not None:
                after = self._database.write(partial(feed_rows.replay, after=after))
            self._database.write(
                partial(feed_rows.move_on, consumer=consumer, position=versions.NEVER)
            )

    def _start(self, connection: apsw.Connection, consumer: str) -> int:
        """The version after which a consumer's new events are looked for."""
        saved = feed_rows.position_of(connection, consumer) or versions.NEVER
        return max(saved, self._passed.get(consumer, versions.NEVER))

    def _next(self, consumer: str, limit: int, wanted: str | None) -> _Batch:
        now = self._clock.now()
        holding = self._held_back(consumer)

        def read(connection: apsw.Connection) -> _Batch:
            saved = feed_rows.position_of(connection, consumer) or versions.NEVER
            position = self._start(connection, consumer)
            due = feed_rows.due_events(connection, consumer, now, limit)
            suspects = [one for one in due if holding.is_suspect(one[0].version)]
            if suspects and not holding.prefers_others():
                return _alone(suspects[0], saved)
            due = [one for one in due if one not in suspects]
            room = limit - len(due)
            fresh = feed_rows.new_events(connection, position, wanted, room)
            if suspects and not due and not fresh:
                return _alone(suspects[0], saved)
            if len(fresh) < room:
                position = max(position, feed_rows.last_version(connection) or versions.NEVER)
            elif fresh:
                position = fresh[-1].version
            blocked = feed_rows.blocked(connection, consumer, fresh)
            free = [event for event in fresh if event.key not in blocked]
            return _Batch(
                (*(event for event, _ in due), *free),
                tuple(attempts for _, attempts in due),
                tuple(event for event in fresh if event.key in blocked),
                position,
                saved,
            )

        return self._database.read_all(read)

    def _is_spent(self, batch: _Batch) -> bool:
        """Whether the process ended during the last attempt of an event that goes alone."""
        return bool(batch.attempts) and batch.attempts[0] >= self._retry.attempts

    def _count(self, consumer: str, batch: _Batch) -> _Batch:
        """Count the attempt of an event that goes alone, durably, before it begins: so that what
        ends the process becomes a dead letter too. The event is held meanwhile."""
        (event,) = batch.events
        (before,) = batch.attempts or (0,)
        now = self._clock.now()

        def count(connection: apsw.Connection) -> None:
            feed_rows.hold(connection, consumer, event, before + 1, now)
            feed_rows.move_on(connection, consumer, batch.position)

        self._database.write(count)
        return replace(batch, attempts=(before,))

    def _put_aside(self, consumer: str, batch: _Batch) -> None:
        """Take back what was counted of an event that went alone, and let others go first."""
        (event,) = batch.events
        (before,) = batch.attempts or (0,)
        due = self._clock.now()
        if self._held_back(consumer).is_suspect(event.version):
            due += round(LONGEST_OUTAGE_WAIT * _MICROSECONDS)

        def hold(connection: apsw.Connection) -> None:
            feed_rows.hold(connection, consumer, event, before, due)
            for later in batch.blocked:
                feed_rows.hold(connection, consumer, later, 0, None)
            feed_rows.move_on(connection, consumer, batch.position)

        self._database.write(hold)

    def _save(self, consumer: str, batch: _Batch, failures: Mapping[int, str]) -> None:
        """Move on: past what was done, with what failed held or buried."""
        now = self._clock.now()
        holding = self._held_back(consumer)
        dead: list[tuple[RecordChanged, str, int]] = []

        def save(connection: apsw.Connection) -> None:
            dead.clear()  # it may run twice
            for event in batch.blocked:
                feed_rows.hold(connection, consumer, event, 0, None)
            waiting: set[Key] = set()
            for place, event in enumerate(batch.events):
                held = place < len(batch.attempts)
                attempts = min(batch.attempts[place] + 1, self._retry.attempts) if held else 1
                cause = failures.get(place)
                if event.key in waiting:
                    # An earlier change of this record has just failed, and comes first again.
                    feed_rows.hold(connection, consumer, event, 0, None)
                elif cause is not None and attempts < self._retry.attempts:
                    wait = holding.wait(event.version, attempts)
                    due = now + round(wait * _MICROSECONDS)
                    feed_rows.hold(connection, consumer, event, attempts, due)
                    waiting.add(event.key)
                else:
                    if cause is not None:
                        dead.append((event, cause, attempts))
                        feed_rows.bury(connection, consumer, event, cause, attempts, now)
                    if held:
                        feed_rows.release(connection, consumer, event)
                        feed_rows.line_up(connection, consumer, event.key, now)
            feed_rows.move_on(connection, consumer, batch.position)
            feed_rows.trim(connection)

        self._database.write(save)
        for event, cause, attempts in dead:
            holding.died(event.version, consumer, "/".join(event.key), cause, attempts)


def _alone(held: feed_rows.Held, saved: int) -> _Batch:
    """It takes nobody along."""
    event, attempts = held
    return _Batch((event,), (attempts,), (), saved, saved)


def _consumed(consume: Consume, events: Sequence[RecordChanged]) -> Mapping[int, str]:
    """What failed. Raises IndexError where that is an event that is none of the batch's."""
    failures = consume(events)
    if not all(0 <= place < len(events) for place in failures):
        raise IndexError("the consumer failed an event that it was not given")
    return failures


def _names(collections: Collection[str] | None) -> str | None:
    return None if collections is None else json.dumps(sorted(collections))
