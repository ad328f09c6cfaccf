"""The change feed over the log that the record store writes in each of its transactions.

A consumer's position is the version of the last event that it was handed. Events at or below
it that are still to be delivered are held apart: what failed, and what waits behind that.
"""

# ruff: noqa: S608 - the statements are put together from constants of this module alone

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

import apsw

from homeport.adapters.embedded.database import Database
from homeport.domain.errors import Unavailable
from homeport.domain.events import RecordChanged
from homeport.domain.holding_back import LONGEST_OUTAGE_WAIT, HoldingBack
from homeport.domain.model import versions
from homeport.domain.model.record import Key
from homeport.domain.ports.change_feed import Consume
from homeport.domain.ports.clock import Clock
from homeport.domain.ports.deliveries import NEVER_ENDED, DeadLetter, Retry

_PREPARING: Final = -1
"""The position of a consumer whose past is still being put together."""
_TRIMMED: Final = 500
"""Rows of the log that one transaction forgets at most."""
_REPLAYED: Final = 500
"""Records whose past one transaction puts together for a late consumer."""
_MICROSECONDS: Final = 1_000_000
_UNSAVED: Final = _MICROSECONDS << versions.RANDOM_BITS
"""How far, as a version, a consumer may have looked past what is saved: a second's changes.
After a crash it looks at those again; saving each look would cost a commit."""

_EVENT: Final = "version, space, collection, id, previous, author, deleted"
_POSITION: Final = "SELECT position FROM consumers WHERE name = ?"
_MOVE_ON: Final = "UPDATE consumers SET position = max(position, ?) WHERE name = ?"
_LAST: Final = "SELECT max(version) FROM change_log"
_WANTED: Final = "(?2 IS NULL OR collection IN (SELECT value FROM json_each(?2)))"
_NEW: Final = f"""
    SELECT {_EVENT} FROM change_log WHERE version > ?1 AND {_WANTED} ORDER BY version LIMIT ?3"""
_ANY_FREE: Final = f"""
    SELECT 1 FROM change_log AS new WHERE version > ?1 AND {_WANTED} AND NOT EXISTS (
        SELECT 1 FROM held_events WHERE consumer = ?3 AND space = new.space
        AND collection = new.collection AND id = new.id) LIMIT 1"""
_DUE: Final = f"""
    SELECT {_EVENT}, attempts FROM held_events
    WHERE consumer = ? AND due <= ? ORDER BY due, version LIMIT ?"""
_HOLD: Final = f"""
    INSERT OR REPLACE INTO held_events ({_EVENT}, consumer, attempts, due)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""
_RELEASE: Final = "DELETE FROM held_events WHERE consumer = ? AND version = ?"
_OF_KEY: Final = "consumer = ?1 AND space = ?2 AND collection = ?3 AND id = ?4"
_IS_HELD: Final = f"SELECT 1 FROM held_events WHERE {_OF_KEY} LIMIT 1"
_ANY_HELD: Final = "SELECT 1 FROM held_events WHERE consumer = ? LIMIT 1"
_FIRST_OF_KEY: Final = f"(SELECT min(version) FROM held_events WHERE {_OF_KEY})"
_FIRST_GOES: Final = f"""
    UPDATE held_events SET due = ?5
    WHERE consumer = ?1 AND version = {_FIRST_OF_KEY} AND due IS NULL"""
# Named, as SQLite would go through all that the consumer holds.
_OTHERS_WAIT: Final = f"""
    UPDATE held_events INDEXED BY held_events_by_key SET due = NULL
    WHERE {_OF_KEY} AND version > {_FIRST_OF_KEY} AND due IS NOT NULL"""
_BURY: Final = """
    INSERT INTO dead_letters (source, body, cause, attempts, died, key)
    VALUES (?, ?, ?, ?, ?, ?)"""
# Compared as text too: "01" is not the id of letter 1.
_TAKE: Final = """
    DELETE FROM dead_letters WHERE id = ?1 AND CAST(id AS TEXT) = ?1 AND source = ?2
    RETURNING body"""
_TRIM: Final = """
    DELETE FROM change_log WHERE version IN (
        SELECT version FROM change_log
        WHERE version <= (SELECT min(position) FROM consumers)
        AND version < (SELECT max(version) FROM change_log)
        ORDER BY version LIMIT ?)"""
_RECORDS_AFTER: Final = """
    FROM records WHERE (space, collection, id) > (?, ?, ?)
    ORDER BY space, collection, id LIMIT ?"""
_OLDEST: Final = """
    SELECT min(version) FROM (
        SELECT min(version) AS version FROM change_log WHERE version > ?1
        UNION ALL SELECT min(version) FROM held_events WHERE consumer = ?2)"""
_REPLAY: Final = (
    f"INSERT OR IGNORE INTO change_log ({_EVENT}) "
    f"SELECT version, space, collection, id, NULL, author, data IS NULL {_RECORDS_AFTER}"
)


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
            if connection.execute(_ANY_FREE, (position, wanted, consumer)).get is not None:
                return held_back
            due = connection.execute(
                "SELECT min(due) FROM held_events WHERE consumer = ? AND due IS NOT NULL",
                (consumer,),
            ).get
            return None if due is None else max(held_back, (due - now) / _MICROSECONDS)

        return self._database.read_all(read)

    def dead_letters(self, consumer: str) -> list[DeadLetter]:
        rows = self._database.read(
            "SELECT id, body, cause, attempts, died FROM dead_letters WHERE source = ? ORDER BY id",
            (_source(consumer),),
        )
        return [
            DeadLetter(str(number), consumer, body, cause, attempts, died)
            for number, body, cause, attempts, died in rows
        ]

    def redrive(self, consumer: str, ids: Sequence[str]) -> int:
        now = self._clock.now()

        def redrive(connection: apsw.Connection) -> int:
            bodies = _take_dead_letters(connection, consumer, ids)
            for body in bodies:
                event = RecordChanged.from_json(body)
                connection.execute(_HOLD, (*_row(event), consumer, 0, None))
                _line_up(connection, consumer, event.key, now)
            return len(bodies)

        return self._database.write(redrive)

    def drop(self, consumer: str, ids: Sequence[str]) -> int:
        return self._database.write(
            lambda connection: len(_take_dead_letters(connection, consumer, ids))
        )

    def lag(self, consumer: str) -> float:
        """How many seconds ago the oldest change was made that the consumer has not done yet;
        0.0 where there is none. Not part of the port."""

        def read(connection: apsw.Connection) -> int | None:
            start = self._start(connection, consumer)
            oldest: int | None = connection.execute(_OLDEST, (start, consumer)).get
            return oldest

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

        def forget(connection: apsw.Connection) -> None:
            connection.execute("DELETE FROM consumers WHERE name = ?", (consumer,))
            connection.execute("DELETE FROM held_events WHERE consumer = ?", (consumer,))
            connection.execute("DELETE FROM dead_letters WHERE source = ?", (_source(consumer),))

        self._database.write(forget)
        self._passed.pop(consumer, None)
        self._holding.pop(consumer, None)

    def _held_back(self, consumer: str) -> HoldingBack:
        return self._holding.setdefault(consumer, HoldingBack(self._retry, self._clock.now))

    def _register(self, consumer: str) -> None:
        """Make the consumer known, from the beginning of the store."""
        position = self._database.read_all(partial(_position, consumer=consumer))
        if position is None:
            self._database.write(partial(_add_consumer, consumer=consumer))
            position = self._database.read_all(partial(_position, consumer=consumer))
        if position == _PREPARING:
            after: Key | None = Key("", "", "")
            while after is not None:
                after = self._database.write(partial(_replay, after=after))
            self._database.write(
                lambda connection: connection.execute(_MOVE_ON, (versions.NEVER, consumer))
            )

    def _start(self, connection: apsw.Connection, consumer: str) -> int:
        """The version after which a consumer's new events are looked for."""
        saved = _position(connection, consumer) or versions.NEVER
        return max(saved, self._passed.get(consumer, versions.NEVER))

    def _next(self, consumer: str, limit: int, wanted: str | None) -> _Batch:
        now = self._clock.now()
        holding = self._held_back(consumer)

        def read(connection: apsw.Connection) -> _Batch:
            saved = _position(connection, consumer) or versions.NEVER
            position = self._start(connection, consumer)
            due: list[Any] = connection.execute(_DUE, (consumer, now, limit)).fetchall()
            suspects = [row for row in due if holding.is_suspect(row[0])]
            if suspects and not holding.prefers_others():
                return _alone(suspects[0], saved)
            due = [row for row in due if row not in suspects]
            room = limit - len(due)
            new = connection.execute(_NEW, (position, wanted, room)).fetchall()
            fresh = [_event(row) for row in new]
            if suspects and not due and not fresh:
                return _alone(suspects[0], saved)
            if len(fresh) < room:
                position = max(position, connection.execute(_LAST).get or versions.NEVER)
            elif fresh:
                position = fresh[-1].version
            blocked = _blocked(connection, consumer, fresh)
            free = [event for event in fresh if event.key not in blocked]
            return _Batch(
                (*(_event(row[:-1]) for row in due), *free),
                tuple(row[-1] for row in due),
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
        row = (*_row(event), consumer, before + 1, self._clock.now())

        def count(connection: apsw.Connection) -> None:
            connection.execute(_HOLD, row)
            connection.execute(_MOVE_ON, (batch.position, consumer))

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
            connection.execute(_HOLD, (*_row(event), consumer, before, due))
            for later in batch.blocked:
                connection.execute(_HOLD, (*_row(later), consumer, 0, None))
            connection.execute(_MOVE_ON, (batch.position, consumer))

        self._database.write(hold)

    def _save(self, consumer: str, batch: _Batch, failures: Mapping[int, str]) -> None:
        """Move on: past what was done, with what failed held or buried."""
        now = self._clock.now()
        holding = self._held_back(consumer)
        dead: list[tuple[RecordChanged, str, int]] = []

        def save(connection: apsw.Connection) -> None:
            dead.clear()  # it may run twice
            for event in batch.blocked:
                connection.execute(_HOLD, (*_row(event), consumer, 0, None))
            waiting: set[Key] = set()
            for place, event in enumerate(batch.events):
                held = place < len(batch.attempts)
                attempts = min(batch.attempts[place] + 1, self._retry.attempts) if held else 1
                cause = failures.get(place)
                if event.key in waiting:
                    # An earlier change of this record has just failed, and comes first again.
                    connection.execute(_HOLD, (*_row(event), consumer, 0, None))
                elif cause is not None and attempts < self._retry.attempts:
                    wait = holding.wait(event.version, attempts)
                    due = now + round(wait * _MICROSECONDS)
                    connection.execute(_HOLD, (*_row(event), consumer, attempts, due))
                    waiting.add(event.key)
                else:
                    if cause is not None:
                        dead.append((event, cause, attempts))
                        _bury(connection, consumer, event, cause, attempts, now)
                    if held:
                        connection.execute(_RELEASE, (consumer, event.version))
                        _line_up(connection, consumer, event.key, now)
            connection.execute(_MOVE_ON, (batch.position, consumer))
            connection.execute(_TRIM, (_TRIMMED,))

        self._database.write(save)
        for event, cause, attempts in dead:
            holding.died(event.version, consumer, "/".join(event.key), cause, attempts)


def _alone(row: Sequence[Any], saved: int) -> _Batch:
    """Of one event that is held: it takes nobody along."""
    return _Batch((_event(row[:-1]),), (row[-1],), (), saved, saved)


def _consumed(consume: Consume, events: Sequence[RecordChanged]) -> Mapping[int, str]:
    """What failed. Raises IndexError where that is an event that is none of the batch's."""
    failures = consume(events)
    if not all(0 <= place < len(events) for place in failures):
        raise IndexError("the consumer failed an event that it was not given")
    return failures


def _names(collections: Collection[str] | None) -> str | None:
    return None if collections is None else json.dumps(sorted(collections))


def _position(connection: apsw.Connection, consumer: str) -> int | None:
    position: int | None = connection.execute(_POSITION, (consumer,)).get
    return position


def _add_consumer(connection: apsw.Connection, consumer: str) -> None:
    """The log may have been trimmed before it, even where there is no other one by now."""
    connection.execute(
        "INSERT OR IGNORE INTO consumers (name, position) VALUES (?, ?)", (consumer, _PREPARING)
    )


def _replay(connection: apsw.Connection, after: Key) -> Key | None:
    """Put the next records back into the log where it was trimmed, each at its present version.

    Consumers that passed there do not notice. Returns the last key, None after the last piece.
    """
    keys: list[Any] = connection.execute(
        f"SELECT space, collection, id {_RECORDS_AFTER}", (*after, _REPLAYED)
    ).fetchall()
    connection.execute(_REPLAY, (*after, _REPLAYED))
    return Key(*keys[-1]) if keys else None


def _blocked(
    connection: apsw.Connection, consumer: str, events: Sequence[RecordChanged]
) -> set[Key]:
    """The keys among these of which an earlier event is held."""
    if connection.execute(_ANY_HELD, (consumer,)).get is None:
        return set()
    keys = {event.key for event in events}
    return {key for key in keys if connection.execute(_IS_HELD, (consumer, *key)).get is not None}


def _line_up(connection: apsw.Connection, consumer: str, key: Key, now: int) -> None:
    """Of a record's held events, the first is due and the others wait behind it."""
    connection.execute(_OTHERS_WAIT, (consumer, *key))
    connection.execute(_FIRST_GOES, (consumer, *key, now))


def _bury(
    connection: apsw.Connection,
    consumer: str,
    event: RecordChanged,
    cause: str,
    attempts: int,
    now: int,
) -> None:
    letter = (_source(consumer), event.to_json(), cause, attempts, now, "/".join(event.key))
    connection.execute(_BURY, letter)


def _take_dead_letters(connection: apsw.Connection, consumer: str, ids: Sequence[str]) -> list[str]:
    """Remove these dead letters, and return the bodies of those that there were."""
    taken = (connection.execute(_TAKE, (number, _source(consumer))).get for number in ids)
    return [body for body in taken if body is not None]


def _source(consumer: str) -> str:
    return f"feed:{consumer}"


def _row(event: RecordChanged) -> tuple[Any, ...]:
    return (event.version, *event.key, event.previous, event.author, event.deleted)


def _event(row: Sequence[Any]) -> RecordChanged:
    version, space, collection, record_id, previous, author, deleted = row
    key = Key(space, collection, record_id)
    return RecordChanged(key, version, previous, author, bool(deleted))
